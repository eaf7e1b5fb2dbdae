"""Folders into the library: walk, prepare, commit batch by batch, then take out what has gone."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

from docqa import events, files
from docqa.extract import is_plain_text
from docqa.preparing import Failed, Outcome, Prepared, Same, Task, failed, prepare
from docqa.records import IndexReport
from docqa.retriever import Retriever, SqliteRetriever
from docqa.store import Known, Store
from docqa.workers import WorkerPool

# Files in this many bytes are not worth starting child processes for, unless a parser is needed.
INLINE_BYTES = 8_000_000
# What a child process is given at a time.
CHUNK_BYTES = 1_000_000
CHUNK_FILES = 64
# One transaction's worth: large enough to make commits and the merging of segments cheap, small enough to lose little.
BATCH_CHARACTERS = 32_000_000
BATCH_FILES = 5_000
BATCH_S = 5.0


def index(
    store: Store, roots: Sequence[str], walk: Iterable[files.FoundFile | files.SkippedFile]
) -> Generator[events.IndexEvent]:
    """Bring an open library, of which this is the only writer, up to date with what a walk of `roots` finds.

    A document's event follows its commit. The last event is IndexFinished.
    """
    started = time.perf_counter()
    tally = _Tally()
    for event in _index(store, roots, walk):
        tally.count(event)
        yield event
    yield events.IndexFinished(tally.report(store, time.perf_counter() - started))


def _index(
    store: Store, roots: Sequence[str], walk: Iterable[files.FoundFile | files.SkippedFile]
) -> Iterator[events.IndexEvent]:
    found: list[files.FoundFile] = []
    skipped: list[events.FileSkipped] = []
    for entry in walk:
        if isinstance(entry, files.SkippedFile):
            skipped.append(events.FileSkipped(entry.path, entry.reason, 0))
        elif not _is_own(store, entry.path):
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
        retriever.compact()
        for root in roots:
            store.forget_skipped(root)
        for skip in skipped:
            store.skip(skip.path, skip.reason)
    store.shrink()
    yield from map(events.FileRemoved, gone)


def remove(store: Store, root: str) -> list[str]:
    """Take the documents at or below `root` out of an open library, of which this is the only writer."""
    with store.transaction():
        known = store.known(root)
        retriever = SqliteRetriever(store)
        for entry in known.values():
            _remove(store, retriever, entry.document_id)
        retriever.commit()
        retriever.purge()
        store.forget_skipped(root)
    return sorted(known)


def _is_own(store: Store, path: str) -> bool:
    return path in {f"{store.path}{suffix}" for suffix in ("", "-wal", "-shm", ".lock")}


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
    characters, started = 0, time.monotonic()
    for outcome in outcomes:
        batch.append(outcome)
        if isinstance(outcome, Prepared):
            characters += outcome.document.characters
        late = time.monotonic() - started >= BATCH_S
        if late or characters >= BATCH_CHARACTERS or len(batch) >= BATCH_FILES:
            yield batch
            batch, characters, started = [], 0, time.monotonic()
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
                case Prepared(document, remarks):
                    if earlier is not None:
                        _remove(store, retriever, earlier.document_id)
                    _add(store, retriever, outcome)
                    written.append(events.FileIndexed(document.path, document.passages, document.size, remarks))
        retriever.commit()
    return written


def _add(store: Store, retriever: Retriever, prepared: Prepared) -> None:
    document_id = store.add_document(prepared.document, prepared.text, prepared.marks, prepared.remarks)
    retriever.add_postings(store.add_passages(document_id, prepared.bounds).start, prepared.postings)


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
