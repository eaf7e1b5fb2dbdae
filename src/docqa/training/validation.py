"""How well a reader does on held-out documents: with the right passage given, and among distractors.

The second is what an answer over a whole collection needs: a span of the right passage must win against the
spans of passages that only look right, and the figures say by which of a span's scores it does so best.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from docqa.errors import UsageError
from docqa.evaluation.datasets import sample
from docqa.evaluation.metrics import exact_match, f1
from docqa.reader import weights, windows
from docqa.reader.lengths import LengthConfiguration
from docqa.reader.model import SpanModel
from docqa.reader.reader import logits_of
from docqa.records import Span
from docqa.training.data import Collection, Distractors, Question

_BATCH_WINDOWS = 32


@dataclass(frozen=True, slots=True)
class Reading:
    """A passage's best span (None in an empty passage), and the logit of the passage having no answer."""

    span: Span | None
    null_logit: float

    @property
    def logit(self) -> float:
        """The span's own logit."""
        return -np.inf if self.span is None else self.span.logit

    @property
    def margin(self) -> float:
        """What the span's logit exceeds the null logit by."""
        return self.logit - self.null_logit


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares, from 0 to 1, over `questions` answerable questions.

    `exact` and `f1` are SQuAD's metrics of the best span with the right passage given. Among the right
    passage and its distractors, `logit_*` takes the span with the highest logit, `margin_*` the one with the
    highest margin: `*_picked` is how often it lies in the right passage, `*_f1` how good an answer it is.
    `separated` is how often, over all right and distractor passages taken singly, the right one has the
    greater margin (the area under the ROC curve).
    """

    questions: int
    exact: float
    f1: float
    logit_picked: float
    margin_picked: float
    logit_f1: float
    margin_f1: float
    separated: float


@dataclass(frozen=True, slots=True)
class Score:
    """SQuAD 1.1's metrics, shares from 0 to 1."""

    exact: float
    f1: float


@dataclass(frozen=True, slots=True)
class _Asked:
    passage: str
    gold: tuple[str, ...]


class Slice:
    """Answerable questions, each with the passage that answers it, cut into windows once to be read many times."""

    def __init__(self, tokenizer: Tokenizer, collection: Sequence[tuple[str, str, tuple[str, ...]]]) -> None:
        """Take questions, their passages and their gold answers; UsageError without any."""
        if not collection:
            raise UsageError("there is no answerable question to validate on")
        self._asked = [_Asked(passage, gold) for _, passage, gold in collection]
        self._windows = []
        for number, (question, passage, _) in enumerate(collection):
            cut, _ = windows.cut_windows(tokenizer, question, [passage])
            self._windows += [replace(window, passage=number) for window in cut]
        self._windows.sort(key=lambda window: len(window.tokens))

    @classmethod
    def of(cls, tokenizer: Tokenizer, held_out: Sequence[Collection], count: int | None = None) -> Slice:
        """Up to `count` questions of held-out collections, at even distances; UsageError without any."""
        found = [
            (question.text, collection.paragraphs[question.paragraph], _gold(collection, question))
            for collection in held_out
            for question in collection.questions
            if question.answers
        ]
        return cls(tokenizer, sample(found, count))

    def __len__(self) -> int:
        return len(self._asked)

    def score(self, model: SpanModel, lengths: LengthConfiguration | None = None) -> Score:
        """Exact match and F1 of each question's best span."""
        best: list[Span | None] = [None] * len(self._asked)
        for start in range(0, len(self._windows), _BATCH_WINDOWS):
            batch = self._windows[start : start + _BATCH_WINDOWS]
            for window, logits in zip(batch, logits_of(model, batch, lengths), strict=True):
                for span in windows.best_spans(window, logits, 1):
                    known = best[window.passage]
                    if known is None or span.logit > known.logit:
                        best[window.passage] = span
        texts = [each.passage[at.start : at.end] if at else "" for each, at in zip(self._asked, best, strict=True)]
        return Score(
            exact=fmean(exact_match(text, each.gold) for text, each in zip(texts, self._asked, strict=True)),
            f1=fmean(f1(text, each.gold) for text, each in zip(texts, self._asked, strict=True)),
        )


def _gold(collection: Collection, question: Question) -> tuple[str, ...]:
    passage = collection.paragraphs[question.paragraph]
    return tuple(passage[start:end] for start, end in question.answers)


class Judge:
    """Reads passages in float32 and keeps the null logit, which answers need for comparison."""

    def __init__(self, reader: str | os.PathLike[str]) -> None:
        loaded = weights.load(reader)
        self._model, self._tokenizer = loaded.model, loaded.tokenizer
        self._limit = min(windows.WINDOW_TOKENS, loaded.model.shape.max_position_embeddings)

    def read(self, question: str, passages: Sequence[str]) -> list[Reading]:
        """The best span of each passage by its margin over its own window's null logit."""
        best = [Reading(None, 0.0) for _ in passages]
        cut, _ = windows.cut_windows(self._tokenizer, question, passages, self._limit)
        if not cut:
            return best
        for window, logits in zip(cut, logits_of(self._model, cut), strict=True):
            for span in windows.best_spans(window, logits, 1):
                found = Reading(span, float(logits[0].sum()))
                if best[window.passage].span is None or found.margin > best[window.passage].margin:
                    best[window.passage] = found
        return best


def validate(
    reader: str | os.PathLike[str], held_out: Sequence[Collection], *, distractors: int = 4, every: int = 1
) -> Figures:
    """Measure a reader on every `every`-th answerable question of held-out collections.

    Distractors are the best by BM25 among the passages of the same held-out collection. ReaderError if the
    reader cannot be loaded, UsageError if there is no answerable question.
    """
    judge = Judge(reader)
    trials = [trial for collection in held_out for trial in _trials(judge, collection, distractors, every)]
    if not trials:
        raise UsageError("there is no answerable question to validate on")
    return _figures(trials)


@dataclass(frozen=True, slots=True)
class _Trial:
    """One question's gold answers, with the answer and its logit and margin in each passage, the right one first."""

    gold: tuple[str, ...]
    answers: tuple[str, ...]
    logits: tuple[float, ...]
    margins: tuple[float, ...]


def _trials(judge: Judge, collection: Collection, distractors: int, every: int) -> Iterator[_Trial]:
    finder = Distractors(collection.paragraphs)
    answerable = [question for question in collection.questions if question.answers]
    for question in answerable[::every]:
        own = collection.paragraphs[question.paragraph]
        gold = tuple(own[start:end] for start, end in question.answers)
        others = finder.find(question.text, gold, own, distractors)
        passages = [own, *(collection.paragraphs[other] for other in others)]
        readings = judge.read(question.text, passages)
        yield _Trial(
            gold,
            tuple(_answer(passage, reading) for passage, reading in zip(passages, readings, strict=True)),
            tuple(reading.logit for reading in readings),
            tuple(reading.margin for reading in readings),
        )


def _answer(passage: str, reading: Reading) -> str:
    return passage[reading.span.start : reading.span.end] if reading.span else ""


def _figures(trials: Sequence[_Trial]) -> Figures:
    by_logit = [int(np.argmax(trial.logits)) for trial in trials]
    by_margin = [int(np.argmax(trial.margins)) for trial in trials]
    return Figures(
        questions=len(trials),
        exact=fmean(exact_match(trial.answers[0], trial.gold) for trial in trials),
        f1=fmean(f1(trial.answers[0], trial.gold) for trial in trials),
        logit_picked=fmean(place == 0 for place in by_logit),
        margin_picked=fmean(place == 0 for place in by_margin),
        logit_f1=fmean(f1(one.answers[at], one.gold) for one, at in zip(trials, by_logit, strict=True)),
        margin_f1=fmean(f1(one.answers[at], one.gold) for one, at in zip(trials, by_margin, strict=True)),
        separated=_area(
            np.array([trial.margins[0] for trial in trials]),
            np.array([margin for trial in trials for margin in trial.margins[1:]]),
        ),
    )


def _area(right: NDArray[np.float64], wrong: NDArray[np.float64]) -> float:
    """The share of pairs in which the right one is greater, ties counting half."""
    if not right.size or not wrong.size:
        return 1.0
    ordered = np.sort(wrong)
    below = np.searchsorted(ordered, right, "left")
    not_above = np.searchsorted(ordered, right, "right")
    return float((below + not_above).mean() / 2 / wrong.size)
