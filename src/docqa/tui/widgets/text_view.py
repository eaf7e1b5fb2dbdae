"""A document's text, drawn row by row: a text of ten megabytes scrolls like a short one, and so does a single line."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import ClassVar, get_args

from rich.segment import Segment
from rich.style import Style
from textual import work
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from docqa.tui.documents import DocumentText
from docqa.tui.looks import Look
from docqa.tui.rows import Rows, lay_out, shown
from docqa.tui.tables import drawn

Bounds = tuple[int, int]

# Up to here rows are found at once, beyond it in a thread.
AT_ONCE_CHARACTERS = 100_000


class TextView(ScrollView, can_focus=True):
    """The text of a document."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "Down", show=False),
        Binding("k", "scroll_up", "Up", show=False),
        Binding("space", "page_down", "Page down", show=False),
        Binding("b", "page_up", "Page up", show=False),
        Binding("g", "top", "Beginning", show=False),
        Binding("G", "bottom", "End", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"text-view--{look}" for look in get_args(Look)),
        "text-view--gutter",
        "text-view--quote",
        "text-view--word",
        "text-view--match",
        "text-view--current",
    }

    class Moved(Message):
        """Another part of the text is in view."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 (textual's name)
        super().__init__(id=id, classes=classes)
        self.document: DocumentText | None = None
        self._rows: Rows | None = None
        self._quote: Bounds | None = None
        self._words: Sequence[Bounds] = ()
        self._matches: Sequence[Bounds] = ()
        self._current: Bounds | None = None
        self._wanted: int | None = None
        self._gutter = 0

    # --- what is shown; positions are the document's

    def show(
        self, document: DocumentText | None, *, quote: Bounds | None = None, words: Sequence[Bounds] = (), at: int = 0
    ) -> None:
        """Show a text with a quote and words highlighted, and the character `at` in view."""
        self.document, self._quote, self._words = document, quote, words
        self._matches, self._current = (), None
        self._rows = None
        self._gutter = self._gutter_cells()
        self._wanted = at
        self._find_rows()

    def mark(self, matches: Sequence[Bounds], current: Bounds | None) -> None:
        """Highlight what was looked for, and bring the current match into view."""
        self._matches, self._current = matches, current
        if current is not None:
            self.go_to(current[0])
        self.refresh()

    def go_to(self, position: int, *, share: float = 0.3) -> None:
        """Bring a character into view, unless it is, at a share of the height from the top."""
        if self._rows is None or self.document is None:
            self._wanted = position
            return
        row, height = self._rows.row_at(position - self.document.start), self.size.height
        if not self.scroll_offset.y <= row < self.scroll_offset.y + height - 1:
            self.scroll_to(y=max(0, row - int(height * share)), animate=False, force=True, immediate=True)

    @property
    def position(self) -> int:
        """The first character in view."""
        if self._rows is None or self.document is None or not len(self._rows):
            return 0
        return self.document.start + self._rows.starts[min(self.scroll_offset.y, len(self._rows) - 1)]

    @property
    def line(self) -> str | None:
        """The file's line at the top of the view, where the file has lines."""
        number = None if self._rows is None else self.line_of(self.position)
        return None if number is None else str(number)

    def position_of_line(self, number: int) -> int | None:
        """Where a line of the file begins, or the last one before it that is there; None where a file has no lines."""
        if self._rows is None or self.document is None or not self.document.line_marks:
            return None
        low, high = 0, len(self._rows.line_starts) - 1
        while low < high:
            middle = (low + high + 1) // 2
            at = self._line_number(self._rows.line_starts[middle])
            low, high = (middle, high) if at is None or int(at) <= number else (low, middle - 1)
        return self.document.start + self._rows.line_starts[low]

    def line_of(self, position: int) -> int | None:
        """The file's line that holds a character, where the file has lines."""
        if self._rows is None or self.document is None:
            return None
        number = self._line_number(position - self.document.start)
        return int(number) if number else None

    def action_top(self) -> None:
        """Go to the beginning."""
        self.scroll_to(y=0, animate=False)

    def action_bottom(self) -> None:
        """Go to the end."""
        self.scroll_to(y=self.virtual_size.height, animate=False)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Tell that the view has moved."""
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self.post_message(self.Moved())

    # --- rows

    def on_resize(self, _: Resize) -> None:
        """Find the rows anew for another width, and keep the place."""
        if self._rows is not None and self._rows.width != self._text_cells():
            self._wanted = self.position if self._wanted is None else self._wanted
            self._find_rows()
        elif self._rows is None and self.document is not None:
            self._find_rows()

    def _text_cells(self) -> int:
        return max(8, self.scrollable_content_region.width - self._gutter - 1)

    def _find_rows(self) -> None:
        if self.document is None or not self.size:
            self.virtual_size = Size(0, 0)
            self.refresh()
        elif len(self.document.text) <= AT_ONCE_CHARACTERS:
            self.workers.cancel_node(self)
            self._take_rows(_laid_out(self.document, self._text_cells()))
        else:
            self._find_rows_in_thread(self.document, self._text_cells())

    @work(exclusive=True)
    async def _find_rows_in_thread(self, document: DocumentText, width: int) -> None:
        self._take_rows(await asyncio.to_thread(_laid_out, document, width))

    def _take_rows(self, rows: Rows) -> None:
        self._rows = rows
        self.virtual_size = Size(1, len(rows))
        wanted, self._wanted = self._wanted, None
        if wanted is not None:
            self.scroll_to(y=0, animate=False, force=True, immediate=True)
            self.go_to(wanted)
        self.refresh()
        self.post_message(self.Moved())

    # --- drawing

    def render_line(self, y: int) -> Strip:
        """Draw one row of the view."""
        style = self.rich_style
        row = self.scroll_offset.y + y
        if self._rows is None or row >= len(self._rows):
            return Strip.blank(self.size.width, style)
        segments = [self._gutter_segment(row), *self._row_segments(row)]
        return Strip(segments).adjust_cell_length(self.size.width, style).apply_style(style)

    def _row_segments(self, row: int) -> Iterator[Segment]:
        assert self._rows is not None
        if row not in self._rows.pieces:
            yield from self._segments(*self._rows.bounds(row))
            return
        lines = self.get_component_rich_style("text-view--gutter")
        for before, start, end in self._rows.pieces[row]:
            yield Segment(before, lines)
            yield from self._segments(start, end)

    def _segments(self, start: int, end: int) -> Iterator[Segment]:
        """The pieces of a row, each in one style."""
        assert self.document is not None
        base, text = self.document.start, self.document.text
        looks = self.document.looks
        layers = [
            (self.get_component_rich_style(name), list(self._within(spans, base + start, base + end)))
            for name, spans in (
                *((f"text-view--{look}", looks[look]) for look in looks),
                ("text-view--word", self._words),
                ("text-view--quote", [self._quote] if self._quote else []),
                ("text-view--match", self._matches),
                ("text-view--current", [self._current] if self._current else []),
            )
        ]
        edges = {base + start, base + end}
        for _, spans in layers:
            edges.update(edge for span in spans for edge in span)
        ordered = sorted(edges)
        for low, high in pairwise(ordered):
            covering = (of for of, spans in layers if any(s <= low and high <= e for s, e in spans))
            yield Segment(shown(text[low - base : high - base]), sum(covering, Style()))

    @staticmethod
    def _within(spans: Sequence[Bounds], start: int, end: int) -> Iterator[Bounds]:
        """The parts of spans, which are in order, that lie between `start` and `end`."""
        first = bisect_right(spans, start, key=lambda span: span[1])
        last = bisect_left(spans, end, key=lambda span: span[0])
        for low, high in spans[first:last]:
            yield max(low, start), min(high, end)

    def _gutter_segment(self, row: int) -> Segment:
        label = self._label(row) if self._gutter else ""
        style = self.get_component_rich_style("text-view--gutter")
        return Segment(f"{label:>{self._gutter}} ", style)

    def _gutter_cells(self) -> int:
        """How wide the gutter has to be for the last number in it."""
        if self.document is None:
            return 0
        if self.document.pages:
            return len(f"p{self.document.pages[-1].value}") + 1
        if not self.document.line_marks:
            return 0
        last = self.document.line_marks[-1]
        rest = self.document.text.count("\n", max(0, last.start - self.document.start))
        return max(3, len(str(int(last.value) + rest))) + 1

    def _label(self, row: int) -> str:
        """What the gutter says beside a row: a page where it begins, else the number of the file's line."""
        assert self._rows is not None
        assert self.document is not None
        start, end = self._rows.bounds(row)
        if self.document.pages:
            place = bisect_right(self.document.pages, self.document.start + end, key=lambda mark: mark.start) - 1
            page = self.document.pages[place] if place >= 0 else None
            begins = page is not None and (page.start >= self.document.start + start or (row == 0 and start == 0))
            return f"p{page.value}" if page is not None and begins else ""
        return (self._line_number(start) or "") if self._rows.begins_line(row) else ""

    def _line_number(self, start: int) -> str | None:
        """The file's line at a character of the shown text; None where the file has no lines."""
        assert self._rows is not None
        assert self.document is not None
        marks, base = self.document.line_marks, self.document.start
        place = bisect_right(marks, base + start, key=lambda mark: mark.start) - 1
        if place < 0:
            return None
        # A mark from before an excerpt says nothing of how many lines lie between.
        mark = marks[place]
        if mark.start < base:
            return None
        return str(int(mark.value) + self._rows.line_at(start) - self._rows.line_at(mark.start - base))


def _laid_out(document: DocumentText, width: int) -> Rows:
    return lay_out(document.text, width, drawn(document.tables, document.text, document.start, width))
