"""Fitting: planted weights are found again, confidences are worth what they say."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from docqa.errors import UsageError
from docqa.evaluation.datasets import Article, Paragraph, Question, SquadSet
from docqa.evaluation.library import library_of
from docqa.ranking import FEATURES, Proposal, Ranking
from docqa.records import Candidate, Document, Passage, Span
from docqa.training.ranking import (
    Judged,
    advised_confidence,
    first_answers,
    fit_ranking,
    fit_weights,
    judge,
    precision_table,
    seen_ranges,
)

DOCUMENT = Document("/a", "text/plain", 1, 1, "", 1, 1)


def proposal(number: int, features: dict[str, float]) -> Proposal:
    passage = Passage(number, DOCUMENT, 10 * number, 10 * number + 9, f"answer {number:02}", ())
    values = tuple(features.get(name, 0.0) for name in FEATURES)
    return Proposal(Candidate(passage, 1.0), Span(0, 9, 0.0, 0.0, 0.0), values)


def questions(count: int, *, answerable: float = 0.7, seed: int = 0) -> list[Judged]:
    """Questions whose right proposal is drawn by a softmax over 2 · logit + 0.5 · bm25; logits tell of no answer."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        there = chance.random() < answerable
        drawn = [
            {"logit": chance.gauss(1.5 if there else -1.5, 1), "bm25": chance.gauss(0, 2), "margin": chance.gauss(0, 1)}
            for _ in range(6)
        ]
        weights = [np.exp(2 * each["logit"] + 0.5 * each["bm25"]) for each in drawn]
        (winner,) = chance.choices(range(6), weights)
        proposals = tuple(proposal(number, each) for number, each in enumerate(drawn))
        made.append(Judged(proposals, tuple(there and number == winner for number in range(6))))
    return made


def test_planted_weights_are_found() -> None:
    weights = fit_weights(questions(1500), {})
    assert weights["logit"] == pytest.approx(2, rel=0.15)
    assert weights["bm25"] == pytest.approx(0.5, rel=0.15)
    assert weights["margin"] == pytest.approx(0, abs=0.15)


def test_confidences_are_worth_what_they_say_on_other_questions() -> None:
    ranking = fit_ranking(questions(1500))
    shares, features, right = first_answers(questions(1500, seed=1), ranking)
    confidences = ranking.confidences(shares, features)
    assert confidences.mean() == pytest.approx(right.mean(), abs=0.04)
    sure = confidences > 0.8
    assert right[sure].mean() == pytest.approx(confidences[sure].mean(), abs=0.06)


def test_the_fit_is_the_same_twice() -> None:
    assert fit_ranking(questions(100)) == fit_ranking(questions(100))


def test_a_few_questions_move_a_prior_only_a_little() -> None:
    prior = fit_ranking(questions(1500))
    moved = fit_ranking(questions(10, seed=2), prior)
    assert moved.weights["logit"] == pytest.approx(prior.weights["logit"], rel=0.3)
    assert moved.precisions == prior.precisions


@pytest.mark.parametrize(("answerable", "kind"), [(0.0, "wrong")])
def test_answers_of_one_kind_only_cannot_be_fitted(answerable: float, kind: str) -> None:
    with pytest.raises(UsageError, match=f"all 50 first answers are {kind}"):
        fit_ranking(questions(50, answerable=answerable), Ranking())


def test_ranges_hold_all_that_was_seen_now_and_before() -> None:
    nothing, much = proposal(1, {"logit": -3.0}), proposal(2, {"logit": 4.0, "bm25": 2.0})
    seen = seen_ranges([Judged((nothing, much), (False, True))], {})
    assert (seen["logit"], seen["bm25"], seen["rank"]) == ((-3.0, 4.0), (0.0, 2.0), (0.0, 0.0))
    wider = seen_ranges([Judged((proposal(3, {"logit": 5.0}),), (True,))], seen)
    assert (wider["logit"], wider["bm25"]) == ((-3.0, 5.0), (0.0, 2.0))


def test_every_third_question_is_asked_again_without_its_answers(tiny_reader: Path) -> None:
    birds = ("heron", "otter", "pike", "teal")
    articles = [Article(f"A {bird}", (Paragraph(f"It was seen, the {bird}.", ()),)) for bird in birds]
    for bird in birds:
        question = Question(bird, f"Where does the {bird} live?", (f"river of {bird}s",))
        articles.append(Article(f"{bird}s", (Paragraph(f"The {bird} lives in the river of {bird}s.", (question,)),)))
    steps: list[tuple[int, ...]] = []
    with library_of(SquadSet("toy", tuple(articles)), reader=tiny_reader) as library:
        judged = list(judge(library.engine, library.questions, progress=lambda *step: steps.append(step)))
    asked = ("heron", "heron", "otter", "pike", "teal", "teal")
    read = [" ".join(each.candidate.passage.text for each in one.proposals) for one in judged]
    found = [f"river of {bird}s" in texts for bird, texts in zip(asked, read, strict=True)]
    assert found == [True, False, True, True, True, False]
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_advised_confidence_withholds_six_of_ten_wrong_answers() -> None:
    confidences = np.array([*np.linspace(0.05, 0.55, 11), 0.12, 0.9])
    right = np.array([False] * 11 + [True, True])
    advised = advised_confidence(confidences, right)
    assert advised == pytest.approx(0.35)
    assert (confidences[~right] < advised).sum() == 6


def test_precisions_by_hand() -> None:
    confidences = np.linspace(1, 0, 100)
    right = np.arange(100) < 60
    table = dict(precision_table(confidences, right))
    assert table[0.98] == pytest.approx(confidences[60])
    assert table[0.6] == pytest.approx(confidences[99])
    assert 0.5 in table
