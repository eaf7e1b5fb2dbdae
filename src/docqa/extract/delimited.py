"""Comma- and tab-separated values: a line a row, with the names of the columns and the lines of the file."""

from __future__ import annotations

import csv
import io
from collections import Counter
from itertools import islice
from typing import Any

from docqa.extract import text as plain
from docqa.extract.decoding import decode
from docqa.extract.draft import Draft
from docqa.extract.table import TableWriter
from docqa.records import Extraction

_DELIMITERS = "\t,;|"
_SAMPLED_ROWS = 50


def extract(data: bytes) -> Extraction:
    """Return the rows as readable lines; a file that holds no table is read as the text it is."""
    text = decode(data)
    delimiter = _delimiter(text)
    if delimiter is None:
        return plain.extract(data)
    draft = Draft()
    try:
        _write(draft, text, delimiter)
    except csv.Error:
        return plain.extract(data)
    return draft.finish()


def _write(draft: Draft, text: str, delimiter: str) -> None:
    table = TableWriter(draft)
    reader = _reader(text, delimiter)
    line = 1
    for row in reader:
        table.write(dict(enumerate(row)), line=line)
        line = reader.line_num + 1


def _reader(text: str, delimiter: str) -> Any:
    return csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)


def _delimiter(text: str) -> str | None:
    """Choose the delimiter that cuts most rows into the same number of columns, and that into many."""
    fits = {delimiter: _fit(text, delimiter) for delimiter in _DELIMITERS}
    best = max(fits, key=fits.__getitem__)
    return best if fits[best] > (0, 0) else None


def _fit(text: str, delimiter: str) -> tuple[int, int]:
    """Return the number of sampled rows that have the commonest width, and that width; zeros for one column."""
    try:
        widths = Counter(len(row) for row in islice(_reader(text, delimiter), _SAMPLED_ROWS) if row)
    except csv.Error:  # a quotation mark that is never closed, most often
        return 0, 0
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
    return (count, width) if width > 1 else (0, 0)
