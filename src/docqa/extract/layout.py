"""Where text stands in a picture, and in which order a person reads it: columns one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from statistics import median
from typing import NamedTuple

from docqa.extract.pdf import PageLine, join_lines

# Two parts of a page are columns if this much is free between them, in heights of a line, and lines are this long:
# cells of a table are shorter, and belong to what stands beside them.
_GUTTER = 1.0
_COLUMN_WIDTH = 8.0


class Box(NamedTuple):
    """A stretch of text with its place in the picture, in pixels from the upper left corner."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        """From the upper edge to the lower."""
        return self.bottom - self.top

    @property
    def width(self) -> float:
        """From the left edge to the right."""
        return self.right - self.left


def read_in_order(boxes: Sequence[Box]) -> str:
    """Join the boxes of a page: lines to paragraphs, and columns in the order of reading."""
    return "\n\n".join(join_lines(list(map(_page_line, column))) for column in columns(boxes))


def columns(boxes: Sequence[Box]) -> list[list[Box]]:
    """Sort a page's boxes into columns, in the order of reading, and each column's into lines from the top."""
    return _columns(boxes, median(box.height for box in boxes)) if boxes else []


def _columns(boxes: Sequence[Box], unit: float) -> list[list[Box]]:
    bands = _apart(boxes, 0.0, "top", "bottom")
    # The longest stretch of the page that has columns; what stands across them is above or below it.
    for length in range(len(bands), 0, -1):
        for start in range(len(bands) - length + 1):
            before, stretch, after = bands[:start], bands[start : start + length], bands[start + length :]
            sides = _sides(list(chain(*stretch)), unit)
            if sides:
                parts = (chain(*before), *sides, chain(*after))
                return [column for part in parts if (inside := list(part)) for column in _columns(inside, unit)]
    return [_lines(boxes)]


def _sides(boxes: Sequence[Box], unit: float) -> tuple[list[Box], list[Box]] | None:
    """Part boxes into two columns, if that is what they are."""
    strips = _apart(boxes, _GUTTER * unit, "left", "right")
    for number in range(1, len(strips)):
        sides = list(chain(*strips[:number])), list(chain(*strips[number:]))
        if all(len(side) > 1 and median(box.width for box in side) > _COLUMN_WIDTH * unit for side in sides):
            return sides
    return None


def _apart(boxes: Sequence[Box], gap: float, low: str, high: str) -> list[list[Box]]:
    """Group boxes between strips that are free from one edge of the picture to the other and wider than `gap`."""
    groups: list[list[Box]] = []
    end = float("-inf")
    for box in sorted(boxes, key=lambda box: float(getattr(box, low))):
        if getattr(box, low) - end > gap:
            groups.append([])
        groups[-1].append(box)
        end = max(end, getattr(box, high))
    return groups


def _lines(boxes: Sequence[Box]) -> list[Box]:
    """Join what stands side by side, from the top down."""
    rows: list[list[Box]] = []
    for box in sorted(boxes, key=lambda box: box.top + box.bottom):
        middle = (box.top + box.bottom) / 2
        if rows and rows[-1][0].top < middle < rows[-1][0].bottom:
            rows[-1].append(box)
        else:
            rows.append([box])
    return [_joined(sorted(row, key=lambda box: box.left)) for row in rows]


def _joined(row: Sequence[Box]) -> Box:
    return Box(
        " ".join(box.text.strip() for box in row),
        row[0].left,
        min(box.top for box in row),
        max(box.right for box in row),
        max(box.bottom for box in row),
    )


def _page_line(box: Box) -> PageLine:
    first_word = box.text.split(" ", 1)[0]
    width = box.width * len(first_word) / len(box.text)
    return PageLine(box.text, box.left, box.right, -box.bottom, -box.bottom, box.height, width)
