"""Why an answer stands where it does: what retriever, reader and ranking had to say for it."""

from __future__ import annotations

from collections.abc import Sequence

from docqa.passages import place
from docqa.ranking import FEATURES, Proposal, Ranking
from docqa.records import Evidence, Explanation, Passage
from docqa.terms import passage_terms


def explained(
    proposal: Proposal, *, terms: Sequence[str], ranking: Ranking, tokens: int, kept: Sequence[int]
) -> Explanation:
    """Explain a proposal; `terms` are the question's, `kept` how many of so many `tokens` each of the layers kept."""
    span = proposal.span
    weights = [ranking.weights.get(name, 0.0) for name in FEATURES]
    evidence = tuple(
        Evidence(name, value, weight, value * weight)
        for name, value, weight in zip(FEATURES, proposal.features, weights, strict=True)
    )
    return Explanation(
        terms=_found(terms, proposal.candidate.passage),
        start_logit=span.start_logit,
        end_logit=span.end_logit,
        null_logit=span.null_logit,
        score=sum(each.contribution for each in evidence),
        evidence=evidence,
        tokens=tokens,
        kept=tuple(kept),
    )


def _found(terms: Sequence[str], passage: Passage) -> tuple[str, ...]:
    """The terms that the passage was found by, which stand in its text, its heading or its file's name."""
    heading = place(passage, passage.start).heading or ""
    there = set(passage_terms(passage.document.path, heading, passage.text))
    return tuple(term for term in terms if term in there)
