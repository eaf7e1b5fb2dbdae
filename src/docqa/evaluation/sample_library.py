"""How well docqa answers from the sample library: everyday documents in many formats, with questions of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from docqa.engine import DocQA, PathLike
from docqa.errors import UsageError
from docqa.evaluation.datasets import sample
from docqa.evaluation.library import is_right
from docqa.evaluation.metrics import exact_match, f1
from docqa.evaluation.reading import Progress
from docqa.reader.choices import DEFAULT_EFFORT, Effort

if TYPE_CHECKING:
    from docqa.reader.reader import Precision


@dataclass(frozen=True, slots=True)
class SampleQuestion:
    """A question, its gold answers, and the files of the library, by relative path, that hold one.

    Without answers the library does not hold one.
    """

    question: str
    answers: tuple[str, ...]
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SampleOutcome:
    """What became of one question: the first answer (None if nothing was found), its confidence, file and scores.

    It is `withheld` from a person if the ranking advises so.
    """

    question: str
    gold: tuple[str, ...]
    answer: str | None
    confidence: float
    withheld: bool
    file: str | None
    in_right_file: bool
    exact: float
    f1: float


@dataclass(frozen=True, slots=True)
class SampleReport:
    """How the questions were answered; an answer is right with an F1 of at least 0.8.

    Over the answerable questions: `file_first`, the share whose first answer stands first in one of the right
    files; `exact` and `f1` of the first answer, and the share `right`, all of them whether or not the ranking
    advises to withhold it; `right_given`, the share whose right first answer is not withheld. Over the
    unanswerable ones, None without any: `refused`, the share that got no answer.
    """

    answerable: int
    unanswerable: int
    file_first: float
    exact: float
    f1: float
    right: float
    right_given: float
    refused: float | None
    reader: str
    precision: str
    outcomes: tuple[SampleOutcome, ...]


def read_questions(file: Path) -> list[SampleQuestion]:
    """Read a list of objects with `question`, `answers` and `files`; UsageError, naming the file, if it is not one."""
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
        return [
            SampleQuestion(str(entry["question"]), tuple(entry["answers"]), tuple(entry["files"])) for entry in entries
        ]
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror or error})") from error
    except KeyError as error:
        raise UsageError(f"{file} is not a list of questions: {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise UsageError(f"{file} is not a list of questions ({error})") from error


def evaluate_sample_library(
    folder: Path,
    questions: Sequence[SampleQuestion],
    *,
    count: int | None = None,
    reader: PathLike | None = None,
    precision: Precision = "auto",
    effort: Effort = DEFAULT_EFFORT,
    progress: Progress | None = None,
) -> SampleReport:
    """Index a folder in a temporary library, ask `count` questions at even distances (None: all), and judge."""
    asked = sample(questions, count)
    if not any(question.answers for question in asked):
        raise UsageError("there is no answerable question to measure on")
    root = folder.resolve()
    with TemporaryDirectory() as place, DocQA(Path(place) / "x.docqa", reader=reader, precision=precision) as engine:
        engine.index([root])
        outcomes = []
        for number, question in enumerate(asked, 1):
            outcomes.append(_ask(engine, root, question, effort))
            if progress:
                progress(number, len(asked))
        return _report(engine, outcomes)


def _ask(engine: DocQA, root: Path, asked: SampleQuestion, effort: Effort) -> SampleOutcome:
    answers = engine.ask(asked.question, top=1, effort=effort, min_confidence=0.0).answers
    if not answers:
        return SampleOutcome(asked.question, asked.answers, None, 0.0, True, None, False, 0.0, 0.0)
    first = answers[0]
    file = Path(first.sources[0].path).relative_to(root).as_posix()
    return SampleOutcome(
        question=asked.question,
        gold=asked.answers,
        answer=first.text,
        confidence=first.confidence,
        withheld=first.confidence < engine.ranking.least_confidence,
        file=file,
        in_right_file=file in asked.files,
        exact=exact_match(first.text, asked.answers),
        f1=f1(first.text, asked.answers),
    )


def _report(engine: DocQA, outcomes: Sequence[SampleOutcome]) -> SampleReport:
    answerable = [outcome for outcome in outcomes if outcome.gold]
    unanswerable = [outcome for outcome in outcomes if not outcome.gold]
    return SampleReport(
        answerable=len(answerable),
        unanswerable=len(unanswerable),
        file_first=fmean(outcome.in_right_file for outcome in answerable),
        exact=fmean(outcome.exact for outcome in answerable),
        f1=fmean(outcome.f1 for outcome in answerable),
        right=fmean(is_right(outcome.answer or "", outcome.gold) for outcome in answerable),
        right_given=fmean(
            not outcome.withheld and is_right(outcome.answer or "", outcome.gold) for outcome in answerable
        ),
        refused=fmean(outcome.withheld for outcome in unanswerable) if unanswerable else None,
        reader=engine.reader.name,
        precision=engine.reader.precision,
        outcomes=tuple(outcomes),
    )
