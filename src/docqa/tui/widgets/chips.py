"""What restricts the question, as chips that can be taken off."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import HorizontalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from docqa.display import one_line

if TYPE_CHECKING:
    from docqa.questions import Restriction


class Chip(Static, can_focus=True):
    """A filter of the question; a key or a click takes it off."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,delete,backspace,x", "take_off", "Take off"),
        Binding("right,l", "app.focus_next", "Next", show=False),
        Binding("left,h", "app.focus_previous", "Previous", show=False),
    ]

    class TakenOff(Message):
        """A chip has been taken off."""

        def __init__(self, restriction: Restriction) -> None:
            super().__init__()
            self.restriction = restriction

    def __init__(self, restriction: Restriction) -> None:
        super().__init__(Content(f"{one_line(restriction.text)} ×"), markup=False)
        self.restriction = restriction

    def action_take_off(self) -> None:
        """Take the filter off the question."""
        self.post_message(self.TakenOff(self.restriction))

    def on_click(self) -> None:
        """As by key."""
        self.action_take_off()


class Chips(HorizontalScroll, can_focus=False):
    """A row of chips; takes no room when there is none."""

    def __init__(self) -> None:
        super().__init__(id="chips")
        self.display = False
        self._shown: list[Restriction] = []

    async def show(self, question: str) -> None:
        """Show what restricts a question."""
        from docqa.questions import restrictions

        found = restrictions(question)
        if found == self._shown:
            return
        self._shown = found
        self.display = bool(found)
        async with self.batch():
            await self.remove_children()
            await self.mount_all(map(Chip, found))
