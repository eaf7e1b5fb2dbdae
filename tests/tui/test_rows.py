from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from docqa.tui.rows import lay_out, shown

TEXTS = st.text(alphabet=st.sampled_from("ab cé \n\t漢👩‍👩‍👧\x1b\u202e\u0301€–[]"), max_size=300)


@given(TEXTS, st.integers(8, 40))
def test_rows_cover_the_text_in_order_and_fit(text: str, width: int) -> None:
    rows = lay_out(text, width)
    covered = 0
    for row in range(len(rows)):
        start, end = rows.bounds(row)
        assert start == covered
        assert end >= start
        # A space that does not fit may hang over.
        assert cell_len(shown(text[start:end]).removesuffix(" ")) <= width
        covered = end + text[end : end + 1].count("\n")
        assert "\n" not in text[start:end]
    assert covered == len(text)


@given(TEXTS, st.integers(8, 40))
def test_every_character_has_its_row_and_line(text: str, width: int) -> None:
    rows = lay_out(text, width)
    for position in range(len(text)):
        start, end = rows.bounds(rows.row_at(position))
        assert start <= position <= end
        assert rows.line_at(position) == text.count("\n", 0, position)
    assert [rows.begins_line(row) for row in range(len(rows))].count(True) == text.count("\n") + 1


def test_words_are_kept_whole_where_they_fit() -> None:
    rows = lay_out("when does the lease end\nin June", 10)
    assert [rows.text[slice(*rows.bounds(row))].rstrip() for row in range(len(rows))] == [
        "when does",
        "the lease",
        "end",
        "in June",
    ]


def test_ten_megabytes_are_laid_out_in_moments() -> None:
    for text in ("lorem ipsum " * 900_000, "a line of text\n" * 700_000, "x" * 10_000_000):
        started = time.perf_counter()
        assert len(lay_out(text, 80)) > 100_000
        assert time.perf_counter() - started < 10
