"""Subtitles."""

from __future__ import annotations

import pytest

from docqa.errors import ExtractionError
from docqa.extract import extract
from docqa.records import Mark

SRT = """\
1
00:00:01,000 --> 00:00:02,500
<i>The well</i> is
deep.

2
00:12:05,000 --> 00:12:06,000
{\\an8}- How deep?
- Nine metres.
"""

VTT = """\
WEBVTT

NOTE made by hand

STYLE
::cue { color: red }

intro
00:01.000 --> 00:02.000 align:start
<v.loud Bob>Tom &amp; I</v>

00:02.000 --> 01:00:03.000
Tom & <00:02.500><c>I</c>
rolling on
01:00:03.000 --> 01:00:04.000
rolling on
and on
"""


def test_cues_are_read_without_timing_and_tags() -> None:
    extraction = extract("a.srt", SRT.encode())[1]
    assert extraction.text == "The well is\ndeep.\n- How deep?\n- Nine metres."
    second = extraction.text.index("- How")
    assert extraction.marks == (
        Mark("heading", 0, "00:00:01"),
        Mark("line", 0, "3"),
        Mark("heading", second, "00:12:05"),
        Mark("line", second, "8"),
    )


def test_speakers_are_named_and_lines_that_roll_up_are_not_repeated() -> None:
    extraction = extract("a.vtt", VTT.encode())[1]
    assert extraction.text == "Bob: Tom & I\nTom & I\nrolling on\nand on"
    assert [mark.value for mark in extraction.marks if mark.kind == "heading"] == ["00:00:01", "00:00:02", "01:00:03"]
    last = extraction.text.index("and on")
    line = VTT.split("\n").index("and on") + 1
    assert [mark.value for mark in extraction.marks if mark.kind == "line" and mark.start == last] == [str(line)]


def test_a_file_without_cues_says_so() -> None:
    with pytest.raises(ExtractionError, match="not a subtitles file"):
        extract("a.srt", b"WEBVTT\n\nnothing")


@pytest.mark.parametrize("text", ["<v." * 200_000, "<v  " * 200_000, "{\\" * 200_000, "x\n" * 200_000])
def test_odd_cues_are_read_in_time(text: str) -> None:
    assert extract("a.srt", f"00:00:01,000 --> 00:00:02,500\nstart {text}".encode())
