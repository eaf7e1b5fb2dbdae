from __future__ import annotations

import pytest

from docqa.errors import UsageError
from docqa.evaluation.datasets import BeirSet
from docqa.evaluation.retrieval import judge, rank_documents

TASK = BeirSet(
    "toy",
    {"d1": "wings and lift", "d2": "heat in slabs", "d3": "shock waves and wings"},
    {"q1": "What are wings?", "q2": "Which shock waves?", "q3": "anything"},
    {"q1": {"d1": 1.0, "d3": 2.0, "d2": 0.0}, "q2": {"d2": 1.0}, "q3": {"d1": 0.0}},
)


def test_docqa_ranks_documents_by_their_terms() -> None:
    rankings = rank_documents(TASK)
    assert rankings == {"q1": ["d1", "d3"], "q2": ["d3"], "q3": []}
    assert rank_documents(TASK, depth=1)["q1"] == ["d1"]


def test_judging_by_hand() -> None:
    report = judge(TASK, {"q1": ["d2", "d3"], "q3": ["d1"]})
    assert report.queries == 2  # nothing is relevant for the third
    ideal = 2 + 1 / 1.5849625
    assert report.ndcg_at_10 == pytest.approx((2 / 1.5849625 / ideal + 0) / 2)
    assert report.recall_at_1 == 0.0
    assert report.recall_at_5 == report.recall_at_20 == report.recall_at_100 == pytest.approx((1 / 2 + 0) / 2)
    assert report.reciprocal_rank == pytest.approx((1 / 2 + 0) / 2)


def test_a_task_without_relevant_documents_is_refused() -> None:
    with pytest.raises(UsageError, match="toy has no query"):
        judge(BeirSet("toy", {}, {"q": "x"}, {"q": {"d": 0.0}}), {})
