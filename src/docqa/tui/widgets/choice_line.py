"""A few things beside each other, one of them chosen; a click chooses another."""

from __future__ import annotations

from collections.abc import Mapping

from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widgets import Static

GAP = 2


class ChoiceLine(Static):
    """Labels on one line by their keys. The chosen one is marked by a character too, for there may be no colour."""

    class Chosen(Message):
        """Another one has been chosen by the person."""

        def __init__(self, line: ChoiceLine, key: str) -> None:
            super().__init__()
            self.line, self.key = line, key

        @property
        def control(self) -> ChoiceLine:
            """The line, for handlers that name it."""
            return self.line

    def __init__(self, labels: Mapping[str, str], chosen: str, *, id: str) -> None:  # noqa: A002 (textual's name)
        super().__init__(id=id, markup=False)
        self._labels = dict(labels)
        self._chosen = chosen

    @property
    def chosen(self) -> str:
        """The key of the one that is chosen."""
        return self._chosen

    def show(self, chosen: str, labels: Mapping[str, str] | None = None) -> None:
        """Show another as chosen, and other labels, without telling anybody."""
        self._chosen = chosen
        self._labels = dict(labels or self._labels)
        self.refresh(layout=True)

    def step(self, by: int) -> None:
        """Choose another one, after the last the first."""
        keys = [*self._labels]
        self.choose(keys[(keys.index(self._chosen) + by) % len(keys)])

    def choose(self, key: str) -> None:
        """Choose one, as a click does."""
        if key != self._chosen:
            self.show(key)
            self.post_message(self.Chosen(self, key))

    def on_click(self, event: Click) -> None:
        """Choose what was clicked on."""
        end = 0
        for key in self._labels:
            end += len(self._marked(key)) + GAP
            if event.get_content_offset_capture(self).x < end:
                self.choose(key)
                return

    def render(self) -> Content:
        """The labels beside each other."""
        return Content(" " * GAP).join(
            Content.styled(self._marked(key), "bold $text-accent" if key == self._chosen else "dim")
            for key in self._labels
        )

    def get_content_width(self, *_: object) -> int:
        """As wide as all labels."""
        return sum(len(self._marked(key)) for key in self._labels) + GAP * (len(self._labels) - 1)

    def _marked(self, key: str) -> str:
        return f"{'●' if key == self._chosen else '○'} {self._labels[key]}"
