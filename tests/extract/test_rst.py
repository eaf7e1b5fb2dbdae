"""reStructuredText, as people write it."""

from __future__ import annotations

from textwrap import dedent

import pytest

from docqa.extract import extract
from docqa.records import Extraction, Mark


def read(text: str) -> Extraction:
    return extract("a.rst", dedent(text).encode())[1]


def line_of(extraction: Extraction, word: str) -> int:
    at = extraction.text.index(word)
    mark = [mark for mark in extraction.marks if mark.kind == "line" and mark.start <= at][-1]
    return int(mark.value) + extraction.text.count("\n", mark.start, at)


def test_titles_are_headings_with_their_lines() -> None:
    extraction = read(
        """\
        ======
         Tool
        ======

        Intro.

        Use
        ---
        Run it.

        Details
        ~~~~~~~

        Help
        ----

        ------

        End.
        """
    )
    assert extraction.text == "Tool\n\nIntro.\n\nUse\n\nRun it.\n\nDetails\n\nHelp\n\nEnd."
    headings = [mark for mark in extraction.marks if mark.kind == "heading"]
    assert [mark.value for mark in headings] == ["Tool", "Tool › Use", "Tool › Use › Details", "Tool › Help"]
    words = ("Tool", "Intro", "Use", "Run", "Details", "Help", "End")
    assert [line_of(extraction, word) for word in words] == [2, 5, 7, 9, 11, 14, 19]


def test_markup_is_taken_off_and_targets_are_left_out() -> None:
    extraction = read(
        """\
        See :ref:`the setup <setup>`, :func:`~a.b`, `the site <https://x.org>`_ and ``pip install``.

        .. _setup:
        .. |x| image:: x.png
        .. note:: **Never** do 2 ** 3.
           Twice.
        """
    )
    assert extraction.text == "See the setup, a.b, the site and pip install.\n\nNever do 2 ** 3.\n   Twice."


def test_borders_of_tables_are_left_out() -> None:
    extraction = read(
        """\
        +---+---+
        | a | b |
        +===+===+
        | 1 | 2 |
        +---+---+

        ====  ====
        c     d
        ====  ====
        """
    )
    assert extraction.text == "| a | b |\n| 1 | 2 |\n\nc     d"
    assert extraction.marks == (Mark("line", 0, "2"), Mark("line", 10, "4"), Mark("line", 21, "8"))


def test_nothing_is_included() -> None:
    assert read(".. include:: /etc/hostname\n.. raw:: html\n   :file: /etc/passwd\n").text == (
        "/etc/hostname\nhtml\n   :file: /etc/passwd"
    )


@pytest.mark.parametrize("text", ["`" * 300_000, ":a" * 300_000, "x" + " " * 500_000 + "\n---", "= " * 300_000])
def test_odd_markup_is_read_in_time(text: str) -> None:
    assert extract("a.rst", f"start\n\n{text}".encode())
