from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docqa import answers as module
from docqa.answers import CONTEXT_CHARACTERS, context_bounds, source
from docqa.forms import normal_form
from docqa.ranking import Ranking, propose
from docqa.records import Answer, Candidate, Document, Mark, Passage, Span

PARIS = "Paris is the capital of France. It lies on the Seine."


def candidate(
    text: str,
    *,
    path: str = "/a.txt",
    start: int = 0,
    score: float = 1.0,
    number: int = 1,
    marks: tuple[Mark, ...] = (),
) -> Candidate:
    document = Document(path, "text/plain", 1, 1, f"digest of {path}", 1, 1)
    return Candidate(Passage(number, document, start, start + len(text), text, marks), score)


def rank(candidates: list[Candidate], spans: list[list[Span]], top: int) -> tuple[Answer, ...]:
    """Rank by the plain sum of logits and BM25, so that scores can be told by looking."""
    plain = Ranking(weights={"logit": 1.0, "bm25": 1.0}, confidence={"odds": 1.0})
    return module.rank(propose(["capital"], candidates, spans), plain, top)


def span(text: str, quote: str, logit: float = 0.0) -> Span:
    start = text.index(quote)
    return between(start, start + len(quote), logit)


def between(start: int, end: int, logit: float = 0.0) -> Span:
    return Span(start, end, logit, 0.0, 0.0)


def quotes(answers: tuple[Answer, ...]) -> list[str]:
    return [answer.text for answer in answers]


# --- ranking ------------------------------------------------------------------------------------------------


def test_no_candidates_and_no_spans_make_no_answers() -> None:
    assert rank([], [], 5) == ()
    assert rank([candidate(PARIS)], [[]], 5) == ()


def test_spans_of_all_passages_compete_by_logit_and_passage_score() -> None:
    found, other = candidate("The capital is Paris.", score=1), candidate("Lyon is large.", path="/b", score=4)
    spans = [[span("The capital is Paris.", "Paris", 5.0)], [span("Lyon is large.", "Lyon", 3.0)]]
    assert quotes(rank([found, other], spans, 5)) == ["Lyon", "Paris"]


def test_of_overlapping_spans_only_the_best_stays() -> None:
    spans = [span(PARIS, "capital of France", 3), span(PARIS, "France", 4), span(PARIS, "the capital", 2)]
    assert quotes(rank([candidate(PARIS)], [spans], 5)) == ["France", "the capital"]


def test_spans_of_overlapping_passages_are_one_place() -> None:
    late = PARIS[13:]
    answers = rank(
        [candidate(PARIS), candidate(late, start=13, number=2)],
        [[span(PARIS, "France", 4)], [span(late, "France", 3)]],
        5,
    )
    assert [(answer.text, len(answer.sources)) for answer in answers] == [("France", 1)]


def test_touching_spans_do_not_overlap() -> None:
    answers = rank([candidate("red green")], [[between(0, 4, 1), between(4, 9, 0)]], 5)
    assert quotes(answers) == ["red ", "green"]


def test_what_says_the_same_at_several_places_is_one_answer_with_several_sources() -> None:
    texts = {"/a": "It is the Seine.", "/b": "the river seine", "/c": "“Seine”, of course"}
    written = {"/a": "the Seine", "/b": "seine", "/c": "“Seine”"}
    candidates = [candidate(text, path=path) for path, text in texts.items()]
    spans = [[span(texts[path], quote, logit)] for logit, (path, quote) in enumerate(written.items())]
    [answer] = rank(candidates, spans, 5)
    assert answer.text == "“Seine”"
    assert [each.path for each in answer.sources] == ["/c", "/b", "/a"]
    assert answer.confidence == pytest.approx(1.0, abs=1e-3)


def test_the_same_passage_in_two_files_is_one_answer_with_two_sources() -> None:
    candidates = [candidate(PARIS, path="/b"), candidate(PARIS, path="/a", number=2)]
    [answer] = rank(candidates, [[span(PARIS, "Paris")], [span(PARIS, "Paris")]], 5)
    assert [each.path for each in answer.sources] == ["/a", "/b"]


def test_blank_spans_are_no_answers() -> None:
    assert rank([candidate("a  b")], [[between(1, 3, 9), between(2, 2, 9)]], 5) == ()


def test_an_answer_tells_both_scores_of_its_first_source() -> None:
    [answer] = rank([candidate(PARIS, score=7.5)], [[Span(0, 5, 1.25, 2.5, 0.0)]], 5)
    assert (answer.retriever_score, answer.reader_score) == (7.5, 3.75)


def test_equal_scores_are_ordered_by_place_not_by_id() -> None:
    candidates = [candidate("beta", path="/b", number=1), candidate("alpha", path="/a", number=2)]
    assert quotes(rank(candidates, [[between(0, 4)], [between(0, 5)]], 5)) == ["alpha", "beta"]


def test_confidences_are_the_shares_of_a_softmax_over_all_spans_not_only_the_top() -> None:
    spans = [span(PARIS, quote, logit) for logit, quote in enumerate(("Seine", "France", "Paris"))]
    [best] = rank([candidate(PARIS)], [spans], 1)
    assert best.confidence == pytest.approx(math.exp(2) / (math.exp(0) + math.exp(1) + math.exp(2)))


def test_far_apart_logits_neither_overflow_nor_vanish_at_the_top() -> None:
    spans = [between(0, 5, 2e4), between(6, 8, -2e4)]
    answers = rank([candidate(PARIS)], [spans], 5)
    assert [answer.confidence for answer in answers] == pytest.approx([1.0, 0.0], abs=1e-3)


proposals = st.lists(
    st.tuples(
        st.sampled_from(("/a", "/b", "/c")),
        st.sampled_from((0, 10, 13)),
        st.integers(0, len(PARIS) - 14),
        st.integers(1, 12),
        st.sampled_from((-1.0, 0.0, 0.5, 2.0)),
    ),
    max_size=12,
)


def ranked(listed: list[tuple[str, int, int, int, float]], order: random.Random | None = None) -> tuple[Answer, ...]:
    passages: dict[tuple[str, int], list[Span]] = {}
    for path, cut, low, length, logit in listed:
        high = min(low + length, len(PARIS) - cut)
        passages.setdefault((path, cut), []).append(between(low, high, logit))
    places = list(passages)
    if order is not None:
        order.shuffle(places)
    for spans in passages.values():
        spans.sort(key=lambda each: (-each.logit, each.start, each.end))  # as the reader gives them
    candidates = [
        candidate(PARIS[cut:], path=path, start=cut, number=number) for number, (path, cut) in enumerate(places)
    ]
    return rank(candidates, [passages[each] for each in places], 5)


@given(proposals, st.randoms(use_true_random=False))
def test_the_order_of_what_comes_in_does_not_matter(
    listed: list[tuple[str, int, int, int, float]], order: random.Random
) -> None:
    # Spans alike in score and place but from different passages are the same quote in either.
    def told(answers: tuple[Answer, ...]) -> list[tuple[str, float, list[tuple[str, int, int]]]]:
        return [
            (each.text, round(each.confidence, 12), [(of.path, of.start, of.end) for of in each.sources])
            for each in answers
        ]

    assert told(ranked(listed)) == told(ranked(listed, order))


@given(proposals)
def test_answers_are_sorted_apart_and_share_at_most_the_whole_probability(
    listed: list[tuple[str, int, int, int, float]],
) -> None:
    answers = ranked(listed)
    scores = [answer.reader_score + answer.retriever_score for answer in answers]
    assert scores == sorted(scores, reverse=True)
    assert sum(answer.confidence for answer in answers) <= 1 + 1e-3
    places = [(of.path, of.start, of.end) for answer in answers for of in answer.sources]
    for number, (path, start, end) in enumerate(places):
        assert not any(path == p and start < e and s < end for p, s, e in places[:number])
    assert len({normal_form(answer.text) for answer in answers}) == len(answers)


@given(proposals)
def test_every_source_quotes_its_document(listed: list[tuple[str, int, int, int, float]]) -> None:
    for answer in ranked(listed):
        for of in answer.sources:
            quote = PARIS[of.start : of.end]
            assert of.context[of.start - of.context_start : of.end - of.context_start] == quote
            assert PARIS[of.context_start :].startswith(of.context)
            assert normal_form(quote) == normal_form(answer.text)


# --- sources and contexts -----------------------------------------------------------------------------------


def test_a_source_counts_from_the_start_of_the_document() -> None:
    marks = (Mark("page", 90, "3"), Mark("line", 100, "7"), Mark("heading", 90, "Cities › Paris"))
    made = source(candidate("line one\nline two", start=100, marks=marks).passage, (14, 17), (9, 17))
    assert (made.start, made.end, made.context, made.context_start) == (114, 117, "line two", 109)
    assert (made.page, made.line, made.heading, made.sha256) == (3, 8, "Cities › Paris", "digest of /a.txt")


prose = st.lists(
    st.sampled_from(
        ("Word ", "and ", "so. ", "Why? ", "\n\n", "\n- ", " ", "x" * 70, "A long sentence without end " * 20)
    ),
    min_size=1,
).map("".join)


@given(prose | st.text(min_size=1), st.data())
def test_a_context_holds_the_quote_and_is_not_too_long(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    if not text[start:end].strip():
        return
    low, high = context_bounds(text, start, end)
    assert 0 <= low <= start < end <= high <= len(text)
    assert high - low <= max(CONTEXT_CHARACTERS, end - start)


def test_a_context_is_the_sentences_around_the_quote() -> None:
    text = "First. The lease ends in May. Last."
    start = text.index("May")
    assert text[slice(*context_bounds(text, start, start + 3))] == "The lease ends in May."


def test_a_long_sentence_is_cut_between_words() -> None:
    text = "filler " * 100 + "quote " + "filler " * 100
    start = text.index("quote")
    context = text[slice(*context_bounds(text, start, start + 5))]
    assert set(context.split()) == {"filler", "quote"}


def test_confidences_of_alternatives_exclude_each_other() -> None:
    sure = Ranking(weights={"logit": 1.0}, confidence={"bias": 0.5})  # each by itself at 0.62
    spans = [[span(PARIS, "Paris", 3.0), span(PARIS, "France", 2.0), span(PARIS, "the Seine", 1.0)]]
    confidences = [
        answer.confidence for answer in module.rank(propose(["capital"], [candidate(PARIS)], spans), sure, 3)
    ]
    assert confidences == pytest.approx([0.6225, 0.3775, 0.0], abs=1e-4)
