"""Plain text and source code."""

from __future__ import annotations

from docqa.extract import extract
from docqa.records import Mark


def test_text_stays_as_it_is_from_line_one() -> None:
    media_type, extraction = extract("a.py", b"\n  def f():\r\n\treturn 1\f\n")
    assert media_type == "text/x-python"
    assert extraction.text == "\n  def f():\n\treturn 1\f\n"
    assert extraction.marks == (Mark("line", 0, "1"),)
