"""The list of answers or passages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from docqa.tui.messages import ItemChosen, ItemOpened

if TYPE_CHECKING:
    from docqa.tui.messages import Item


class Results(OptionList):
    """What was found, best first; the source beside follows the cursor."""

    DEFAULT_CLASSES = "frame"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Read"),
        Binding("j", "cursor_down", "Next", show=False),
        Binding("k", "cursor_up", "Previous", show=False),
        Binding("g", "first", "First", show=False),
        Binding("G", "last", "Last", show=False),
    ]

    def __init__(self) -> None:
        super().__init__(id="results", markup=False)
        self._items: Sequence[Item] = ()
        self._drawn: list[object] = []

    @property
    def chosen(self) -> Item | None:
        """The item under the cursor."""
        return self._items[self.highlighted] if self.highlighted is not None and self._items else None

    @property
    def items(self) -> Sequence[Item]:
        """What is shown."""
        return self._items

    def redraw(self, rows: Sequence[Content]) -> None:
        """Show the same items by other rows; the cursor stays."""
        self._drawn = _as_drawn(rows)
        for index, row in enumerate(rows):
            self.replace_option_prompt_at_index(index, row)

    def show(self, items: Sequence[Item], rows: Sequence[Content]) -> None:
        """Show items, each by its row, and choose the first, or the answer that somebody has gone down to.

        Rows that look as before are not drawn again.
        """
        place, drawn = self._place_among(items), _as_drawn(rows)
        alike = drawn == self._drawn and self.highlighted == place
        self._items, self._drawn = items, drawn
        if not alike:
            self.set_options(map(Option, rows))
            self.highlighted = place
        # Of another item under the cursor the list itself tells.
        if alike or not items:
            self.post_message(ItemChosen(self.chosen))

    def _place_among(self, items: Sequence[Item]) -> int | None:
        from docqa.records import Answer

        chosen = self.chosen if self.highlighted else None
        for place, item in enumerate(items):
            if isinstance(item, Answer) and isinstance(chosen, Answer) and item.text == chosen.text:
                return place
        return 0 if items else None

    def action_cursor_up(self) -> None:
        """Go up; from the first item, to the question."""
        if self.highlighted in (0, None):
            self.screen.focus_previous()
        else:
            super().action_cursor_up()

    def action_cursor_down(self) -> None:
        """Go down, without going round."""
        if self.highlighted is None or self.highlighted + 1 < self.option_count:
            super().action_cursor_down()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Tell which item is under the cursor."""
        event.stop()
        self.post_message(ItemChosen(self.chosen))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Tell that an item shall be read."""
        event.stop()
        if self.chosen is not None:
            self.post_message(ItemOpened(self.chosen))


def _as_drawn(rows: Sequence[Content]) -> list[object]:
    """What rows look like; they themselves are equal when their words are."""
    return [(row.plain, row.spans) for row in rows]
