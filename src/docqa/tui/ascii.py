"""Terminals that know no more than ASCII: frames from its characters, and a question mark for what it lacks."""

from __future__ import annotations

import sys
from functools import cache

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_STAND_INS = str.maketrans(
    {
        **dict.fromkeys("─━╴╶╸╺", "-"),
        **dict.fromkeys("│┃▏▎▍▌▐▕", "|"),
        **dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼", "+"),
        **dict.fromkeys("▁▂▃▄▅▆▇█", "#"),
        **dict.fromkeys("“”„«»", '"'),
        **dict.fromkeys("‘’‚", "'"),
        **dict.fromkeys("–—−", "-"),
        **dict.fromkeys("●✓▸▶", "*"),
        **dict.fromkeys("○·•", "."),
        "…": ".",
        "✗": "x",
        "×": "x",
        "›": ">",
        "⏎": "<",
        "↑": "^",
        "↓": "v",
        "\N{NO-BREAK SPACE}": " ",
    }
)


class AsciiFilter(LineFilter):
    """Replaces every character beyond ASCII by as many of ASCII as it takes cells."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002 (the base class')
        """Translate a line."""
        return [Segment(_plain(text), style, control) for text, style, control in segments]


def speaks_unicode() -> bool:
    """Whether the terminal is written to in an encoding that has all characters; the screen is drawn on stderr."""
    encoding = getattr(sys.__stderr__, "encoding", None) or "utf-8"
    return encoding.lower().replace("-", "").startswith("utf")


@cache
def _stand_in(character: str) -> str:
    translated = character.translate(_STAND_INS)
    return translated if translated.isascii() else "?" * cell_len(character)


def _plain(text: str) -> str:
    return text if text.isascii() else "".join(map(_stand_in, text))
