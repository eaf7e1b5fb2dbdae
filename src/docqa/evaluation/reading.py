"""How well the reader reads: every question with the paragraph that answers it, as in SQuAD's own evaluation."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress
from operator import not_
from statistics import fmean
from typing import TYPE_CHECKING

from docqa.errors import UsageError
from docqa.evaluation.datasets import Paragraph, Question, SquadSet, sample
from docqa.evaluation.metrics import BestThreshold, best_threshold, exact_match, exact_match_v2, f1, f1_v2
from docqa.records import Span

if TYPE_CHECKING:
    from docqa.reader.lengths import LengthConfiguration
    from docqa.reader.reader import Reader

Progress = Callable[[int, int], None]
"""Called after every question with the number of those done and of all."""


# Passages of as many words at most are told of together; longer ones by themselves.
PASSAGE_WORDS = (75, 100, 150, 200)
_QUESTION_WORDS = re.compile(
    r"\b(?:(how (?:many|much|long|old|often))|(what|who|whom|whose|when|where|which|why|how))\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class ReadingRow:
    """Mean exact match and F1 (SQuAD 1.1's) over the answerable questions of one kind."""

    name: str
    questions: int
    exact: float
    f1: float


@dataclass(frozen=True, slots=True)
class UnanswerableReport:
    """SQuAD 2.0's metrics over all questions, answerable and not.

    `exact` and `f1` are those of answering only where the best span outweighs [CLS]; of these, `answerable_*`
    are over the answerable questions and `refused` is the share of the unanswerable ones left unanswered (HasAns
    and NoAns in the official script). `best_exact` and `best_f1` are the script's: at the best threshold on the
    probability of no answer, chosen on these very questions.
    """

    questions: int
    unanswerable: int
    exact: float
    f1: float
    answerable_exact: float
    answerable_f1: float
    refused: float
    best_exact: BestThreshold
    best_f1: BestThreshold


@dataclass(frozen=True, slots=True)
class ReadingReport:
    """Mean exact match and F1 (SQuAD 1.1's) over so many answerable questions, and which reader answered how.

    The same by what the question asks for, and by the number of the passage's words. `unanswerable` is None
    unless unanswerable questions were asked too.
    """

    questions: int
    exact: float
    f1: float
    reader: str
    precision: str
    lengths: tuple[float, ...] | None
    by_kind: tuple[ReadingRow, ...] = ()
    by_words: tuple[ReadingRow, ...] = ()
    unanswerable: UnanswerableReport | None = None


@dataclass(frozen=True, slots=True)
class _Read:
    """A question with what was answered, and by what the answer's logit exceeds that of there being none."""

    paragraph: Paragraph
    question: Question
    answer: str
    margin: float

    @property
    def scores(self) -> tuple[float, float]:
        """SQuAD 1.1's exact match and F1."""
        return exact_match(self.answer, self.question.answers), f1(self.answer, self.question.answers)


def evaluate_reading(
    reader: Reader,
    squad: SquadSet,
    *,
    count: int | None = None,
    lengths: LengthConfiguration | None = None,
    unanswerable: bool = False,
    progress: Progress | None = None,
) -> ReadingReport:
    """Ask `count` questions at even distances (None: all), giving the reader the right paragraph.

    Only answerable ones, unless `unanswerable`. UsageError if there is no answerable question among them.
    """
    asked = sample(list(squad.questions()), count) if unanswerable else answerable(squad, count)
    read = []
    for number, (paragraph, question) in enumerate(asked, 1):
        span = best_span(reader, question.text, paragraph.text, lengths)
        answer = paragraph.text[span.start : span.end] if span else ""
        read.append(_Read(paragraph, question, answer, span.logit - span.null_logit if span else -math.inf))
        if progress:
            progress(number, len(asked))
    with_answers = [each for each in read if each.question.answers]
    if not with_answers:
        raise UsageError(f"{squad.name} has no answerable question to measure on")
    return ReadingReport(
        questions=len(with_answers),
        exact=fmean(each.scores[0] for each in with_answers),
        f1=fmean(each.scores[1] for each in with_answers),
        reader=reader.name,
        precision=reader.precision,
        lengths=lengths.shares if lengths else None,
        by_kind=_rows(with_answers, lambda each: question_kind(each.question.text)),
        by_words=tuple(sorted(_rows(with_answers, lambda each: _words(each.paragraph.text)), key=_least_words)),
        unanswerable=_unanswerable(read) if len(read) > len(with_answers) else None,
    )


def question_kind(question: str) -> str:
    """What a question asks for, by the first word that says so; `other` without one."""
    found = _QUESTION_WORDS.search(question)
    word = (found[1] or found[2]).lower() if found else "other"
    return "who" if word in ("whom", "whose") else word


def _words(passage: str) -> str:
    count = len(passage.split())
    low = 0
    for high in PASSAGE_WORDS:
        if count <= high:
            return f"{low + 1} to {high} words"
        low = high
    return f"more than {low} words"


def _least_words(row: ReadingRow) -> int:
    """The first number in a row's name."""
    return int(re.findall(r"\d+", row.name)[0])


def _rows(read: Sequence[_Read], name_of: Callable[[_Read], str]) -> tuple[ReadingRow, ...]:
    """A row for each name, the most frequent first."""
    groups: dict[str, list[tuple[float, float]]] = {}
    for each in read:
        groups.setdefault(name_of(each), []).append(each.scores)
    rows = (
        ReadingRow(name, len(scores), fmean(exact for exact, _ in scores), fmean(score for _, score in scores))
        for name, scores in groups.items()
    )
    return tuple(sorted(rows, key=lambda row: (-row.questions, row.name)))


def _unanswerable(read: Sequence[_Read]) -> UnanswerableReport:
    given = [each.answer if each.margin > 0 else "" for each in read]
    golds = [each.question.answers for each in read]
    exact = [exact_match_v2(answer, gold) for answer, gold in zip(given, golds, strict=True)]
    scores = [f1_v2(answer, gold) for answer, gold in zip(given, golds, strict=True)]
    has_answer = [bool(gold) for gold in golds]
    best = partial(
        best_threshold,
        answerable=has_answer,
        withheld=[not each.answer for each in read],
        # The logistic function, which never overflows in this form.
        no_answer=[0.5 * (1 - math.tanh(each.margin / 2)) for each in read],
    )
    return UnanswerableReport(
        questions=len(read),
        unanswerable=has_answer.count(False),
        exact=fmean(exact),
        f1=fmean(scores),
        answerable_exact=fmean(compress(exact, has_answer)),
        answerable_f1=fmean(compress(scores, has_answer)),
        refused=fmean(compress(exact, map(not_, has_answer))),
        best_exact=best([exact_match_v2(each.answer, each.question.answers) for each in read]),
        best_f1=best([f1_v2(each.answer, each.question.answers) for each in read]),
    )


def answerable(squad: SquadSet, count: int | None = None) -> list[tuple[Paragraph, Question]]:
    """`count` answerable questions of a set at even distances, with their paragraphs; UsageError without any."""
    found = [(paragraph, question) for paragraph, question in squad.questions() if question.answers]
    if not found:
        raise UsageError(f"{squad.name} has no answerable question to measure on")
    return sample(found, count)


def best_text(reader: Reader, question: str, passage: str, lengths: LengthConfiguration | None = None) -> str:
    """The text of the reader's best span in one passage, empty if it finds none."""
    span = best_span(reader, question, passage, lengths)
    return passage[span.start : span.end] if span else ""


def best_span(reader: Reader, question: str, passage: str, lengths: LengthConfiguration | None = None) -> Span | None:
    """The reader's best span in one passage, None if it finds none."""
    (spans,) = reader.read(question, [passage], lengths=lengths, spans=1).spans
    return spans[0] if spans else None
