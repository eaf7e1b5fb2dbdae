"""Explanations add up to what the ranking did."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from docqa import DocQA, LengthConfiguration
from docqa.ranking import FEATURES, Ranking
from docqa.terms import document_terms

pytestmark = pytest.mark.usefixtures("short_inputs_drop")


@pytest.fixture
def engine(tiny_reader: Path, library: Path, tmp_path: Path) -> DocQA:
    (tmp_path / "Tannery.md").write_text("# Lease\n\nThe rent is 20 a year. The garden is let.\n")
    made = DocQA(library, reader=tiny_reader, precision="float32")
    made.index([tmp_path / "Tannery.md"])
    made.set_ranking(Ranking(weights={"logit": 0.5, "bm25": 2.0, "rank": -1.0}))
    return made


def test_an_answer_is_explained_if_asked_and_is_the_same_answer(engine: DocQA) -> None:
    with engine:
        plain = engine.ask("What is the rent?").answers
        explained = engine.ask("What is the rent?", explain=True).answers
    assert all(answer.explanation is None for answer in plain)
    assert all(answer.explanation is not None for answer in explained)
    assert [answer.text for answer in plain] == [answer.text for answer in explained]


def test_the_evidence_adds_up_to_the_scores_shown_beside_it(engine: DocQA) -> None:
    with engine:
        answers = engine.ask("What is the rent?", explain=True).answers
    assert answers
    for answer in answers:
        why = answer.explanation
        assert why is not None
        assert tuple(each.feature for each in why.evidence) == FEATURES
        value = {each.feature: each.value for each in why.evidence}
        assert value["logit"] == answer.reader_score == why.start_logit + why.end_logit
        assert value["margin"] == pytest.approx(answer.reader_score - why.null_logit)
        assert value["bm25"] == answer.retriever_score
        assert {each.feature: each.weight for each in why.evidence if each.weight} == {
            "logit": 0.5,
            "bm25": 2.0,
            "rank": -1.0,
        }
        assert all(each.contribution == each.value * each.weight for each in why.evidence)
        assert why.score == pytest.approx(0.5 * answer.reader_score + 2 * answer.retriever_score - value["rank"])


def test_the_terms_are_those_the_passage_was_found_by_wherever_they_stand(engine: DocQA) -> None:
    with engine:
        answer = engine.ask("Which Tannery leases mention rents and zebras?", explain=True).answers[0]
    assert answer.explanation is not None
    # In the file's name, in the heading, in the text.
    assert answer.explanation.terms == tuple(document_terms("tannery lease rent"))


def test_how_many_tokens_each_layer_kept_is_told(engine: DocQA) -> None:
    with engine:
        full, short = (
            engine.ask("What is the rent?", explain=True, lengths=lengths).answers[0].explanation
            for lengths in (None, LengthConfiguration((0.9, 0.5)))
        )
    assert full is not None
    assert short is not None
    assert full.kept == (full.tokens, full.tokens)
    assert full.tokens > 10
    assert short.kept == (math.ceil(0.9 * short.tokens), math.ceil(0.5 * short.tokens))
