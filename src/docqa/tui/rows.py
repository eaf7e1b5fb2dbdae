"""A long text as rows of a given width, found once and then addressed by number: what makes scrolling instant."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len, get_character_cell_size

from docqa.display import printable

TAB = "    "

Piece = tuple[str, int, int]
"""What is drawn before a stretch of the text, and the bounds of that."""

# Characters that may take another width than one cell. To suspect one wrongly costs time, nothing else.
_UNEVEN = re.compile(
    "[^\x20-\x7e\xa0-\u02ff\u0370-\u0482\u048a-\u058f\u2010-\u2027\u2030-\u205e\u20a0-\u20bf\u2190-\u21ff]"
)


@dataclass(frozen=True, slots=True)
class Rows:
    """Where the rows of a text start, and where its lines do, in characters.

    A row is what fits the width: a line, or a piece of one that is longer, cut at a space where there is one.
    The rows that are drawn otherwise, those of tables, are put together from `pieces`; all of a line's start with it.
    """

    text: str
    width: int
    starts: array[int]
    line_starts: array[int]
    pieces: Mapping[int, Sequence[Piece]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.starts)

    def bounds(self, row: int) -> tuple[int, int]:
        """Start and end of a row in the text, without its newline."""
        start = self.starts[row]
        end = self.starts[row + 1] if row + 1 < len(self.starts) else len(self.text)
        return (start, end - 1) if end > start and self.text[end - 1] == "\n" else (start, end)

    def row_at(self, position: int) -> int:
        """The row that holds a character of the text."""
        row = max(0, bisect_right(self.starts, position) - 1)
        if row not in self.pieces:
            return row
        rows = range(bisect_left(self.starts, self.starts[row]), row + 1)
        return next((row for row in rows if any(low <= position < high for _, low, high in self.pieces[row])), rows[0])

    def line_at(self, position: int) -> int:
        """The line, from 0, that holds a character of the text."""
        return max(0, bisect_right(self.line_starts, position) - 1)

    def begins_line(self, row: int) -> bool:
        """Whether a row is the first of its line."""
        start = self.starts[row]
        return self.line_starts[self.line_at(start)] == start and (row == 0 or self.starts[row - 1] != start)


def lay_out(text: str, width: int, drawn: Mapping[int, Sequence[Sequence[Piece]]] | None = None) -> Rows:
    """Find the rows of a text for a width in cells; takes tens of milliseconds a megabyte at worst.

    `drawn` are the rows of lines that are drawn otherwise, by where they begin.
    """
    width = max(width, 8)
    starts, line_starts = array("Q"), array("Q")
    pieces: dict[int, Sequence[Piece]] = {}
    start = 0
    while start <= len(text):
        newline = text.find("\n", start)
        end = len(text) if newline < 0 else newline
        line_starts.append(start)
        if drawn and start in drawn:
            pieces.update(enumerate(drawn[start], len(starts)))
            starts.extend([start] * len(drawn[start]))
        else:
            starts.append(start)
            starts.extend(cuts(text, start, end, width))
        start = end + 1
    return Rows(text, width, starts, line_starts, pieces)


def shown(text: str) -> str:
    """A piece of a line as it is shown: printable, tabs as spaces."""
    return printable(text).replace("\t", TAB)


def cuts(text: str, start: int, end: int, width: int) -> Iterator[int]:
    """Where the second and further rows of a line, or of a part of one, start."""
    even = not _UNEVEN.search(text, start, end)
    while end - start > width or not even:
        limit = start + width if even else _fitting(text, start, min(end, start + width), width)
        if limit >= end:
            return
        # A space that no longer fits may hang over the edge: nobody sees it.
        space = text.rfind(" ", start + 1, limit + 1)
        start = space + 1 if space >= 0 else limit
        if start >= end:
            return
        yield start


def _fitting(text: str, start: int, limit: int, width: int) -> int:
    """How far a row may go from `start` so that it is shown in `width` cells; at least one character."""
    if cell_len(shown(text[start:limit])) <= width:
        return limit
    cells = 0
    for position in range(start, limit):
        cells += _cells(text[position])
        if cells > width:
            return max(position, start + 1)
    return limit


def _cells(character: str) -> int:
    as_shown = shown(character)
    return get_character_cell_size(as_shown) if len(as_shown) == 1 else len(as_shown)
