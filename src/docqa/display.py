"""The one way by which text from documents and file names reaches a terminal.

Terminals obey control sequences: a document could move the cursor, fill the clipboard or fake a link, and
direction marks could make a file name read as another. Everything such is shown as an escape instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docqa.records import Answer

# C0 and C1 controls, direction marks and overrides, line and paragraph separators, byte-order mark, surrogates
# (undecodable bytes of a file name).
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_WHITE_SPACE = re.compile(r"\s+")


def printable(text: str) -> str:
    """Replace what a terminal might obey by a visible escape; newlines and tabs stay."""
    return _UNPRINTABLE.sub(lambda match: _escaped(match.group()), text)


def one_line(text: str) -> str:
    """Make text printable on one line: every run of white space becomes a space."""
    return printable(_WHITE_SPACE.sub(" ", text).strip())


def worth_showing(answers: Sequence[Answer]) -> tuple[Answer, ...]:
    """Leave out alternatives of less than half a per cent, which would only be in a person's way."""
    return tuple(answers[:1]) + tuple(answer for answer in answers[1:] if answer.confidence >= 0.005)


def made_by_docqa(parts: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """The parts of a library file but for SQLite's own tables, which say nothing to anybody."""
    return [part for part in parts if "sqlite" not in part[0].lower()]


def size(count: float) -> str:
    """A number of bytes in the unit that suits it."""
    for unit in ("B", "kB", "MB"):
        if round(count) < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def duration(seconds: float) -> str:
    """A length of time as one says it: seconds, minutes and seconds, hours and minutes."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def counted(count: int, noun: str) -> str:
    """A number and what it counts."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as os.fsdecode carries it
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
