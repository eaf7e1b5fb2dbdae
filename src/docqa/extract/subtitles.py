"""Subtitles, SRT and WebVTT: what is said, with the time of each cue as its heading."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from docqa.errors import ExtractionError
from docqa.extract.decoding import decode
from docqa.extract.draft import Draft
from docqa.records import Extraction

_TIME = r"(?:(\d{1,3}):)?(\d\d):(\d\d)[.,]\d{1,3}"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}")
_VOICE = re.compile(r"<v(?:\.[^\s>]{0,100})?\s{1,10}([^>]{1,200})>")
_TAG = re.compile(r"</?[a-zA-Z0-9][^<>]{0,200}>|\{\\[^{}]{0,200}\}")


def extract(data: bytes) -> Extraction:
    """Return the text of the cues, one below the other, with their lines in the file.

    Raises `ExtractionError` if there are none.
    """
    draft = Draft()
    begun = False
    said = ""
    for line, time, text in _cues(decode(data).split("\n")):
        draft.mark("heading", time)
        # Captions that roll up repeat the line before.
        fresh = [(number, part) for number, part in enumerate(text.split("\n"), start=line) if part and part != said]
        for number, part in fresh:
            draft.block(part, tight=begun, line=number)
            begun, said = True, part
    if not begun:
        raise ExtractionError("not a subtitles file, or one without text")
    return draft.finish()


def _cues(lines: list[str]) -> Iterator[tuple[int, str, str]]:
    """Yield each cue's first line of text by its number, the time when it begins, and its text."""
    time, begin = "", 0
    text: list[str] = []
    for number, line in enumerate([*lines, ""], start=1):
        timing = _TIMING.match(line)
        if time and (timing is not None or not line.strip()):
            yield begin, time, "\n".join(text)
            time = ""
        if timing is not None:
            hours, minutes, seconds = timing.group(1, 2, 3)
            time, begin, text = f"{int(hours or 0):02}:{minutes}:{seconds}", number + 1, []
        elif time:
            text.append(_readable(line))


def _readable(line: str) -> str:
    return html.unescape(_TAG.sub("", _VOICE.sub(r"\1: ", line))).strip()
