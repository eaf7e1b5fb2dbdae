from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordPiece

from docqa.errors import ReaderError
from docqa.reader.windows import (
    ANSWER_TOKENS,
    OVERLAP_TOKENS,
    QUESTION_TOKENS,
    WINDOW_TOKENS,
    Window,
    best_spans,
    cut_windows,
)


@pytest.fixture(scope="module")
def tokenizer(tiny_reader: Path) -> Tokenizer:
    return Tokenizer.from_file(str(tiny_reader / "tokenizer.json"))


def test_a_window_is_cls_question_sep_passage_sep(tokenizer: Tokenizer) -> None:
    [window], shortened = cut_windows(tokenizer, "what is rent", ["the lease ends"])
    ids = tokenizer.token_to_id
    expected = ["[CLS]", "what", "is", "rent", "[SEP]", "the", "lease", "ends", "[SEP]"]
    assert window.tokens == [ids(token) for token in expected]
    assert (window.first, window.offsets) == (5, [(0, 3), (4, 9), (10, 14)])
    assert not shortened


@pytest.mark.parametrize(
    ("words", "shortened"), [(1, False), (63, False), (64, False), (65, True), (400, True), (20_000, True)]
)
def test_a_long_question_is_shortened_and_leaves_room_for_the_passage(
    tokenizer: Tokenizer, words: int, shortened: bool
) -> None:
    windows, told = cut_windows(tokenizer, " ".join(["rent"] * words), ["the lease ends"])
    assert told is shortened
    assert windows[0].first == 2 + min(words, QUESTION_TOKENS)
    assert len(windows[0].offsets) == 3


@pytest.mark.parametrize("question", ["", "rent " * 10, "rent " * 100])
@pytest.mark.parametrize("tokens", [1, 310, 311, 317, 318, 319, 382, 383, 1_000, 5_000])
def test_windows_overlap_and_cover_the_passage(tokenizer: Tokenizer, question: str, tokens: int) -> None:
    windows, _ = cut_windows(tokenizer, question, ["rent " * tokens])
    assert all(len(window.tokens) <= WINDOW_TOKENS for window in windows)
    covered = [start // 5 for window in windows for start, _ in window.offsets]
    assert sorted(set(covered)) == list(range(tokens))
    assert len(covered) - tokens <= OVERLAP_TOKENS * (len(windows) - 1)
    for earlier, later in pairwise(windows):
        assert earlier.offsets[-OVERLAP_TOKENS:] == later.offsets[:OVERLAP_TOKENS]


@pytest.mark.parametrize("limit", [8, 16, 64, 100])
def test_a_model_with_a_small_window_gets_small_windows(tokenizer: Tokenizer, limit: int) -> None:
    windows, _ = cut_windows(tokenizer, "rent " * 90, ["lease " * 300], limit)
    assert max(len(window.tokens) for window in windows) == limit
    assert {start for window in windows for start, _ in window.offsets} == set(range(0, 1_800, 6))


@pytest.mark.parametrize("passage", ["", "   ", "\n\t", "\u0300"])
def test_a_passage_without_tokens_has_no_window(tokenizer: Tokenizer, passage: str) -> None:
    windows, _ = cut_windows(tokenizer, "rent", [passage, "lease"])
    assert [window.passage for window in windows] == [1]


def test_an_endless_word_is_one_unknown_token(tokenizer: Tokenizer) -> None:
    [window], _ = cut_windows(tokenizer, "rent", ["x" * 100_000])
    assert window.offsets == [(0, 100_000)]


@given(st.text(max_size=400), st.text(max_size=60))
def test_offsets_stay_inside_the_passage_and_never_go_back(tokenizer: Tokenizer, passage: str, question: str) -> None:
    windows, _ = cut_windows(tokenizer, question, [passage])
    for window in windows:
        assert all(0 <= start <= end <= len(passage) for start, end in window.offsets)
        assert window.offsets == sorted(window.offsets)
        assert len(window.tokens) == window.first + len(window.offsets) + 1


def test_lone_surrogates_are_read_as_something_else(tokenizer: Tokenizer) -> None:
    [window], _ = cut_windows(tokenizer, "caf\udce9", ["a \udcff rent"])
    assert window.offsets[-1] == (4, 8)


def test_a_tokenizer_of_another_kind_is_refused() -> None:
    with pytest.raises(ReaderError, match=r"has no \[CLS\]"):
        cut_windows(Tokenizer(WordPiece({"[UNK]": 0}, unk_token="[UNK]")), "a", ["b"])


# --- spans --------------------------------------------------------------------------------------------------


def window_of(size: int, first: int = 3) -> Window:
    return Window(0, [0] * (first + size + 1), first, [(3 * place, 3 * place + 2) for place in range(size)])


def all_spans(window: Window, logits: np.ndarray) -> list[tuple[float, int, int]]:
    """Every span that is allowed, with its score: best first, then by place."""
    size = len(window.offsets)
    spans = [
        (float(logits[window.first + start, 0] + logits[window.first + end, 1]), start, end)
        for start in range(size)
        for end in range(start, min(size, start + ANSWER_TOKENS))
    ]
    return sorted(spans, key=lambda span: (-span[0], span[1], span[2]))


@given(st.integers(0, 80), st.integers(1, 40), st.integers(0, 10), st.integers(0, 1_000))
def test_the_best_spans_are_those_of_trying_all(size: int, count: int, padding: int, seed: int) -> None:
    window = window_of(size)
    # All different, so that the order is one; padding and question would win if they were looked at.
    logits = np.random.default_rng(seed).permutation(2 * (len(window.tokens) + padding)).reshape(-1, 2) ** 1.5
    logits = logits.astype(np.float32)
    logits[: window.first] = logits[window.first + size :] = 1e6
    found = best_spans(window, logits, count)
    expected = all_spans(window, logits)[:count]
    assert [span.logit for span in found] == pytest.approx([score for score, _, _ in expected])
    for span in found:
        start, end = span.start // 3, span.end // 3
        assert (span.start, span.end) == (window.offsets[start][0], window.offsets[end][1])
        assert span.start_logit == logits[window.first + start, 0]
        assert span.end_logit == logits[window.first + end, 1]


def test_spans_of_equal_logits_come_in_the_order_of_the_passage() -> None:
    spans = best_spans(window_of(4), np.zeros((8, 2), np.float32), 100)
    assert [(span.start, span.end) for span in spans] == sorted((span.start, span.end) for span in spans)
    assert len(spans) == 10


def test_the_null_logit_is_that_of_cls() -> None:
    logits = np.zeros((8, 2), np.float32)
    logits[0] = 1.5, 2.0
    assert {span.null_logit for span in best_spans(window_of(4), logits, 5)} == {3.5}
