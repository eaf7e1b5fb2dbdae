"""A list of rows, each drawn when it comes into view: a hundred thousand scroll like twenty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Generic, Literal, TypeVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

T = TypeVar("T")

Tone = Literal["plain", "quiet", "good", "warning", "error"]
Cell = tuple[str, Tone]
"""Text that takes exactly its place in the row, and how it is meant."""


class RowList(ScrollView, Generic[T], can_focus=True, inherit_bindings=False):
    """A list. Its rows are as wide as itself: the keys that would scroll it sideways are its screen's."""

    DEFAULT_CLASSES = "frame"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open"),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("pagedown,ctrl+f,space", "page(1)", "Page down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
        Binding("home,g", "to(0)", "First", show=False),
        Binding("end,G", "to(-1)", "Last", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "row-list--cursor",
        "row-list--header",
        "row-list--quiet",
        "row-list--good",
        "row-list--warning",
        "row-list--error",
    }

    cursor: reactive[int] = reactive(0)

    class Moved(Message):
        """Another row is under the cursor."""

    class Opened(Message):
        """The row under the cursor shall be opened."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 (textual's name)
        super().__init__(id=id)
        self._items: Sequence[T] = ()
        self._draw: Callable[[T, int], Sequence[Cell]] = lambda _item, _width: ()
        self._header: Callable[[int], str] = lambda _width: ""
        self._empty = ""

    @property
    def items(self) -> Sequence[T]:
        """What is listed."""
        return self._items

    @property
    def chosen(self) -> T | None:
        """The item under the cursor."""
        return self._items[self.cursor] if self.cursor < len(self._items) else None

    def show(
        self,
        items: Sequence[T],
        draw: Callable[[T, int], Sequence[Cell]],
        header: Callable[[int], str],
        *,
        empty: str = "",
    ) -> None:
        """List items by what `draw` makes of each for a width in cells, or `empty`; the cursor stays where it can."""
        self._items, self._draw, self._header, self._empty = items, draw, header, empty
        self.virtual_size = Size(1, len(items) + 1)
        self.cursor = max(0, min(self.cursor, len(items) - 1))
        self._follow()
        self.refresh()
        self.post_message(self.Moved())

    # --- moving

    def action_move(self, step: int) -> None:
        """Move the cursor."""
        self.cursor = max(0, min(self.cursor + step, len(self._items) - 1))

    def action_page(self, pages: int) -> None:
        """Move the cursor by pages."""
        self.action_move(pages * max(1, self.size.height - 2))

    def action_to(self, place: int) -> None:
        """Move the cursor to the first or the last row."""
        self.cursor = 0 if place == 0 else max(0, len(self._items) - 1)

    def action_open(self) -> None:
        """Open the row under the cursor."""
        if self.chosen is not None:
            self.post_message(self.Opened())

    def on_click(self, event: Click) -> None:
        """Choose a row; a click on the chosen one opens it."""
        row = event.get_content_offset_capture(self).y - 1 + self.scroll_offset.y
        if not 0 <= row < len(self._items) or event.get_content_offset_capture(self).y < 1:
            return
        if row == self.cursor:
            self.action_open()
        else:
            self.cursor = row

    def watch_cursor(self) -> None:
        """Keep the cursor in view."""
        self._follow()
        self.refresh()
        self.post_message(self.Moved())

    def on_resize(self) -> None:
        """Keep it there when there is less room."""
        self._follow()

    def _follow(self) -> None:
        # The header hides the first row of the view.
        region = Region(0, self.cursor, 1, 2)
        self.scroll_to_region(region, animate=False, force=True, immediate=True)

    # --- drawing

    def render_line(self, y: int) -> Strip:
        """Draw the header, or the row of that line."""
        width, base = self.scrollable_content_region.width, self.rich_style
        if y == 0:
            header = Segment(fit(self._header(width), width), self.get_component_rich_style("row-list--header"))
            return Strip([header]).apply_style(base)
        row = y - 1 + self.scroll_offset.y
        if row == 0 and not self._items:
            return Strip([Segment(fit(f" {self._empty}", width), self._style("quiet"))]).apply_style(base)
        if row >= len(self._items):
            return Strip.blank(width, base)
        cells = self._draw(self._items[row], width)
        strip = Strip([Segment(text, self._style(tone)) for text, tone in cells]).adjust_cell_length(width)
        if row == self.cursor:
            base = base + self.get_component_rich_style("row-list--cursor")
        return strip.apply_style(base)

    def _style(self, tone: Tone) -> Style:
        if tone == "plain":
            return Style.null()
        style = self.get_component_rich_style(f"row-list--{tone}")
        # The row's own background shows through.
        return Style(color=style.color, bold=style.bold, dim=style.dim)


def fit(text: str, cells: int) -> str:
    """A text in exactly so many cells: filled up, or cut with an ellipsis."""
    if cells <= 0:
        return ""
    if cell_len(text) <= cells:
        return set_cell_size(text, cells)
    return set_cell_size(text, cells - 1) + "…"
