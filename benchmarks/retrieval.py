"""Retrieval alone, beside tantivy, SQLite's FTS5, bm25s and rank_bm25: how well it finds, and how soon.

Quality: articles of SQuAD 1.1 dev part 1 as a library, cut into passages by docqa: is a passage that holds an
answer inside the gold paragraph among the first 1, 5, 20? Then the Cranfield collection, whose documents are
ranked whole. docqa finds a passage by its file's name too, so each peer runs with the name before every passage
as well. Each peer has the tokenizer its own documentation advises for English, rank_bm25 lower-case words.

Speed: passages of 1,000 characters of the Linux sources, fetched with apt, or of another folder of text files,
and questions of four to eight words, all from one passage each. The systems answer each question in turn, and
each question counts with the best of its rounds. bm25s and rank_bm25 take part up to 200,000 passages, for
the time that they would need.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import corpus
import harness
from search_peers import peer, write_texts

from docqa.evaluation.datasets import read_beir, read_squad, sample
from docqa.evaluation.library import DEPTH, PlacedQuestion, all_passages, library_of
from docqa.evaluation.metrics import first_rank, mean_reciprocal_rank, share_within
from docqa.evaluation.retrieval import judge, rank_documents
from docqa.packing import pack
from docqa.passages import line_marks
from docqa.records import Document, Mark, Passage
from docqa.retriever import SqliteRetriever
from docqa.store import NewDocument, Store
from docqa.terms import ANALYSIS_VERSION, passage_postings, question_terms

RECALL_AT = (1, 5, 20)
CRANFIELD_DEPTH = 100
PEERS = ("tantivy", "FTS5", "bm25s", "rank_bm25")

PASSAGE_CHARACTERS = 1_000
QUESTIONS = 150
TOP = 20
ROUNDS = 3
# The largest collection for peers that take a tenth of a second and more for a question.
SLOW_PEERS_PASSAGES = 200_000
COMMIT_PASSAGES = 32_000
FRESH_PROCESSES = 9

Search = Callable[[str, int], Sequence[int]]
"""From a question and a number to the places of that many texts, best first."""


def benchmark(arguments: argparse.Namespace) -> harness.Table:
    tables = []
    if arguments.only != "speed":
        tables.append(_quality(arguments))
    if arguments.only != "quality":
        tables += [_speed(arguments, passages) for passages in arguments.passages]
    tables[0].more = tables[1:]
    return tables[0]


# --- quality


def _quality(arguments: argparse.Namespace) -> harness.Table:
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

        _add_recall(table, "docqa", _ranks("docqa", docqa, asked, passages))
        texts = [passage.text for passage in passages]
        named = [f"{Path(passage.document.path).stem}\n{passage.text}" for passage in passages]
        for name in PEERS:
            for label, indexed in ((name, texts), (f"{name}, file name too", named)):
                with _peer(name, indexed) as search:
                    _add_recall(table, label, _ranks(label, search, asked, passages))
    table.title = f"Retrieval: {squad.name}, {len(asked)} questions, {len(passages)} passages"


@contextmanager
def _peer(name: str, texts: Sequence[str]) -> Iterator[Search]:
    """A peer that has indexed the texts."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "texts.jsonl"
        write_texts(texts, file)
        with peer(name, file) as system:
            yield lambda question, count: system.search(question, count)[0]


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
    for system in PEERS:
        with _peer(system, texts) as search:
            rankings[system] = {
                query: [names[place] for place in search(text, CRANFIELD_DEPTH)] for query, text in task.queries.items()
            }
    for row, (system, *recalls) in enumerate(table.rows):
        if system in rankings:
            report = judge(task, rankings[system])
            table.details[system]["cranfield"] = report
            figures = (f"{report.ndcg_at_10:.3f}", f"{report.recall_at_20:.3f}")
            table.rows[row] = (system, *recalls[:-2], *figures)


# --- speed


def _speed(arguments: argparse.Namespace, passages: int) -> harness.Table:
    paths = corpus.files(arguments.corpus)
    with TemporaryDirectory(dir=arguments.scratch) as name, ExitStack() as stack:
        folder = Path(name)
        texts = folder / "texts.jsonl"
        cut = _cut(paths, passages)
        write_texts((text[start:end] for _, text, bounds in cut for start, end in bounds), texts)
        count = sum(len(bounds) for _, _, bounds in cut)
        characters = sum(end - start for _, _, bounds in cut for start, end in bounds)
        questions = _questions(cut)
        library = folder / "library.docqa"
        _index(library, cut)
        cut.clear()
        store = Store(library)
        stack.callback(store.close)

        def docqa(question: str, count: int) -> tuple[Sequence[int], float]:
            started = time.perf_counter()
            with store.snapshot():
                found = SqliteRetriever(store).search(question_terms(question), count)
            return [number for number, _ in found], 1000 * (time.perf_counter() - started)

        names = [name for name in PEERS if count <= SLOW_PEERS_PASSAGES or name in ("tantivy", "FTS5")]
        systems = {"docqa": docqa, **{name: stack.enter_context(peer(name, texts)).search for name in names}}
        ms = _race(systems, questions)
        fresh = _fresh_process_ms(library, questions)
    return _speed_table(
        f"Speed: {count:,} passages, {characters / 1e6:.0f} MB, {len(questions)} questions, top {TOP}", ms, fresh
    )


Cut = list[tuple[Path, str, list[tuple[int, int]]]]
"""Files with their texts and the bounds of their passages."""


def _cut(paths: list[Path], passages: int) -> Cut:
    cut: Cut = []
    left = passages
    for path, text in corpus.texts(paths):
        starts = range(0, len(text), PASSAGE_CHARACTERS)[:left]
        bounds = [(start, min(start + PASSAGE_CHARACTERS, len(text))) for start in starts]
        cut.append((path, text, bounds))
        left -= len(bounds)
        if not left:
            break
    return cut


def _questions(cut: Cut) -> list[str]:
    """Questions of four to eight different words, each question's words drawn from one passage, in its order."""
    random_ = random.Random(7)
    questions: list[str] = []
    while len(questions) < QUESTIONS:
        _, text, bounds = random_.choice(cut)
        start, end = random_.choice(bounds)
        words = list(dict.fromkeys(re.findall(r"[a-z]{3,}", text[start:end].lower())))
        count = random_.randint(4, 8)
        if len(words) >= count:
            questions.append(" ".join(words[place] for place in sorted(random_.sample(range(len(words)), count))))
    return questions


def _index(library: Path, cut: Cut) -> None:
    """Make a library as `docqa index` would, but for its passages, which are those of the peers."""
    store = Store.create(library)
    store.set_setting("analysis", str(ANALYSIS_VERSION))
    tell = harness.progress("indexing")
    done = 0
    for batch in _batches(cut):
        with store.writing(), store.transaction():
            retriever = SqliteRetriever(store)
            for path, text, bounds in batch:
                marks = [Mark("line", 0, "1")]
                lines = [(mark.kind, mark.start, mark.value) for mark in (*marks, *line_marks(text, marks, bounds))]
                new = NewDocument(_document(path, text, len(bounds)), (), lines, pack(text), bounds)
                first = store.add_documents([new])
                retriever.add_postings(first, passage_postings(("", "", text[start:end]) for start, end in bounds))
            retriever.commit()
        done += len(batch)
        tell(done, len(cut))
    with store.writing():
        with store.transaction():
            SqliteRetriever(store).compact()
        store.shrink()
    store.close()


def _batches(cut: Cut) -> Iterator[Cut]:
    batch: Cut = []
    for each in cut:
        batch.append(each)
        if sum(len(bounds) for _, _, bounds in batch) >= COMMIT_PASSAGES:
            yield batch
            batch = []
    yield batch


def _document(path: Path, text: str, passages: int) -> Document:
    status, sha256 = path.stat(), hashlib.sha256(text.encode()).hexdigest()
    return Document(str(path), "text/plain", status.st_size, status.st_mtime_ns, sha256, len(text), passages)


def _race(
    systems: Mapping[str, Callable[[str, int], tuple[Sequence[int], float]]], questions: Sequence[str]
) -> dict[str, list[float]]:
    """Each system's milliseconds for each question: the best of the rounds, after one to warm up."""
    best = {name: [float("inf")] * len(questions) for name in systems}
    names = list(systems)
    tell = harness.progress("questions")
    for turn in range(ROUNDS + 1):
        for number, question in enumerate(questions):
            first = (turn + number) % len(names)
            for name in [*names[first:], *names[:first]]:
                _, ms = systems[name](question, TOP)
                if turn:
                    best[name][number] = min(best[name][number], ms)
            tell(turn * len(questions) + number + 1, (ROUNDS + 1) * len(questions))
    return best


def _fresh_process_ms(library: Path, questions: Sequence[str]) -> tuple[float, float]:
    """Milliseconds of a process that imports numpy and sqlite3, and of one that answers a first query; medians."""
    bare, first = [], []
    asking = "import sys; from docqa import DocQA; assert DocQA(sys.argv[1]).search(sys.argv[2])"
    for question in questions[:FRESH_PROCESSES]:
        bare.append(_process_ms("import numpy, sqlite3"))
        first.append(_process_ms(asking, str(library), question))
    return median(bare), median(first)


def _process_ms(program: str, *arguments: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", program, *arguments], check=True)
    return 1000 * (time.perf_counter() - started)


def _speed_table(title: str, ms: Mapping[str, Sequence[float]], fresh: tuple[float, float]) -> harness.Table:
    table = harness.Table(title, ("system", "median, ms", "95th, ms", "docqa / it", "docqa / it, 95th"))
    own = _summary(ms["docqa"])
    for name, times in ms.items():
        middle, high = _summary(times)
        table.rows.append((name, f"{middle:.2f}", f"{high:.2f}", f"{own[0] / middle:.3f}", f"{own[1] / high:.3f}"))
        table.details[name] = {"median_ms": middle, "p95_ms": high, "ms": list(times)}
    bare, first = fresh
    table.remarks.append(
        f"First query of a fresh process, imports and ten passages' texts included: {first:.0f} ms;"
        f" python -c 'import numpy, sqlite3': {bare:.0f} ms; difference {first - bare:.0f} ms."
    )
    table.details["fresh_process_ms"] = {"bare": bare, "first_query": first}
    return table


def _summary(times: Sequence[float]) -> tuple[float, float]:
    """The median and the 95th percentile."""
    return median(times), sorted(times)[int(0.95 * len(times))]


if __name__ == "__main__":
    parser = harness.options(__doc__)
    parser.add_argument("--only", choices=("quality", "speed"))
    parser.add_argument("--passages", type=harness.positive, nargs="+", default=[100_000], metavar="N")
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="text files for the speed (the Linux sources)")
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="where to keep indexes meanwhile (the system's)")
    harness.run(benchmark, parser)
