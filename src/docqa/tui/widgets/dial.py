"""The dial from effort to accuracy: what one is willing to wait for."""

from __future__ import annotations

from typing import ClassVar

from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static

from docqa.reader.lengths import DEFAULT_EFFORT, EFFORTS, Effort

GAP = 2


class EffortDial(Static):
    """Shows all efforts with the chosen one marked; a click chooses."""

    effort: reactive[Effort] = reactive(DEFAULT_EFFORT)

    # The marks tell the choice where there is no colour.
    MARKS: ClassVar[dict[bool, str]] = {True: "●", False: "○"}

    class Turned(Message):
        """Another effort has been chosen."""

        def __init__(self, effort: Effort) -> None:
            super().__init__()
            self.effort = effort

    def __init__(self) -> None:
        super().__init__(id="dial", markup=False)

    def render(self) -> Content:
        """The efforts beside each other."""
        return Content((" " * GAP)).join(
            Content.styled(label, "bold $text-accent" if chosen else "dim")
            for label, chosen in ((self._label(effort), effort == self.effort) for effort in EFFORTS)
        )

    def get_content_width(self, *_: object) -> int:
        """As wide as all labels."""
        return sum(len(self._label(effort)) for effort in EFFORTS) + GAP * (len(EFFORTS) - 1)

    def turn(self) -> None:
        """Choose the next effort, after the last the first."""
        self._choose(EFFORTS[(EFFORTS.index(self.effort) + 1) % len(EFFORTS)])

    def on_click(self, event: Click) -> None:
        """Choose what was clicked on."""
        end = -GAP
        for effort in EFFORTS:
            end += GAP + len(self._label(effort))
            if event.get_content_offset_capture(self).x < end:
                self._choose(effort)
                return

    def _label(self, effort: Effort) -> str:
        return f"{self.MARKS[effort == self.effort]} {effort}"

    def _choose(self, effort: Effort) -> None:
        if effort != self.effort:
            self.effort = effort
            self.post_message(self.Turned(effort))
