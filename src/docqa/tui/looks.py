"""How a document's text looks: its headings, and where its file is Markdown, what that sets off.

A library keeps the text that a reader sees, without markup, so that quotes are words only. What was bold, code, a
table or a link is found again by reading the file beside it, as long as that is the file which was indexed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from docqa.errors import ExtractionError
from docqa.records import Document, Mark
from docqa.tui.tables import Table, find

if TYPE_CHECKING:
    from markdown_it.token import Token

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
_ALIGNMENTS = {"text-align:left": "<", "text-align:center": "^", "text-align:right": ">"}


@dataclass(slots=True)
class Markup:
    """What is set off in a stretch of a document, by kind, and the tables in it; bounds are the document's."""

    looks: dict[Look, list[tuple[int, int]]] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)


def markup(document: Document, text: str, start: int, marks: Sequence[Mark], whole: str | None) -> Markup:
    """Find what is set off in a stretch of a document that begins at the character `start`.

    `whole` is all of the document's text, where its markup is to be looked for. What is found is in order.
    """
    found = Markup()
    for mark in marks:
        if mark.kind == "heading" and start <= mark.start < start + len(text):
            line = text[mark.start - start :].partition("\n")[0]
            # A heading may stand over a text that does not show it.
            if " ".join(line.split()) == mark.value.rpartition(SEPARATOR)[2]:
                found.looks.setdefault("heading", []).append((mark.start, mark.start + len(line)))
    if document.media_type == MARKDOWN:
        for match in _BULLET.finditer(text):
            found.looks.setdefault("bullet", []).append((start + match.start(1), start + match.end(1)))
        for piece, low in _set_off(document, whole or ""):
            high = low + len(piece.text)
            if low < start + len(text) and start < high:
                for look in piece.looks:
                    found.looks.setdefault(look, []).append((low, high))
            if piece.table is not None and (table := piece.table.found(whole or "", low, piece.line)) is not None:
                found.tables.append(table)
    return found


@dataclass(slots=True)
class _WrittenTable:
    """A table in a Markdown file: how its columns are aligned, its cells by lines, whether it has been found."""

    alignments: str = ""
    lines: list[list[str]] = field(default_factory=list)
    met: bool = False

    def found(self, whole: str, position: int, line: int) -> Table | None:
        """The table in the text, by the first piece of it that is met there: its position, and the table's line."""
        if self.met:
            return None
        self.met = True
        before = whole.rfind("\n", 0, position)
        for _ in range(line):
            if before < 0:
                return None
            before = whole.rfind("\n", 0, before)
        return find(whole, before + 1, self.lines, self.alignments)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A piece of text in a Markdown file, how it is set off, and the table and its line where it stands, if any."""

    text: str
    looks: tuple[Look, ...]
    table: _WrittenTable | None = None
    line: int = 0


def _set_off(document: Document, whole: str) -> Iterator[tuple[_Piece, int]]:
    """What a Markdown file sets off, each piece with where it begins in the document's text."""
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
    # All at once: a table's lines have been counted only when its end has been read.
    for piece in [*_pieces(content.data.decode(errors="replace"))]:
        low = whole.find(piece.text, position, position + REACH + len(piece.text))
        if low >= 0:
            position = low + len(piece.text)
            yield piece, low


def _pieces(markdown: str) -> Iterator[_Piece]:
    """The pieces of text in a Markdown file, in order."""
    from markdown_it import MarkdownIt

    from docqa.extract.markdown import in_a_cell

    table, heads = None, False
    for token in MarkdownIt("commonmark", {"maxNesting": 100}).enable("table").parse(markdown):
        match token.type:
            case "table_open":
                table = _WrittenTable()
            case "table_close":
                table = None
            case "tr_open" if table is not None:
                table.lines.append([])
            case "th_open" if table is not None:
                table.alignments += _ALIGNMENTS.get(str(token.attrs.get("style", "")), "<")
                heads = True
            case "th_close":
                heads = False
            case "fence" | "code_block":
                yield _Piece(token.content.rstrip("\n"), ("code",))
            case "inline":
                if table is not None:
                    table.lines[-1].append(in_a_cell(token))
                yield from _inline_pieces(token.children or (), ("strong",) if heads else (), table)


def _inline_pieces(
    children: Sequence[Token], around: tuple[Look, ...], table: _WrittenTable | None
) -> Iterator[_Piece]:
    within = [*around]
    line = len(table.lines) - 1 if table is not None else 0
    for child in children:
        if child.type in _OPENING:
            within.append(_OPENING[child.type])
        elif child.type in _CLOSING and _CLOSING[child.type] in within:
            within.remove(_CLOSING[child.type])
        elif child.type in ("text", "code_inline") and child.content.strip():
            looks: tuple[Look, ...] = (*within, "code") if child.type == "code_inline" else tuple(within)
            yield _Piece(child.content, looks, table, line)
