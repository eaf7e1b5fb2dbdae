"""Retrieval alone: docqa beside rank_bm25 and SQLite's FTS5, over the same passages.

Articles of SQuAD 1.1 dev part 1 as a library, cut into passages by docqa: is a passage that holds an answer
inside the gold paragraph among the first 1, 5, 20? Then the Cranfield collection, whose documents are ranked
whole. rank_bm25 is BM25Okapi over lower-case runs of word characters; FTS5 has the porter tokenizer and
questions without question words. docqa finds a passage by its file's name too, so each peer runs with the
name before every passage as well.
"""

from __future__ import annotations

import argparse
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import harness
import numpy as np
from rank_bm25 import BM25Okapi

from docqa.evaluation.datasets import read_beir, read_squad, sample
from docqa.evaluation.library import DEPTH, PlacedQuestion, all_passages, library_of
from docqa.evaluation.metrics import first_rank, mean_reciprocal_rank, share_within
from docqa.evaluation.retrieval import judge, rank_documents
from docqa.records import Passage

RECALL_AT = (1, 5, 20)
CRANFIELD_DEPTH = 100

# Words that ask rather than tell, for FTS5, which has no list of its own.
QUESTION_WORDS = frozenset(
    """
    a an and are as at be been by can could did do does for from had has have he her his how i in is it its many
    much of on or she should that the their them there these they this to was were what when where which who whom
    whose why will with would you your
    """.split()  # noqa: SIM905 (as in docqa: words in quotes would be harder to read)
)

Search = Callable[[str, int], Sequence[int]]
"""From a question and a number to the places of that many texts, best first."""


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def rank_bm25(texts: Sequence[str]) -> Search:
    engine = BM25Okapi([words(text) for text in texts])

    def search(question: str, count: int) -> list[int]:
        scores = engine.get_scores(words(question))
        return [int(place) for place in np.argsort(-scores, kind="stable")[:count]]

    return search


def fts5(texts: Sequence[str]) -> Search:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE texts USING fts5(text, tokenize='porter')")
    db.executemany("INSERT INTO texts (rowid, text) VALUES (?, ?)", enumerate(texts))

    def search(question: str, count: int) -> list[int]:
        asked = words(question)
        telling = [word for word in asked if word not in QUESTION_WORDS] or asked
        query = " OR ".join(f'"{word}"' for word in dict.fromkeys(telling))
        rows = db.execute("SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY rank, rowid LIMIT ?", (query, count))
        return [place for (place,) in rows] if query else []

    return search


def benchmark(arguments: argparse.Namespace) -> harness.Table:
    table = harness.Table(
        "Retrieval", ("system", *(f"recall@{k}, %" for k in RECALL_AT), "MRR", "nDCG@10", "recall@20")
    )
    _squad(arguments, table)
    _cranfield(arguments, table)
    table.remarks.append(
        "The last two columns are Cranfield's, for queries with a relevant document; the others SQuAD's."
    )
    return table


def _squad(arguments: argparse.Namespace, table: harness.Table) -> None:
    squad = read_squad(harness.data_path(arguments.data, harness.SQUAD_V1))
    with library_of(squad) as library:
        asked = sample([placed for placed in library.questions if placed.question.answers], arguments.sample)
        passages = all_passages(library.engine)
        place_of = {(passage.document.path, passage.start): place for place, passage in enumerate(passages)}

        def docqa(question: str, count: int) -> list[int]:
            found = library.engine.search(question, top=count)
            return [place_of[match.source.path, match.source.start] for match in found]

        texts = [passage.text for passage in passages]
        named = [f"{Path(passage.document.path).stem}\n{passage.text}" for passage in passages]
        systems: list[tuple[str, Search]] = [
            ("docqa", docqa),
            ("rank_bm25", rank_bm25(texts)),
            ("rank_bm25, file name too", rank_bm25(named)),
            ("FTS5 porter", fts5(texts)),
            ("FTS5 porter, file name too", fts5(named)),
        ]
        for name, search in systems:
            _add_recall(table, name, _ranks(name, search, asked, passages))
    table.title = f"Retrieval: {squad.name}, {len(asked)} questions, {len(passages)} passages"


def _ranks(name: str, search: Search, asked: Sequence[PlacedQuestion], passages: Sequence[Passage]) -> list[int | None]:
    tell = harness.progress(name)
    ranks = []
    for number, placed in enumerate(asked, 1):
        found = [passages[place] for place in search(placed.question.text, DEPTH)]
        ranks.append(first_rank([placed.met_by(one.document.path, one.start, one.end) for one in found]))
        tell(number, len(asked))
    return ranks


def _add_recall(table: harness.Table, name: str, ranks: Sequence[int | None]) -> None:
    shares = {f"recall_at_{k}": share_within(ranks, k) for k in RECALL_AT}
    reciprocal = mean_reciprocal_rank(ranks)
    table.details[name] = {**shares, "reciprocal_rank": reciprocal}
    table.rows.append((name, *map(harness.percent, shares.values()), f"{reciprocal:.3f}", "-", "-"))


def _cranfield(arguments: argparse.Namespace, table: harness.Table) -> None:
    task = read_beir(harness.data_path(arguments.data, "retrieval/cranfield"))
    names, texts = list(task.documents), list(task.documents.values())
    rankings: dict[str, Mapping[str, Sequence[str]]] = {"docqa": rank_documents(task, CRANFIELD_DEPTH)}
    for system, make in (("rank_bm25", rank_bm25), ("FTS5 porter", fts5)):
        search = make(texts)
        rankings[system] = {
            query: [names[place] for place in search(text, CRANFIELD_DEPTH)] for query, text in task.queries.items()
        }
    for row, (system, *recalls) in enumerate(table.rows):
        if system in rankings:
            report = judge(task, rankings[system])
            table.details[system]["cranfield"] = report
            figures = (f"{report.ndcg_at_10:.3f}", f"{report.recall_at_20:.3f}")
            table.rows[row] = (system, *recalls[:-2], *figures)


if __name__ == "__main__":
    harness.run(benchmark, harness.options(__doc__))
