"""Spans to answers: all passages' spans compete together, and what says the same is one answer."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from docqa.passages import Bounds, place, sentences
from docqa.records import Answer, Candidate, Passage, Source, Span

# How much a point of BM25 counts beside a point of the span's logits.
RETRIEVER_WEIGHT = 1.0
CONTEXT_CHARACTERS = 400

_ARTICLE = re.compile(r"^(?:the|an|a)\s+")
# Not symbols: `C++` is not `C#`, nor is `-5` the same as `5 %`.
_EDGES = re.compile(r"^[\s.,;:!?…'\"‘’“”„«»()\[\]{}*_]+|[\s.,;:!?…'\"‘’“”„«»()\[\]{}*_–—-]+$")
_WHITE_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class _Proposal:
    """A span in its candidate, with the score it competes by."""

    candidate: Candidate
    span: Span
    score: float

    @property
    def path(self) -> str:
        return self.candidate.passage.document.path

    @property
    def start(self) -> int:
        return self.candidate.passage.start + self.span.start

    @property
    def end(self) -> int:
        return self.candidate.passage.start + self.span.end

    @property
    def text(self) -> str:
        return self.candidate.passage.text[self.span.start : self.span.end]

    def overlaps(self, other: _Proposal) -> bool:
        same_document = self.path == other.path
        return same_document and self.start < other.end and other.start < self.end


@dataclass(slots=True)
class _Group:
    """Proposals that say the same at different places, best first."""

    proposals: list[_Proposal] = field(default_factory=list)


def rank(candidates: Sequence[Candidate], spans: Sequence[Sequence[Span]], top: int) -> tuple[Answer, ...]:
    """Make the `top` answers, best first, from the spans that the reader found in each candidate.

    A span competes by its logits plus its passage's BM25 score. Of spans that overlap in a document only the
    best stays. Spans whose texts differ only in case, leading article, punctuation at the ends and white
    space are one answer with several sources. The confidence is the answer's share of the probability that
    a softmax over all remaining spans gives.
    """
    proposals = sorted(_proposals(candidates, spans), key=_rank_key)
    apart = list(_without_overlaps(proposals))
    groups: dict[str, _Group] = {}
    for proposal in apart:
        groups.setdefault(normalised(proposal.text), _Group()).proposals.append(proposal)
    total = sum(_mass(proposal, apart[0]) for proposal in apart)
    return tuple(
        _answer(group.proposals, sum(_mass(each, apart[0]) for each in group.proposals) / total)
        for group in list(groups.values())[:top]
    )


def normalised(text: str) -> str:
    """Reduce an answer's text to what it says: no case, leading article, punctuation around it, white space."""
    return _ARTICLE.sub("", _EDGES.sub("", _WHITE_SPACE.sub(" ", text).casefold())) or text


def source(passage: Passage, quote: Bounds, context: Bounds) -> Source:
    """Make the source of a quote; both bounds are in characters of the passage."""
    document, start = passage.document, passage.start + quote[0]
    page, line, heading = place(passage, start)
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


def _proposals(candidates: Sequence[Candidate], spans: Sequence[Sequence[Span]]) -> Iterator[_Proposal]:
    for candidate, found in zip(candidates, spans, strict=True):
        for span in found:
            if candidate.passage.text[span.start : span.end].strip():
                yield _Proposal(candidate, span, span.logit + RETRIEVER_WEIGHT * candidate.score)


def _rank_key(proposal: _Proposal) -> tuple[float, str, int, int]:
    """Order by score, then by place: never by ids, which depend on the library's history."""
    return -proposal.score, proposal.path, proposal.start, proposal.end


def _without_overlaps(proposals: Sequence[_Proposal]) -> Iterator[_Proposal]:
    kept: dict[str, list[_Proposal]] = {}
    for proposal in proposals:
        others = kept.setdefault(proposal.path, [])
        if not any(proposal.overlaps(other) for other in others):
            others.append(proposal)
            yield proposal


def _mass(proposal: _Proposal, best: _Proposal) -> float:
    return math.exp(proposal.score - best.score)


def _answer(proposals: Sequence[_Proposal], confidence: float) -> Answer:
    best = proposals[0]
    return Answer(
        text=best.text,
        confidence=confidence,
        sources=tuple(_quoted(each.candidate.passage, each.span) for each in proposals),
        retriever_score=best.candidate.score,
        reader_score=best.span.logit,
    )
