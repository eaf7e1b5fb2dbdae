"""Old Excel workbooks, of the years before xlsx, through calamine.

Calamine makes room for every cell between the first and the last of a sheet; where there is none, it takes
the process down, and no exception tells. So it works in a child process of its own.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook, PasswordError

from docqa.errors import ExtractionError
from docqa.extract.draft import Draft
from docqa.extract.table import TableWriter
from docqa.records import Extraction
from docqa.workers import WorkerPool

_TIMEOUT_S = 15.0
_MEMORY_BYTES = 2 << 30


def extract(data: bytes) -> Extraction:
    """Return the rows of all sheets under the sheets' names; raises `ExtractionError` if it is encrypted."""
    if data.startswith(b"PK"):
        raise ExtractionError("not an old Excel workbook; if it is a new one, name it .xlsx")
    pool = WorkerPool(read, _failed, workers=1, timeout_s=_TIMEOUT_S, memory_bytes=_MEMORY_BYTES)
    [outcome] = pool.map([[data]])
    if isinstance(outcome, str):
        raise ExtractionError(outcome)
    return outcome


def read(workbooks: Iterable[bytes]) -> Extraction | str:
    """Read the one workbook in this process; where that fails, return the reason."""
    [data] = workbooks
    try:
        return _read(data)
    except PasswordError:
        return "encrypted; remove the password and index again"
    except (CalamineError, ExtractionError) as error:
        return f"damaged old Excel workbook ({error})"


def _failed(_: bytes, reason: str) -> str:
    return reason


def _read(data: bytes) -> Extraction:
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
    draft = Draft()
    for name in workbook.sheet_names:
        draft.under(name, level=1)
        table = TableWriter(draft)
        sheet = workbook.get_sheet_by_name(name)
        # Rows are handed out from the first of the sheet on, their cells from the first column in use.
        _, first_column = sheet.start or (0, 0)
        for number, row in enumerate(sheet.iter_rows(), start=1):
            cells = {column: text for column, value in enumerate(row, first_column) if (text := _text(value))}
            table.write(cells, number=number)
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
