"""How well passages are ranked: judged rankings in general, and docqa's on a task in BEIR's layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

from docqa.errors import UsageError
from docqa.evaluation.datasets import BeirSet
from docqa.evaluation.metrics import first_rank, mean_reciprocal_rank, ndcg_at, recall_at
from docqa.retriever import SqliteRetriever
from docqa.store import Store
from docqa.terms import document_terms, question_terms

DEPTH = 100


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """Means over the queries for which a relevant document is known."""

    queries: int
    ndcg_at_10: float
    recall_at_20: float
    reciprocal_rank: float
    recall_at_1: float = 0.0
    recall_at_5: float = 0.0
    recall_at_100: float = 0.0


def judge(task: BeirSet, rankings: Mapping[str, Sequence[str]]) -> RetrievalReport:
    """Judge rankings of document ids, best first, by query id; a query without a ranking found nothing."""
    relevant = {
        query: {document for document, grade in grades.items() if grade > 0}
        for query, grades in task.judgements.items()
        if query in task.queries and any(grade > 0 for grade in grades.values())
    }
    if not relevant:
        raise UsageError(f"{task.name} has no query with a relevant document to measure on")
    ranked = {query: rankings.get(query, ()) for query in relevant}

    def recall(k: int) -> float:
        return fmean(recall_at(ranked[query], wanted, k) for query, wanted in relevant.items())

    return RetrievalReport(
        queries=len(relevant),
        ndcg_at_10=fmean(ndcg_at(ranked[query], task.judgements[query], 10) for query in relevant),
        recall_at_1=recall(1),
        recall_at_5=recall(5),
        recall_at_20=recall(20),
        recall_at_100=recall(100),
        reciprocal_rank=mean_reciprocal_rank(
            [first_rank([each in wanted for each in ranked[query]]) for query, wanted in relevant.items()]
        ),
    )


def rank_documents(task: BeirSet, depth: int = DEPTH) -> dict[str, list[str]]:
    """Rank a task's documents for each of its queries as docqa ranks passages: by its terms, in its engine."""
    names = list(task.documents)
    with TemporaryDirectory() as folder:
        store = Store.create(Path(folder) / "task.docqa")
        try:
            retriever = SqliteRetriever(store)
            with store.writing(), store.transaction():
                for number, text in enumerate(task.documents.values()):
                    retriever.add(number + 1, document_terms(text))
                retriever.commit()
            found = {query: retriever.search(question_terms(text), depth) for query, text in task.queries.items()}
        finally:
            store.close()
    return {query: [names[number - 1] for number, _ in hits[:depth]] for query, hits in found.items()}
