"""Markdown: readable text without its markup, with the path of headings and the lines of the file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.backticks import backtick
from markdown_it.token import Token

from docqa.extract import html
from docqa.extract.decoding import decode
from docqa.extract.draft import Draft
from docqa.records import Extraction

_FRONT_MATTER = re.compile(r"---[ \t]*\n.*?\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_INDENT = "  "


def extract(data: bytes) -> Extraction:
    """Return a Markdown file's text; YAML front matter stays as a block of its own."""
    text = decode(data)
    draft = Draft()
    front = _FRONT_MATTER.match(text)
    if front is not None:
        draft.block(front[0], line=1)
        text = text[front.end() :]
    write(draft, text, first_line=1 + (front[0].count("\n") if front else 0))
    return draft.finish()


def write(draft: Draft, text: str, first_line: int | None) -> None:
    """Append Markdown to a draft; `first_line` is its first line's number, None to set no line marks."""
    writer = _Writer(draft, first_line)
    for token in _parser().parse(text):
        writer.take(token)


@cache
def _parser() -> MarkdownIt:
    # What is nested more deeply than this is lost; the preset's 20 would cut lists off at ten levels.
    parser = MarkdownIt("commonmark", {"maxNesting": 100}).enable("table")
    parser.inline.ruler.at("backticks", _code_span)
    return parser


def _code_span(state: StateInline, silent: bool) -> bool:
    """Parse a code span and leave the line ends in it, though it says spaces: they tell the lines of what follows."""
    start, count = state.pos, len(state.tokens)
    is_parsed = backtick(state, silent)
    if len(state.tokens) > count and (token := state.tokens[-1]).type == "code_inline":
        content = state.src[start + len(token.markup) : state.pos - len(token.markup)]
        if "\n" in content:
            token.content = content
    return is_parsed


class _Writer:
    """Turns block tokens into blocks of a draft; it knows the lists and the table row that it is in."""

    def __init__(self, draft: Draft, first_line: int | None) -> None:
        self._draft = draft
        self._first_line = first_line
        self._list_depth = 0
        self._marker = ""
        self._heading_level: int | None = None
        self._row: list[str] = []
        self._row_line: int | None = None
        # Whether the list or table at hand has a line already: the next one then follows without a blank line.
        self._begun = False

    def take(self, token: Token) -> None:
        """Take the next token of the document."""
        match token.type:
            case "inline":
                self._inline(token)
            case "fence":
                self._leaf(token.content, self._line(token, after=1))
            case "code_block":
                self._leaf(token.content, self._line(token))
            case "html_block":
                self._leaf(html.extract_markup(token.content).text, self._line(token))
            case "heading_open":
                self._heading_level = int(token.tag.removeprefix("h"))
            case "heading_close":
                self._heading_level = None
            case "bullet_list_open" | "ordered_list_open":
                self._begun = self._begun and self._list_depth > 0
                self._list_depth += 1
            case "bullet_list_close" | "ordered_list_close":
                self._list_depth -= 1
            case "list_item_open":
                self._marker = _INDENT * (self._list_depth - 1) + _bullet(token)
            case "list_item_close":
                self._marker = ""
            case "table_open":
                self._begun = self._list_depth > 0 and self._begun
            case "tr_open":
                self._row, self._row_line = [], self._line(token)
            case "td_open" | "th_open":
                self._row.append("")
            case "tr_close":
                self._line_of_list(" | ".join(self._row), self._row_line)
                self._row = []
            case _:
                pass

    def _inline(self, token: Token) -> None:
        text = _readable(token.children or ())
        if self._row:
            self._row[-1] = in_a_cell(token)
        elif self._heading_level is not None and not self._list_depth:
            self._draft.heading(text, self._heading_level, line=self._line(token))
        else:
            self._leaf(text, self._line(token))

    def _leaf(self, text: str, line: int | None) -> None:
        if self._list_depth:
            self._line_of_list(text, line)
        else:
            self._draft.block(text, line=line)

    def _line_of_list(self, text: str, line: int | None) -> None:
        added = self._draft.block(self._marker + text, tight=self._begun, line=line) if text.strip() else None
        if added is not None:
            self._begun, self._marker = True, ""

    def _line(self, token: Token, after: int = 0) -> int | None:
        """Return the line of the file where the token starts, or the one that many lines after it."""
        if self._first_line is None or token.map is None:
            return None
        return self._first_line + token.map[0] + after


def _bullet(item: Token) -> str:
    return f"{item.info}{item.markup} " if item.info else "- "


def in_a_cell(token: Token) -> str:
    """The text of a table's cell by the inline token in it, on one line."""
    return " ".join(_readable(token.children or ()).split())


def _readable(children: Sequence[Token]) -> str:
    """Join what a reader sees of inline tokens: links by their text, images by their description."""
    pieces = []
    for child in children:
        match child.type:
            case "text" | "code_inline":
                pieces.append(child.content)
            case "softbreak" | "hardbreak":
                pieces.append("\n")
            case "image":
                pieces.append(_readable(child.children or ()))
            case "html_inline" if child.content.lower().startswith("<br"):
                pieces.append(" ")
            case _:
                pass
    return "".join(pieces)
