"""A question with yes and no."""

from __future__ import annotations

from inspect import cleandoc
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from docqa.tui.widgets.keys import Keys


class ConfirmScreen(ModalScreen[bool]):
    """Say **y** or **n**."""

    HELP = cleandoc(__doc__ or "")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,enter", "answer(True)", "Yes"),
        Binding("n,escape", "answer(False)", "No"),
    ]

    def __init__(self, question: str, explanation: str) -> None:
        super().__init__()
        self._question, self._explanation = question, explanation

    def compose(self) -> ComposeResult:
        """The question, and what it means."""
        with Vertical(classes="box -small"):
            text = Content.assemble((self._question, "bold"), "\n\n", (self._explanation, "dim"))
            yield Static(text, markup=False)
        yield Keys()

    def action_answer(self, yes: bool) -> None:
        """Answer."""
        self.dismiss(yes)
