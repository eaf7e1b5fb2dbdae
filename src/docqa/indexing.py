"""Folders into the library: walk, prepare what is new, commit batch by batch, then take out what has gone."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Container, Generator, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from docqa import events, files
from docqa.errors import ExtractionError
from docqa.extract import is_plain_text
from docqa.extract.formats import readable, reads_alike, reads_pictures
from docqa.passages import place
from docqa.preparing import Failed, Moved, Outcome, Prepared, Same, Task, failed, prepare
from docqa.records import IndexReport
from docqa.retriever import Retriever, SqliteRetriever
from docqa.roots import Plan, leave_out, not_below, note_seen
from docqa.store import Known, NewDocument, SkippedRow, Store
from docqa.terms import passage_terms
from docqa.workers import WorkerPool

# Files in this many bytes are not worth starting child processes for, unless a parser is needed.
INLINE_BYTES = 8_000_000
# What a child process is given at a time.
CHUNK_BYTES = 1_000_000
CHUNK_FILES = 64
# Files of so many bytes may be under way or prepared while a batch is written; what is unpacked may grow.
AHEAD_BYTES = 32_000_000
UNPACKED_FACTOR = 8
# A page as a picture seldom takes fewer bytes than this; a file that may be full of them is worth so much at most.
PICTURE_BYTES = 50_000
MOST_PATIENCE = 200.0
# One transaction's worth: large enough to make commits and the merging of segments cheap, small enough to lose little.
BATCH_CHARACTERS = 16_000_000
BATCH_FILES = 5_000
BATCH_S = 5.0


def index(store: Store, plan: Plan, *, prune: bool = False, retry: bool = False) -> Generator[events.IndexEvent]:
    """Bring an open library, of which this is the only writer, up to date as planned.

    Roots that are not there keep their documents, or go with them if `prune`. Files that could not be read are
    left alone until they change, unless `retry`. A document's event follows its commit; the last event is
    IndexFinished.
    """
    started = time.perf_counter()
    tally = _Tally()
    for event in _Run(store, plan, prune=prune, retry=retry).steps():
        tally.count(event)
        yield event
    yield events.IndexFinished(tally.report(store, time.perf_counter() - started))


def remove(store: Store, path: str, *, spared: Sequence[str] = ()) -> list[str]:
    """Take the documents at or below `path` out of an open library, of which this is the only writer.

    They stay out: no run over the library's roots brings them back. Roots in `spared` stay with what is below them.
    """
    with store.transaction():
        known = not_below(spared, store.known(path))
        retriever = SqliteRetriever(store)
        for entry in known.values():
            _remove(store, retriever, entry.document_id)
        retriever.commit()
        retriever.purge()
        store.forget_skipped(not_below(spared, store.skipped(path)))
        leave_out(store, path, held=bool(known), spared=spared)
    return sorted(known)


class _Run:
    """One run: what the library held before it, and what has been found since."""

    def __init__(self, store: Store, plan: Plan, *, prune: bool, retry: bool) -> None:
        self._store, self._plan, self._prune, self._retry = store, plan, prune, retry
        # The documents whose files have not been found as they were, or read again; at the end they have gone.
        self._left = dict(chain.from_iterable(store.stamps(path).items() for path in plan.scope))
        self._skipped_before = dict(chain.from_iterable(store.skipped(path).items() for path in plan.scope))
        self._read_in_part = store.remarks() if retry else {}
        self._formats = readable()
        self._skipped: dict[str, SkippedRow] = {}

    def steps(self) -> Iterator[events.IndexEvent]:
        found, unchanged = self._walk()
        yield events.FilesFound(len(found) + unchanged.files, sum(file.size for file in found) + unchanged.bytes)
        yield from (events.FileSkipped(path, row.reason, 0) for path, row in self._skipped.items())
        kept = self._kept(self._left)
        yield from (events.RootGone(root, len(paths)) for root, paths in kept.items())
        if unchanged.files:
            yield unchanged

        changed: list[Task] = []
        for file in found:
            judged = self._judge(file)
            if isinstance(judged, Task):
                changed.append(judged)
            else:
                yield judged
        looked_at = {task.file.path for task in changed} | self._skipped.keys()
        vanished = self._left.keys() - looked_at - set(chain(*kept.values()))
        for batch in _batches(_outcomes(changed, _Vanished(self._known(vanished), self._left))):
            yield from self._write(batch)
        yield from self._take_out_what_has_gone()

    def _walk(self) -> tuple[list[files.FoundFile], events.FilesUnchanged]:
        """Find the files; those that have the size and time of their documents are only counted."""
        found, unchanged, unchanged_bytes = [], 0, 0
        own = {f"{self._store.path}{suffix}" for suffix in self._store.SUFFIXES}
        left = self._left
        for entry in files.walk(self._plan.starts, apart=(root.path for root in self._plan.roots)):
            if isinstance(entry, files.SkippedFile):
                self._skipped[entry.path] = SkippedRow(entry.reason)
            elif left.get(entry.path) == (entry.size, entry.mtime_ns) and entry.path not in self._read_in_part:
                del left[entry.path]
                unchanged += 1
                unchanged_bytes += entry.size
            elif entry.path not in own:
                found.append(entry)
        return found, events.FilesUnchanged(unchanged, unchanged_bytes)

    def _known(self, paths: Iterable[str]) -> dict[str, Known]:
        return {path: self._store.known_file(path) for path in paths}

    def _kept(self, paths: Iterable[str]) -> dict[str, list[str]]:
        """The roots that are not there, each with those of the paths that stay in the library for that reason."""
        return {} if self._prune else self._plan.belonging(self._plan.gone(), paths)

    def _judge(self, file: files.FoundFile) -> events.FileSkipped | Task:
        """Tell by size and time alone whether a file needs to be read that is not as it was known."""
        if file.path in self._read_in_part:
            return Task(file)
        earlier = self._store.known_file(file.path) if file.path in self._left else None
        row = self._skipped_before.get(file.path)
        if row is None or row.sha256 is None or self._retry or not (row.quarantined or row.formats == self._formats):
            return Task(file, earlier.sha256 if earlier is not None else None)
        if (row.size, row.mtime_ns) == (file.size, file.mtime_ns):
            self._skipped[file.path] = row
            return events.FileSkipped(file.path, row.reason, file.size)
        failure = Failed(file.path, row.reason, row.size, row.mtime_ns, row.sha256, row.quarantined)
        return Task(file, earlier.sha256 if earlier is not None else None, failure)

    def _document_left(self, path: str) -> int:
        """Return the id of the document that was left at a path, which is seen to by this."""
        del self._left[path]
        return self._store.known_file(path).document_id

    def _write(self, batch: Sequence[Prepared]) -> list[events.IndexEvent]:
        """Commit a batch; return what became of its files."""
        with self._store.transaction():
            retriever = SqliteRetriever(self._store)
            written = [self._put(retriever, outcome) for prepared in batch for outcome in prepared.outcomes]
            _add(self._store, retriever, batch)
            retriever.commit()
        return written

    def _put(self, retriever: Retriever, outcome: Outcome) -> events.IndexEvent:
        store = self._store
        match outcome:
            case Failed(path, reason, size, mtime_ns, sha256, quarantined):
                # Not later: the next run must know even if this one is killed.
                self._skipped[path] = SkippedRow(reason, size, mtime_ns, sha256, quarantined, self._formats)
                store.skip(path, self._skipped[path])
                return events.FileSkipped(path, reason, size)
            case Same(path, size, mtime_ns):
                store.touch_document(self._document_left(path), size, mtime_ns)
                return events.FilesUnchanged(1, size)
            case Moved(path, old_path):
                _move(store, retriever, self._document_left(old_path), outcome)
                return events.FileMoved(path, old_path)
            case NewDocument(document, remarks):
                if document.path in self._left:
                    _remove(store, retriever, self._document_left(document.path))
                return events.FileIndexed(document.path, document.passages, document.size, remarks)

    def _take_out_what_has_gone(self) -> Iterator[events.FileRemoved]:
        store = self._store
        # A disk may have gone while its files were being read, so its absence is looked for once more.
        gone = sorted(self._left.keys() - set(chain(*self._kept(self._left).values())))
        with store.transaction():
            retriever = SqliteRetriever(store)
            for path in gone:
                _remove(store, retriever, self._document_left(path))
            retriever.commit()
            if gone and self._prune:
                retriever.purge()
            retriever.compact()
            self._note_skipped()
            if self._prune:
                for root in self._plan.gone():
                    store.forget_root(root.path)
            note_seen(store, self._plan)
        store.shrink()
        yield from map(events.FileRemoved, gone)

    def _note_skipped(self) -> None:
        stale = self._skipped_before.keys() - self._skipped
        self._store.forget_skipped(stale - set(chain(*self._kept(stale).values())))
        for path, row in self._skipped.items():
            if self._skipped_before.get(path) != row:
                self._store.skip(path, row)


class _Vanished:
    """Documents whose files are no longer where they were, to be found again by their bytes.

    What stands at one of the paths `taken` has a document already.
    """

    def __init__(self, known: Mapping[str, Known], taken: Container[str]) -> None:
        self._taken = taken
        self._sizes = {each.size for each in known.values()}
        self._left: dict[str, dict[str, None]] = defaultdict(dict)
        for path in sorted(known):
            self._left[known[path].sha256][path] = None

    def reappeared(self, file: files.FoundFile) -> Moved | None:
        """Claim the document of which this is the file, if there is one; of several, one of the same name."""
        if file.path in self._taken or file.size not in self._sizes:
            return None
        try:
            content = files.read(file.path, max_bytes=files.MAX_BYTES)
        except ExtractionError:
            return None
        left = self._left.get(content.sha256, {})
        alike = (path for path in left if reads_alike(path, file.path))
        first = next(alike, None)
        if first is None:
            return None
        name = os.path.basename(file.path)
        chosen = next((path for path in chain([first], alike) if os.path.basename(path) == name), first)
        del left[chosen]
        return Moved(file.path, chosen, content.size, content.mtime_ns)


def _outcomes(tasks: Iterable[Task], vanished: _Vanished) -> Iterator[Prepared]:
    """Prepare files; what needs a parser is read in child processes."""
    changed: list[Task] = []
    for task in tasks:
        if (moved := vanished.reappeared(task.file)) is not None:
            yield Prepared([moved])
        else:
            changed.append(task)
    if sum(task.file.size for task in changed) <= INLINE_BYTES:
        plain = [task for task in changed if is_plain_text(task.file.path)]
        changed = [task for task in changed if not is_plain_text(task.file.path)]
        yield from map(prepare, _chunks(plain))
    if changed:
        pool = WorkerPool(prepare, failed, patience=_patience, size=_size, ahead=AHEAD_BYTES)
        yield from pool.map(_chunks(changed))


def _size(task: Task) -> int:
    return task.file.size * (1 if is_plain_text(task.file.path) else UNPACKED_FACTOR)


def _patience(task: Task) -> float:
    """How many times the usual time a file is worth: what is recognised in pictures takes seconds a page."""
    if is_plain_text(task.file.path) or not reads_pictures():
        return 1.0
    return min(2 + task.file.size / PICTURE_BYTES, MOST_PATIENCE)


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


def _batches(source: Iterable[Prepared]) -> Iterator[list[Prepared]]:
    """Group what was prepared into transactions."""
    batch: list[Prepared] = []
    characters, count, started = 0, 0, time.monotonic()
    for prepared in source:
        batch.append(prepared)
        count += len(prepared.outcomes)
        characters += sum(each.document.characters for each in prepared.outcomes if isinstance(each, NewDocument))
        late = time.monotonic() - started >= BATCH_S
        if late or characters >= BATCH_CHARACTERS or count >= BATCH_FILES:
            yield batch
            batch, characters, count, started = [], 0, 0, time.monotonic()
    if batch:
        yield batch


def _add(store: Store, retriever: Retriever, batch: Sequence[Prepared]) -> None:
    """Add the new documents of a batch, with their passages in the order in which their postings were counted."""
    first = store.add_documents(
        [each for prepared in batch for each in prepared.outcomes if isinstance(each, NewDocument)]
    )
    for postings in chain.from_iterable(prepared.postings for prepared in batch):
        retriever.add_postings(first, postings)
        first += len(postings.lengths)


def _move(store: Store, retriever: Retriever, document_id: int, moved: Moved) -> None:
    """Give a document its new path; if its name has changed, its passages are found by the new one."""
    store.move_document(document_id, moved.path, moved.size, moved.mtime_ns)
    if passage_terms(moved.old_path, "", "") == passage_terms(moved.path, "", ""):
        return
    passages = store.passages_of(document_id)
    for passage in passages:
        retriever.delete(passage.id)
    store.remove_passages(document_id)
    new_ids = store.add_passages(document_id, [(passage.start, passage.end) for passage in passages])
    for passage_id, passage in zip(new_ids, passages, strict=True):
        heading = place(passage, passage.start).heading or ""
        retriever.add(passage_id, passage_terms(moved.path, heading, passage.text))


def _remove(store: Store, retriever: Retriever, document_id: int) -> None:
    for passage_id in store.passage_ids_of(document_id):
        retriever.delete(passage_id)
    store.remove_document(document_id)


class _Tally:
    """Counts the events of an index run."""

    def __init__(self) -> None:
        self._indexed = self._unchanged = self._removed = self._moved = self._bytes = 0
        self._skipped: list[tuple[str, str]] = []
        self._roots_gone: list[str] = []

    def count(self, event: events.IndexEvent) -> None:
        match event:
            case events.FileIndexed(size=size):
                self._indexed += 1
                self._bytes += size
            case events.FilesUnchanged(files):
                self._unchanged += files
            case events.FileRemoved():
                self._removed += 1
            case events.FileMoved():
                self._moved += 1
            case events.RootGone(path):
                self._roots_gone.append(path)
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
            moved=self._moved,
            roots_gone=tuple(self._roots_gone),
        )
