"""How a document's text looks: its headings, and where its file is Markdown, what that sets off.

A library keeps the text that a reader sees, without markup, so that quotes are words only. What was bold, code or a
link is found again by reading the file beside it, as long as that is the file which was indexed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from docqa.errors import ExtractionError
from docqa.records import Document, Mark

Look = Literal["heading", "strong", "emphasis", "code", "link", "bullet"]
Looks = Mapping[Look, Sequence[tuple[int, int]]]

MARKDOWN = "text/markdown"
# Between the headings of a mark's path.
SEPARATOR = " › "
# Beyond this, looking for what is set off would keep the text itself waiting.
MAX_BYTES = 500_000
# How far ahead a piece of the file may stand in the text; what lies farther is something else.
REACH = 5_000

_BULLET = re.compile(r"^[ ]*([-*+•]|\d{1,3}[.)])(?= )", re.MULTILINE)
_OPENING: Mapping[str, Look] = {"strong_open": "strong", "em_open": "emphasis", "link_open": "link"}
_CLOSING: Mapping[str, Look] = {"strong_close": "strong", "em_close": "emphasis", "link_close": "link"}


def looks(document: Document, text: str, start: int, marks: Sequence[Mark], whole: str | None) -> Looks:
    """Find what is set off in a stretch of a document that begins at the character `start`.

    `whole` is all of the document's text, where its markup is to be looked for. Bounds are the document's, by start.
    """
    found: dict[Look, list[tuple[int, int]]] = {}
    for mark in marks:
        if mark.kind == "heading" and start <= mark.start < start + len(text):
            line = text[mark.start - start :].partition("\n")[0]
            # A heading may stand over a text that does not show it.
            if " ".join(line.split()) == mark.value.rpartition(SEPARATOR)[2]:
                found.setdefault("heading", []).append((mark.start, mark.start + len(line)))
    if document.media_type == MARKDOWN:
        for match in _BULLET.finditer(text):
            found.setdefault("bullet", []).append((start + match.start(1), start + match.end(1)))
        for look, low, high in _set_off(document, whole or ""):
            if low < start + len(text) and start < high:
                found.setdefault(look, []).append((low, high))
    return found


def _set_off(document: Document, whole: str) -> Iterator[tuple[Look, int, int]]:
    """What a Markdown file sets off, by its bounds in the document's text."""
    from docqa import files

    if not whole or document.size > MAX_BYTES:
        return
    try:
        content = files.read(document.path, max_bytes=MAX_BYTES)
    except ExtractionError:
        return
    if content.sha256 != document.sha256:
        return
    position = 0
    for piece, kinds in _pieces(content.data.decode(errors="replace")):
        low = whole.find(piece, position, position + REACH + len(piece))
        if low < 0:
            continue
        position = low + len(piece)
        for kind in kinds:
            yield kind, low, position


def _pieces(markdown: str) -> Iterator[tuple[str, tuple[Look, ...]]]:
    """The pieces of text in a Markdown file, in order, each with how it is set off."""
    from markdown_it import MarkdownIt

    for token in MarkdownIt("commonmark", {"maxNesting": 100}).enable("table").parse(markdown):
        if token.type in ("fence", "code_block"):
            yield token.content.rstrip("\n"), ("code",)
        within: list[Look] = []
        for child in token.children or ():
            if child.type in _OPENING:
                within.append(_OPENING[child.type])
            elif child.type in _CLOSING and _CLOSING[child.type] in within:
                within.remove(_CLOSING[child.type])
            elif child.type in ("text", "code_inline") and child.content.strip():
                yield child.content, (*within, "code") if child.type == "code_inline" else tuple(within)
