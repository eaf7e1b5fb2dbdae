"""The engine: `DocQA.index` and `DocQA.ask`, each the whole path of the data from top to bottom."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from platformdirs import user_data_path

from docqa import events, files
from docqa.answers import rank, source
from docqa.errors import LibraryError, UsageError
from docqa.explaining import explained
from docqa.extract import is_plain_text
from docqa.passages import headings, line_marks
from docqa.preparing import Failed, Outcome, Prepared, Same, Task, failed, prepare
from docqa.questions import Filters, Question, parse_question
from docqa.ranking import Proposal, Ranking, propose
from docqa.records import (
    Answer,
    Candidate,
    Document,
    IndexReport,
    Match,
    Passage,
    ReaderInfo,
    Result,
    Span,
    Status,
    Timing,
    Verdict,
)
from docqa.retriever import Retriever, SqliteRetriever
from docqa.store import Known, Store
from docqa.terms import ANALYSIS_VERSION, passage_terms
from docqa.workers import WorkerPool

if TYPE_CHECKING:
    # The reader brings torch, which takes a second to import; only reading pays for it.
    from docqa.reader.lengths import LengthConfiguration
    from docqa.reader.reader import Precision, Reader

PathLike = str | os.PathLike[str]

# A question is a sentence or two; what is pasted beyond this finds everything and nothing.
QUESTION_TERMS = 64
# How many answers are given and how many passages read unless told otherwise.
TOP = 5
PASSAGES = 10
# Files in this many bytes are not worth starting child processes for, unless a parser is needed.
INLINE_BYTES = 8_000_000
# What a child process is given at a time.
CHUNK_BYTES = 1_000_000
CHUNK_FILES = 64
# One transaction's worth of text: large enough to make commits cheap, small enough to lose little.
BATCH_CHARACTERS = 4_000_000
BATCH_FILES = 500


def default_library() -> Path:
    """Return where the library is unless told otherwise: `DOCQA_LIBRARY`, else the user's data folder."""
    named = os.environ.get("DOCQA_LIBRARY")
    return Path(named) if named else user_data_path("docqa", appauthor=False) / "library.docqa"


class AskOptions(TypedDict, total=False):
    """How a question is answered: `top` answers are given from the `passages` that match best.

    `lengths` is the share of tokens that each of the reader's layers keeps, None for all of them. `filters`
    say which documents may answer. An answer counts from a confidence on: `min_confidence`, or the one from
    which on answers were right at least a share `min_precision` of the time in calibration; by default the
    one the reader's ranking advises. With `explain` every answer says why it stands where it does.
    """

    top: int
    passages: int
    lengths: LengthConfiguration | None
    filters: Filters | None
    min_confidence: float | None
    min_precision: float | None
    explain: bool


class DocQA:
    """A library of documents that answers questions with quotes.

    `library` is the library's file, by default the user's own; `reader` the reader model: None for the one
    in use, a name that `docqa reader ls` lists, a folder, or a checkpoint's hub name. Nothing is opened or
    loaded before it is needed. Errors are those of `docqa.errors`. Not for use from several threads at once.
    """

    def __init__(
        self, library: PathLike | None = None, *, reader: PathLike | None = None, precision: Precision = "auto"
    ) -> None:
        self.library = Path(os.path.realpath(library if library is not None else default_library()))
        self._reader_name = reader
        self._precision: Precision = precision
        self._reader: Reader | None = None
        self._ranking: Ranking | None = None
        self._store: Store | None = None

    def __enter__(self) -> DocQA:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the library's file; the next call opens it again."""
        if self._store is not None:
            self._store.close()
            self._store = None

    # --- index

    def index(self, paths: Iterable[PathLike]) -> IndexReport:
        """Bring the library up to date with folders and files, making it if need be; see `index_events`."""
        *_, last = self.index_events(paths)
        assert isinstance(last, events.IndexFinished)
        return last.report

    def index_events(self, paths: Iterable[PathLike]) -> Generator[events.IndexEvent]:
        """Bring the library up to date with folders and files, telling what happens as it happens.

        New and changed files are read; documents whose files have gone, or can no longer be read, are
        removed; what lies outside `paths` is left alone. A document's event follows its commit, so a run that
        is stopped anywhere loses the batch in hand at most, and the next run resumes. The last event is
        IndexFinished. UsageError if a path does not exist, LibraryBusy if another process is indexing.
        """
        started = time.perf_counter()
        roots = [os.path.realpath(path) for path in paths]
        walk = files.walk(roots)
        store = self._open(create=True)
        tally = _Tally()
        with store.writing():
            for event in self._index(store, roots, walk):
                tally.count(event)
                yield event
        yield events.IndexFinished(tally.report(store, time.perf_counter() - started))

    def _index(
        self, store: Store, roots: Sequence[str], walk: Iterable[files.FoundFile | files.SkippedFile]
    ) -> Iterator[events.IndexEvent]:
        found: list[files.FoundFile] = []
        skipped: list[events.FileSkipped] = []
        for entry in walk:
            if isinstance(entry, files.SkippedFile):
                skipped.append(events.FileSkipped(entry.path, entry.reason, 0))
            elif not self._is_own(entry.path):
                found.append(entry)
        yield events.FilesFound(len(found), sum(file.size for file in found))
        yield from skipped

        known = {path: entry for root in roots for path, entry in store.known(root).items()}
        present = set()
        for batch in _batches(_outcomes(found, known)):
            for event in _write(store, batch, known):
                if isinstance(event, events.FileSkipped):
                    skipped.append(event)
                else:
                    present.add(event.path)
                yield event

        gone = sorted(set(known) - present)
        with store.transaction():
            retriever = SqliteRetriever(store)
            for path in gone:
                _remove(store, retriever, known[path].document_id)
            retriever.commit()
            for root in roots:
                store.forget_skipped(root)
            for skip in skipped:
                store.skip(skip.path, skip.reason)
        yield from map(events.FileRemoved, gone)

    def _is_own(self, path: str) -> bool:
        return path in {f"{self.library}{suffix}" for suffix in ("", "-wal", "-shm", ".lock")}

    # --- ask

    def ask(self, question: str, **options: Unpack[AskOptions]) -> Result:
        """Answer a question from the library; see `ask_events`."""
        *_, last = self.ask_events(question, **options)
        assert isinstance(last, events.Answered)
        return last.result

    def ask_events(self, question: str, **options: Unpack[AskOptions]) -> Generator[events.AskEvent]:
        """Answer a question with verbatim quotes, telling what happens as it happens.

        The question may hold filters; see `docqa.questions`. The last event is Answered. UsageError if the
        question has no words or a filter makes no sense, LibraryError or ReaderError if the library or the
        reader cannot be used.
        """
        started = time.perf_counter()
        top, lengths = options.get("top", TOP), options.get("lengths")
        parsed = parse_question(question, options.get("filters"))
        notices = []
        if len(parsed.terms) > QUESTION_TERMS:
            notices.append(f"the question is long: only its first {QUESTION_TERMS} different words were looked for")
        count = options.get("passages", PASSAGES)
        candidates = self._candidates(parsed, count)
        if not candidates and parsed.phrases:
            notices.append(
                "no passage holds the words between quotation marks as they stand: they were looked for singly"
            )
            candidates = self._candidates(replace(parsed, phrases=()), count)
        retrieved = time.perf_counter()
        yield events.CandidatesFound(candidates)

        reader, ranking = self.reader, self.ranking
        least = _least_confidence(ranking, options.get("min_confidence"), options.get("min_precision"))
        reading_started = time.perf_counter()
        kept = lengths.shares if lengths else (1.0,) * reader.layers
        explain = partial(explained, terms=parsed.terms[:QUESTION_TERMS], ranking=ranking, kept=kept)
        spans: list[tuple[Span, ...]] = []
        proposals: list[Proposal] = []
        for part in _rounds(candidates):
            reading = reader.read(parsed.text, [each.passage.text for each in part], lengths=lengths)
            spans += reading.spans
            proposals = propose(parsed.terms, candidates[: len(spans)], spans)
            if len(spans) < len(candidates):
                so_far = rank(proposals, ranking, top)
                if so_far and so_far[0].confidence >= least:
                    yield events.AnswersImproved(_checked(so_far, candidates), len(spans), len(candidates))
        if candidates and reading.question_shortened:
            notices.append("the question is long: the reader saw only its beginning")
        answers = rank(proposals, ranking, top, explain if options.get("explain") else None)
        answers = _checked(answers, candidates) if answers and answers[0].confidence >= least else ()
        finished = time.perf_counter()
        yield events.Answered(
            Result(
                question=question,
                answers=answers,
                passages=() if answers else tuple(map(_match, candidates[:top])),
                library=str(self.library),
                reader=ReaderInfo(reader.name, reader.precision, lengths.shares if lengths else None),
                timing_ms=Timing(
                    retrieve=1000 * (retrieved - started),
                    read=1000 * (finished - reading_started),
                    total=1000 * (finished - started),
                ),
                notices=tuple(notices),
            )
        )

    def proposals(self, question: str, *, passages: int = PASSAGES, without: Iterable[str] = ()) -> list[Proposal]:
        """Return all that competes to answer a question, unranked: what a ranking is fitted on.

        The reader reads the `passages` that match best, leaving out those that hold one of the texts `without`.
        """
        parsed = parse_question(question)
        unwanted = tuple(without)
        candidates = [
            each
            for each in self._candidates(parsed, passages + 2 * len(unwanted))
            if not any(text in each.passage.text for text in unwanted)
        ][:passages]
        reading = self.reader.read(parsed.text, [each.passage.text for each in candidates])
        return propose(parsed.terms, candidates, reading.spans)

    @property
    def reader(self) -> Reader:
        """The reader, loaded at first use; ReaderError if it cannot be."""
        if self._reader is None:
            from docqa.reader.reader import Reader

            self._reader = Reader(self._reader_name, precision=self._precision)
        return self._reader

    @property
    def ranking(self) -> Ranking:
        """The weights by which the reader's and the retriever's evidence is put together.

        They are this library's own if it was calibrated with this reader, else the reader's.
        """
        if self._ranking is None:
            own, folder = self._open().setting(_ranking_setting(self.reader)), self.reader.folder
            if own:
                self._ranking = Ranking.from_json(own, self.library)
            else:
                self._ranking = Ranking.load(folder) if folder is not None else Ranking()
        return self._ranking

    # --- search and look

    def search(self, question: str, *, top: int = 10, filters: Filters | None = None) -> tuple[Match, ...]:
        """Find the `top` passages that match a question best, by BM25 alone; the reader is not loaded."""
        return tuple(map(_match, self._candidates(parse_question(question, filters), top)))

    def documents(self, root: PathLike | None = None) -> list[Document]:
        """List the documents, or those at or below a folder or file, by path."""
        return self._open().documents(None if root is None else os.path.realpath(root))

    def text(self, path: PathLike) -> str:
        """Return the extracted text of a document; UsageError if there is no such document."""
        return self.stretch(path).text

    def stretch(self, path: PathLike, start: int = 0, end: int = sys.maxsize) -> Passage:
        """Return any stretch of a document, with its marks, as a passage that is none of the library's (its id is 0).

        `start` and `end` are characters; the stretch ends with the document at the latest. UsageError if there
        is no such document.
        """
        store, real = self._open(), os.path.realpath(path)
        with store.snapshot():
            known = store.known(real).get(real)
            if known is None:
                raise UsageError(f"{os.fspath(path)!s} is not in the library; docqa ls lists what is")
            text = store.text(known.document_id, start, end)
            end = start + len(text)
            marks = store.marks(known.document_id, start, end + 1)
            return Passage(0, store.document(known.document_id), start, end, text, marks)

    def remove(self, root: PathLike) -> list[str]:
        """Remove the documents at or below a path from the library, not from the disk; return their paths."""
        store, path = self._open(), os.path.realpath(root)
        with store.writing(), store.transaction():
            known = store.known(path)
            retriever = SqliteRetriever(store)
            for entry in known.values():
                _remove(store, retriever, entry.document_id)
            retriever.commit()
            store.forget_skipped(path)
        return sorted(known)

    def status(self) -> Status:
        """Tell what the library holds and whether it is sound; reads the whole file."""
        store = self._open()
        counts = store.counts()
        return Status(
            library=str(self.library),
            bytes=self.library.stat().st_size,
            documents=counts["documents"],
            passages=counts["passages"],
            characters=counts["characters"],
            skipped=tuple(store.skipped()),
            remarks=tuple((path, remark) for path, remarks in store.remarks().items() for remark in remarks),
            problems=tuple(store.check() + SqliteRetriever(store).check()),
        )

    # --- the gold set

    def verdicts(self) -> list[Verdict]:
        """List the library's gold set: questions with answers a person accepted or rejected."""
        return self._open().verdicts()

    def add_verdicts(self, verdicts: Iterable[Verdict]) -> None:
        """Add to the gold set, replacing entries on the same answer to the same question."""
        store = self._open()
        with store.writing(), store.transaction():
            for verdict in verdicts:
                store.add_verdict(verdict)

    def remove_verdict(self, verdict_id: int) -> None:
        """Remove an entry of the gold set; UsageError if there is no such entry."""
        store = self._open()
        with store.writing(), store.transaction():
            if verdict_id not in {verdict.id for verdict in store.verdicts()}:
                raise UsageError(f"the gold set has no entry {verdict_id}; docqa gold ls lists them")
            store.remove_verdict(verdict_id)

    def set_ranking(self, ranking: Ranking | None) -> None:
        """Rank this library's answers by weights of its own while this reader answers; None: by the reader's."""
        store = self._open()
        with store.writing(), store.transaction():
            store.set_setting(_ranking_setting(self.reader), ranking.to_json() if ranking else "")
        self._ranking = None

    def _candidates(self, question: Question, count: int) -> tuple[Candidate, ...]:
        store = self._open()
        with store.snapshot():
            allowed = store.passage_ids(question.filters.accept) if question.filters else None
            # Phrases and excluded words are looked for in the texts, from the best passage down.
            sifting = bool(question.phrases or question.excluded)
            retriever = SqliteRetriever(store)
            hits = retriever.search(question.terms[:QUESTION_TERMS], sys.maxsize if sifting else count, allowed)
            candidates = (
                Candidate(passage, score)
                for passage_id, score in _in_order(store, hits)
                if question.accepts((passage := store.passage(passage_id)).text)
            )
            return tuple(islice(candidates, count))

    def _open(self, *, create: bool = False) -> Store:
        if self._store is None:
            store = Store.create(self.library) if create else Store(self.library)
            rules = store.setting("analysis")
            if rules is None and create:
                store.set_setting("analysis", str(ANALYSIS_VERSION))
            elif rules != str(ANALYSIS_VERSION) and (rules is not None or create):
                store.close()
                raise LibraryError(
                    f"{self.library} was made by other rules of analysis ({rules}); move it away and index again"
                )
            self._store = store
        return self._store


def _outcomes(found: Iterable[files.FoundFile], known: Mapping[str, Known]) -> Iterator[Outcome]:
    """Prepare the files whose size or time has changed; what needs a parser is read in child processes."""
    changed: list[Task] = []
    for file in found:
        earlier = known.get(file.path)
        if earlier is not None and (earlier.size, earlier.mtime_ns) == (file.size, file.mtime_ns):
            yield Same(file.path, file.size, file.mtime_ns)
        else:
            changed.append(Task(file, earlier.sha256 if earlier is not None else None))
    if sum(task.file.size for task in changed) <= INLINE_BYTES:
        plain = [task for task in changed if is_plain_text(task.file.path)]
        changed = [task for task in changed if not is_plain_text(task.file.path)]
        yield from map(prepare, plain)
    if changed:
        for outcomes in WorkerPool(prepare, failed).map(_chunks(changed)):
            yield from outcomes


def _chunks(tasks: Iterable[Task]) -> Iterator[list[Task]]:
    """Group small files, so that handing them over costs little."""
    chunk: list[Task] = []
    size = 0
    for task in tasks:
        chunk.append(task)
        size += task.file.size
        if size >= CHUNK_BYTES or len(chunk) >= CHUNK_FILES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _batches(outcomes: Iterable[Outcome]) -> Iterator[list[Outcome]]:
    """Group outcomes into transactions."""
    batch: list[Outcome] = []
    characters = 0
    for outcome in outcomes:
        batch.append(outcome)
        if isinstance(outcome, Prepared):
            characters += outcome.document.characters
        if characters >= BATCH_CHARACTERS or len(batch) >= BATCH_FILES:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _write(
    store: Store, batch: Sequence[Outcome], known: Mapping[str, Known]
) -> list[events.FileIndexed | events.FileUnchanged | events.FileSkipped]:
    """Commit a batch; return what became of its files."""
    written: list[events.FileIndexed | events.FileUnchanged | events.FileSkipped] = []
    with store.transaction():
        retriever = SqliteRetriever(store)
        for outcome in batch:
            earlier = known.get(outcome.document.path if isinstance(outcome, Prepared) else outcome.path)
            match outcome:
                case Failed(path, reason, size):
                    written.append(events.FileSkipped(path, reason, size))
                case Same(path, size, mtime_ns):
                    if earlier is not None and earlier.mtime_ns != mtime_ns:
                        store.touch_document(earlier.document_id, size, mtime_ns)
                    written.append(events.FileUnchanged(path, size))
                case Prepared(document, extraction):
                    if earlier is not None:
                        _remove(store, retriever, earlier.document_id)
                    _add(store, retriever, outcome)
                    written.append(
                        events.FileIndexed(document.path, document.passages, document.size, extraction.remarks)
                    )
        retriever.commit()
    return written


def _add(store: Store, retriever: Retriever, prepared: Prepared) -> None:
    extraction, bounds = prepared.extraction, prepared.bounds
    marks = [*extraction.marks, *line_marks(extraction.text, extraction.marks, bounds)]
    document_id = store.add_document(prepared.document, extraction.text, marks, extraction.remarks)
    for passage_id, (start, end), heading in zip(
        store.add_passages(document_id, bounds), bounds, headings(extraction.marks, bounds), strict=True
    ):
        retriever.add(passage_id, passage_terms(prepared.document.path, heading, extraction.text[start:end]))


def _remove(store: Store, retriever: Retriever, document_id: int) -> None:
    for passage_id in store.passage_ids_of(document_id):
        retriever.delete(passage_id)
    store.remove_document(document_id)


class _Tally:
    """Counts the events of an index run."""

    def __init__(self) -> None:
        self._indexed = self._unchanged = self._removed = self._bytes = 0
        self._skipped: list[tuple[str, str]] = []

    def count(self, event: events.IndexEvent) -> None:
        match event:
            case events.FileIndexed(size=size):
                self._indexed += 1
                self._bytes += size
            case events.FileUnchanged():
                self._unchanged += 1
            case events.FileRemoved():
                self._removed += 1
            case events.FileSkipped(path, reason):
                self._skipped.append((path, reason))

    def report(self, store: Store, seconds: float) -> IndexReport:
        counts = store.counts()
        return IndexReport(
            library=str(store.path),
            indexed=self._indexed,
            unchanged=self._unchanged,
            removed=self._removed,
            skipped=tuple(sorted(self._skipped)),
            bytes=self._bytes,
            documents=counts["documents"],
            passages=counts["passages"],
            seconds=seconds,
        )


def _rounds(candidates: Sequence[Candidate]) -> Iterator[Sequence[Candidate]]:
    """Part the candidates into what is read together, the likeliest first."""
    yield from (part for part in (candidates[:3], candidates[3:6], candidates[6:]) if part)


def _in_order(store: Store, hits: Sequence[tuple[int, float]]) -> Sequence[tuple[int, float]]:
    """Sort hits of equal score by where they stand, which does not depend on the library's history."""
    if len({score for _, score in hits}) == len(hits):
        return hits
    places = store.places(passage_id for passage_id, _ in hits)
    return sorted(hits, key=lambda hit: (-hit[1], places[hit[0]]))


def _ranking_setting(reader: Reader) -> str:
    return f"ranking of {reader.name}"


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


def _match(candidate: Candidate) -> Match:
    whole = (0, len(candidate.passage.text))
    return Match(source(candidate.passage, whole, whole), candidate.score)
