from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi

from docqa.errors import UsageError
from docqa.evaluation.metrics import normalise
from docqa.terms import document_terms, question_terms
from docqa.training.data import (
    Collection,
    Distractors,
    Mix,
    Source,
    add_questions,
    as_squad,
    hold_out,
    read_source,
    read_squad,
)


def asked(question: str, answer: str | None, start: int = 0) -> dict[str, Any]:
    answers = [] if answer is None else [{"text": answer, "answer_start": start}]
    return {"id": question, "question": question, "answers": answers}


def test_reads_answerable_and_unanswerable_questions(rivers: Path) -> None:
    collection = read_squad(rivers)
    assert len(collection.paragraphs) == 6
    assert [bool(question.answers) for question in collection.questions] == [True, False] * 6
    first = collection.questions[0]
    start, end = first.answers[0]
    assert collection.paragraphs[first.paragraph][start:end] == "seine"


def test_a_wrong_answer_start_is_corrected_to_the_nearest_occurrence(squad_file: Callable[..., Path]) -> None:
    context = "nile here and nile there and nile"
    file = squad_file([("t", [(context, [asked("which", "nile", 16)])])])
    assert read_squad(file).questions[0].answers == ((14, 18),)


@pytest.mark.parametrize("answer", ["danube", "", "  "])
def test_a_question_without_its_answer_is_dropped_and_counted(squad_file: Callable[..., Path], answer: str) -> None:
    file = squad_file([("t", [("the nile", [asked("lost", answer), asked("kept", "nile", 4)])])])
    collection = read_squad(file)
    assert [question.text for question in collection.questions] == ["kept"]
    assert collection.dropped == 1


def test_equal_answers_count_once(squad_file: Callable[..., Path]) -> None:
    entry = asked("which", "nile", 4)
    entry["answers"] *= 3
    file = squad_file([("t", [("the nile", [entry])])])
    assert read_squad(file).questions[0].answers == ((4, 8),)


@pytest.fixture
def more(rivers: Path, tmp_path: Path) -> Callable[..., Path]:
    """Write further questions about the toy collection's first paragraph, or about another text."""

    def write(*entries: dict[str, Any], about: str | None = None) -> Path:
        text = read_squad(rivers).paragraphs[0] if about is None else about
        digest = hashlib.sha256(text.encode()).hexdigest()
        file = tmp_path / "more.json"
        paragraph = {"context_sha256": digest, "qas": list(entries)}
        file.write_text(json.dumps({"data": [{"title": "paris", "paragraphs": [paragraph]}]}), encoding="utf-8")
        return file

    return write


def test_more_questions_join_those_about_the_same_paragraph(rivers: Path, more: Callable[..., Path]) -> None:
    file = more(asked("What is big?", "seine"), asked("Where does it end?", None), asked("Lost?", "danube"))
    before, after = read_squad(rivers), read_source(Source(rivers, "toy", more=file))
    assert after.paragraphs == before.paragraphs
    assert after.questions[: len(before.questions)] == before.questions
    added = after.questions[len(before.questions) :]
    assert [(question.text, question.paragraph) for question in added] == [
        ("What is big?", 0),
        ("Where does it end?", 0),
    ]
    assert [after.paragraphs[0][start:end] for start, end in added[0].answers] == ["seine"]
    assert (before.dropped, after.dropped) == (0, 1)


def test_more_questions_are_held_out_with_their_document(rivers: Path, more: Callable[..., Path]) -> None:
    source = Source(rivers, "toy", held_out=1.0, more=more(asked("What is big?", "seine")))
    mix = Mix([source])
    assert "What is big?" in [question.text for question in mix.held_out[0].questions]
    assert not mix.collections[0].questions


def test_more_questions_tell_a_source_apart(rivers: Path, more: Callable[..., Path]) -> None:
    digests = {Source(rivers, "toy").digest}
    digests |= {Source(rivers, "toy", more=more(asked(text, None))).digest for text in ("Why?", "How?")}
    assert len(digests) == 3


def test_more_questions_about_another_text_are_named(rivers: Path, more: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match=r"more\.json asks about a paragraph that toy does not hold"):
        add_questions(read_squad(rivers), more(asked("Why?", None), about="Another text."))


def test_more_questions_of_another_form_are_named(rivers: Path) -> None:
    with pytest.raises(UsageError, match=r"toy\.json is not in SQuAD's format: 'context_sha256' is missing"):
        add_questions(read_squad(rivers), rivers)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"data": [', "is not a JSON file"),
        (b"\xff\xfe", "is not a JSON file"),
        (b'{"version": "1.1"}', "'data' is missing"),
        (b'{"data": [{"paragraphs": [{"qas": []}]}]}', "'context' is missing"),
        (b'{"data": [{"paragraphs": [{"context": "x", "qas": [{"id": "1", "question": "q"}]}]}]}', "'answers'"),
        (b'{"data": {"paragraphs": []}}', "not in SQuAD's format"),
        (b"[]", "not in SQuAD's format"),
        (b'{"data": 3}', "not in SQuAD's format"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "broken.json"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"broken\.json") as raised:
        read_squad(file)
    assert message in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.json cannot be read"):
        read_squad(tmp_path / "nowhere.json")


def test_whole_documents_are_held_out_whatever_their_order(rivers: Path) -> None:
    collection = read_squad(rivers)
    trained, held = hold_out(collection, 1 / 3, "article")
    assert len(held.paragraphs) == 2
    assert len(trained.paragraphs) == 4
    assert not set(held.titles) & set(trained.titles)
    assert len(held.questions) + len(trained.questions) == len(collection.questions)
    backwards = Collection("toy", collection.paragraphs[::-1], collection.titles[::-1], ())
    assert set(hold_out(backwards, 1 / 3, "article")[1].paragraphs) == set(held.paragraphs)


def test_equal_paragraphs_stay_on_one_side() -> None:
    collection = Collection("posts", ("a", "b", "a", "b"), ("t",) * 4, ())
    trained, held = hold_out(collection, 0.5, "paragraph")
    assert not set(trained.paragraphs) & set(held.paragraphs)
    assert len(held.paragraphs) == 2


def test_an_export_reads_back_the_same(rivers: Path, tmp_path: Path) -> None:
    collection = read_squad(rivers)
    file = tmp_path / "toy.json"
    file.write_text(json.dumps(as_squad([collection])), encoding="utf-8")
    assert read_squad(file) == collection


_LETTERS = st.text("ab c,A", min_size=1, max_size=12)


@given(st.lists(_LETTERS, max_size=12), st.lists(_LETTERS, min_size=1, max_size=2), _LETTERS)
def test_a_distractor_never_holds_an_answer(paragraphs: list[str], answers: list[str], question: str) -> None:
    for place in Distractors(paragraphs).find(question, answers, own="a b", count=10):
        assert paragraphs[place] != "a b"
        words = f" {normalise(paragraphs[place])} "
        assert not any(f" {normalise(answer)} " in words for answer in answers)


def test_distractors_come_in_the_order_of_bm25() -> None:
    paragraphs = [
        "The Nile flows through Cairo, the Nile.",
        "Cairo is green.",
        "Lima has a mayor and a river and a port.",
        "Nothing of this kind.",
        "Delhi, Oslo and Quito are far away.",
        "A river.",
        "Rain falls.",
    ]
    question = "Which river flows through Cairo?"
    oracle = BM25Okapi([document_terms(paragraph) for paragraph in paragraphs])
    scores = oracle.get_scores(question_terms(question))
    expected = sorted((at for at in range(7) if scores[at] > 0), key=lambda at: -scores[at])
    assert Distractors(paragraphs).find(question, ["yamuna"], own="", count=10) == expected


def test_an_answer_that_normalises_to_nothing_has_no_distractors() -> None:
    assert Distractors(["nile one", "nile two"]).find("nile", ["the"], own="", count=3) == []
    assert Distractors([]).find("nile", ["x"], own="", count=3) == []


def test_a_mix_repeats_itself_and_keeps_out_what_is_held_out(rivers: Path) -> None:
    mix = Mix([Source(rivers, "toy", distractors=1.0, held_out=1 / 3)])
    questions = list(mix.examples(Random("0/0")))
    assert questions == list(mix.examples(Random("0/0")))
    held = {paragraph for collection in mix.held_out for paragraph in collection.paragraphs}
    assert held
    assert not held & {example.passage for passages in questions for example in passages}
    # Four answerable questions with a distractor each, four unanswerable ones alone.
    assert sorted(map(len, questions)) == [1, 1, 1, 1, 2, 2, 2, 2]
    for own, *distractors in questions:
        assert bool(own.answers) == bool(distractors)
        assert not any(example.answers for example in distractors)


def test_a_share_thins_out_the_questions(rivers: Path) -> None:
    assert list(Mix([Source(rivers, "toy", share=0.0)]).examples(Random("0/0"))) == []
