"""How well docqa answers from a library: a SQuAD-format set as documents, indexed and asked as anyone would.

A question is answerable if its own paragraph answers it. What counts as unanswerable in SQuAD 2.0 is so by its
own paragraph only: another passage of the library may hold an answer, and is then counted as wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from docqa.engine import DocQA, PathLike
from docqa.errors import DocqaError, UsageError
from docqa.evaluation.datasets import Article, Question, SquadSet, sample
from docqa.evaluation.metrics import (
    RIGHT_F1,
    BestThreshold,
    ReliabilityBin,
    best_threshold,
    calibration_error,
    exact_match_v2,
    f1_v2,
    first_rank,
    mean_reciprocal_rank,
    precision_at_coverage,
    reliability,
    risk_coverage_area,
    share_within,
)
from docqa.evaluation.reading import Progress
from docqa.extract.decoding import clean
from docqa.reader.choices import DEFAULT_EFFORT, Effort
from docqa.records import Answer, Passage
from docqa.store import Store

if TYPE_CHECKING:
    from docqa.reader.reader import Precision

# The deepest rank at which the gold paragraph is looked for.
DEPTH = 20

_TITLE_CHARACTERS = 100
_UNFIT_FOR_FILE_NAMES = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]+')


@dataclass(frozen=True, slots=True)
class PlacedQuestion:
    """A question and where its paragraph stands: the document's path and the paragraph's first character."""

    question: Question
    path: str
    start: int
    paragraph: str

    def met_by(self, path: str, start: int, end: int) -> bool:
        """Whether characters `start` to `end` of a document share a part with the paragraph that holds an answer."""
        shared = self.paragraph[max(0, start - self.start) : max(0, end - self.start)]
        return path == self.path and any(answer in shared for answer in self.question.answers)


@dataclass(frozen=True, slots=True)
class SquadLibrary:
    """A library made of a set's articles, and the set's questions; counts include what stands beside them."""

    engine: DocQA
    questions: tuple[PlacedQuestion, ...]
    documents: int
    passages: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one question.

    `answer` is the first answer's text, None if nothing was found, and `exact` and `f1` are its scores by
    SQuAD 2.0's rule. It is `withheld` from a person if the ranking advises so. `right_rank` is the rank of the
    first answer with an F1 of at least 0.8, `gold_rank` that of the first passage that holds an answer inside the
    gold paragraph (of 20; None for unanswerable questions). `ms` is the time until the answers were there.
    """

    id: str
    question: str
    gold: tuple[str, ...]
    answer: str | None
    confidence: float
    withheld: bool
    exact: float
    f1: float
    right_rank: int | None
    gold_rank: int | None
    ms: float


@dataclass(frozen=True, slots=True)
class LibraryReport:
    """How a library's questions were answered.

    Over the answerable questions: `recall_at_*` and `reciprocal_rank` of the gold paragraph among the passages,
    `exact` and `f1` of the first answer, `right_first` and `right_among` the shares with an F1 of at least 0.8
    in the first and in any of the `top` answers, and `given` the share that got an answer at all. Over the
    unanswerable ones, None without any: `refused`, the share that got none. But for these two, answers that the
    ranking advises to withhold count like others. Over all questions: `best_exact` and `best_f1` by SQuAD 2.0's
    rule at the best threshold on the confidence. Over all first answers: `reliability` and `calibration_error`
    (ten bins of equal width), `risk_coverage_area`, and the share right of the more confident half,
    `right_of_surer_half`, where right means an F1 of at least 0.8, and an answer to an unanswerable question is
    wrong. `ms` is the median time of a question.
    """

    name: str
    documents: int
    passages: int
    answerable: int
    unanswerable: int
    top: int
    passages_read: int
    recall_at_1: float
    recall_at_5: float
    recall_at_10: float
    recall_at_20: float
    reciprocal_rank: float
    exact: float
    f1: float
    right_first: float
    right_among: float
    given: float
    refused: float | None
    best_exact: BestThreshold
    best_f1: BestThreshold
    reliability: tuple[ReliabilityBin, ...]
    calibration_error: float
    risk_coverage_area: float
    right_of_surer_half: float
    ms: float
    reader: str
    precision: str
    outcomes: tuple[Outcome, ...]


def evaluate_library(
    squad: SquadSet,
    *,
    distractors: Sequence[SquadSet] = (),
    count: int | None = None,
    reader: PathLike | None = None,
    precision: Precision = "auto",
    top: int = 5,
    passages: int = 10,
    effort: Effort = DEFAULT_EFFORT,
    progress: Progress | None = None,
) -> LibraryReport:
    """Index a set's articles as text files, ask `count` questions at even distances (None: all), and judge.

    The articles of `distractors` are indexed beside them and never asked about. UsageError if there is
    no answerable question among those asked.
    """
    with library_of(squad, distractors=distractors, reader=reader, precision=precision) as library:
        asked = sample(library.questions, count)
        if not any(placed.question.answers for placed in asked):
            raise UsageError(f"{squad.name} has no answerable question to measure on")
        outcomes = []
        for number, placed in enumerate(asked, 1):
            outcomes.append(ask(library.engine, placed, top=top, passages=passages, effort=effort))
            if progress:
                progress(number, len(asked))
        return _report(squad.name, library, outcomes, top, passages)


@contextmanager
def library_of(
    squad: SquadSet,
    *,
    distractors: Sequence[SquadSet] = (),
    reader: PathLike | None = None,
    precision: Precision = "auto",
) -> Iterator[SquadLibrary]:
    """A temporary library of a set's articles, one text file each, and of those of distractor sets beside them."""
    with TemporaryDirectory() as folder:
        documents = Path(folder).resolve() / "documents"
        placed = write_documents(squad, documents / "0 asked")
        for number, other in enumerate(distractors, 1):
            write_documents(other, documents / f"{number} beside")
        with DocQA(Path(folder) / "library.docqa", reader=reader, precision=precision) as engine:
            report = engine.index([documents])
            if report.skipped:
                path, reason = report.skipped[0]
                raise DocqaError(f"{len(report.skipped)} documents of the set were not indexed; {path}: {reason}")
            yield SquadLibrary(engine, tuple(placed), report.documents, report.passages)


def write_documents(squad: SquadSet, folder: Path) -> list[PlacedQuestion]:
    """Write each article as a text file: title, blank line, paragraphs with blank lines between; place its questions.

    A file is named after its article, because docqa finds a passage by its file's name too.
    """
    folder.mkdir(parents=True)
    placed: list[PlacedQuestion] = []
    taken: set[str] = set()
    for article in squad.articles:
        file = folder / f"{_unused_name(article.title, taken)}.txt"
        text, starts = _document(article)
        file.write_bytes(text.encode())
        for paragraph, start in zip(article.paragraphs, starts, strict=True):
            placed += [
                PlacedQuestion(question, str(file), start, clean(paragraph.text)) for question in paragraph.questions
            ]
    return placed


def _document(article: Article) -> tuple[str, list[int]]:
    """An article's text as its file holds it, and where in it the paragraphs start."""
    blocks = [clean(article.title).replace("_", " "), *(clean(paragraph.text) for paragraph in article.paragraphs)]
    starts, position = [], 0
    for block in blocks:
        starts.append(position)
        position += len(block) + len("\n\n")
    return "\n\n".join(blocks) + "\n", starts[1:]


def _unused_name(title: str, taken: set[str]) -> str:
    name = _UNFIT_FOR_FILE_NAMES.sub(" ", clean(title)).strip(" .")[:_TITLE_CHARACTERS].strip() or "untitled"
    candidate, number = name, 1
    while candidate.casefold() in taken:
        number += 1
        candidate = f"{name} {number}"
    taken.add(candidate.casefold())
    return candidate


def all_passages(engine: DocQA) -> list[Passage]:
    """Every passage of a library, document by document in the order of their paths."""
    store = Store(engine.library)
    try:
        known = store.known()
        return [passage for path in sorted(known) for passage in store.passages_of(known[path].document_id)]
    finally:
        store.close()


def ask(
    engine: DocQA,
    placed: PlacedQuestion,
    *,
    top: int = 5,
    passages: int = 10,
    effort: Effort = DEFAULT_EFFORT,
) -> Outcome:
    """Ask one question and judge its answers and the passages found; one without any word gets no answer."""
    question = placed.question
    try:
        # Whether an answer would be withheld is judged here, so that even those have their scores.
        result = engine.ask(question.text, top=top, passages=passages, effort=effort, min_confidence=0.0)
        answers, ms = result.answers, result.timing_ms.total
        found = engine.search(question.text, top=DEPTH)
    except UsageError:
        answers, ms, found = (), 0.0, ()
    first: Answer | None = answers[0] if answers else None
    text = first.text if first else ""
    hits = [placed.met_by(match.source.path, match.source.start, match.source.end) for match in found]
    return Outcome(
        id=question.id,
        question=question.text,
        gold=question.answers,
        answer=first.text if first else None,
        confidence=first.confidence if first else 0.0,
        withheld=first is None or first.confidence < engine.ranking.least_confidence,
        exact=exact_match_v2(text, question.answers),
        f1=f1_v2(text, question.answers),
        right_rank=first_rank([is_right(answer.text, question.answers) for answer in answers]),
        gold_rank=first_rank(hits),
        ms=ms,
    )


def is_right(answer: str, gold: Sequence[str]) -> bool:
    """Whether an answer counts as right: an F1 of at least 0.8; no answer is right where there are no gold ones."""
    return bool(gold) and f1_v2(answer, gold) >= RIGHT_F1


def _report(name: str, library: SquadLibrary, outcomes: Sequence[Outcome], top: int, passages: int) -> LibraryReport:
    answerable = [outcome for outcome in outcomes if outcome.gold]
    unanswerable = [outcome for outcome in outcomes if not outcome.gold]
    ranks = [outcome.gold_rank for outcome in answerable]
    right_ranks = [outcome.right_rank for outcome in answerable]
    answered = [outcome for outcome in outcomes if outcome.answer is not None]
    confidences = [outcome.confidence for outcome in answered]
    right = [outcome.right_rank == 1 for outcome in answered]
    return LibraryReport(
        name=name,
        documents=library.documents,
        passages=library.passages,
        answerable=len(answerable),
        unanswerable=len(unanswerable),
        top=top,
        passages_read=passages,
        recall_at_1=share_within(ranks, 1),
        recall_at_5=share_within(ranks, 5),
        recall_at_10=share_within(ranks, 10),
        recall_at_20=share_within(ranks, 20),
        reciprocal_rank=mean_reciprocal_rank(ranks),
        exact=fmean(outcome.exact for outcome in answerable),
        f1=fmean(outcome.f1 for outcome in answerable),
        right_first=share_within(right_ranks, 1),
        right_among=share_within(right_ranks, top),
        given=fmean(not outcome.withheld for outcome in answerable),
        refused=fmean(outcome.withheld for outcome in unanswerable) if unanswerable else None,
        best_exact=_best(outcomes, [outcome.exact for outcome in outcomes]),
        best_f1=_best(outcomes, [outcome.f1 for outcome in outcomes]),
        reliability=reliability(confidences, right),
        calibration_error=calibration_error(confidences, right),
        risk_coverage_area=risk_coverage_area(confidences, right),
        right_of_surer_half=precision_at_coverage(confidences, right, 0.5),
        ms=median(outcome.ms for outcome in outcomes),
        reader=library.engine.reader.name,
        precision=library.engine.reader.precision,
        outcomes=tuple(outcomes),
    )


def _best(outcomes: Sequence[Outcome], scores: Iterable[float]) -> BestThreshold:
    return best_threshold(
        list(scores),
        answerable=[bool(outcome.gold) for outcome in outcomes],
        withheld=[not outcome.answer for outcome in outcomes],
        no_answer=[1 - outcome.confidence for outcome in outcomes],
    )
