"""The side of the peers in `retrieval.py` and `indexing.py`: one search engine, in the peers' own environment.

The first line in names the engine, a file with one text as JSON a line, and a folder to work in; the line out says
how long indexing took. Each further line is a question and a number; each line out the places of that many texts, best
first, and the milliseconds they took.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

Search = Callable[[str, int], Iterable[int]]
"""From a question and a number to the places of that many texts, best first."""

# Words that ask rather than tell, for FTS5, which has no list of its own.
QUESTION_WORDS = frozenset(
    """
    a an and are as at be been by can could did do does for from had has have he her his how i in is it its many
    much of on or she should that the their them there these they this to was were what when where which who whom
    whose why will with would you your
    """.split()  # noqa: SIM905 (as in docqa: words in quotes would be harder to read)
)


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def rank_bm25(texts: Sequence[str], _: Path) -> Search:
    """BM25Okapi over lower-case runs of word characters, in memory."""
    numpy = import_module("numpy")
    engine = import_module("rank_bm25").BM25Okapi([words(text) for text in texts])

    def search(question: str, count: int) -> list[int]:
        scores = engine.get_scores(words(question))
        return [int(place) for place in numpy.argsort(-scores, kind="stable")[:count]]

    return search


def bm25s(texts: Sequence[str], _: Path) -> Search:
    """Its own tokenizer with English stop words and Snowball's stemmer, in memory."""
    module = import_module("bm25s")
    stemmer = import_module("Stemmer").Stemmer("english")

    def tokens(of: Sequence[str]) -> Any:
        return module.tokenize(of, stopwords="en", stemmer=stemmer, show_progress=False)

    engine = module.BM25()
    engine.index(tokens(texts), show_progress=False)

    def search(question: str, count: int) -> list[int]:
        found, _scores = engine.retrieve(tokens([question]), k=min(count, len(texts)), show_progress=False)
        return [int(place) for place in found[0]]

    return search


def tantivy(texts: Sequence[str], folder: Path) -> Search:
    """English stemming; the index lies in the folder, the texts are not stored."""
    module = import_module("tantivy")
    schema = module.SchemaBuilder()
    schema.add_text_field("text", stored=False, tokenizer_name="en_stem")
    schema.add_integer_field("place", stored=True)
    index = module.Index(schema.build(), path=str(folder))
    writer = index.writer(256_000_000)
    for place, text in enumerate(texts):
        writer.add_document(module.Document(text=text, place=place))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()

    def search(question: str, count: int) -> Iterable[int]:
        asked = words(question)
        if not asked:
            return []
        hits = searcher.search(index.parse_query(" ".join(asked), ["text"]), count).hits
        # Fetched when the time has been taken: the others know the places by themselves.
        return (searcher.doc(address)["place"][0] for _, address in hits)

    return search


def fts5(texts: Sequence[str], folder: Path) -> Search:
    """SQLite with the porter tokenizer in the folder, without the texts; questions lose question words."""
    db = sqlite3.connect(folder / "fts5.db")
    db.execute("CREATE VIRTUAL TABLE texts USING fts5(text, tokenize='porter', content='')")
    with db:
        db.executemany("INSERT INTO texts (rowid, text) VALUES (?, ?)", enumerate(texts))

    def search(question: str, count: int) -> list[int]:
        asked = words(question)
        telling = [word for word in asked if word not in QUESTION_WORDS] or asked
        query = " OR ".join(f'"{word}"' for word in dict.fromkeys(telling))
        rows = db.execute("SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY rank LIMIT ?", (query, count))
        return [place for (place,) in rows] if query else []

    return search


ENGINES = {"tantivy": tantivy, "FTS5": fts5, "bm25s": bm25s, "rank_bm25": rank_bm25}


def main() -> None:
    # What libraries print must not get between the answers.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    setup = json.loads(sys.stdin.readline())
    with open(setup["texts"], encoding="utf-8") as file:
        texts = [json.loads(line) for line in file]
    started, computed = time.perf_counter(), time.process_time()
    search = ENGINES[setup["peer"]](texts, Path(setup["folder"]))
    took = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - computed}
    del texts
    say(replies, {**took, "bytes": sum(each.stat().st_size for each in Path(setup["folder"]).iterdir())})
    for line in sys.stdin:
        question, count = json.loads(line)
        started = time.perf_counter()
        places = search(question, count)
        ms = 1000 * (time.perf_counter() - started)
        say(replies, {"places": list(places), "ms": ms})


def say(replies: Any, message: dict[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()
