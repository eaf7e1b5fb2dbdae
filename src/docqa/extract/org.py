"""Org files: readable text without most of their markup, with the path of headings and the lines of the file."""

from __future__ import annotations

import re

from docqa.extract.decoding import decode
from docqa.extract.draft import Draft
from docqa.records import Extraction

_HEADLINE = re.compile(r"(\*{1,30})\s+(.*)")
_STATE = re.compile(r"^(?:(?:TODO|DONE|NEXT|WAITING|CANCELLED)\s)?\s*(?:\[#[A-Z]\]\s)?")
_TAGS = re.compile(r"\s:[\w@#%:]{1,200}:$")
_KEYWORD = re.compile(r"\s*#\+(\w{1,80})(?::|\b)\s*(.*)", re.IGNORECASE)
_DRAWER_BEGIN = re.compile(r"\s*:(?:PROPERTIES|LOGBOOK):\s*", re.IGNORECASE)
_DRAWER_END = re.compile(r"\s*:END:\s*", re.IGNORECASE)
_BORDER = re.compile(r"\s*\|[-+]+\|?\s*")
_LINK = re.compile(r"\[\[([^\[\]]{1,500})\](?:\[([^\[\]]{1,500})\])?\]")
_SHOWN_KEYWORDS = ("author", "date", "caption")


def extract(data: bytes) -> Extraction:
    """Return the text; properties, logs and settings are left out, links are shown by their names."""
    writer = _Writer()
    for number, line in enumerate(decode(data).split("\n"), start=1):
        writer.take(line, number)
    return writer.draft.finish()


class _Writer:
    """Turns lines into blocks of a draft."""

    def __init__(self) -> None:
        self.draft = Draft()
        self._in_drawer = False
        self._tight = False

    def take(self, line: str, number: int) -> None:
        """Take the next line of the file."""
        headline = _HEADLINE.fullmatch(line)
        if headline is not None:
            # A drawer that is never closed ends with its section.
            self._in_drawer = self._tight = False
            title = _TAGS.sub("", _STATE.sub("", headline[2]).rstrip())
            self.draft.heading(_with_links_named(title), len(headline[1]), line=number)
        elif self._in_drawer:
            self._in_drawer = _DRAWER_END.fullmatch(line) is None
        elif _DRAWER_BEGIN.fullmatch(line):
            self._in_drawer = True
        elif (keyword := _KEYWORD.fullmatch(line)) is not None:
            self._keyword(keyword[1].lower(), keyword[2], number)
        elif not line.strip():
            self._tight = False
        elif not _BORDER.fullmatch(line) and not line.startswith("# "):
            self._line(line, number)

    def _keyword(self, name: str, value: str, number: int) -> None:
        if name == "title":
            self.draft.heading(value, 0, line=number)
            self._tight = False
        elif name in _SHOWN_KEYWORDS:
            self._line(value, number)

    def _line(self, line: str, number: int) -> None:
        if self.draft.block(_with_links_named(line), tight=self._tight, line=number) is not None:
            self._tight = True


def _with_links_named(text: str) -> str:
    return _LINK.sub(lambda link: link[2] or link[1], text)
