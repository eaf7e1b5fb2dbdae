"""What widgets and screens tell each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from docqa.records import Answer, Match

    Item = Answer | Match


@dataclass
class ItemChosen(Message):
    """An answer or a passage is the one to look at; None when there is nothing to look at."""

    item: Item | None


@dataclass
class ItemOpened(Message):
    """An answer or a passage shall be read in its document."""

    item: Item


@dataclass
class LibraryChanged(Message):
    """The library's contents are not what they were."""
