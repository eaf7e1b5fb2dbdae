"""Choosing one of many by typing: the same box for questions asked before and for a document's headings."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from inspect import cleandoc
from typing import ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from docqa.tui.widgets.keys import Keys
from docqa.tui.widgets.line import Line

T = TypeVar("T")

# More rows than anybody reads; typing finds the others.
LISTED = 300


class PickInput(Line):
    """Type to narrow down."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "submit", "Take")]


class PickScreen(ModalScreen[T | None], Generic[T]):
    """Type to narrow down, **Up** and **Down** to choose, **Enter** to take it. **Escape** leaves."""

    TITLE_TEXT: ClassVar[str]
    EMPTY: ClassVar[str]
    HELP = cleandoc(__doc__ or "")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "move(1)", "Down", show=False, priority=True),
        Binding("up", "move(-1)", "Up", show=False, priority=True),
        Binding("pagedown", "move(10)", "Page down", show=False, priority=True),
        Binding("pageup", "move(-10)", "Page up", show=False, priority=True),
        Binding("escape", "leave", "Back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.items: Sequence[T] = ()

    @abstractmethod
    def found(self, wanted: str) -> Sequence[T]:
        """The items that suit what was typed, best first."""

    @abstractmethod
    def row(self, item: T) -> Content:
        """How an item is shown."""

    def compose(self) -> ComposeResult:
        """A line above the items."""
        with Vertical(classes="box -high"):
            yield Static(Content.styled(self.TITLE_TEXT, "bold"), markup=False)
            yield PickInput(placeholder="Type to narrow down…", id="wanted")
            yield OptionList(id="choices", classes="frame", markup=False)
            yield Static(id="pick-hint", markup=False)
        yield Keys()

    def on_mount(self) -> None:
        """Show all."""
        self.query_one(OptionList).can_focus = False
        self.show("")

    @on(Input.Changed, "#wanted")
    def typed(self, event: Input.Changed) -> None:
        """Narrow down."""
        self.show(event.value)

    def show(self, wanted: str) -> None:
        """Show what suits."""
        self.items = self.found(wanted)
        options = self.query_one(OptionList)
        options.set_options(Option(self.row(item)) for item in self.items[:LISTED])
        options.highlighted = 0 if self.items else None
        more = f"the first {LISTED} of {len(self.items):,}" if len(self.items) > LISTED else ""
        self.query_one("#pick-hint", Static).update(more if self.items else self.EMPTY)

    @property
    def chosen(self) -> T | None:
        """The item under the cursor."""
        place = self.query_one(OptionList).highlighted
        return self.items[place] if place is not None and place < len(self.items) else None

    def action_move(self, step: int) -> None:
        """Choose another item."""
        options = self.query_one(OptionList)
        if options.option_count:
            options.highlighted = min(max(0, (options.highlighted or 0) + step), options.option_count - 1)

    @on(Input.Submitted, "#wanted")
    @on(OptionList.OptionSelected)
    def take(self) -> None:
        """Take the chosen item."""
        if self.chosen is not None:
            self.dismiss(self.chosen)

    def action_leave(self) -> None:
        """Take nothing."""
        self.dismiss(None)
