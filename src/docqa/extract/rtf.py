r"""Rich Text Format: paragraphs, lists, tables and notes in document order, with the path of headings.

A file is groups in braces, words that begin with a backslash, and text in the code page of its font. A group
whose first word names a destination, such as `{\footnote ...}`, holds something else than running text.

Read here and not through striprtf, the one library for it: where a picture has a group inside, as Word writes
them, its data comes out as text, characters of two bytes raise, and notes and text boxes are dropped.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from docqa.errors import ExtractionError
from docqa.extract.draft import Draft
from docqa.extract.word import heading_level, write_headers
from docqa.records import Extraction

_BEGINNING = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?=\{\\rtf)")
_TOKEN = re.compile(
    rb"\\(?P<word>[a-zA-Z]{1,32})(?P<number>-?[0-9]{1,10})? ?|\\'(?P<code>[0-9a-fA-F]{2})|\\(?P<symbol>.)"
    rb"|(?P<brace>[{}])|(?P<literal>[^\\{}\r\n]+)|[\r\n]+",
    re.DOTALL,
)
_CONTROLS = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_MAX_CONTROL_SHARE = 0.01  # of the text: what has more is not text
_NUMBERING = re.compile(r".*\d.*|\(?\w+[.)]")

# Groups that are not for readers, or that repeat what another one says; those that begin with `\*` are so anyway.
_UNSEEN_GROUPS = """
    aftncn aftnsep aftnsepc annotation atnauthor atnid bkmkend bkmkstart colortbl datafield falt ffname filetbl
    fldinst fname ftncn ftnsep ftnsepc info listoverridetable listtable NeXTGraphic nonesttables nonshppict objdata
    panose pict private revtbl rxe shprslt sp tc tcn txe xe
"""
_UNSEEN = frozenset(_UNSEEN_GROUPS.split())
# Words for what may be skipped by programs that do not know it; but these are known here.
_KNOWN_OPTIONAL = frozenset(("footnote", "shpinst"))
_HEADERS = {
    **dict.fromkeys(("header", "headerl", "headerr", "headerf"), "Header"),
    **dict.fromkeys(("footer", "footerl", "footerr", "footerf"), "Footer"),
}
_CHARACTERS = {
    "tab": "\t",
    "line": "\n",
    "lbr": "\n",
    "emdash": "—",
    "endash": "–",
    "emspace": "\N{EM SPACE}",
    "enspace": "\N{EN SPACE}",
    "qmspace": "\N{FOUR-PER-EM SPACE}",
    "bullet": "•",
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
    "nestcell": " ",
}
_SYMBOLS = {
    "~": "\N{NO-BREAK SPACE}",
    "_": "\N{NON-BREAKING HYPHEN}",
    "{": "{",
    "}": "}",
    "\\": "\\",
}
_CODE_PAGES = {"ansi": "cp1252", "mac": "mac_roman", "pc": "cp437", "pca": "cp850"}
# Code pages that Python knows under another name than their number.
_NAMED_PAGES = {
    1361: "johab",
    10000: "mac_roman",
    10001: "cp932",
    10006: "mac_greek",
    10007: "mac_cyrillic",
    10029: "mac_latin2",
    10081: "mac_turkish",
    65001: "utf-8",
}
# The character sets of fonts with their code pages.
_CHARACTER_SETS = """
    0:1252 2:1252 77:10000 78:932 79:949 80:936 81:950 83:1255 84:1256 85:10006 86:10081 88:10029 89:10007
    128:932 129:949 130:1361 134:936 136:950 161:1253 162:1254 163:1258 177:1255 178:1256 186:1257 204:1251 222:874
    238:1250 254:437 255:850
"""
_PAGE_OF_CHARACTER_SET = {
    int(number): int(page) for number, page in (pair.split(":") for pair in _CHARACTER_SETS.split())
}
_BODY_TEXT = 9  # as an outline level
_MAX_DEPTH = 10_000
_BULLET = "-"
_CELL_END = " | "


def extract(data: bytes) -> Extraction:
    """Return a document's text; raises `ExtractionError` if it is none, cut off, or full of binary data."""
    beginning = _BEGINNING.match(data)
    if beginning is None:
        raise ExtractionError("not an RTF document")
    return _Reader().read(data, beginning.end())


@dataclass(frozen=True, slots=True)
class _Group:
    """What holds until the end of a group; what a group changes of it is forgotten there.

    Text goes to `sink`, or nowhere. `finish` takes what a destination has collected. `table` is which of the tables
    at the beginning the group stands in, if any.
    """

    sink: list[str] | None
    finish: Callable[[_Group, str], None] | None = None
    table: str = ""
    font: int | None = None
    fallback: int = 1  # how many characters after one in Unicode stand for it in old programs
    hidden: bool = False
    style: int = 0
    outline: int | None = None
    in_table: bool = False


class _Reader:
    """Takes a file's tokens one by one, and turns them into blocks of a draft."""

    def __init__(self) -> None:
        self._draft = Draft()
        self._paragraph: list[str] = []
        self._group = _Group(self._paragraph)
        self._outer: list[_Group] = []
        self._page = "cp1252"
        self._pages_of_fonts: dict[int, str] = {}
        self._font = 0  # the one that the table of fonts is at
        self._default_font: int | None = None
        self._levels: dict[int, int] = {}
        self._bytes = bytearray()
        self._to_skip = 0
        self._is_optional = False
        self._cell: list[str] = []
        self._row: list[str] = []
        self._marker = ""
        self._asides: list[str] = []
        self._asides_of_table: list[str] = []
        self._headers: list[tuple[str, str]] = []
        self._in_list = self._in_rows = False
        self._bytes_read = self._controls = 0

    def read(self, data: bytes, at: int) -> Extraction:
        """Return the text of the outermost group, which begins at `at`."""
        while token := _TOKEN.match(data, at):
            at = token.end()
            if (code := token["code"]) is not None:
                self._characters(bytes.fromhex(code.decode()))
                continue
            if (literal := token["literal"]) is not None:
                self._characters(literal)
                continue
            if (word := token["word"]) is not None:
                number = None if token["number"] is None else int(token["number"])
                if word == b"bin":
                    at += max(number or 0, 0)
                self._end_bytes()
                self._word(word.decode(), number)
            elif (symbol := token["symbol"]) is not None:
                self._end_bytes()
                self._symbol(symbol.decode("latin-1"))
            elif (brace := token["brace"]) is not None:
                self._end_bytes()
                self._brace(opens=brace == b"{")
                if not self._outer:
                    if data[at:].strip(b"\0 \t\r\n"):
                        self._draft.remark("what stands behind its end is not read")
                    return self._finish()
        raise ExtractionError("damaged RTF document: its end is missing")

    def _finish(self) -> Extraction:
        self._end_paragraph(self._group)
        if self._controls > _MAX_CONTROL_SHARE * self._bytes_read:
            raise ExtractionError("damaged RTF document: binary data in its text")
        write_headers(self._draft, self._headers)
        return self._draft.finish()

    def _brace(self, *, opens: bool) -> None:
        self._to_skip = 0
        self._is_optional = False
        if opens:
            if len(self._outer) == _MAX_DEPTH:
                raise ExtractionError("RTF document nested too deeply")
            self._outer.append(self._group)
            self._group = replace(self._group, finish=None)
            if self._group.table == "styles":
                self._open(self._style)
            return
        closed, self._group = self._group, self._outer.pop()
        if closed.finish is not None:
            closed.finish(closed, _whole("".join(closed.sink or ())))

    def _open(self, finish: Callable[[_Group, str], None]) -> None:
        """Let the group at hand collect text of its own, unless nobody sees it."""
        if self._group.sink is not None or self._group.table:
            self._group = replace(self._group, sink=[], finish=finish, in_table=False)

    def _word(self, word: str, number: int | None) -> None:
        is_optional, self._is_optional = self._is_optional, False
        if word in _CHARACTERS:
            self._character(_CHARACTERS[word])
            return
        if word == "u":
            self._unicode(number or 0)
            return
        self._to_skip = 0
        if word in _UNSEEN or (is_optional and word not in _KNOWN_OPTIONAL):
            self._group = replace(self._group, sink=None, finish=None, table="")
        elif not self._destination(word) and not self._break(word):
            self._property(word, number)

    def _destination(self, word: str) -> bool:
        match word:
            case "fonttbl":
                self._group = replace(self._group, sink=None, table="fonts")
            case "stylesheet":
                self._group = replace(self._group, sink=None, table="styles")
            case "footnote":
                self._open(lambda _, text: self._note("Footnote", text))
            case "ftnalt":
                self._open(lambda _, text: self._note("Endnote", text))
            case "shpinst":
                self._open(lambda *_: None)
            case "shptxt":
                self._open(lambda _, text: self._asides.extend(text.split("\n")))
            case "listtext" | "pntext":
                self._open(self._list_marker)
            case _ if word in _HEADERS:
                self._open(lambda _, text: self._headers.append((_HEADERS[word], text)))
            case _:
                return False
        return True

    def _break(self, word: str) -> bool:
        """End a paragraph, a cell or a row, but in notes and the like only a line."""
        group = self._group
        is_running = group.sink is self._paragraph
        match word:
            case "par" | "sect" | "page" | "column" if is_running:
                self._end_paragraph(group)
            case "cell" if is_running:
                self._end_line_of_cell()
                self._end_cell()
            case "row" if is_running:
                self._end_line_of_cell()
                self._end_row()
            case "cell":
                self._put(_CELL_END)
            case "row" if group.sink and group.sink[-1] == _CELL_END:
                group.sink[-1] = "\n"
            case "par" | "sect" | "page" | "column" | "row":
                self._put("\n")
            case _:
                return False
        return True

    def _property(self, word: str, number: int | None) -> None:
        group = self._group
        match word:
            case "f" if group.table == "fonts":
                self._font = number or 0
            case "fcharset" if number in _PAGE_OF_CHARACTER_SET:
                self._pages_of_fonts[self._font] = _page(_PAGE_OF_CHARACTER_SET[number])
            case "cpg" if number is not None:
                self._pages_of_fonts[self._font] = _page(number)
            case "f":
                self._group = replace(group, font=number)
            case "deff":
                self._default_font = number
            case "ansicpg" if number:
                self._page = _page(number)
            case _ if word in _CODE_PAGES:
                self._page = _CODE_PAGES[word]
            case "uc":
                self._group = replace(group, fallback=max(number or 0, 0))
            case "v" | "deleted":
                self._group = replace(group, hidden=number != 0)
            case "plain":
                self._group = replace(group, font=None, hidden=False)
            case "pard":
                self._group = replace(group, style=0, outline=None, in_table=False)
            case "s":
                self._group = replace(group, style=number or 0)
            case "outlinelevel":
                self._group = replace(group, outline=number)
            case "intbl":
                self._group = replace(group, in_table=True)
            case _:
                pass

    def _symbol(self, symbol: str) -> None:
        if symbol == "*":
            self._is_optional = True
        elif symbol in "\r\n":
            self._word("par", None)
        elif symbol in _SYMBOLS:
            self._character(_SYMBOLS[symbol])

    def _character(self, character: str) -> None:
        if self._to_skip:
            self._to_skip -= 1
        else:
            self._put(character)

    def _unicode(self, number: int) -> None:
        self._put(chr(number % 0x10000))
        self._to_skip = self._group.fallback

    def _characters(self, content: bytes) -> None:
        skipped = min(self._to_skip, len(content))
        self._to_skip -= skipped
        self._bytes += content[skipped:]

    def _end_bytes(self) -> None:
        """Decode the bytes so far; the two of one character may come in different ways."""
        if self._bytes and self._group.sink is not None:
            self._bytes_read += len(self._bytes)
            content, controls = _CONTROLS.subn(b"", self._bytes)
            self._controls += controls
            font = self._default_font if self._group.font is None else self._group.font
            self._put(content.decode(self._pages_of_fonts.get(font or 0, self._page), "replace"))
        self._bytes.clear()

    def _put(self, text: str) -> None:
        if self._group.sink is not None and not self._group.hidden:
            self._group.sink.append(text)

    def _taken(self) -> str:
        text = _whole("".join(self._paragraph))
        self._paragraph.clear()
        return text

    def _end_paragraph(self, group: _Group) -> None:
        if group.in_table:
            self._end_line_of_cell()
            return
        self._end_table()
        text, marker, self._marker = self._taken().strip(), self._marker, ""
        level = self._levels.get(group.style) if group.outline is None else _level(group.outline)
        if level is not None and text:
            self._draft.heading(text if marker == _BULLET else f"{marker} {text}", level)
        else:
            self._draft.block(f"{marker} {text}" if marker and text else text, tight=bool(marker) and self._in_list)
        self._in_list = bool(marker and text) and level is None
        self._write_asides(self._asides)

    def _end_line_of_cell(self) -> None:
        if text := " ".join(self._taken().split()):
            self._cell.append(f"{self._marker} {text}".strip())
        self._marker = ""

    def _end_cell(self) -> None:
        self._row.append(" ".join(self._cell))
        self._cell.clear()

    def _end_row(self) -> None:
        if self._cell:
            self._end_cell()
        row, self._row = self._row, []
        if any(row):
            self._draft.block(" | ".join(row), tight=self._in_rows)
            self._in_rows, self._in_list = True, False
        self._asides_of_table += self._asides
        self._asides.clear()

    def _end_table(self) -> None:
        if self._row or self._cell:  # the end of the row is missing
            self._end_row()
        self._in_rows = False
        self._write_asides(self._asides_of_table)

    def _write_asides(self, asides: list[str]) -> None:
        for text in asides:
            if self._draft.block(text.strip()) is not None:
                self._in_list = False
        asides.clear()

    def _note(self, kind: str, text: str) -> None:
        if content := " ".join(text.split()):
            self._asides.append(f"{kind}: {content}")

    def _list_marker(self, _: _Group, text: str) -> None:
        marker = " ".join(text.split())
        # Bullets are characters of all kinds of fonts.
        marker = marker if _NUMBERING.fullmatch(marker) else _BULLET
        if self._group.sink is self._paragraph:
            self._marker = marker
        else:
            self._put(f"{marker} ")

    def _style(self, group: _Group, text: str) -> None:
        level = heading_level(text.strip().rstrip(";").strip())
        if level is None and group.outline is not None:
            level = _level(group.outline)
        if level is not None:
            self._levels[group.style] = level


def _level(outline: int) -> int | None:
    """The level of a heading; that of titles, which have none in the outline, is 1."""
    return outline + 2 if 0 <= outline < _BODY_TEXT else None


def _page(number: int) -> str:
    name = _NAMED_PAGES.get(number, f"cp{number}")
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "cp1252"


def _whole(text: str) -> str:
    """Join the halves of characters that UTF-16 has two for."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
