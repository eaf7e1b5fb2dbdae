"""Org files."""

from __future__ import annotations

from docqa.extract import extract
from docqa.records import Mark

DOCUMENT = b"""\
#+TITLE: Garden
#+STARTUP: overview
# a comment
* TODO [#A] Sow the beans :spring:beds:
:PROPERTIES:
:CREATED: [2024-05-03]
:END:
In [[https://x.org][rows]] of ten.
| bed | crop |
|-----+------|
| 1   | kale |
** DONE Water
*bold* is no headline.
#+begin_src sh
ls
#+end_src
* Next
:LOGBOOK:
never closed
* Last
end
"""


def test_headlines_are_headings_and_settings_are_left_out() -> None:
    extraction = extract("a.org", DOCUMENT)[1]
    assert extraction.text == (
        "Garden\n\nSow the beans\n\nIn rows of ten.\n| bed | crop |\n| 1   | kale |\n\nWater\n\n"
        "*bold* is no headline.\nls\n\nNext\n\nLast\n\nend"
    )
    assert [mark.value for mark in extraction.marks if mark.kind == "heading"] == [
        "Garden",
        "Garden › Sow the beans",
        "Garden › Sow the beans › Water",
        "Garden › Next",
        "Garden › Last",
    ]
    assert Mark("line", extraction.text.index("In rows"), "8") in extraction.marks
    assert Mark("line", extraction.text.index("ls"), "15") in extraction.marks


def test_odd_markup_is_read_in_time() -> None:
    for text in ("* x" + " :a" * 300_000 + "x", "* " + " " * 500_000 + "x", "[[" * 300_000):
        assert extract("a.org", f"start\n{text}".encode())
