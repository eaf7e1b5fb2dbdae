"""The engine: `DocQA.index` and `DocQA.ask`, each the whole path of the data from top to bottom."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from platformdirs import user_data_path

from docqa import asking, events, files, roots
from docqa.asking import QUESTION_TERMS, AskOptions, match
from docqa.errors import LibraryError, UsageError
from docqa.questions import Filters, Question, parse_question
from docqa.ranking import Proposal, Ranking, propose
from docqa.reader.choices import DEFAULT_EFFORT
from docqa.reader.lengths import PASSAGES
from docqa.records import Candidate, Document, Health, IndexReport, Match, Passage, Result, Root, Status, Verdict
from docqa.retriever import SqliteRetriever
from docqa.store import Store
from docqa.terms import ANALYSIS_VERSION

if TYPE_CHECKING:
    # The reader brings torch, which takes a second to import; only reading pays for it.
    from docqa.reader.choices import Device, Precision
    from docqa.reader.reader import Reader

PathLike = str | os.PathLike[str]


def default_library() -> Path:
    """Return where the library is unless told otherwise: `DOCQA_LIBRARY`, else the user's data folder."""
    named = os.environ.get("DOCQA_LIBRARY")
    return Path(named) if named else user_data_path("docqa", appauthor=False) / "library.docqa"


class IndexOptions(TypedDict, total=False):
    """How folders are gone through.

    Where `include` or `exclude` are given they become the patterns of the paths, as of `docqa.records.Root`.
    With `prune` the documents of roots that are not there are removed and the roots forgotten. With `retry`
    the files that could not be read are tried again, though they have not changed.
    """

    include: Sequence[str]
    exclude: Sequence[str]
    prune: bool
    retry: bool


class DocQA:
    """A library of documents that answers questions with quotes.

    `library` is the library's file, by default the user's own; `reader` the reader model: None for the one
    in use, a name that `docqa reader ls` lists, a folder, or a checkpoint's hub name; `precision` and `device`
    are how and where it computes. Nothing is opened or loaded before it is needed. Errors are those of
    `docqa.errors`. Not for use from several threads at once.
    """

    def __init__(
        self,
        library: PathLike | None = None,
        *,
        reader: PathLike | None = None,
        precision: Precision = "auto",
        device: Device = "auto",
    ) -> None:
        self.library = Path(os.path.realpath(library if library is not None else default_library()))
        self._reader_name = reader
        self._precision: Precision = precision
        self._device: Device = device
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

    def index(self, paths: Iterable[PathLike] | None = None, **options: Unpack[IndexOptions]) -> IndexReport:
        """Bring the library up to date with folders and files, making it if need be; see `index_events`."""
        *_, last = self.index_events(paths, **options)
        assert isinstance(last, events.IndexFinished)
        return last.report

    def index_events(
        self, paths: Iterable[PathLike] | None = None, **options: Unpack[IndexOptions]
    ) -> Generator[events.IndexEvent]:
        """Bring the library up to date with folders and files, telling what happens as it happens.

        The paths become roots of the library; without paths, all its roots are gone through. New and changed
        files are read, moved ones keep their passages; documents whose files have gone, or can no longer be
        read, are removed, but those of a root that is not there at all are kept. What lies outside `paths` is
        left alone. A document's event follows its commit, so a run that is stopped anywhere loses the batch in
        hand at most, and the next run resumes. The last event is IndexFinished. UsageError if a path does not
        exist or there is no root, LibraryBusy if another process is indexing.
        """
        named = None if paths is None else [files.resolve(path) for path in paths]
        patterns = _patterns(options)
        store = self._open(create=named is not None)
        with store.writing():
            from docqa import indexing  # with what it takes to read files and start processes

            with store.transaction():
                roots.remember(store, named or (), patterns)
                plan = roots.plan(store, named)
            yield from indexing.index(store, plan, prune=options.get("prune", False), retry=options.get("retry", False))

    def watch_events(
        self, paths: Iterable[PathLike] = (), *, stop: threading.Event | None = None
    ) -> Generator[events.WatchEvent]:
        """Keep the library current with its roots, to which `paths` are added, until `stop` is set.

        It starts with a run over everything and goes on with one whenever something changes; each ends with
        IndexFinished. While another process is indexing it waits. UsageError if there is no root, a path does
        not exist, or the system cannot watch so many folders. Ctrl-C ends it by KeyboardInterrupt.
        """
        from docqa.watching import watch

        named = [files.resolve(path) for path in paths]
        yield from watch(self._open(create=bool(named)), named, stop or threading.Event())

    def roots(self) -> list[Root]:
        """List the folders and files that the library is kept current with, by path."""
        return roots.listed(self._open())

    def add_root(self, path: PathLike, *, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> None:
        """Make a folder or file a root, or give a root these patterns instead of those it has; read nothing yet.

        UsageError if the path does not exist or a pattern makes no sense.
        """
        root, patterns = files.resolve(path), roots.Patterns(tuple(include), tuple(exclude))
        store = self._open(create=True)
        with store.writing(), store.transaction():
            roots.remember(store, [root], patterns)

    def remove_root(self, path: PathLike, *, keep: bool = False) -> list[str]:
        """Forget a root; its documents leave the library unless `keep`. Return the paths of those that left.

        Roots further down stay, with their documents. UsageError if there is no such root.
        """
        store = self._open()
        root = files.resolve_gone(path)
        with store.writing():
            if root not in {each.path for each in store.roots()}:
                raise UsageError(f"{os.fspath(path)!s} is none of the library's folders; docqa roots lists them")
            if not keep:
                from docqa import indexing

                return indexing.remove(store, root, spared=roots.below(store, root))
            with store.transaction():
                store.forget_root(root)
            return []

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
        return asking.ask_events(self, question, options)

    def proposals(
        self, question: str, *, passages: int = PASSAGES[DEFAULT_EFFORT], without: Iterable[str] = ()
    ) -> list[Proposal]:
        """Return all that competes to answer a question, unranked: what a ranking is fitted on.

        The reader reads the `passages` that match best, leaving out those that hold one of the texts `without`.
        """
        parsed = parse_question(question)
        unwanted = tuple(without)
        candidates = [
            each
            for each in self.candidates(parsed, passages + 2 * len(unwanted))
            if not any(text in each.passage.text for text in unwanted)
        ][:passages]
        reading = self.reader.read(parsed.text, [each.passage.text for each in candidates])
        return propose(parsed.terms, candidates, reading.spans)

    @property
    def reader(self) -> Reader:
        """The reader, loaded at first use; ReaderError if it cannot be."""
        if self._reader is None:
            with _uncollected():
                from docqa.reader.reader import Reader

                self._reader = Reader(self._reader_name, precision=self._precision, device=self._device)
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
        return tuple(map(match, self.candidates(parse_question(question, filters), top)))

    def documents(self, root: PathLike | None = None) -> list[Document]:
        """List the documents, or those at or below a folder or file, by path."""
        return self._open().documents(None if root is None else files.resolve_gone(root))

    def text(self, path: PathLike) -> str:
        """Return the extracted text of a document; UsageError if there is no such document."""
        return self.stretch(path).text

    def stretch(self, path: PathLike, start: int = 0, end: int = sys.maxsize) -> Passage:
        """Return any stretch of a document, with its marks, as a passage that is none of the library's (its id is 0).

        `start` and `end` are characters; the stretch ends with the document at the latest. UsageError if there
        is no such document.
        """
        store, real = self._open(), files.resolve_gone(path)
        with store.snapshot():
            known = store.known(real).get(real)
            if known is None:
                raise UsageError(f"{os.fspath(path)!s} is not in the library; docqa ls lists what is")
            text = store.text(known.document_id, start, end)
            end = start + len(text)
            marks = store.marks(known.document_id, start, end + 1)
            return Passage(0, store.document(known.document_id), start, end, text, marks)

    def remove(self, root: PathLike) -> list[str]:
        """Remove the documents at or below a path from the library, not from the disk; return their paths.

        They stay out: roots at or below the path are forgotten, and one further up gets a pattern that excludes it.
        """
        store = self._open()
        with store.writing():
            from docqa import indexing

            return indexing.remove(store, files.resolve_gone(root))

    def health(self) -> Health:
        """Look at the library thoroughly, and at its documents' files; reads the whole library file."""
        from docqa import health

        return health.examine(self._open())

    def status(self, *, check: bool = True) -> Status:
        """Tell what the library holds and, unless `check` is false, whether it is sound: that reads the whole file."""
        store = self._open()
        counts = store.counts()
        return Status(
            library=str(self.library),
            bytes=self.library.stat().st_size,
            documents=counts["documents"],
            passages=counts["passages"],
            characters=counts["characters"],
            skipped=tuple((path, row.reason) for path, row in store.skipped().items()),
            remarks=tuple((path, remark) for path, remarks in store.remarks().items() for remark in remarks),
            problems=tuple(store.check() + SqliteRetriever(store).check()) if check else None,
        )

    # --- the gold set

    def verdicts(self) -> list[Verdict]:
        """List the library's gold set: questions with answers a person accepted or rejected."""
        return self._open().verdicts()

    def add_verdicts(self, verdicts: Iterable[Verdict]) -> None:
        """Add to the gold set, replacing entries on the same answer to the same question.

        UsageError, with nothing added, if one of them holds what is no text, such as bytes that are not UTF-8.
        """
        store = self._open()
        with store.writing(), store.transaction():
            for verdict in verdicts:
                try:
                    store.add_verdict(verdict)
                except UnicodeEncodeError as error:
                    raise UsageError(
                        f"what was said of {verdict.question!r} cannot be kept ({error}); write it in UTF-8"
                    ) from error

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

    def candidates(self, question: Question, count: int) -> tuple[Candidate, ...]:
        """Find the `count` passages that match a question best, best first; equal ones by where they stand."""
        store = self._open()
        with store.snapshot():
            allowed = store.passage_ids(question.filters.accept) if question.filters else None
            # Phrases and excluded words are looked for in the texts, from the best passage down.
            candidates = (
                Candidate(passage, score)
                for passage_id, score in _hits(store, question.terms[:QUESTION_TERMS], max(count, 1), allowed)
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


def _patterns(options: IndexOptions) -> roots.Patterns | None:
    include, exclude = tuple(options.get("include", ())), tuple(options.get("exclude", ()))
    return roots.Patterns(include, exclude) if include or exclude else None


def _hits(store: Store, terms: Sequence[str], depth: int, allowed: Sequence[int] | None) -> Iterator[tuple[int, float]]:
    """Yield all hits, best first; those below `depth` are looked for when somebody asks for them."""
    seen = 0
    while True:
        hits = _in_order(store, SqliteRetriever(store).search(terms, depth, allowed))
        yield from hits[seen:]
        if len(hits) < depth:
            return
        seen, depth = len(hits), 8 * depth


def _in_order(store: Store, hits: Sequence[tuple[int, float]]) -> Sequence[tuple[int, float]]:
    """Sort hits of equal score by where they stand, which does not depend on the library's history."""
    if len({score for _, score in hits}) == len(hits):
        return hits
    places = store.places(passage_id for passage_id, _ in hits)
    return sorted(hits, key=lambda hit: (-hit[1], places[hit[0]]))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no garbage meanwhile: importing torch makes objects by the hundred thousand, and all of them stay."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _ranking_setting(reader: Reader) -> str:
    return f"ranking of {reader.name}"
