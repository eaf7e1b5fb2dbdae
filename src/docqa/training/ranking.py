"""Fit a reader's ranking: how its evidence and the retriever's are weighed, and what a confidence is worth.

Fitted on questions about documents that were held out from training. Each is asked of a library twice: as
it is, and with the passages that hold its answers left out, so that there is nothing to find.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from docqa.answers import grouped
from docqa.engine import DocQA, PathLike
from docqa.errors import UsageError
from docqa.evaluation.datasets import Article, Paragraph, Question, SquadSet, sample
from docqa.evaluation.gold import gold_questions
from docqa.evaluation.library import PlacedQuestion, is_right, library_of
from docqa.evaluation.reading import Progress
from docqa.ranking import CONFIDENCE_FEATURES, FEATURES, Proposal, Ranking, confidence_features
from docqa.training.data import Collection, Mix

Floats = NDArray[np.float64]

# What proposals are ranked by. The other features fit a little better and generalise a little worse here, on
# held-out documents; for the confidence all of them help.
RANKED_BY = ("logit", "margin", "bm25", "relative_bm25", "sentence_coverage")
# How many questions' worth of loss it costs to move a weight away from its prior by one standard deviation of
# its feature: a few questions shift a ranking a little, a thousand settle it.
STRENGTH = 1.5
# What the confidence is computed from. A passage's score by itself says how many and how rare words the question
# has, and means another thing in every library: fitted on some kinds of documents, it misleads about others.
CONFIDENT_BY = tuple(name for name in CONFIDENCE_FEATURES if name != "bm25")
# Every third question is also asked with its answers left out: of their own documents people ask more often what
# is there than what is not.
LEFT_OUT_EVERY = 3
# The share of wrong first answers to withhold. A wrong one that is shown carries its low confidence, but nobody
# sees a right one that is not: this costs one right answer in fourteen, the next tenth nearly as many again.
REFUSED = 0.6
PRECISIONS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98)
# Fewer answers than this say nothing about the precision at a confidence.
FEWEST_ANSWERS = 20


@dataclass(frozen=True, slots=True)
class Judged:
    """All that competed to answer one question, and which of it is right."""

    proposals: tuple[Proposal, ...]
    right: tuple[bool, ...]

    @property
    def features(self) -> Floats:
        """The proposals' features, (proposals, FEATURES)."""
        return np.array([proposal.features for proposal in self.proposals])


@contextmanager
def held_out_library(mix: Mix, reader: PathLike | None = None) -> Iterator[tuple[DocQA, list[PlacedQuestion]]]:
    """A temporary library of a mix's documents, with questions about those that were held out from training."""
    counts = {source.file.stem: source.calibration for source in mix.sources}
    held_out = [as_set(collection) for collection in mix.held_out]
    asked = SquadSet("held out", tuple(article for each in held_out for article in each.articles))
    with library_of(asked, distractors=[as_set(each) for each in mix.collections], reader=reader) as library:
        questions: list[PlacedQuestion] = []
        rest = iter(library.questions)
        for each in held_out:
            questions += sample(list(islice(rest, sum(1 for _ in each.questions()))), counts[each.name])
        yield library.engine, questions


def as_set(collection: Collection) -> SquadSet:
    """A collection as evaluation sees one."""
    paragraphs: dict[str, list[Paragraph]] = {}
    questions: dict[int, list[Question]] = {}
    for question in collection.questions:
        context = collection.paragraphs[question.paragraph]
        answers = tuple(context[start:end] for start, end in question.answers)
        questions.setdefault(question.paragraph, []).append(Question(question.id, question.text, answers))
    for number, (title, text) in enumerate(zip(collection.titles, collection.paragraphs, strict=True)):
        paragraphs.setdefault(title, []).append(Paragraph(text, tuple(questions.get(number, ()))))
    articles = (Article(title, tuple(inside)) for title, inside in paragraphs.items())
    return SquadSet(collection.name, tuple(articles))


def judge(
    engine: DocQA, questions: Sequence[PlacedQuestion], *, passages: int = 10, progress: Progress | None = None
) -> Iterator[Judged]:
    """Ask every question, and every LEFT_OUT_EVERY-th again, if it has answers, without them in the library.

    Questions that find nothing are left out.
    """
    for number, placed in enumerate(questions):
        gold = placed.question.answers
        yield from judge_one(engine, placed.question.text, gold, passages=passages)
        if gold and number % LEFT_OUT_EVERY == 0:
            yield from judge_one(engine, placed.question.text, gold, passages=passages, without=gold)
        if progress:
            progress(number + 1, len(questions))


def judge_gold(engine: DocQA) -> Iterator[Judged]:
    """Ask the questions of the library's gold set that are known to have an answer, or to have none."""
    for question in gold_questions(engine.verdicts()):
        if question.answerable is not None:
            yield from judge_one(engine, question.text, question.accepted)


def judge_one(
    engine: DocQA, question: str, gold: Sequence[str], *, passages: int = 10, without: Sequence[str] = ()
) -> Iterator[Judged]:
    """Judge what competes to answer a question; nothing if nothing is found or there is no word in it."""
    with suppress(UsageError):
        proposals = tuple(engine.proposals(question, passages=passages, without=without))
        if proposals:
            yield Judged(proposals, tuple(is_right(each.text, gold) for each in proposals))


def fit_ranking(judged: Sequence[Judged], prior: Ranking | None = None) -> Ranking:
    """Fit all of a ranking, from nothing or from a `prior` that is moved as far as the questions warrant.

    UsageError if there are not both right and wrong first answers to learn from.
    """
    prior = prior or Ranking({}, {})
    ranking = replace(prior, weights=fit_weights(judged, prior.weights))
    shares, features, right = first_answers(judged, ranking)
    if right.all() or not right.any():
        raise UsageError(
            f"all {len(right)} first answers are {'right' if right.all() else 'wrong'}: a confidence needs"
            " questions of both kinds to be fitted"
        )
    ranking = replace(
        ranking,
        confidence=fit_confidence(shares, features, right, prior.confidence),
        ranges=seen_ranges(judged, prior.ranges),
    )
    confidences = ranking.confidences(shares, features)
    if len(right) < FEWEST_ANSWERS:
        return ranking
    return replace(
        ranking,
        least_confidence=advised_confidence(confidences, right),
        precisions=precision_table(confidences, right),
    )


def fit_weights(judged: Sequence[Judged], prior: Mapping[str, float]) -> dict[str, float]:
    """Weigh the features so that a softmax over a question's proposals gives most to the right ones."""
    learnable = [each for each in judged if any(each.right)]
    if not learnable:
        return dict(prior)
    columns = [FEATURES.index(name) for name in RANKED_BY]
    scale = _scale(np.concatenate([each.features for each in learnable])[:, columns])
    inputs = [torch.tensor(each.features[:, columns] / scale) for each in learnable]
    targets = [torch.tensor(each.right) for each in learnable]

    def loss(weights: Tensor) -> Tensor:
        given = [
            torch.logsumexp((features @ weights).log_softmax(0)[right], 0)
            for features, right in zip(inputs, targets, strict=True)
        ]
        return -torch.stack(given).sum()

    return _fitted(loss, RANKED_BY, prior, scale)


def seen_ranges(judged: Sequence[Judged], prior: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """The lowest and the highest value of each feature, those of the prior included."""
    seen = [each.features for each in judged]
    if prior:
        seen.append(np.array([prior[name] for name in FEATURES]).T)
    features = np.concatenate(seen).round(6)
    ends = zip(features.min(axis=0).tolist(), features.max(axis=0).tolist(), strict=True)
    return dict(zip(FEATURES, ends, strict=True))


def fit_confidence(
    shares: Floats, features: Floats, right: NDArray[np.bool_], prior: Mapping[str, float]
) -> dict[str, float]:
    """Fit the probability of being right by logistic regression (Platt 1999) on first answers."""
    inputs = confidence_features(shares, features)[:, [CONFIDENCE_FEATURES.index(name) for name in CONFIDENT_BY]]
    scale = _scale(inputs)
    scaled, targets = torch.tensor(inputs / scale), torch.tensor(right, dtype=torch.float64)

    def loss(weights: Tensor) -> Tensor:
        return torch.nn.functional.binary_cross_entropy_with_logits(scaled @ weights, targets, reduction="sum")

    return _fitted(loss, CONFIDENT_BY, prior, scale)


def first_answers(judged: Sequence[Judged], ranking: Ranking) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """First answers under a ranking: their shares, the features of their best proposals, and which are right."""
    shares, features, right = [], [], []
    for each in judged:
        first = grouped(each.proposals, ranking)[0]
        best = first.proposals[0]
        shares.append(first.share)
        features.append(best.features)
        right.append(each.right[each.proposals.index(best)])
    return np.array(shares), np.array(features), np.array(right)


def advised_confidence(confidences: Floats, right: NDArray[np.bool_]) -> float:
    """The lowest confidence to answer from that withholds a share REFUSED of the wrong answers."""
    return float(np.quantile(confidences[~right], REFUSED, method="higher"))


def precision_table(confidences: Floats, right: NDArray[np.bool_]) -> tuple[tuple[float, float], ...]:
    """For each of PRECISIONS that was reached, the lowest confidence from which on it was."""
    order = np.argsort(-confidences, kind="stable")
    reached = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.arange(1, len(order) + 1) >= FEWEST_ANSWERS
    table = []
    for precision in PRECISIONS:
        places = np.flatnonzero((reached >= precision) & enough)
        if len(places):
            table.append((precision, float(confidences[order][places[-1]])))
    return tuple(table)


def _scale(features: Floats) -> Floats:
    """Each feature's standard deviation, 1 where it does not vary."""
    scale: Floats = features.std(axis=0)
    return np.where(scale > 0, scale, 1.0)


def _fitted(
    loss_of: Callable[[Tensor], Tensor], names: Sequence[str], prior: Mapping[str, float], scale: Floats
) -> dict[str, float]:
    """Minimise a convex loss of scaled weights plus the penalty for leaving the prior; weights by name."""
    start = torch.tensor([prior.get(name, 0.0) for name in names], dtype=torch.float64) * torch.tensor(scale)
    weights = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([weights], max_iter=500, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(weights) + STRENGTH * (weights - start).square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    # Six digits are more than the data can tell, and make the file the same wherever it is fitted.
    found = (weights.detach().numpy() / scale).tolist()
    return {name: round(weight, 6) for name, weight in zip(names, found, strict=True)}
