"""Features by hand, and rankings that come back from where they were saved."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from docqa.errors import ReaderError
from docqa.ranking import FEATURES, FILE, Ranking, confidence_features, known_unread, propose
from docqa.records import Candidate, Document, Passage, Span

TEXT = "The valve opens at 3 bar. The pump is quiet."


def candidate(text: str = TEXT, score: float = 4.0) -> Candidate:
    return Candidate(Passage(1, Document("/a", "text/plain", 1, 1, "", 1, 1), 100, 100 + len(text), text, ()), score)


def span(quote: str, start_logit: float = 2.0, end_logit: float = 3.0, null_logit: float = -1.0) -> Span:
    start = TEXT.index(quote)
    return Span(start, start + len(quote), start_logit, end_logit, null_logit)


def test_features_by_hand() -> None:
    (proposal,) = propose(["valv", "open", "pressur"], [candidate()], [[span("3 bar")]])
    assert dict(zip(FEATURES, proposal.features, strict=True)) == pytest.approx(
        {
            "logit": 5.0,
            "margin": 6.0,
            "bm25": 4.0,
            "relative_bm25": 1.0,
            "rank": 0.0,
            "sentence_coverage": 2 / 3,
            "answer_terms": math.log(3),
        }
    )
    assert (proposal.text, proposal.bounds, proposal.path) == ("3 bar", (119, 124), "/a")


def test_later_passages_are_seen_against_the_first() -> None:
    *_, proposal = propose(["pump"], [candidate(), candidate(score=1.0)], [[], [span("quiet")]])
    features = dict(zip(FEATURES, proposal.features, strict=True))
    assert features["relative_bm25"] == 0.25
    assert features["rank"] == pytest.approx(math.log(2))
    assert features["sentence_coverage"] == 1.0


def test_of_overlapping_spans_the_best_competes() -> None:
    spans = [span("3 bar"), span("at 3 bar", 9.0), span("quiet")]
    assert [each.text for each in propose(["valv"], [candidate()], [spans])] == ["at 3 bar", "quiet"]


def test_weights_and_confidence_by_hand() -> None:
    ranking = Ranking({"logit": 2.0, "rank": -1.0}, {"odds": 1.0, "bias": 0.5})
    features = np.zeros((1, len(FEATURES)))
    features[0, FEATURES.index("logit")] = 3.0
    features[0, FEATURES.index("rank")] = 1.0
    assert ranking.scores(features).tolist() == [5.0]
    expected = 1 / (1 + math.exp(-(math.log(0.8 / 0.2) + 0.5)))
    assert ranking.confidences(np.array([0.8]), features).tolist() == pytest.approx([expected])


def test_shares_of_nothing_and_of_all_have_finite_odds() -> None:
    assert np.isfinite(confidence_features(np.array([0.0, 1.0]), np.zeros((2, len(FEATURES))))).all()


def test_what_a_proposal_can_score_at_most_by_hand() -> None:
    ranges = {
        **dict.fromkeys(FEATURES, (0.0, 0.0)),
        "logit": (-2.0, 7.0),
        "answer_terms": (0.5, 3.0),
        "bm25": (1.0, 9.0),
    }
    ranking = Ranking({"logit": 2.0, "answer_terms": -1.0, "bm25": 0.5}, ranges=ranges)
    assert ranking.highest_score({}) == 2 * 7 - 0.5 + 0.5 * 9
    assert ranking.highest_score({"bm25": 4.0}) == 2 * 7 - 0.5 + 0.5 * 4
    assert Ranking({"logit": 2.0}).highest_score({"bm25": 4.0}) == math.inf


def test_what_is_known_before_reading_is_what_a_proposal_has() -> None:
    *_, proposal = propose(["pump"], [candidate(), candidate(score=1.0)], [[], [span("quiet")]])
    features = dict(zip(FEATURES, proposal.features, strict=True))
    known = known_unread(candidate(score=1.0), rank=1, best=4.0)
    assert known == {name: features[name] for name in known}


def test_the_confidence_for_a_precision_is_the_lowest_that_reached_it() -> None:
    ranking = Ranking(precisions=((0.8, 0.3), (0.9, 0.6), (0.95, 0.8)))
    assert ranking.confidence_for(0.85) == 0.6
    assert ranking.confidence_for(0.5) == 0.3
    assert ranking.confidence_for(0.99) > 1


def test_a_ranking_comes_back_as_it_was_written(tmp_path: Path) -> None:
    ranking = Ranking(
        {"logit": 0.25}, {"odds": 1.5, "bias": -1.0}, 0.4, ((0.9, 0.6),), dict.fromkeys(FEATURES, (0.0, 1.5))
    )
    (tmp_path / FILE).write_text(ranking.to_json())
    assert Ranking.load(tmp_path) == ranking


def test_a_folder_without_one_gets_the_plain_sum(tmp_path: Path) -> None:
    assert Ranking.load(tmp_path) == Ranking()


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{}", '{"precisions": [], "weights": {"colour": 1}}', '{"x": 1}'),
        '{"precisions": [], "weights": {"logit": "1"}}',
        '{"precisions": [], "weights": ["logit"]}',
        '{"precisions": [], "confidence": {"odds": NaN}}',
        '{"precisions": [], "least_confidence": null}',
        '{"precisions": [[0.9]]}',
        '{"precisions": [], "ranges": {"logit": [0, 1]}}',
        '{"precisions": [], "ranges": {"logit": [0]}}',
    ],
)
def test_another_file_is_refused_by_name(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(ReaderError, match=FILE):
        Ranking.load(tmp_path)
