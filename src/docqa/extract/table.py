"""Tables of values: each row as a line that reads on its own, with the names of its columns."""

from __future__ import annotations

import re
from collections.abc import Mapping

from docqa.extract.draft import Draft

_MAX_LABEL_CHARACTERS = 80
_MAX_NUMBER_CHARACTERS = 40
_NUMBER = re.compile(r"[-+(]?\W?[\d.,:/\s%-]*\d[\d.,:/\s%-]*\W?\)?")
_YEAR = re.compile(r"(?:19|20)\d\d")


class TableWriter:
    """Appends rows to a draft; the first row that looks like names of columns is taken for them.

    A row is a list item, so that passages are cut between rows. Rows of a single cell above the names of the
    columns are titles, and so is one after an empty row: it begins another table, or another part of the same one
    if a row that fills the same columns follows. Names after an empty row begin another table, too, where columns
    have had no names so far: they stand below the particulars of an account, for instance.
    """

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._labels: dict[int, str] = {}
        self._begun = False
        self._below_title = self._after_gap = True

    def write(self, cells: Mapping[int, str], *, line: int | None = None, number: int | None = None) -> None:
        """Append a row from its cells by column, from 0.

        `line` is the line of the file where it begins, `number` that of the row in its sheet, from 1.
        """
        row = {column: flat for column, text in cells.items() if (flat := " ".join(text.split()))}
        if not row:
            self._after_gap = True
            return
        if number is not None:
            self._draft.mark("cell", f"{_letters(min(row))}{number}")
        if len(row) == 1 and (self._below_title or self._after_gap):
            self._below_title = True
            self._line("".join(row.values()), line)
        else:
            self._line(" | ".join(row.values()) if self._take_labels(row) else self._item(row), line)
            self._below_title = False
        self._after_gap = False

    def _take_labels(self, row: Mapping[int, str]) -> bool:
        """Whether a row names the columns; if so they have these names from now on."""
        has_unnamed = not row.keys() <= self._labels.keys()
        if (self._below_title or (self._after_gap and has_unnamed)) and (labels := _labels(row)):
            self._labels = labels
            return True
        if self._below_title and row.keys() != self._labels.keys():
            self._labels = {}
        return False

    def _item(self, row: Mapping[int, str]) -> str:
        if not self._labels:
            return "- " + " | ".join(row.values())
        named = ((self._labels.get(column), text) for column, text in row.items())
        return "- " + "; ".join(f"{label}: {text}" if label else text for label, text in named)

    def _line(self, text: str, line: int | None) -> None:
        self._draft.block(text, tight=self._begun, line=line)
        self._begun = True


def _letters(column: int) -> str:
    """The letters by which a sheet names a column."""
    letters, left = "", column + 1
    while left:
        left, letter = divmod(left - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters


def _labels(row: Mapping[int, str]) -> dict[int, str]:
    """Return the names of the columns if the row holds such, else none."""
    values = list(row.values())
    years = [text for text in values if _YEAR.fullmatch(text)]
    numbers = [text for text in values if len(text) <= _MAX_NUMBER_CHARACTERS and _NUMBER.fullmatch(text)]
    are_labels = len(set(values)) == len(values) and (not numbers or (len(years) > 1 and years == numbers))
    return {column: text[:_MAX_LABEL_CHARACTERS] for column, text in row.items()} if are_labels else {}
