"""A document's text as the library holds it, whole or around a quote, with what a reader wants to know of the file."""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from docqa.records import Document, FileState, Mark, Source
from docqa.tui.looks import MARKDOWN, Looks, markup
from docqa.tui.tables import Table

if TYPE_CHECKING:
    from docqa.engine import DocQA

_REMARKS: dict[FileState, str] = {
    "unchanged": "",
    "changed": "file changed since it was indexed",
    "gone": "file gone",
}

# Around a quote: enough to read on, little enough to be there at once.
EXCERPT_CHARACTERS = 6_000


@dataclass(frozen=True)
class DocumentText:
    """The text of a document from character `start` on, the marks in it, and a remark on its file or "".

    Positions are the document's, not the excerpt's.
    """

    document: Document
    text: str
    start: int
    marks: tuple[Mark, ...]
    remark: str
    looks: Looks = field(default_factory=dict)
    tables: Sequence[Table] = ()

    def remark_now(self) -> str:
        """The remark, looked for anew: the file may have changed while its text was on the screen."""
        from docqa import files

        return self.remark or _REMARKS[files.state(self.document)]

    @cached_property
    def line_marks(self) -> list[Mark]:
        """The marks that tell lines of the file, by start."""
        return [mark for mark in self.marks if mark.kind == "line"]

    @cached_property
    def pages(self) -> list[Mark]:
        """The marks that tell pages, by start."""
        return [mark for mark in self.marks if mark.kind == "page"]

    @cached_property
    def headings(self) -> list[Mark]:
        """The marks that tell headings, by start."""
        return [mark for mark in self.marks if mark.kind == "heading"]

    def page_at(self, position: int) -> str | None:
        """The page that holds a character of the document."""
        place = bisect_right(self.pages, position, key=lambda mark: mark.start) - 1
        return self.pages[place].value if place >= 0 else None


def whole(engine: DocQA, path: str) -> DocumentText:
    """All of a document; UsageError if the library has no such document, LibraryError if there is no library."""
    return _load(engine, path, 0, sys.maxsize)


def excerpt(engine: DocQA, source: Source) -> DocumentText:
    """What stands around a source, begun and ended at a line's end where one is near."""
    margin = EXCERPT_CHARACTERS // 2
    found = _load(engine, source.path, max(0, source.start - margin), source.end + margin)
    if found.document.sha256 != source.sha256:
        # The positions are another text's: all that is known is what came with the source.
        return DocumentText(found.document, source.context, source.context_start, (), "indexed anew since")
    return _without_torn_lines(found, source)


def _load(engine: DocQA, path: str, start: int, end: int) -> DocumentText:
    from docqa import files

    found = engine.stretch(path, start, end)
    document = found.document
    text = whole_text = found.text
    if document.media_type == MARKDOWN and len(text) < document.characters:
        whole_text = engine.text(path)
    seen = markup(document, text, start, found.marks, whole_text)
    return DocumentText(
        document, text, start, found.marks, _REMARKS[files.state(document)], seen.looks, tuple(seen.tables)
    )


def _without_torn_lines(found: DocumentText, source: Source) -> DocumentText:
    low, high = 0, len(found.text)
    if found.start > 0 and (newline := found.text.find("\n", 0, source.start - found.start)) >= 0:
        low = newline + 1
    torn = found.start + high < found.document.characters
    if torn and (newline := found.text.rfind("\n", source.end - found.start)) >= 0:
        high = newline
    return replace(found, text=found.text[low:high], start=found.start + low)
