"""A document's headings, to go to one of them."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import cleandoc

from textual.content import Content
from textual.widgets import OptionList

from docqa.display import one_line
from docqa.records import Mark
from docqa.tui.looks import SEPARATOR
from docqa.tui.screens.pick import PickScreen


class ContentsScreen(PickScreen[Mark]):
    """The headings of the document. Type to narrow down, **Enter** goes there, **Escape** leaves."""

    TITLE_TEXT = "Contents"
    EMPTY = "No heading holds these words."
    HELP = cleandoc(__doc__ or "")

    def __init__(self, headings: Sequence[Mark], *, at: int) -> None:
        super().__init__()
        self._headings, self._at = headings, at

    def on_mount(self) -> None:
        """Choose the heading that one is under."""
        super().on_mount()
        under = sum(mark.start <= self._at for mark in self._headings) - 1
        if 0 <= under < self.query_one(OptionList).option_count:
            self.query_one(OptionList).highlighted = under

    def found(self, wanted: str) -> Sequence[Mark]:
        """The headings whose path holds all words."""
        words = wanted.casefold().split()
        return [mark for mark in self._headings if all(word in mark.value.casefold() for word in words)]

    def row(self, item: Mark) -> Content:
        """The heading, as deep as it stands."""
        *above, name = item.value.split(SEPARATOR)
        return Content(f"{'  ' * len(above)}{one_line(name)}")
