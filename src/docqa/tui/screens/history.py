"""The questions of earlier sessions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from inspect import cleandoc
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from docqa.display import one_line
from docqa.errors import Unavailable
from docqa.history import Asked, History, matching
from docqa.tui.screens.pick import PickScreen


class HistoryScreen(PickScreen[Asked]):
    """The questions asked before, latest first. Type to search in questions and answers.

    **Enter** asks again, **ctrl+d** forgets a question. They are kept on this machine, readable by you alone.
    """

    TITLE_TEXT = "Asked before"
    EMPTY = "No question that you asked holds these words."
    HELP = cleandoc(__doc__ or "")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+d", "forget", "Forget", priority=True)]

    def __init__(self, history: History, library: str, *, show_times: bool = True) -> None:
        super().__init__()
        self._history, self._library, self._show_times = history, library, show_times
        self._entries = history.entries()

    def found(self, wanted: str) -> Sequence[Asked]:
        """Search questions and answers; those put to this library come first."""
        return sorted(matching(self._entries, wanted), key=lambda asked: asked.library != self._library)

    def row(self, item: Asked) -> Content:
        """The question; what came of it, and when."""
        best = "no answer" if item.answer is None else f"{one_line(item.answer)}  {item.confidence or 0:.0%}"
        elsewhere = "" if item.library == self._library else f"  in {one_line(os.path.basename(item.library))}"
        when = f"{_when(item.time)}  " if self._show_times else ""
        return Content.assemble((one_line(item.question), "bold"), "\n", (f"{when}{best}{elsewhere}", "dim"))

    def action_forget(self) -> None:
        """Forget the chosen question."""
        if (asked := self.chosen) is None:
            return
        try:
            self._history.remove(asked)
        except Unavailable as error:
            self.notify(one_line(str(error)), severity="error", markup=False)
            return
        self._entries = self._history.entries()
        self.show(self.query_one("#wanted").value)  # type: ignore[attr-defined]


def _when(time: float) -> str:
    try:
        return datetime.fromtimestamp(time).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError, OSError):
        return ""
