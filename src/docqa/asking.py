"""From a question to its answers: find passages, read the likeliest first, rank what was found."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict

import numpy as np

from docqa import events, files
from docqa.answers import grouped, rank, source
from docqa.errors import UsageError
from docqa.explaining import explained
from docqa.questions import Filters, Question, parse_question
from docqa.ranking import Proposal, Ranking, known_unread, propose
from docqa.reader.choices import DEFAULT_EFFORT, EFFORTS, Effort
from docqa.reader.lengths import PASSAGES, LengthConfiguration, MeasuredLengths
from docqa.records import Answer, Candidate, Explanation, Match, ReaderInfo, Result, Span, Timing

if TYPE_CHECKING:
    # The reader brings torch, which takes a second to import; only reading pays for it.
    from docqa.reader.reader import Reader

# A question is a sentence or two; what is pasted beyond this finds everything and nothing.
QUESTION_TERMS = 64
# How many answers are given unless told otherwise.
TOP = 5
# Sifting pays with a configuration that takes at most this share of the time of reading in full.
_SIEVE_TIME = 0.6
# How many of the best are read in full before it is seen which others can still outdo them.
_FIRST_AGAIN = 3


class AskOptions(TypedDict, total=False):
    """How a question is answered: `top` answers are given from the `passages` that match best.

    `effort` decides how many passages are read, and by which of the reader's measured length configurations,
    unless `passages` and `lengths` say so: `lengths` is the share of tokens that each layer keeps. `within_ms`
    is the time after which the best answers found so far are given; loading the reader does not count.
    `filters` say which documents may answer. An answer counts from a confidence on: `min_confidence`, or the
    one from which on answers were right at least a share `min_precision` of the time in calibration; by
    default the one the reader's ranking advises. With `explain` every answer says why it stands where it does.
    `before_batch` is called before each of the reader's passes; what it raises ends the question.
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
    before_batch: Callable[[], None] | None


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
    if within_ms is not None:
        reader.cost_is_known()
    reading_started = time.perf_counter()
    if within_ms is None or options.get("lengths") is not None:
        plan = _plan(reader, effort, options)
    else:
        texts = [each.passage.text for each in candidates]
        plan = _plan_within(reader, parsed.text, texts, effort, within_ms - 1000 * (retrieved - started))
    deadline = math.inf if within_ms is None else reading_started + within_ms / 1000 - (retrieved - started)
    reading = _Reading(reader, parsed, candidates, ranking, plan, deadline, top, options.get("before_batch"))
    for proposals in reading.rounds():
        if not reading.finished or plan.stages == 2:
            so_far = rank(proposals, ranking, top)
            sure = _checked(so_far, candidates) if so_far and so_far[0].confidence >= least else ()
            yield events.AnswersImproved(sure, len(reading.spans), len(candidates))

    def explain(proposal: Proposal) -> Explanation:
        tokens, kept = reading.kept(proposal)
        return explained(proposal, terms=parsed.terms[:QUESTION_TERMS], ranking=ranking, tokens=tokens, kept=kept)

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
            complete=reading.finished,
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


def _found(library: Library, parsed: Question, count: int, notices: list[str]) -> tuple[Candidate, ...]:
    """The passages to read; adds to the notices what was looked for differently than asked."""
    if len(parsed.terms) > QUESTION_TERMS:
        notices.append(f"the question is long: only its first {QUESTION_TERMS} different words were looked for")
    candidates = library.candidates(parsed, count)
    if not candidates and parsed.phrases:
        notices.append("no passage holds the words between quotation marks as they stand: they were looked for singly")
        candidates = library.candidates(replace(parsed, phrases=()), count)
    return candidates


@dataclass(frozen=True, slots=True)
class _Plan:
    """How passages are read: all of them by `first`, then, if it is given, by `then` those that can still win.

    None stands for reading in full. `drift` bounds how much higher a logit is when a passage is read by `then`.
    """

    first: LengthConfiguration | None
    then: LengthConfiguration | None = None
    drift: float = 0.0
    stages: int = 1


def _plan(reader: Reader, effort: Effort, options: AskOptions) -> _Plan:
    """Read by the configuration asked for, else by the one measured to be worth this effort.

    Reading in full what a fast configuration has sifted costs less than reading all in full, unless that
    configuration is nearly as slow.
    """
    table = reader.lengths_table
    if options.get("lengths") is not None or table is None:
        return _Plan(options.get("lengths"))
    sieve = table.choose("fast")
    if effort == "thorough" and sieve.time <= _SIEVE_TIME:
        return _Plan(sieve.lengths, None, sieve.drift, stages=2)
    return _Plan(_unless_full(table.choose(effort)))


def _unless_full(row: MeasuredLengths) -> LengthConfiguration | None:
    return None if row.lengths.is_full else row.lengths


def _plan_within(reader: Reader, question: str, texts: Sequence[str], effort: Effort, ms: float) -> _Plan:
    """The most accurate configuration, of those worth this effort or less, by which all passages are read in time.

    The fastest of them if there is none: then as many are read as there is time for.
    """
    table = reader.lengths_table
    if table is None:
        return _Plan(None)
    best = table.choose(effort)
    rows = [best, *(row for row in table.affordable("fast") if row.time < best.time)]
    fitting = (row for row in rows if sum(reader.costs_ms(question, texts, _unless_full(row))) <= ms)
    return _Plan(_unless_full(next(fitting, rows[-1])))


@dataclass
class _Reading:
    """The passages being read, the likeliest first, until all are or the deadline (by `perf_counter`) has come.

    It is `decided`, and ends as well, when no passage that is left can have one of the `top` answers. For each passage
    that was read, `tokens` says how many tokens it was to the reader, and `read_by` by which configuration its spans
    were found; `reread` are those read for the second time.
    """

    reader: Reader
    question: Question
    candidates: Sequence[Candidate]
    ranking: Ranking
    plan: _Plan
    deadline: float
    top: int
    before_batch: Callable[[], None] | None = None
    spans: list[tuple[Span, ...]] = field(default_factory=list)
    tokens: dict[int, int] = field(default_factory=dict)
    read_by: dict[int, LengthConfiguration | None] = field(default_factory=dict)
    proposals: list[Proposal] = field(default_factory=list)
    reread: set[int] = field(default_factory=set)
    decided: bool = False
    question_shortened: bool = False

    def rounds(self) -> Iterator[list[Proposal]]:
        """Read round after round; yields all that competes after each."""
        parts = _rounds(self.candidates) if self.deadline == math.inf else self._rounds_in_time()
        for part in parts:
            self._read(part, self.plan.first)
            yield self.proposals
            self.decided = self._is_decided()
            if self.decided:
                break
        while self.plan.stages == 2 and (places := self._can_still_win()):
            self._read(places, self.plan.then)
            yield self.proposals

    def _read(self, places: Sequence[int], lengths: LengthConfiguration | None) -> None:
        """Read these candidates, for the first time or again."""
        texts = [self.candidates[place].passage.text for place in places]
        reading = self.reader.read(self.question.text, texts, lengths=lengths, before_batch=self.before_batch)
        self.question_shortened = reading.question_shortened
        self.reread.update(place for place in places if place in self.read_by)
        for place, found, tokens in zip(places, reading.spans, reading.tokens, strict=True):
            self.spans[place:] = [found, *self.spans[place + 1 :]]
            self.tokens[place] = tokens
            self.read_by[place] = lengths
        self.proposals = propose(self.question.terms, self.candidates[: len(self.spans)], self.spans)

    def _is_decided(self) -> bool:
        """Whether no passage that is left can have an answer as good as those to be given, by all calibration saw.

        How what is only sifted scores says little of what it will when read in full.
        """
        unread = list(enumerate(self.candidates))[len(self.spans) :]
        worst = grouped(self.proposals, self.ranking)[self.top - 1 : self.top]
        if not worst or self.plan.stages == 2:
            return False
        least = self.ranking.scores(np.array([worst[0].proposals[0].features]))[0]
        best = self.candidates[0].score
        return all(self.ranking.highest_score(known_unread(each, place, best)) < least for place, each in unread)

    def _can_still_win(self) -> list[int]:
        """The candidates to be read again: first the best few, then all that may still outdo the best of those.

        None are left once the best of all has been read so.
        """
        scores = self.ranking.scores(np.array([each.features for each in self.proposals])) if self.proposals else ()
        best: dict[int, float] = {}
        for score, proposal in zip(scores, self.proposals, strict=True):
            place = self._place(proposal)
            best[place] = max(score, best.get(place, -math.inf))
        again = {place: score for place, score in best.items() if place in self.reread}
        if not again:
            return sorted(sorted(best, key=lambda place: -best[place])[:_FIRST_AGAIN])
        least = max(again.values()) - self.plan.drift * self.ranking.logit_weight
        return [place for place in sorted(best) if place not in self.reread and best[place] >= least]

    def _place(self, proposal: Proposal) -> int:
        return next(place for place, each in enumerate(self.candidates) if each is proposal.candidate)

    def _rounds_in_time(self) -> Iterator[range]:
        """Rounds that take half of the time left, by what reading is known to cost, and at least one passage.

        The first passage is read come what may. Where passages take longer than they should, the next rounds
        hold fewer.
        """
        texts = [each.passage.text for each in self.candidates]
        costs_s = [ms / 1000 for ms in self.reader.costs_ms(self.question.text, texts, self.plan.first)]
        pace, done = 1.0, 0
        while done < len(costs_s):
            started = time.perf_counter()
            left = self.deadline - started
            if done and pace * costs_s[done] > left:
                return
            end = done + 1
            while end < len(costs_s) and pace * sum(costs_s[done : end + 1]) <= left / 2:
                end += 1
            yield range(done, end)
            pace = max(pace, (time.perf_counter() - started) / max(sum(costs_s[done:end]), 1e-6))
            done = end

    @property
    def finished(self) -> bool:
        """Whether all passages have been read, once at least, or those that are left cannot matter."""
        return self.decided or len(self.spans) == len(self.candidates)

    def kept(self, proposal: Proposal) -> tuple[int, tuple[int, ...]]:
        """How many tokens a proposal's passage was read as, and how many of them each layer kept."""
        place = self._place(proposal)
        lengths, tokens, layers = self.read_by[place], self.tokens[place], range(self.reader.layers)
        return tokens, tuple(lengths.kept(layer, tokens) if lengths else tokens for layer in layers)

    @property
    def info(self) -> ReaderInfo:
        """What read, and how."""
        last = self.plan.then if self.plan.stages == 2 else self.plan.first
        return ReaderInfo(
            name=self.reader.name,
            precision=self.reader.precision,
            lengths=last.shares if last else None,
            passages=len(self.spans),
            sieve=self.plan.first.shares if self.plan.stages == 2 and self.plan.first else None,
        )

    @property
    def notices(self) -> Iterator[str]:
        """What was read differently than asked."""
        if self.question_shortened:
            yield "the question is long: the reader saw only its beginning"
        if not self.finished:
            yield (
                f"the time was up: {len(self.spans)} of {len(self.candidates)} passages were read,"
                " and a better answer may stand in the others"
            )


def _rounds(candidates: Sequence[Candidate]) -> Iterator[range]:
    """Part the candidates into what is read together, the likeliest first."""
    count = len(candidates)
    yield from (part for part in (range(min(3, count)), range(3, min(6, count)), range(6, count)) if part)


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
