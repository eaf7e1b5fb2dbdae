"""The line for a question, which remembers those asked before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType

from docqa.tui.widgets.line import Line

PLACEHOLDER = "Ask your documents: passages appear as you type, Enter has them read"


class QuestionInput(Line):
    """Type to find passages, Enter to have them read."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Ask"),
        Binding("down", "screen.results", "Results"),
        Binding("up", "earlier", "Earlier question", show=False),
        Binding("escape", "clear", "Clear", show=False),
        Binding("ctrl+r", "screen.history", "History"),
    ]

    def __init__(self) -> None:
        super().__init__(placeholder=PLACEHOLDER, id="question")
        self._asked: list[str] = []
        self._back = 0

    def recall(self, asked: Iterable[str]) -> None:
        """Know the questions of earlier sessions, first to last, for `Up`."""
        self._asked = [*dict.fromkeys([*asked, *self._asked])]

    def remember(self, question: str) -> None:
        """Keep a question for `Up`."""
        self._asked = [each for each in self._asked if each != question] + [question]
        self._back = 0

    def action_earlier(self) -> None:
        """Bring back the question asked before the one shown."""
        if not self._asked:
            return
        if self._back == 0 and self.value == self._asked[-1] and len(self._asked) > 1:
            self._back = 1
        self._back = self._back % len(self._asked) + 1
        self.value = self._asked[-self._back]
        self.cursor_position = len(self.value)

    def action_clear(self) -> None:
        """Empty the line."""
        self.value = ""
