"""The engine: `DocQA.index` and `DocQA.ask`, each the whole path of the data from top to bottom."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_data_path

from docqa import events, files
from docqa.answers import rank, source
from docqa.errors import ExtractionError, LibraryError, UsageError
from docqa.extract import extract
from docqa.passages import cut_passages, line_marks
from docqa.records import (
    Candidate,
    Document,
    Extraction,
    IndexReport,
    Match,
    ReaderInfo,
    Result,
    Timing,
)
from docqa.retriever import SqliteRetriever
from docqa.store import Known, Store
from docqa.terms import ANALYSIS_VERSION, document_terms, question_terms

if TYPE_CHECKING:
    # The reader brings torch, which takes a second to import; only reading pays for it.
    from docqa.reader.lengths import LengthConfiguration
    from docqa.reader.reader import Precision, Reader

PathLike = str | os.PathLike[str]

# A question is a sentence or two; what is pasted beyond this finds everything and nothing.
QUESTION_TERMS = 64
# One transaction's worth of text: large enough to make commits cheap, small enough to lose little.
BATCH_CHARACTERS = 4_000_000
BATCH_FILES = 500


def default_library() -> Path:
    """Return where the library is unless told otherwise: `DOCQA_LIBRARY`, else the user's data folder."""
    named = os.environ.get("DOCQA_LIBRARY")
    return Path(named) if named else user_data_path("docqa", appauthor=False) / "library.docqa"


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A file ready to be written: its record, its extraction and its passages' bounds."""

    document: Document
    extraction: Extraction
    bounds: list[tuple[int, int]]


class DocQA:
    """A library of documents that answers questions with quotes.

    `library` is the library's file, by default the user's own; `reader` the reader model: None for the one
    that ships with docqa, a folder, or a checkpoint's hub name. Nothing is opened or loaded before it is
    needed. Errors are those of `docqa.errors`. Not for use from several threads at once.
    """

    def __init__(
        self, library: PathLike | None = None, *, reader: PathLike | None = None, precision: Precision = "auto"
    ) -> None:
        self.library = Path(os.path.realpath(library if library is not None else default_library()))
        self._reader_name = reader
        self._precision: Precision = precision
        self._reader: Reader | None = None
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
        for event in self.index_events(paths):
            if isinstance(event, events.IndexFinished):
                return event.report
        raise AssertionError("an index run ends with its report")

    def index_events(self, paths: Iterable[PathLike]) -> Generator[events.IndexEvent]:
        """Bring the library up to date with folders and files, telling what happens as it happens.

        New and changed files are read; documents whose files have gone, or can no longer be read, are
        removed; nothing outside `paths` is touched. Every event about a document is told after its commit,
        so a run that is stopped anywhere loses only the batch in hand, and the next one resumes.
        UsageError if a path does not exist, LibraryBusy if another process is indexing.
        """
        started = time.perf_counter()
        roots = [os.path.realpath(path) for path in paths]
        walk = files.walk(roots)
        store = self._open(create=True)
        with store.writing():
            found, skipped = self._found(walk)
            yield events.FilesFound(len(found), sum(file.size for file in found))
            known = {path: entry for root in roots for path, entry in store.known(root).items()}
            indexed = unchanged = size = 0
            for event in self._bring_in(store, found, known):
                match event:
                    case events.FileIndexed():
                        indexed, size = indexed + 1, size + event.size
                    case events.FileUnchanged():
                        unchanged += 1
                    case events.FileSkipped():
                        skipped.append(event)
                yield event
            for skip in skipped:
                if skip.size == 0:
                    yield skip
            gone = sorted(set(known) - {file.path for file in found} | set(known) & {skip.path for skip in skipped})
            self._take_out(store, gone, known)
            yield from map(events.FileRemoved, gone)
            self._note_skipped(store, roots, skipped)
        counts = store.counts()
        yield events.IndexFinished(
            IndexReport(
                library=str(self.library),
                indexed=indexed,
                unchanged=unchanged,
                removed=len(gone),
                skipped=tuple(sorted((skip.path, skip.reason) for skip in skipped)),
                bytes=size,
                documents=counts["documents"],
                passages=counts["passages"],
                seconds=time.perf_counter() - started,
            )
        )
