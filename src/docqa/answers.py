"""Spans to answers: all passages' spans compete together, and what says the same is one answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from docqa.forms import normal_form
from docqa.passages import Bounds, place, sentences
from docqa.ranking import Proposal, Ranking
from docqa.records import Answer, Explanation, Passage, Source, Span

CONTEXT_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class Group:
    """Proposals that say the same, best first, and their share of a softmax over all that compete."""

    proposals: tuple[Proposal, ...]
    share: float


def rank(
    proposals: Sequence[Proposal],
    ranking: Ranking,
    top: int,
    explain: Callable[[Proposal], Explanation] | None = None,
) -> tuple[Answer, ...]:
    """Make the `top` answers, best first, from the proposals of all passages.

    Each is as likely to be right as `ranking` says; see `grouped` for what is one answer. `explain` is asked
    about each answer's best proposal.
    """
    best = grouped(proposals, ranking)[:top]
    if not best:
        return ()
    shares = np.array([group.share for group in best])
    fitted = ranking.confidences(shares, np.array([group.proposals[0].features for group in best]))
    return tuple(
        _answer(group, confidence, explain) for group, confidence in zip(best, _exclusive(fitted.tolist()), strict=True)
    )


def _exclusive(confidences: Sequence[float]) -> Iterator[float]:
    """Lower the confidences of alternatives: none is likelier than a better one, and together they make at most 1.

    The ranking gives each answer its probability by itself; but of answers that differ one at most is right.
    """
    least, left = 1.0, 1.0
    for confidence in confidences:
        least = min(confidence, least, left)
        left -= least
        yield least


def grouped(proposals: Sequence[Proposal], ranking: Ranking) -> list[Group]:
    """Group what says the same, best group first.

    Of proposals that overlap in a document only the best stays. A group has a place in the ranking by its
    best proposal, and the probability of all of them.
    """
    scored = list(_without_overlaps(_scored(proposals, ranking)))
    total = np.logaddexp.reduce([score for score, _ in scored])
    groups: dict[str, list[tuple[float, Proposal]]] = {}
    for score, proposal in scored:
        groups.setdefault(normal_form(proposal.text), []).append((score, proposal))
    return [
        Group(
            tuple(proposal for _, proposal in group),
            float(np.exp(np.logaddexp.reduce([score for score, _ in group]) - total)),
        )
        for group in groups.values()
    ]


def source(passage: Passage, quote: Bounds, context: Bounds) -> Source:
    """Make the source of a quote; both bounds are in characters of the passage."""
    document, start = passage.document, passage.start + quote[0]
    page, line, heading, cell = place(passage, start)
    return Source(
        path=document.path,
        media_type=document.media_type,
        page=page,
        line=line,
        heading=heading,
        start=start,
        end=passage.start + quote[1],
        sha256=document.sha256,
        context=passage.text[context[0] : context[1]],
        context_start=passage.start + context[0],
        cell=cell,
    )


def context_bounds(text: str, start: int, end: int) -> Bounds:
    """Bounds of the sentences around `text[start:end]`, cut at words where they are very long."""
    touched = [bounds for bounds in sentences(text) if bounds[0] < end and start < bounds[1]]
    low, high = min(touched[0][0], start), max(touched[-1][1], end)
    margin = max(0, CONTEXT_CHARACTERS - (end - start)) // 2
    if start - low > margin:
        space = text.find(" ", start - margin, start)
        low = space + 1 if space >= 0 else start - margin
    if high - end > margin:
        space = text.rfind(" ", end, end + margin)
        high = space if space >= 0 else end + margin
    return low, high


def _quoted(passage: Passage, span: Span) -> Source:
    return source(passage, (span.start, span.end), context_bounds(passage.text, span.start, span.end))


def _scored(proposals: Sequence[Proposal], ranking: Ranking) -> list[tuple[float, Proposal]]:
    """Proposals with their scores, best first; equal ones by place, never by ids, which depend on history."""
    if not proposals:
        return []
    scores = ranking.scores(np.array([proposal.features for proposal in proposals]))
    pairs = zip(scores.tolist(), proposals, strict=True)
    return sorted(pairs, key=lambda pair: (-pair[0], pair[1].path, pair[1].bounds))


def _without_overlaps(scored: Sequence[tuple[float, Proposal]]) -> Iterator[tuple[float, Proposal]]:
    """Leave out what overlaps something better: passages of a document repeat each other's ends."""
    kept: dict[str, list[Bounds]] = {}
    for score, proposal in scored:
        start, end = proposal.bounds
        others = kept.setdefault(proposal.path, [])
        if all(end <= other_start or other_end <= start for other_start, other_end in others):
            others.append((start, end))
            yield score, proposal


def _answer(group: Group, confidence: float, explain: Callable[[Proposal], Explanation] | None) -> Answer:
    best = group.proposals[0]
    return Answer(
        text=best.text,
        confidence=confidence,
        sources=tuple(_quoted(each.candidate.passage, each.span) for each in group.proposals),
        retriever_score=best.candidate.score,
        reader_score=best.span.logit,
        explanation=explain(best) if explain else None,
    )
