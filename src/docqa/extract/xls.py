"""Old Excel workbooks, of the years before xlsx, through calamine."""

from __future__ import annotations

import io
from datetime import date, datetime, time
from typing import Any

from python_calamine import CalamineWorkbook, PasswordError

from docqa.errors import ExtractionError
from docqa.extract.draft import Draft
from docqa.extract.table import TableWriter
from docqa.records import Extraction


def extract(data: bytes) -> Extraction:
    """Return the rows of all sheets under the sheets' names; raises `ExtractionError` if it is encrypted."""
    if data.startswith(b"PK"):
        raise ExtractionError("not an old Excel workbook; if it is a new one, name it .xlsx")
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
    except PasswordError as error:
        raise ExtractionError("encrypted; remove the password and index again") from error
    draft = Draft()
    for name in workbook.sheet_names:
        draft.under(name, level=1)
        table = TableWriter(draft)
        for row in workbook.get_sheet_by_name(name).iter_rows():
            table.write({column: text for column, value in enumerate(row) if (text := _text(value))})
    return draft.finish()


def _text(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.15g}"
        case datetime():
            return value.isoformat(" ", "minutes") if value.time() != time() else value.date().isoformat()
        case date():
            return value.isoformat()
        case _:
            return str(value)
