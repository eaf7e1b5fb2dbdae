"""Markdown: readable text, headings, and lines that can be found again in the file."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from docqa.extract import extract
from docqa.records import Extraction


def markdown(source: str) -> Extraction:
    return extract("a.md", source.encode())[1]


def line_at(extraction: Extraction, position: int) -> int:
    """The line of the file by the definition of a line mark."""
    mark = [mark for mark in extraction.marks if mark.kind == "line" and mark.start <= position][-1]
    return int(mark.value) + extraction.text.count("\n", mark.start, position)


def headings(extraction: Extraction) -> list[tuple[str, str]]:
    """Each heading's path, and the line of the text it stands at."""
    return [
        (mark.value, extraction.text[mark.start :].split("\n")[0])
        for mark in extraction.marks
        if mark.kind == "heading"
    ]


def test_inline_markup_is_removed() -> None:
    source = "A *b* **c** `d*e` [link](http://x) ![an *image*](i.png) <b>f</b> &amp; \\*g\\* <http://h>  \nnext\nline"
    assert markdown(source).text == "A b c d*e link an image f & *g* http://h\nnext\nline"


def test_headings_are_paragraphs_and_paths() -> None:
    extraction = markdown("# A *b*\ntext\n### C\nD\n---\n# E #\n")
    assert extraction.text == "A b\n\ntext\n\nC\n\nD\n\nE"
    assert headings(extraction) == [("A b", "A b"), ("A b › C", "C"), ("A b › D", "D"), ("E", "E")]


def test_list_items_stand_one_per_line() -> None:
    source = "* a\n\n* b\n  more\n\n  second\n  - c\n    1. d\n\n7) e\n8) f\n\nafter"
    assert markdown(source).text == "- a\n- b\nmore\nsecond\n  - c\n    1. d\n\n7) e\n8) f\n\nafter"


def test_table_rows_stand_one_per_line() -> None:
    source = "| a | **b** |\n|---|:-:|\n| 1 | |\n| x\\|y | `z` |\n\nafter"
    assert markdown(source).text == "a | b\n1 | \nx|y | z\n\nafter"


def test_code_is_verbatim() -> None:
    source = "```py\n\ndef f(): # *x*\n\n    return\n```\n\n    indented *y*\n      more\n"
    assert markdown(source).text == "def f(): # *x*\n\n    return\n\nindented *y*\n  more"


def test_html_blocks_are_read_as_html() -> None:
    assert markdown('<p align="center">\nHello <b>you</b></p>\n\n<!-- no -->\n\ntext').text == "Hello you\n\ntext"


def test_lines_below_a_code_span_over_a_line_end_are_counted() -> None:
    extraction = markdown("one `a\n  b` and ``c`\nd`` `` e ``\nfour\n\n`f\n\n| `g` |\n|---|")
    assert extraction.text == "one a\n  b and c`\nd e\nfour\n\n`f\n\ng"
    assert line_at(extraction, extraction.text.index("four")) == 4
    assert markdown("`x\ny`\n===\nz").text == "x y\n\nz"


def test_front_matter_stays_a_block() -> None:
    extraction = markdown("---\ntitle: x\n---\n# H\n\ntext")
    assert extraction.text == "---\ntitle: x\n---\n\nH\n\ntext"
    assert headings(extraction) == [("H", "H")]
    assert line_at(extraction, extraction.text.index("text")) == 6


def test_deeply_nested_lists_keep_their_text() -> None:
    source = "\n".join(f"{'  ' * depth}- item{depth}" for depth in range(30))
    assert all(f"item{depth}" in markdown(source).text for depth in range(30))


BLOCKS = st.sampled_from(
    [
        "# {}",
        "{}\n{}",
        "{}\n===",
        "- {}\n- {}\n\n  {}\n  - {}",
        "1. {}\n\n\n2. {}\n   ```\n\n   {}\n   ```",
        "| {} | {} |\n|---|---|\n| {} | {} |",
        "```\n\n{}\n\n{}\n```",
        "    {}\n    {}",
        "> {}\n> {}\n>\n> - {}",
        "<div>\n\n{}\n\n</div>",
        "***\n{}  \n{}",
        "[{}](x)\n*{}*",
        "`{}\n{}` {}\n{}",
    ]
)


@settings(deadline=None)
@given(blocks=st.lists(st.tuples(BLOCKS, st.integers(1, 4)), min_size=1), front=st.booleans())
def test_every_word_is_found_on_its_line(blocks: list[tuple[str, int]], front: bool) -> None:
    source = "---\na: b\n\n---\n" if front else ""
    for block, newlines in blocks:
        source += block + "\n" + "\n" * newlines
    counter = iter(range(10_000))
    source = re.sub(r"\{\}", lambda _: f"word{next(counter)}x", source)
    extraction = markdown(source)
    for match in re.finditer(r"word\d+x", source):
        position = extraction.text.index(match[0])
        assert line_at(extraction, position) == source.count("\n", 0, match.start()) + 1


def test_line_marks_stand_only_where_counting_goes_astray() -> None:
    lines = [mark.value for mark in markdown("a\n\nb\n\n\n\nc\n\nd").marks if mark.kind == "line"]
    assert lines == ["1", "7"]
