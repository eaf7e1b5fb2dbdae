"""How well the reader reads: every question with the paragraph that answers it, as in SQuAD's own evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from docqa.errors import UsageError
from docqa.evaluation.datasets import Paragraph, Question, SquadSet, sample
from docqa.evaluation.metrics import exact_match, f1

if TYPE_CHECKING:
    from docqa.reader.lengths import LengthConfiguration
    from docqa.reader.reader import Reader

Progress = Callable[[int, int], None]
"""Called after every question with the number of those done and of all."""


@dataclass(frozen=True, slots=True)
class ReadingReport:
    """Mean exact match and F1 (SQuAD 1.1's) over so many answerable questions, and which reader answered how."""

    questions: int
    exact: float
    f1: float
    reader: str
    precision: str
    lengths: tuple[float, ...] | None


def evaluate_reading(
    reader: Reader,
    squad: SquadSet,
    *,
    count: int | None = None,
    lengths: LengthConfiguration | None = None,
    progress: Progress | None = None,
) -> ReadingReport:
    """Ask `count` answerable questions at even distances (None: all), giving the reader the right paragraph.

    UsageError if there is no answerable question.
    """
    asked = answerable(squad, count)
    scores = []
    for number, (paragraph, question) in enumerate(asked, 1):
        answer = best_text(reader, question.text, paragraph.text, lengths)
        scores.append((exact_match(answer, question.answers), f1(answer, question.answers)))
        if progress:
            progress(number, len(asked))
    return ReadingReport(
        questions=len(scores),
        exact=fmean(exact for exact, _ in scores),
        f1=fmean(score for _, score in scores),
        reader=reader.name,
        precision=reader.precision,
        lengths=lengths.shares if lengths else None,
    )


def answerable(squad: SquadSet, count: int | None = None) -> list[tuple[Paragraph, Question]]:
    """`count` answerable questions of a set at even distances, with their paragraphs; UsageError without any."""
    found = [(paragraph, question) for paragraph, question in squad.questions() if question.answers]
    if not found:
        raise UsageError(f"{squad.name} has no answerable question to measure on")
    return sample(found, count)


def best_text(reader: Reader, question: str, passage: str, lengths: LengthConfiguration | None = None) -> str:
    """The text of the reader's best span in one passage, empty if it finds none."""
    (spans,) = reader.read(question, [passage], lengths=lengths, spans=1).spans
    return passage[spans[0].start : spans[0].end] if spans else ""
