from __future__ import annotations

from typing import Any, cast

import pytest

from docqa.errors import UsageError
from docqa.evaluation.datasets import SquadSet
from docqa.evaluation.reading import answerable, best_text, evaluate_reading


def test_reading_by_hand(words: Any, towns: SquadSet) -> None:
    words.known = {
        "When was the harbour dug?": ("1702", 1.0),
        "When did the lighthouse follow?": ("followed in 1777", 1.0),  # F1 4/5
        "Over which wood is herring smoked?": ("Herring", 1.0),
    }
    steps: list[tuple[int, int]] = []
    report = evaluate_reading(words, towns, progress=lambda done, of: steps.append((done, of)))
    assert report.questions == 3
    assert report.exact == pytest.approx(1 / 3)
    assert report.f1 == pytest.approx((1 + 0.8 + 0) / 3)
    assert (report.reader, report.precision, report.lengths) == ("words", "float32", None)
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_only_answerable_questions_are_asked(towns: SquadSet) -> None:
    assert [question.id for _, question in answerable(towns)] == ["dug", "light", "wood"]
    assert [question.id for _, question in answerable(towns, 2)] == ["dug", "light"]
    with pytest.raises(UsageError, match="towns has no answerable question"):
        answerable(SquadSet("towns", towns.articles[1:]))


def test_a_reader_that_finds_nothing_answers_nothing(words: Any) -> None:
    assert best_text(cast("Any", words), "Who?", "Nobody.") == ""
