"""Jupyter notebooks: Markdown, code and text outputs cell by cell, with the number of each cell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from docqa.errors import ExtractionError
from docqa.extract import markdown
from docqa.extract.decoding import decode
from docqa.extract.draft import Draft
from docqa.records import Extraction

_MAX_OUTPUT_CHARACTERS = 10_000


def extract(data: bytes) -> Extraction:
    """Return a notebook's text, of format 3 or 4; an output longer than 10,000 characters is cut.

    Raises `ExtractionError` if the file is not a notebook.
    """
    try:
        notebook = json.loads(decode(data))
    except ValueError as error:
        raise ExtractionError(f"not a notebook: {error}") from error
    draft = Draft()
    for number, cell in enumerate(_cells(notebook), start=1):
        draft.mark("cell", str(number))
        _write(draft, cell, number)
    return draft.finish()


def _cells(notebook: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(notebook, dict):
        raise ExtractionError("not a notebook")
    # Format 3 has its cells in worksheets.
    sheets = [notebook] if "cells" in notebook else notebook.get("worksheets")
    if not isinstance(sheets, list):
        raise ExtractionError("not a notebook")
    for sheet in sheets:
        yield from _dicts(sheet, "cells")


def _write(draft: Draft, cell: dict[str, Any], number: int) -> None:
    source = _joined(cell.get("source", cell.get("input")))
    match cell.get("cell_type"):
        case "markdown":
            markdown.write(draft, source, first_line=None)
        case "heading":  # format 3
            level = cell.get("level")
            draft.heading(source, level if isinstance(level, int) else 1)
        case _:
            draft.block(source)
    for output in _dicts(cell, "outputs"):
        text = _joined(output.get("text")) or _joined(_dict(output, "data").get("text/plain"))
        if len(text) > _MAX_OUTPUT_CHARACTERS:
            draft.remark(f"cell {number}: an output of {len(text):,} characters is cut to 10,000")
        draft.block(text[:_MAX_OUTPUT_CHARACTERS])


def _dicts(container: Any, key: str) -> list[dict[str, Any]]:
    items = container.get(key) if isinstance(container, dict) else None
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _dict(container: dict[str, Any], key: str) -> dict[str, Any]:
    value = container.get(key)
    return value if isinstance(value, dict) else {}


def _joined(value: Any) -> str:
    """Return a multi-line string, which notebooks store whole or as a list of lines."""
    if isinstance(value, list):
        return "".join(item for item in value if isinstance(item, str))
    return value if isinstance(value, str) else ""
