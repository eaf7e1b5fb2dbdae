"""reStructuredText: readable text without most of its markup, with the path of headings and the lines of the file.

Read line by line and not through docutils, whose directives include other files, and whose tree has lost the
lines of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from docqa.extract.decoding import decode
from docqa.extract.draft import Draft
from docqa.records import Extraction

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1{2,}\s*")
_SURELY_ADORNMENT = 4  # characters: docutils takes as many for an underline, even of a longer title
_BORDER = re.compile(r"\s*(?:\+[-=+ |]{2,}|=[= ]{2,})")
_TARGET = re.compile(r"\s*\.\. (?:_[^:]{1,200}:|\|[^|]{1,200}\|)")
_DIRECTIVE = re.compile(r"^(\s*)\.\. [\w:.-]{1,80}::\s*")
_INLINE = (
    (re.compile(r":[\w:.+-]{1,80}:`~?([^`<]{1,200}?)(?:\s<[^`<>]{1,200}>)?`"), r"\1"),
    (re.compile(r"`([^`<]{1,200}?)\s?<[^`<>]{1,200}>`_{1,2}"), r"\1"),
    (re.compile(r"``(.{1,200}?)``"), r"\1"),
    (re.compile(r"(?<!\w)\*\*(\S(?:[^*]{0,200}\S)?)\*\*(?!\w)"), r"\1"),
)


def extract(data: bytes) -> Extraction:
    """Return the text; the levels of headings are in the order in which their adornments first appear."""
    draft = Draft()
    tight = False
    for number, line, level in _lines(decode(data).split("\n")):
        if level is not None:
            draft.heading(_plain(line), level, line=number)
            tight = False
        elif not line.strip():
            tight = False
        elif ".. " not in line or not _TARGET.match(line):
            text = _plain(_DIRECTIVE.sub(r"\1", line, count=1) if ".. " in line else line).rstrip()
            tight = draft.block(text, tight=tight, line=number) is not None or tight
    return draft.finish()


def _lines(lines: list[str]) -> Iterator[tuple[int, str, int | None]]:
    """Yield each line that holds text by its number, with its level if it is a heading; adornments are left out."""
    styles: list[tuple[str, bool]] = []
    index = 0
    while index < len(lines):
        line, after, last = (*lines[index : index + 3], "", "")[:3]
        if _is_adornment(line):
            overlined = bool(after.strip()) and last.rstrip() == line.rstrip()
            if overlined:
                yield index + 2, after.strip(), _level(styles, (line[0], True))
            index += 3 if overlined else 1
        elif line.strip() and not line[0].isspace() and _underlines(after, line):
            yield index + 1, line.rstrip(), _level(styles, (after[0], False))
            index += 2
        else:
            if ("=" not in line and "+" not in line) or not _BORDER.fullmatch(line.rstrip()):
                yield index + 1, line, None
            index += 1


def _is_adornment(line: str) -> bool:
    # Most lines begin with a letter or a space, which is seen sooner than a pattern fails.
    return line[:3] == 3 * line[:1] and _ADORNMENT.fullmatch(line) is not None


def _underlines(line: str, title: str) -> bool:
    return _is_adornment(line) and len(line.rstrip()) >= min(len(title.rstrip()), _SURELY_ADORNMENT)


def _level(styles: list[tuple[str, bool]], style: tuple[str, bool]) -> int:
    if style not in styles:
        styles.append(style)
    return styles.index(style) + 1


def _plain(text: str) -> str:
    if "`" not in text and "**" not in text:
        return text
    for pattern, replacement in _INLINE:
        text = pattern.sub(replacement, text)
    return text
