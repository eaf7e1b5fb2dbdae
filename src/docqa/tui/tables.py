"""A table in a document's text: where its cells stand, and the rows of the screen that show them as columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.cells import cell_len

from docqa.tui.rows import Piece, cuts, shown

Bounds = tuple[int, int]

# Between the cells of a row in the text, and on the screen.
WRITTEN = " | "
DRAWN = " │ "
# A column of fewer cells than this is no help to anybody.
LEAST_CELLS = 4


@dataclass(frozen=True, slots=True)
class Table:
    """The bounds of the cells in the text, line by line, the heads first; and each column's alignment, <, ^ or >."""

    lines: tuple[tuple[Bounds, ...], ...]
    alignments: str


def find(text: str, start: int, lines: Sequence[Sequence[str]], alignments: str) -> Table | None:
    """The table whose heads stand at `start` and whose lines hold these cells; None if the text is not written so."""
    found = []
    for cells in lines:
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        if (bounds := _cells(text[start:end], cells, start)) is None:
            return None
        found.append(bounds)
        start = end + 1
    return Table(tuple(found), alignments)


def drawn(tables: Sequence[Table], text: str, base: int, width: int) -> dict[int, list[tuple[Piece, ...]]]:
    """The rows of every table that fits a width in cells, by where its lines begin.

    `text` begins at the document's character `base`, from which the tables' bounds count; those of the rows count
    from the text's beginning.
    """
    rows: dict[int, list[tuple[Piece, ...]]] = {}
    for table in tables:
        here = [[(low - base, high - base) for low, high in line] for line in table.lines]
        # An excerpt may begin or end inside of a table.
        here = [line for line in here if line[0][0] >= 0 and line[-1][1] <= len(text)]
        whole = len(here) == len(table.lines)
        needed = [max(_width(text, line[column]) for line in here) for column in range(len(here[0]))] if here else []
        widths = shared(needed, width - len(DRAWN) * (len(needed) - 1))
        for number, line in enumerate(here if widths else ()):
            rows[line[0][0]] = list(_rows(text, line, widths, table.alignments))
            if number == 0 and whole:
                rule = DRAWN.replace(" ", "─").replace("│", "┼").join("─" * cells for cells in widths)
                rows[line[0][0]].append(((rule, line[0][0], line[0][0]),))
    return rows


def shared(needed: Sequence[int], room: int) -> list[int]:
    """Share so many cells among columns: each gets what it needs, or as much as the others in want; [] if too few."""
    widths = [0] * len(needed)
    for place, (number, want) in enumerate(sorted(enumerate(needed), key=lambda column: column[1])):
        widths[number] = min(max(want, 1), room // (len(needed) - place))
        room -= widths[number]
    return [] if any(width < min(want, LEAST_CELLS) for width, want in zip(widths, needed, strict=True)) else widths


def _cells(line: str, cells: Sequence[str], start: int) -> tuple[Bounds, ...] | None:
    """Where the cells of a line that begins at `start` stand; a list's bullet before them goes with the first."""
    if not line.endswith(written := WRITTEN.join(cells)):
        return None
    found, low, high = [], 0, len(line) - len(written)
    for cell in cells:
        high += len(cell)
        found.append((start + low, start + high))
        low = high = high + len(WRITTEN)
    return tuple(found)


def _width(text: str, cell: Bounds) -> int:
    return cell_len(shown(text[slice(*cell)]))


def _rows(text: str, line: Sequence[Bounds], widths: Sequence[int], alignments: str) -> Iterator[tuple[Piece, ...]]:
    """The rows that show one line: as many as its longest cell takes."""
    parts = [list(_parts(text, cell, width)) for cell, width in zip(line, widths, strict=True)]
    for row in zip_longest(*parts):
        pieces, before = [], ""
        for column, part in enumerate(row):
            low, high = part or (line[column][1], line[column][1])
            spare = widths[column] - _width(text, (low, high))
            left = {"<": 0, "^": spare // 2, ">": spare}[alignments[column]]
            pieces.append((before + " " * left, low, high))
            before = " " * (spare - left) + DRAWN
        yield tuple(pieces)


def _parts(text: str, cell: Bounds, width: int) -> Iterator[Bounds]:
    """A cell cut into what fits its column; a space at which it is cut is not shown."""
    start, end = cell
    starts = [start, *cuts(text, start, end, width)]
    for low, high in zip(starts, [*starts[1:], end], strict=True):
        yield low, low + len(text[low:high].rstrip(" ")) if high < end else high
