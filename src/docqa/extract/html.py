"""Web pages: what a reader sees of them, block by block, with the path of headings.

The tree is walked without recursion, since pages can be nested far more deeply than Python's stack.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

from docqa.extract.decoding import DECLARATION_BYTES, decode_declared
from docqa.extract.draft import Draft
from docqa.records import Extraction

_DECLARATION = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)

_IS_XML = re.compile(r"""<\?xml\s|\sxmlns\s*=\s*["']http://www\.w3\.org/1999/xhtml""")
# Any element can close itself in XML, but to a parser of HTML `<title/>` begins what never ends.
_CLOSES_ITSELF = re.compile(
    r"<(?!(?:area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr)\b)([a-zA-Z][\w:.-]*)((?:\s[^<>]*)?)/>"
)


def _tags(names: str) -> frozenset[str]:
    return frozenset(names.split())


_UNSEEN = _tags("head script style noscript template svg iframe object audio video canvas select")
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_LISTS = _tags("ul ol menu dir")
_BLOCKS = (
    _LISTS
    | _HEADINGS.keys()
    | _tags(
        "address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption"
        " figure footer form header hgroup hr html legend li main nav p pre search section summary"
        " table tbody td tfoot th thead tr"
    )
)
# A table with any of these inside lays out a page, and its cells are read one after the other.
_LAYOUT = _LISTS | _HEADINGS.keys() | _tags("article blockquote form main nav pre section table")
_INDENT = "  "
_MAX_INDENTS = 20

_SPACES = re.compile(r"[ \t\n\r\f\v\xa0]+")
_AROUND_BREAK = re.compile(r" *\n *")
_MANY_BREAKS = re.compile(r"\n{3,}")


def extract(data: bytes, *, titled: bool = True) -> Extraction:
    """Return a page's text; its title becomes the first heading unless a top heading says the same.

    Not so unless `titled`: the pages of a book all have the book's title.
    """
    markup = decode_declared(data, _DECLARATION)
    if _IS_XML.search(markup, 0, DECLARATION_BYTES):
        markup = _CLOSES_ITSELF.sub(r"<\1\2></\1>", markup)
    return extract_markup(markup, titled=titled)


def extract_markup(markup: str, *, titled: bool = True) -> Extraction:
    """Return the text of a page, or of a piece of one, that is decoded already."""
    tree = LexborHTMLParser(markup)
    draft = Draft()
    title = _title(tree) if titled else None
    if title is not None:
        draft.heading(title, level=0)
    if tree.root is not None:
        _Writer(draft, _layout_tables(tree.root)).write(tree.root)
    return draft.finish()


def _title(tree: LexborHTMLParser) -> str | None:
    element = tree.css_first("head > title")
    if element is None:
        return None
    title = _collapse(element.text())
    return None if any(_collapse(heading.text()) == title for heading in tree.css("h1")) else title


def _collapse(text: str) -> str:
    return _SPACES.sub(" ", text).strip()


def _walk(root: LexborNode) -> Iterator[tuple[LexborNode, bool]]:
    """Yield every node that can be seen, twice: on entering it (True) and on leaving it (False)."""
    stack = [(root, True)]
    while stack:
        node, entering = stack.pop()
        if entering and _is_hidden(node):
            continue
        yield node, entering
        if entering and node.is_element_node:
            stack.append((node, False))
            child = node.last_child
            while child is not None:
                stack.append((child, True))
                child = child.prev


def _is_hidden(node: LexborNode) -> bool:
    return node.is_element_node and (node.tag in _UNSEEN or "hidden" in node.attributes)


def _layout_tables(root: LexborNode) -> frozenset[int]:
    """Find the tables that arrange a page instead of holding data."""
    layout: set[int] = set()
    open_tables: list[int] = []
    for node, entering in _walk(root):
        if not entering:
            if node.tag == "table":
                open_tables.pop()
            continue
        if open_tables and node.tag in _LAYOUT:
            layout.add(open_tables[-1])
        if node.tag == "table":
            open_tables.append(node.mem_id)
    return frozenset(layout)


class _Writer:
    """Turns nodes into blocks of a draft; it knows the list, the table, the heading and the `pre` it is in."""

    def __init__(self, draft: Draft, layout_tables: frozenset[int]) -> None:
        self._draft = draft
        self._layout_tables = layout_tables
        self._inline: list[str] = []
        self._heading_level: int | None = None
        self._preformatted = 0
        self._list_depth = 0
        self._marker = ""
        self._in_data_table = False  # never in two: a table that holds another one is a layout table
        self._in_cell = False
        self._row: list[str] = []
        # Whether the list or table at hand has a line already: the next one then follows without a blank line.
        self._begun = False

    def write(self, root: LexborNode) -> None:
        """Append everything below `root`."""
        for node, entering in _walk(root):
            tag = node.tag
            if node.is_text_node:
                if entering:
                    self._text(node.text_content or "")
            elif tag is not None and entering:
                self._enter(tag, node)
            elif tag is not None:
                self._leave(tag)
        self._flush()

    def _text(self, text: str) -> None:
        text = text.replace("\N{SOFT HYPHEN}", "")
        self._inline.append(text if self._preformatted else _SPACES.sub(" ", text))

    def _enter(self, tag: str, node: LexborNode) -> None:
        if tag in _BLOCKS:
            self._flush()
        match tag:
            case "br":
                self._inline.append("\n")
            case "img":
                self._inline.append(_collapse(node.attributes.get("alt") or ""))
            case "pre":
                self._preformatted += 1
            case "ul" | "ol" | "menu" | "dir":
                self._begun = self._begun and self._list_depth > 0
                self._list_depth += 1
            case "li":
                self._marker = _INDENT * min(self._list_depth - 1, _MAX_INDENTS) + "- "
            case "table":
                self._begun = self._begun and self._list_depth > 0
                self._in_data_table = node.mem_id not in self._layout_tables
            case "td" | "th":
                self._in_cell = self._in_data_table
            case _ if tag in _HEADINGS:
                self._heading_level = _HEADINGS[tag]
            case _:
                pass

    def _leave(self, tag: str) -> None:
        match tag:
            case "pre":
                self._preformatted -= 1
                if not self._preformatted and not self._in_cell:
                    self._line("".join(self._take()))
            case "td" | "th" if self._in_data_table:
                self._in_cell = False
                self._row.append(_collapse("".join(self._take())))
            case "tr" if self._in_data_table:
                self._flush()
                row, self._row = self._row, []
                if any(row):
                    self._line(" | ".join(row), in_table=True)
            case _ if tag in _BLOCKS:
                self._flush()
        match tag:
            case "ul" | "ol" | "menu" | "dir":
                self._list_depth -= 1
            case "li":
                self._marker = ""
            case "table":
                self._in_data_table = False
            case _ if tag in _HEADINGS:
                self._heading_level = None
            case _:
                pass

    def _flush(self) -> None:
        """End the block at hand, if it can end here."""
        if self._preformatted:
            if self._inline and not self._inline[-1].endswith("\n"):
                self._inline.append("\n")
            return
        if self._in_cell:
            self._inline.append(" ")
            return
        text = _AROUND_BREAK.sub("\n", re.sub(" {2,}", " ", "".join(self._take()))).strip()
        if not text:
            return
        if self._heading_level is not None:
            # Only its first block is a heading: in a broken page, one that is never closed swallows the rest.
            self._draft.heading(text, self._heading_level)
            self._heading_level, self._marker, self._begun = None, "", False
        else:
            self._line(_MANY_BREAKS.sub("\n\n", text))

    def _line(self, text: str, *, in_table: bool = False) -> None:
        if not text.strip():
            return
        self._draft.block(self._marker + text, tight=self._begun and (in_table or self._list_depth > 0))
        self._marker, self._begun = "", True

    def _take(self) -> list[str]:
        taken, self._inline = self._inline, []
        return taken
