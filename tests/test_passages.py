from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docqa.passages import (
    OVERLAP_CHARACTERS,
    PASSAGE_CHARACTERS,
    cut_passages,
    headings,
    line_marks,
    paragraphs,
    place,
    sentences,
)
from docqa.records import Document, Mark, Passage

PIECES = (
    *("word ", "Then ", "a.", "B! ", "etc. ", "Dr. ", "3.5 ", "“So?” ", "- item", "1) one", "| cell | ", "日本", "é"),
    *("\n", "\n\n", "\n \n", "\t", "\u00a0", "\n\u00a0", " ", "x" * 90, "y" * 1_200, "Sentence of some words. " * 9),
)
texts = st.lists(st.sampled_from(PIECES), max_size=60).map("".join) | st.text(max_size=300)

DOCUMENT = Document("/d.txt", "text/plain", 0, 0, "", 0, 0)


@st.composite
def marked_texts(draw: st.DrawFn) -> tuple[str, list[Mark]]:
    """A text of blocks with blank lines between them, with marks where blocks start: what extractors make."""
    text, marks = "", []
    for number in range(draw(st.integers(1, 8))):
        kinds = draw(st.sets(st.sampled_from(("page", "heading", "line", "cell"))))
        marks += [Mark(kind, len(text), str(number + 1)) for kind in sorted(kinds)]
        block = draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=20).map("".join)).strip()
        text += (block or "x") + "\n\n"
    return text, marks


def overlaps(bounds: list[tuple[int, int]]) -> list[int]:
    return [earlier[1] - later[0] for earlier, later in pairwise(bounds)]


def not_covered(text: str, bounds: list[tuple[int, int]]) -> str:
    """What stands in none of the bounds."""
    covered = bytearray(len(text))
    for start, end in bounds:
        covered[start:end] = b"\1" * (end - start)
    return "".join(character for character, inside in zip(text, covered, strict=True) if not inside)


# --- passages -----------------------------------------------------------------------------------------------


@given(texts)
def test_passages_cover_all_that_is_not_white_space(text: str) -> None:
    assert not_covered(text, cut_passages(text)).strip() == ""


@given(texts)
def test_passages_come_in_order_and_hold_something(text: str) -> None:
    passages = cut_passages(text)
    assert all(text[start:end].strip() == text[start:end] != "" for start, end in passages)
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(passages))


@given(texts)
def test_passages_and_what_they_share_are_not_too_long(text: str) -> None:
    passages = cut_passages(text)
    assert all(end - start <= PASSAGE_CHARACTERS for start, end in passages)
    assert all(shared <= OVERLAP_CHARACTERS for shared in overlaps(passages))


@given(marked_texts())
def test_no_passage_crosses_a_heading_or_a_page(marked: tuple[str, list[Mark]]) -> None:
    text, marks = marked
    borders = [mark.start for mark in marks if mark.kind in ("heading", "page")]
    for start, end in cut_passages(text, marks):
        assert not any(start < border < end for border in borders)


@given(marked_texts())
def test_lines_and_cells_do_not_cut(marked: tuple[str, list[Mark]]) -> None:
    text, marks = marked
    assert cut_passages(text, [mark for mark in marks if mark.kind in ("line", "cell")]) == cut_passages(text)


def test_short_paragraphs_share_a_passage() -> None:
    assert cut_passages("One.\n\nTwo.\n\nThree.") == [(0, 18)]


def test_a_paragraph_that_does_not_fit_starts_a_passage() -> None:
    text = "a" * 600 + "\n\n" + "b" * 600
    assert cut_passages(text) == [(0, 600), (602, 1202)]


def test_a_passage_that_ends_inside_a_paragraph_is_repeated_from_a_sentence_on() -> None:
    text = " ".join(f"Sentence number {number} has a few words." for number in range(60))
    passages = cut_passages(text)
    assert all(text[start:].startswith("Sentence") for start, _ in passages)
    assert all(0 < shared <= OVERLAP_CHARACTERS for shared in overlaps(passages))


def test_an_endless_word_is_cut_somewhere() -> None:
    assert cut_passages("x" * 2_500) == [(0, 1_000), (1_000, 2_000), (2_000, 2_500)]


def test_a_long_sentence_is_cut_between_words() -> None:
    text = "word " * 500
    assert {text[start:end][:4] for start, end in cut_passages(text)} == {"word"}
    assert {text[start:end][-4:] for start, end in cut_passages(text)} == {"word"}


@pytest.mark.parametrize("text", ["", " ", "\n\n\n", "\u00a0\n"])
def test_blank_text_has_no_passages(text: str) -> None:
    assert cut_passages(text) == []


# --- sentences and paragraphs -------------------------------------------------------------------------------


@given(texts)
def test_sentences_cover_the_text_without_overlap(text: str) -> None:
    bounds = sentences(text)
    assert not_covered(text, bounds).strip() == ""
    assert all(shared <= 0 for shared in overlaps(bounds))
    assert all(text[start:end].strip() == text[start:end] != "" for start, end in bounds)


@given(texts)
def test_no_sentence_crosses_a_paragraph(text: str) -> None:
    whole = paragraphs(text)
    assert all(any(low <= start and end <= high for low, high in whole) for start, end in sentences(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("He said “Go.” Then he went.", ["He said “Go.”", "Then he went."]),
        ("Dr. Who met J. Smith at No. 5.", ["Dr. Who met J. Smith at No. 5."]),
        ("It is 3.5 m wide. 4 m would do.", ["It is 3.5 m wide.", "4 m would do."]),
        ("see e.g. the manual", ["see e.g. the manual"]),
        ("List:\n- one\n- two\n  1. three", ["List:", "- one", "- two", "1. three"]),
        ("a | b\n| c", ["a | b", "| c"]),
        ("first\n\n\nsecond", ["first", "second"]),
        ("no end\nhere", ["no end\nhere"]),
    ],
)
def test_sentences_end_where_a_reader_pauses(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in sentences(text)] == expected


# --- places -------------------------------------------------------------------------------------------------


def passages_of(text: str, marks: list[Mark]) -> list[Passage]:
    """Passages with the marks that the library keeps: those that hold at the start or stand inside."""
    bounds = cut_passages(text, marks)
    kept = [*marks, *line_marks(text, marks, bounds)]
    made = []
    for start, end in bounds:
        before = {mark.kind: mark for mark in sorted(kept, key=lambda mark: mark.start) if mark.start <= start}
        inside = tuple(mark for mark in kept if start < mark.start < end)
        made.append(Passage(0, DOCUMENT, start, end, text[start:end], (*before.values(), *inside)))
    return made


@given(texts, st.data())
def test_a_line_is_what_counting_newlines_from_the_start_gives(text: str, data: st.DataObject) -> None:
    for passage in passages_of(text, [Mark("line", 0, "1")]):
        position = data.draw(st.integers(passage.start, passage.end - 1))
        assert place(passage, position).line == 1 + text[:position].count("\n")


@given(marked_texts(), st.data())
def test_page_line_and_heading_are_those_of_the_last_mark(marked: tuple[str, list[Mark]], data: st.DataObject) -> None:
    text, marks = marked
    for passage in passages_of(text, marks):
        position = data.draw(st.integers(passage.start, passage.end - 1))
        last = {mark.kind: mark for mark in marks if mark.start <= position}
        page, line, heading, _ = place(passage, position)
        assert page == (int(last["page"].value) if "page" in last else None)
        assert heading == (last["heading"].value if "heading" in last else None)
        if "line" in last:
            assert line == int(last["line"].value) + text[last["line"].start : position].count("\n")
        else:
            assert line is None


@given(marked_texts())
def test_headings_are_those_at_the_starts_of_passages(marked: tuple[str, list[Mark]]) -> None:
    text, marks = marked
    passages = passages_of(text, marks)
    expected = [place(passage, passage.start).heading or "" for passage in passages]
    assert headings(marks, [(passage.start, passage.end) for passage in passages]) == expected


def test_line_marks_stand_at_every_passage_and_only_there() -> None:
    text = "\n".join(f"line {number} " + "x" * 80 for number in range(1, 40))
    marks = [Mark("line", 0, "1")]
    bounds = cut_passages(text, marks)
    added = line_marks(text, marks, bounds)
    assert [mark.start for mark in added] == [start for start, _ in bounds[1:]]
    assert [mark.value for mark in added] == [text[start:].split()[1] for start, _ in bounds[1:]]


def test_a_text_without_lines_gets_none() -> None:
    assert line_marks("a\nb", [Mark("page", 0, "1")], [(0, 3)]) == []
