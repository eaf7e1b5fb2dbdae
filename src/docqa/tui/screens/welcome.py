"""The first thing somebody sees who has no library yet."""

from __future__ import annotations

from inspect import cleandoc
from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from docqa.tui.widgets.keys import Keys

Choice = Literal["add", "sample", "later"]

EXPLANATION = (
    "Ask your own documents in plain words. docqa answers with a quote from them, shows where it stands, "
    "and says so when the answer is not there. It works offline: nothing leaves this machine."
)
FORMATS = (
    "It reads PDF, Office and OpenDocument files, e-books, mail, web pages, Markdown, notebooks, source code "
    "and plain text."
)


CHOICES: tuple[tuple[Choice, str, str], ...] = (
    ("add", "Add a folder of yours…", "read once; later only changes are"),
    ("sample", "Try the sample library", "a household's papers, to play with"),
    ("later", "Look around first", "ctrl+l, then a, adds a folder"),
)


class WelcomeScreen(Screen[Choice]):
    """Choose what to ask: your own folders, or the sample library that came with docqa."""

    HELP = cleandoc(__doc__ or "")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "down", "Down", show=False),
        Binding("k", "up", "Up", show=False),
        Binding("escape", "later", "Later"),
    ]

    def __init__(self, *, sample: bool) -> None:
        super().__init__()
        self._choices = [choice for choice in CHOICES if sample or choice[0] != "sample"]

    def compose(self) -> ComposeResult:
        """What docqa is, and what one can do now."""
        with Vertical(classes="box -wide"):
            yield Static(Content.styled("Welcome to docqa", "bold"), id="welcome-title")
            yield Static(f"{EXPLANATION}\n\n{FORMATS}", id="welcome-text", markup=False)
            cells = max(len(name) for _, name, _ in self._choices)
            rows = (Content.assemble((f"{name:<{cells}}", "bold"), f"  {hint}") for _, name, hint in self._choices)
            yield OptionList(*map(Option, rows), id="choices", classes="frame", markup=False)
        yield Keys()

    def on_mount(self) -> None:
        """Be ready for Enter."""
        self.set_focus(self.query_one(OptionList))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Do as chosen."""
        self.dismiss(self._choices[event.option_index][0])

    def action_down(self) -> None:
        """Go to the next choice."""
        self.query_one(OptionList).action_cursor_down()

    def action_up(self) -> None:
        """Go to the choice above."""
        self.query_one(OptionList).action_cursor_up()

    def action_later(self) -> None:
        """Choose nothing now."""
        self.dismiss("later")
