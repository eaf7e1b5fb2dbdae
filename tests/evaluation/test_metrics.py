from __future__ import annotations

import math
import random
import re
from collections.abc import Callable

import pytest

from docqa.evaluation import metrics

# --- answers


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The  Eiffel\nTower!", "eiffel tower"),
        ("a cat, an owl and the hen", "cat owl and hen"),
        ("1,066", "1066"),
        ("“Theatre”", "“theatre”"),
        ("the", ""),
        ("state-of-the-art", "stateoftheart"),
    ],
)
def test_normalise_as_the_official_scripts_do(text: str, normal: str) -> None:
    assert metrics.normalise(text) == normal


@pytest.mark.parametrize(
    ("answer", "gold", "exact", "f1"),
    [
        ("the Nile", ("Nile",), 100.0, 100.0),
        ("in 1702", ("1702", "the year 1702"), 0.0, 66.6667),
        ("A man, a plan", ("man plan",), 100.0, 100.0),
        ("Saint-Denis", ("Saint Denis", "St. Denis"), 0.0, 0.0),
        ("", ("x",), 0.0, 0.0),
        ("the", ("the",), 100.0, 100.0),
        ("42 km", ("42km", "42 kilometres"), 0.0, 50.0),
        ("Émile Zola", ("Emile Zola", "Zola"), 0.0, 66.6667),
        ("of of the river", ("river of", "of the river of"), 0.0, 100.0),
        ("no", ("yes",), 0.0, 0.0),
        ("U.S.", ("US",), 100.0, 100.0),
        ("one two three four", ("three four five", "four"), 0.0, 57.1429),
        ("The  big\tgreen", ("big green.",), 100.0, 100.0),
        ("an an apple", ("apple apple",), 0.0, 66.6667),
    ],
)
def test_scores_are_those_of_torchmetrics(answer: str, gold: tuple[str, ...], exact: float, f1: float) -> None:
    """The values are what torchmetrics 1.9.0 gives by `torchmetrics.functional.text.squad`."""
    assert 100 * metrics.exact_match(answer, gold) == exact
    # It has version 2.0's rule for answers of which nothing is left.
    assert 100 * metrics.f1_v2(answer, gold) == pytest.approx(f1, abs=1e-4)
    if metrics.normalise(answer):
        assert 100 * metrics.f1(answer, gold) == pytest.approx(f1, abs=1e-4)


def test_exact_match_takes_any_gold_answer() -> None:
    assert metrics.exact_match("The Seine.", ["Rhine", "seine"]) == 1
    assert metrics.exact_match("Seine river", ["Rhine", "seine"]) == 0
    assert metrics.exact_match("Seine", []) == 0


@pytest.mark.parametrize(
    ("answer", "gold", "f1"),
    [
        ("the red house", ["red house"], 1.0),
        ("red house", ["big red barn"], 2 * (1 / 2) * (1 / 3) / (1 / 2 + 1 / 3)),
        ("red red", ["red"], 2 * 1 / 3),  # a word counts as often as both have it
        ("blue", ["red"], 0.0),
        ("red barn", ["red", "big red barn"], 0.8),  # the better of 2/3 and 4/5
        ("", ["red"], 0.0),
        ("the", ["a"], 0.0),  # nothing is left of either: the first script's quirk
        ("red", [], 0.0),
    ],
)
def test_f1_by_hand(answer: str, gold: list[str], f1: float) -> None:
    assert metrics.f1(answer, gold) == pytest.approx(f1)


def test_version_2_knows_the_empty_answer() -> None:
    assert metrics.f1_v2("", []) == 1
    assert metrics.exact_match_v2("", []) == 1
    assert metrics.f1_v2("something", []) == 0
    assert metrics.exact_match_v2("something", []) == 0
    assert metrics.f1_v2("", ["red"]) == 0
    assert metrics.f1_v2("red", ["the", "red"]) == 1
    assert metrics.f1_v2("", ["the"]) == 1  # a gold answer of which nothing is left counts as none


def plain_f1(answer: str, gold: str) -> float:
    """The F1 of two texts, written a second time: words are struck off one by one."""

    def words(text: str) -> list[str]:
        kept = "".join(character for character in text.lower() if character not in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
        return [word for word in re.sub(r"\b(a|an|the)\b", " ", kept).split() if word]

    left, hits = words(gold), 0
    for word in words(answer):
        if word in left:
            left.remove(word)
            hits += 1
    if not hits:
        return 0.0
    precision, recall = hits / len(words(answer)), hits / len(words(gold))
    return 2 * precision * recall / (precision + recall)


def test_f1_agrees_with_a_second_implementation() -> None:
    chance = random.Random(0)
    vocabulary = ["the", "a", "Red", "red,", "barn", "(barn)", "-", "house", "1,000", "é"]
    for _ in range(500):
        answer, *gold = (" ".join(chance.choices(vocabulary, k=chance.randint(0, 5))) for _ in range(3))
        assert metrics.f1(answer, gold) == pytest.approx(max(plain_f1(answer, one) for one in gold))


def test_best_threshold_by_hand() -> None:
    # By rising no-answer probability: right (+1), unanswerable but answered (-1), half right (+0.5),
    # withheld by itself (0). Withholding all scores the two unanswerable ones.
    found = metrics.best_threshold(
        [0.5, 1.0, 0.0, 0.0],
        answerable=[True, True, False, False],
        withheld=[False, False, False, True],
        no_answer=[0.7, 0.1, 0.3, 0.9],
    )
    assert found == metrics.BestThreshold(3 / 4, 0.1)


def test_best_threshold_is_never_below_withholding_everything() -> None:
    found = metrics.best_threshold([0.0, 0.0], answerable=[False, True], withheld=[False, False], no_answer=[0.2, 0.1])
    assert found == metrics.BestThreshold(0.5, 0.0)


def test_best_threshold_agrees_with_trying_every_threshold() -> None:
    chance = random.Random(1)
    for _ in range(100):
        size = chance.randint(1, 12)
        answerable = [chance.random() < 0.6 for _ in range(size)]
        scores = [chance.random() if has else 0.0 for has in answerable]
        no_answer = [chance.random() for _ in range(size)]

        def mean_at(threshold: float) -> float:
            total = 0.0
            for score, has, probability in zip(scores, answerable, no_answer, strict=True):  # noqa: B023
                given = probability <= threshold
                total += (score if given else 0.0) if has else float(not given)
            return total / len(scores)  # noqa: B023

        found = metrics.best_threshold(scores, answerable=answerable, withheld=[False] * size, no_answer=no_answer)
        assert found.score == pytest.approx(max(mean_at(threshold) for threshold in [-1.0, *no_answer]))


# --- rankings


def test_ranks_by_hand() -> None:
    ranks = [1, None, 3, 6]
    assert metrics.share_within(ranks, 1) == 1 / 4
    assert metrics.share_within(ranks, 5) == 2 / 4
    assert metrics.share_within(ranks, 20) == 3 / 4
    assert metrics.mean_reciprocal_rank(ranks) == pytest.approx((1 + 1 / 3 + 1 / 6) / 4)
    assert metrics.first_rank([False, True, True]) == 2
    assert metrics.first_rank([False]) is None
    assert metrics.share_within([], 5) == metrics.mean_reciprocal_rank([]) == 0


def test_recall_by_hand() -> None:
    assert metrics.recall_at(["a", "b", "c", "d"], {"b", "d", "x"}, 2) == pytest.approx(1 / 3)
    assert metrics.recall_at(["a", "b", "c", "d"], {"b", "d", "x"}, 4) == pytest.approx(2 / 3)
    assert metrics.recall_at(["a"], set(), 4) == 0


def test_ndcg_by_hand() -> None:
    grades = {"a": 3.0, "b": 2.0, "c": 1.0, "d": 0.0}
    gained = 2 / math.log2(2) + 0 + 3 / math.log2(4)
    ideal = 3 / math.log2(2) + 2 / math.log2(3) + 1 / math.log2(4)
    assert metrics.ndcg_at(["b", "d", "a", "c"], grades, 3) == pytest.approx(gained / ideal)
    assert metrics.ndcg_at(["a", "b", "c"], grades, 3) == pytest.approx(1)
    assert metrics.ndcg_at(["x", "d"], grades, 3) == 0
    assert metrics.ndcg_at(["d"], {"d": 0.0}, 3) == 0
    assert metrics.ndcg_at(["a"], {"a": 1.0, "worse": -1.0}, 3) == 1


# --- confidences


def test_calibration_error_by_hand() -> None:
    # Bins of width 0.5: {0.2 wrong, 0.4 right} and {0.9 right, 0.7 wrong}.
    error = metrics.calibration_error([0.2, 0.9, 0.4, 0.7], [False, True, True, False], bins=2)
    assert error == pytest.approx((2 * abs(0.3 - 0.5) + 2 * abs(0.8 - 0.5)) / 4)


def test_calibration_bins_close_at_their_upper_end() -> None:
    assert metrics.calibration_error([0.5, 0.0, 1.0], [True, False, True], bins=2) == pytest.approx(0.5 / 3)
    assert metrics.calibration_error([], []) == 0


def test_risk_coverage_area_by_hand() -> None:
    # By falling confidence: right, wrong, right; risks 0, 1/2, 1/3.
    assert metrics.risk_coverage_area([0.5, 0.9, 0.1], [False, True, True]) == pytest.approx((0 + 1 / 2 + 1 / 3) / 3)
    assert metrics.risk_coverage_area([0.9, 0.1], [True, True]) == 0
    assert metrics.risk_coverage_area([], []) == 0


def test_risk_coverage_area_does_not_depend_on_the_order_of_ties() -> None:
    there = metrics.risk_coverage_area([0.5, 0.5, 0.1], [True, False, True])
    back = metrics.risk_coverage_area([0.5, 0.5, 0.1], [False, True, True])
    # Half of the first two are wrong in whichever order: risks 1/2, 1/2, 1/3.
    assert there == back == pytest.approx((1 / 2 + 1 / 2 + 1 / 3) / 3)


@pytest.mark.parametrize("measure", [metrics.calibration_error, metrics.risk_coverage_area])
def test_confidences_and_verdicts_come_in_pairs(measure: Callable[..., float]) -> None:
    with pytest.raises(ValueError, match="shorter"):
        measure([0.1, 0.2], [True])


def test_reliability_bins_by_hand() -> None:
    found = metrics.reliability([0.05, 0.95, 0.85, 0.88, 0.9], [False, True, True, False, True])
    assert [(each.answers, each.right) for each in found] == [(1, 0.0), (3, pytest.approx(2 / 3)), (1, 1.0)]
    assert found[1].confidence == pytest.approx((0.85 + 0.88 + 0.9) / 3)


def test_precision_of_the_surer_part_by_hand() -> None:
    confidences, right = [0.2, 0.9, 0.6, 0.4], [True, True, False, False]
    assert metrics.precision_at_coverage(confidences, right, 0.5) == 0.5
    assert metrics.precision_at_coverage(confidences, right, 0.25) == 1.0
    assert metrics.precision_at_coverage(confidences, right, 1.0) == 0.5
    assert metrics.precision_at_coverage([], [], 0.5) == 0.0
