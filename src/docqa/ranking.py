"""What speaks for a span: the evidence of retriever and reader, weighed by a small fitted model.

A span's score is a weighted sum of features, with weights fitted so that a softmax over all spans of all
passages favours the right ones: passages are normalised together, not each by itself, so that one without an
answer cannot outvote the right one. A second weighted sum goes through a logistic function and becomes the
probability that an answer is right (Platt 1999). Both come with the reader model, in `ranking.json`, because
they depend on how that reader's logits spread.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from docqa.errors import ReaderError
from docqa.passages import Bounds, sentences
from docqa.reader import catalogue
from docqa.records import Candidate, Span
from docqa.terms import document_terms

Floats = NDArray[np.float64]

FILE = catalogue.RANKING

FEATURES = ("logit", "margin", "bm25", "relative_bm25", "rank", "sentence_coverage", "answer_terms")
"""What is known of a proposal.

logit: the sum of the span's logits. margin: how far that is above the reader's logit for no answer.
bm25: the passage's score. relative_bm25: its share of the best passage's. rank: log(1 + place), from 0.
sentence_coverage: the share of the question's terms in the sentences that the span touches.
answer_terms: log(1 + number of different terms in the span).
"""

CONFIDENCE_FEATURES = ("odds", *FEATURES, "bias")
"""What an answer's confidence is computed from: the odds, as a logarithm, of its share of the softmax over all
proposals, the features of its best proposal, and a constant."""

# Beyond this a share is as good as one or none; the logarithm of its odds would be infinite.
_MOST_ODDS = 8.0


@dataclass(frozen=True, slots=True)
class Proposal:
    """A span in its candidate, with its features."""

    candidate: Candidate
    span: Span
    features: tuple[float, ...]

    @property
    def path(self) -> str:
        """The document's path."""
        return self.candidate.passage.document.path

    @property
    def bounds(self) -> Bounds:
        """The span's characters in the document."""
        start = self.candidate.passage.start
        return start + self.span.start, start + self.span.end

    @property
    def text(self) -> str:
        """The span's text."""
        return self.candidate.passage.text[self.span.start : self.span.end]


@dataclass(frozen=True)
class Ranking:
    """The fitted weights, by feature; what is not named weighs nothing.

    `least_confidence` is the confidence below which an answer counts as none. `precisions` pairs shares of
    right answers with the confidence from which on calibration answers reached them. `ranges` are the lowest and the
    highest value of each feature in calibration; unknown without.
    """

    weights: Mapping[str, float] = field(default_factory=lambda: {"logit": 1.0, "bm25": 1.0})
    confidence: Mapping[str, float] = field(default_factory=lambda: {"odds": 1.0})
    least_confidence: float = 0.0
    precisions: tuple[tuple[float, float], ...] = ()
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> Ranking:
        """Load the ranking of a reader model's folder; a folder without one gets the plain sum of both scores.

        ReaderError if the file is not what `to_json` writes.
        """
        file = folder / FILE
        return cls.from_json(file.read_text(encoding="utf-8"), file) if file.is_file() else cls()

    @classmethod
    def from_json(cls, text: str, origin: Path) -> Ranking:
        """Read what `to_json` wrote; ReaderError, naming where it came from, if it is anything else."""
        try:
            content = json.loads(text)
            ranges = {name: (low, high) for name, (low, high) in content.get("ranges", {}).items()}
            precisions = tuple(map(tuple, content["precisions"]))
            ranking = cls(**{**content, "precisions": precisions, "ranges": ranges})
            ranking._check()
            unknown = {*ranking.weights, *ranking.confidence} - set(CONFIDENCE_FEATURES)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ReaderError(f"the ranking in {origin} cannot be read ({error}); copy the reader again") from error
        if unknown:
            raise ReaderError(f"the ranking in {origin} weighs what this docqa does not know: {sorted(unknown)}")
        return ranking

    def _check(self) -> None:
        """ValueError unless all that is computed with are numbers."""
        numbers = [*self.weights.values(), *self.confidence.values(), self.least_confidence]
        for one, other in (*self.precisions, *self.ranges.values()):
            numbers += [one, other]
        if not all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
            raise ValueError("weights, confidences, precisions and ranges must be numbers")
        if self.ranges and set(self.ranges) != set(FEATURES):
            raise ValueError(f"ranges must be those of {', '.join(FEATURES)}")

    def to_json(self) -> str:
        """Write as JSON."""
        return json.dumps(asdict(self), indent=1)

    def scores(self, features: Floats) -> Floats:
        """Score proposals by their features, (proposals, FEATURES)."""
        return features @ self._weights

    def highest_score(self, known: Mapping[str, float]) -> float:
        """The most that a proposal can score of which only some features are known; infinite if nothing tells.

        The other features may be whatever they were in calibration.
        """
        if not self.ranges:
            return math.inf
        bounds = {**self.ranges, **{name: (value, value) for name, value in known.items()}}
        weights = zip(FEATURES, self._weights.tolist(), strict=True)
        highest: float = sum(max(weight * end for end in bounds[name]) for name, weight in weights)
        return highest

    def confidences(self, shares: Floats, features: Floats) -> Floats:
        """The probability that each answer is right.

        `shares` (answers,) of the softmax over all proposals, `features` (answers, FEATURES) of each
        answer's best proposal.
        """
        return 1 / (1 + np.exp(-confidence_features(shares, features) @ self._confidence))

    def confidence_for(self, precision: float) -> float:
        """The confidence from which on answers were right at least this often in calibration.

        More than 1, which no answer reaches, if none were.
        """
        return min((least for reached, least in self.precisions if reached >= precision), default=1.1)

    @property
    def logit_weight(self) -> float:
        """How much a span's score rises when its logits do by one."""
        return max(0.0, self.weights.get("logit", 0.0) + self.weights.get("margin", 0.0))

    @cached_property
    def _weights(self) -> Floats:
        return np.array([self.weights.get(name, 0.0) for name in FEATURES])

    @cached_property
    def _confidence(self) -> Floats:
        return np.array([self.confidence.get(name, 0.0) for name in CONFIDENCE_FEATURES])


def confidence_features(shares: Floats, features: Floats) -> Floats:
    """Make the features of answers' confidence, (answers, CONFIDENCE_FEATURES); arguments as `confidences`."""
    least = np.exp(-_MOST_ODDS)
    odds = np.clip(np.log(np.maximum(shares, least) / np.maximum(1 - shares, least)), -_MOST_ODDS, _MOST_ODDS)
    return np.column_stack([odds, features, np.ones(len(shares))])


def known_unread(candidate: Candidate, rank: int, best: float) -> dict[str, float]:
    """The features of all proposals in a candidate that are known before it is read.

    `rank` is its place, from 0, and `best` the best candidate's score.
    """
    score = candidate.score
    return {"bm25": score, "relative_bm25": score / best, "rank": float(np.log1p(rank))}


def propose(terms: Sequence[str], candidates: Sequence[Candidate], spans: Sequence[Sequence[Span]]) -> list[Proposal]:
    """Make proposals of the spans found in each candidate; of spans that overlap in one, only the best.

    `terms` are the question's.
    """
    best = max((candidate.score for candidate in candidates), default=0.0)
    return [
        proposal
        for rank, (candidate, found) in enumerate(zip(candidates, spans, strict=True))
        for proposal in _in_passage(frozenset(terms), candidate, found, rank, best)
    ]


def _in_passage(
    terms: frozenset[str], candidate: Candidate, spans: Sequence[Span], rank: int, best: float
) -> Iterator[Proposal]:
    text, known = candidate.passage.text, known_unread(candidate, rank, best)
    parts = [(bounds, terms.intersection(document_terms(text[slice(*bounds)]))) for bounds in sentences(text)]
    for span in _apart(spans):
        quote = text[span.start : span.end]
        if not quote.strip():
            continue
        near = frozenset[str]().union(
            *(found for (start, end), found in parts if start < span.end and span.start < end)
        )
        features = (
            span.logit,
            span.logit - span.null_logit,
            *known.values(),
            len(near) / len(terms),
            float(np.log1p(len(set(document_terms(quote))))),
        )
        yield Proposal(candidate, span, features)


def _apart(spans: Sequence[Span]) -> list[Span]:
    """The spans, best first, that overlap no better one."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda each: -each.logit):
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    return kept
