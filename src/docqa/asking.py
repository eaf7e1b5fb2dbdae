"""From a question to its answers: find passages, read the likeliest first, rank what was found."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict

from docqa import events, files
from docqa.answers import rank, source
from docqa.errors import UsageError
from docqa.explaining import explained
from docqa.questions import Filters, Question, parse_question
from docqa.ranking import Proposal, Ranking, propose
from docqa.reader.lengths import DEFAULT_EFFORT, EFFORTS, PASSAGES, Effort, LengthConfiguration
from docqa.records import Answer, Candidate, Match, ReaderInfo, Result, Span, Timing

if TYPE_CHECKING:
    # The reader brings torch, which takes a second to import; only reading pays for it.
    from docqa.reader.reader import Reader

# A question is a sentence or two; what is pasted beyond this finds everything and nothing.
QUESTION_TERMS = 64
# How many answers are given unless told otherwise.
TOP = 5


class AskOptions(TypedDict, total=False):
    """How a question is answered: `top` answers are given from the `passages` that match best.

    `effort` decides how many passages are read, and by which of the reader's measured length configurations,
    unless `passages` and `lengths` say so: `lengths` is the share of tokens that each layer keeps. `within_ms`
    is the time after which the best answers found so far are given; loading the reader does not count.
    `filters` say which documents may answer. An answer counts from a confidence on: `min_confidence`, or the
    one from which on answers were right at least a share `min_precision` of the time in calibration; by
    default the one the reader's ranking advises. With `explain` every answer says why it stands where it does.
    """

    top: int
    effort: Effort
    passages: int | None
    lengths: LengthConfiguration | None
    within_ms: float | None
    filters: Filters | None
    min_confidence: float | None
    min_precision: float | None
    explain: bool


class Library(Protocol):
    """What answers come from: a library's file, the passages that match a question, and who reads and ranks them."""

    @property
    def library(self) -> Path:
        """The library's file."""

    @property
    def reader(self) -> Reader:
        """The reader, loaded at first use."""

    @property
    def ranking(self) -> Ranking:
        """The ranking that goes with reader and library."""

    def candidates(self, question: Question, count: int) -> tuple[Candidate, ...]:
        """The `count` passages that match best."""


def ask_events(library: Library, question: str, options: AskOptions) -> Generator[events.AskEvent]:
    """Answer a question with verbatim quotes, telling what happens as it happens; see `DocQA.ask_events`."""
    started = time.perf_counter()
    top, effort, within_ms = options.get("top", TOP), _effort(options), _within_ms(options)
    parsed = parse_question(question, options.get("filters"))
    notices: list[str] = []
    candidates = _found(library, parsed, options.get("passages") or PASSAGES[effort], notices)
    retrieved = time.perf_counter()
    yield events.CandidatesFound(candidates)

    reader, ranking = library.reader, library.ranking
    least = _least_confidence(ranking, options.get("min_confidence"), options.get("min_precision"))
    reading_started = time.perf_counter()
    deadline = math.inf if within_ms is None else reading_started + within_ms / 1000 - (retrieved - started)
    reading = _Reading(reader, parsed, candidates, _lengths(reader, effort, options), deadline)
    for proposals in reading.rounds():
        if not reading.finished:
            so_far = rank(proposals, ranking, top)
            if so_far and so_far[0].confidence >= least:
                yield events.AnswersImproved(_checked(so_far, candidates), len(reading.spans), len(candidates))
    explain = partial(explained, terms=parsed.terms[:QUESTION_TERMS], ranking=ranking, kept=reading.kept)
    answers = rank(reading.proposals, ranking, top, explain if options.get("explain") else None)
    answers = _checked(answers, candidates) if answers and answers[0].confidence >= least else ()
    finished = time.perf_counter()
    yield events.Answered(
        Result(
            question=question,
            answers=answers,
            passages=() if answers else tuple(map(match, candidates[:top])),
            library=str(library.library),
            reader=reading.info,
            timing_ms=Timing(
                retrieve=1000 * (retrieved - started),
                read=1000 * (finished - reading_started),
                total=1000 * (finished - started),
            ),
            notices=(*notices, *reading.notices),
            effort=None if options.get("lengths") else effort,
            complete=reading.complete,
        )
    )


def _effort(options: AskOptions) -> Effort:
    effort = options.get("effort", DEFAULT_EFFORT)
    if effort not in EFFORTS:
        raise UsageError(f"there is no effort {effort!r}; it is one of {', '.join(EFFORTS)}")
    return effort


def _within_ms(options: AskOptions) -> float | None:
    within_ms = options.get("within_ms")
    if within_ms is not None and not (math.isfinite(within_ms) and within_ms > 0):
        raise UsageError(f"an answer within {within_ms} milliseconds cannot be had; give a number above 0")
    return within_ms


def _lengths(reader: Reader, effort: Effort, options: AskOptions) -> LengthConfiguration | None:
    """The configuration to read by: the one asked for, else the one measured to be worth this effort."""
    if options.get("lengths") is not None:
        return options["lengths"]
    chosen = reader.lengths_table.choose(effort).lengths if reader.lengths_table else None
    return None if chosen is None or chosen.is_full else chosen


def _found(library: Library, parsed: Question, count: int, notices: list[str]) -> tuple[Candidate, ...]:
    """The passages to read; adds to the notices what was looked for differently than asked."""
    if len(parsed.terms) > QUESTION_TERMS:
        notices.append(f"the question is long: only its first {QUESTION_TERMS} different words were looked for")
    candidates = library.candidates(parsed, count)
    if not candidates and parsed.phrases:
        notices.append("no passage holds the words between quotation marks as they stand: they were looked for singly")
        candidates = library.candidates(replace(parsed, phrases=()), count)
    return candidates


@dataclass
class _Reading:
    """The passages being read, the likeliest first, until all are or the deadline (by `perf_counter`) has come."""

    reader: Reader
    question: Question
    candidates: Sequence[Candidate]
    lengths: LengthConfiguration | None
    deadline: float
    spans: list[tuple[Span, ...]] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    question_shortened: bool = False

    def rounds(self) -> Iterator[list[Proposal]]:
        """Read round after round; yields all that competes after each."""
        for part in _rounds(self.candidates):
            if self.spans and time.perf_counter() >= self.deadline:
                return
            texts = [each.passage.text for each in part]
            reading = self.reader.read(self.question.text, texts, lengths=self.lengths)
            self.spans += reading.spans
            self.question_shortened = reading.question_shortened
            self.proposals = propose(self.question.terms, self.candidates[: len(self.spans)], self.spans)
            yield self.proposals

    @property
    def finished(self) -> bool:
        """Whether all passages have been read."""
        return len(self.spans) == len(self.candidates)

    @property
    def complete(self) -> bool:
        """Whether no deadline kept passages from being read."""
        return self.finished

    @property
    def kept(self) -> tuple[float, ...]:
        """The share of tokens that each layer kept."""
        return self.lengths.shares if self.lengths else (1.0,) * self.reader.layers

    @property
    def info(self) -> ReaderInfo:
        """What read."""
        shares = self.lengths.shares if self.lengths else None
        return ReaderInfo(self.reader.name, self.reader.precision, shares, len(self.spans))

    @property
    def notices(self) -> Iterator[str]:
        """What was read differently than asked."""
        if self.question_shortened:
            yield "the question is long: the reader saw only its beginning"
        if not self.complete:
            yield (
                f"the time was up: {len(self.spans)} of {len(self.candidates)} passages were read,"
                " and a better answer may stand in the others"
            )


def _rounds(candidates: Sequence[Candidate]) -> Iterator[Sequence[Candidate]]:
    """Part the candidates into what is read together, the likeliest first."""
    yield from (part for part in (candidates[:3], candidates[3:6], candidates[6:]) if part)


def _least_confidence(ranking: Ranking, confidence: float | None, precision: float | None) -> float:
    """The confidence an answer must reach: as asked for, else as the ranking advises."""
    asked = [confidence] if confidence is not None else []
    if precision is not None:
        asked.append(ranking.confidence_for(precision))
    return max(asked, default=ranking.least_confidence)


def _checked(answers: Sequence[Answer], candidates: Sequence[Candidate]) -> tuple[Answer, ...]:
    """Note for every source whether its file is still what was indexed."""
    documents = {each.passage.document.path: each.passage.document for each in candidates}
    states = {
        path: files.state(documents[path]) for path in {each.path for answer in answers for each in answer.sources}
    }
    return tuple(
        replace(answer, sources=tuple(replace(each, state=states[each.path]) for each in answer.sources))
        for answer in answers
    )


def match(candidate: Candidate) -> Match:
    """A candidate as what a search gives."""
    whole = (0, len(candidate.passage.text))
    return Match(source(candidate.passage, whole, whole), candidate.score)
