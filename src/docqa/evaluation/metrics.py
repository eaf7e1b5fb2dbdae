"""Metrics of answers, rankings and confidences. All are shares from 0 to 1, questions count alike.

Answers: SQuAD's official scripts, version 1.1 (Rajpurkar et al. 2016, arXiv 1606.05250, section 6.1) and
version 2.0 (Rajpurkar et al. 2018, arXiv 1806.03822, section 5).
Rankings: reciprocal rank (Voorhees 1999), nDCG (Järvelin and Kekäläinen 2002).
Confidences: expected calibration error (Guo et al. 2017, arXiv 1706.04599, equation 3), area under the
risk-coverage curve (Geifman and El-Yaniv 2017, arXiv 1705.08500).
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

# An answer counts as right from this F1 on: the words around the edges may differ, the substance may not.
RIGHT_F1 = 0.8
CALIBRATION_BINS = 10

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_WITHOUT_PUNCTUATION = str.maketrans("", "", string.punctuation)

# --- answers


def normalise(text: str) -> str:
    """Reduce an answer as both official scripts do: lower case, no ASCII punctuation, no articles, single spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_WITHOUT_PUNCTUATION)).split())


def exact_match(answer: str, gold: Sequence[str]) -> float:
    """SQuAD 1.1's exact match: 1 if the answer, normalised, equals any of the gold answers; 0 without any."""
    return float(normalise(answer) in map(normalise, gold))


def f1(answer: str, gold: Sequence[str]) -> float:
    """SQuAD 1.1's F1 of the answer's words against the gold answer that it meets best; 0 without any.

    As in the official script an answer of which nothing is left scores 0 here, even against such a gold answer.
    """
    return max((_word_f1(normalise(answer).split(), normalise(one).split()) for one in gold), default=0.0)


def exact_match_v2(answer: str, gold: Sequence[str]) -> float:
    """SQuAD 2.0's exact match; the answer to an unanswerable question (no gold answers) is the empty text."""
    return exact_match(answer, _gold_v2(gold))


def f1_v2(answer: str, gold: Sequence[str]) -> float:
    """SQuAD 2.0's F1: of two texts of which one has no words, 1 if neither has any, else 0."""
    return max(exact_match(answer, [one]) or f1(answer, [one]) for one in _gold_v2(gold))


def _gold_v2(gold: Sequence[str]) -> Sequence[str]:
    """The gold answers of which something is left when normalised; the empty text if there are none."""
    return [one for one in gold if normalise(one)] or [""]


def _word_f1(answer: Sequence[str], gold: Sequence[str]) -> float:
    common = sum((Counter(answer) & Counter(gold)).values())
    return 2 * common / (len(answer) + len(gold)) if common else 0.0


@dataclass(frozen=True, slots=True)
class BestThreshold:
    """The highest mean score that any threshold on the no-answer probability gives, and that threshold.

    Answers whose no-answer probability exceeds the threshold are withheld. It is chosen on the very
    questions it is measured on: an upper bound for comparing systems, never a setting.
    """

    score: float
    threshold: float


def best_threshold(
    scores: Sequence[float], *, answerable: Sequence[bool], withheld: Sequence[bool], no_answer: Sequence[float]
) -> BestThreshold:
    """The sweep of SQuAD 2.0's official script (`find_best_thresh`) over one entry a question.

    `scores` are the answers' exact_match_v2 or f1_v2, `answerable` says whether there is a gold answer,
    `withheld` whether the answer is empty anyway, and `no_answer` is the probability that there is none. As
    in the script, equal probabilities are passed one question at a time, in the order given.
    """
    score = best = float(len(answerable) - sum(answerable))
    threshold = 0.0
    for number in sorted(range(len(scores)), key=no_answer.__getitem__):
        if answerable[number]:
            score += scores[number]
        elif not withheld[number]:
            score -= 1
        if score > best:
            best, threshold = score, no_answer[number]
    return BestThreshold(best / len(scores) if scores else 0.0, threshold)


# --- rankings


def share_within(ranks: Sequence[int | None], k: int) -> float:
    """The share of questions whose first relevant result has a rank, from 1, of at most k; None means not found.

    With one relevant result a question this is recall@k.
    """
    return sum(rank is not None and rank <= k for rank in ranks) / len(ranks) if ranks else 0.0


def mean_reciprocal_rank(ranks: Sequence[int | None]) -> float:
    """The mean of 1 / rank of the first relevant result, 0 where there is none (Voorhees 1999)."""
    return sum(1 / rank for rank in ranks if rank is not None) / len(ranks) if ranks else 0.0


def first_rank(relevant: Sequence[bool]) -> int | None:
    """The rank, from 1, of the first relevant result; None if there is none."""
    return next((rank for rank, hit in enumerate(relevant, 1) if hit), None)


def recall_at(ranking: Sequence[str], relevant: Collection[str], k: int) -> float:
    """The share of the relevant documents that stand among the first k of a ranking, which names each once."""
    return len(set(ranking[:k]) & set(relevant)) / len(set(relevant)) if relevant else 0.0


def ndcg_at(ranking: Sequence[str], grades: Mapping[str, float], k: int) -> float:
    """Discounted cumulative gain of the first k over the best possible one (Järvelin and Kekäläinen 2002).

    The gain is the grade itself, the discount log2(rank + 1), as in trec_eval's `ndcg_cut`. Documents without
    a grade count 0; the figure is 0 if no document is relevant.
    """
    ideal = _discounted(sorted((grade for grade in grades.values() if grade > 0), reverse=True)[:k])
    return _discounted([max(0.0, grades.get(document, 0.0)) for document in ranking[:k]]) / ideal if ideal else 0.0


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))


# --- confidences


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Answers of similar confidence: how many, how sure on average, and what share of them is right."""

    answers: int
    confidence: float
    right: float


def reliability(
    confidences: Sequence[float], right: Sequence[bool], bins: int = CALIBRATION_BINS
) -> tuple[ReliabilityBin, ...]:
    """The points of a reliability diagram (Guo et al. 2017): bins of *equal width* by confidence, empty ones left out.

    Bin m of M holds confidences in ((m - 1) / M, m / M], the first one 0 too.
    """
    inside: dict[int, list[tuple[float, bool]]] = {}
    for confidence, is_right in zip(confidences, right, strict=True):
        inside.setdefault(max(1, math.ceil(confidence * bins)), []).append((confidence, is_right))
    return tuple(
        ReliabilityBin(
            len(members),
            sum(confidence for confidence, _ in members) / len(members),
            sum(is_right for _, is_right in members) / len(members),
        )
        for _, members in sorted(inside.items())
    )


def calibration_error(confidences: Sequence[float], right: Sequence[bool], bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error (Guo et al. 2017, equation 3) over the bins of `reliability`.

    The mean over all answers of the distance between their bin's mean confidence and its share of right answers.
    """
    gaps = (each.answers * abs(each.confidence - each.right) for each in reliability(confidences, right, bins))
    return sum(gaps) / len(confidences) if confidences else 0.0


def precision_at_coverage(confidences: Sequence[float], right: Sequence[bool], coverage: float) -> float:
    """The share of right answers among the most confident ones, `coverage` of all; 0 without answers.

    Answers of equal confidence come in the order given.
    """
    ranked = sorted(zip(confidences, right, strict=True), key=itemgetter(0), reverse=True)
    taken = ranked[: math.ceil(coverage * len(ranked))]
    return sum(is_right for _, is_right in taken) / len(taken) if taken else 0.0


def risk_coverage_area(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """Area under the risk-coverage curve (Geifman and El-Yaniv 2017): lower is better.

    It is the mean, over k from 1 to all, of the share of wrong answers among the k most confident ones.
    Answers of equal confidence count as if in random order: each with their mean share of wrong ones.
    """
    ranked = sorted(zip(confidences, right, strict=True), key=itemgetter(0), reverse=True)
    wrong = area = 0.0
    taken = 0
    for _, group in groupby(ranked, key=itemgetter(0)):
        members = [is_right for _, is_right in group]
        for _ in members:
            wrong += members.count(False) / len(members)
            taken += 1
            area += wrong / taken
    return area / taken if taken else 0.0
