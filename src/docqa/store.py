"""The library: one SQLite file with documents, their texts, passages and the retriever's postings.

This is the only module that knows SQL and the only importer of sqlite_utils. Writers hold a lock file beside
the library and change it in transactions; readers see the last committed state (write-ahead logging) and
never wait. Paths are stored as bytes, because a file name need not be text.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count, repeat
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from docqa import postings
from docqa.errors import LibraryBusy, LibraryError
from docqa.packing import CHUNK_CHARACTERS, unpack
from docqa.records import Document, Mark, MarkKind, Passage, Verdict

if TYPE_CHECKING:
    from sqlite_utils import Database

# "docq" in ASCII, at bytes 68 to 71 of the file.
APPLICATION_ID = 0x646F6371
BUSY_TIMEOUT_S = 5.0
# Unused space beyond this share of the file goes back to the file system.
_FREE_SHARE = 1 / 16


class _Migrations:
    """The steps of the schema; sqlite_utils, which applies them, is loaded only where one is missing."""

    def __init__(self) -> None:
        self._steps: list[Callable[[Database], None]] = []

    def __call__(self) -> Callable[[Callable[[Database], None]], Callable[[Database], None]]:
        def remember(step: Callable[[Database], None]) -> Callable[[Database], None]:
            self._steps.append(step)
            return step

        return remember

    def apply(self, connection: sqlite3.Connection) -> None:
        from sqlite_utils import Database, Migrations

        known = Migrations("docqa")
        for step in self._steps:
            known()(step)
        # Plugins of sqlite-utils are another program's business.
        known.apply(Database(connection, execute_plugins=False))


migrations = _Migrations()


@migrations()
def documents_and_texts(db: Database) -> None:
    """Files, their extracted text in compressed chunks, and the marks in it."""
    _script(
        db,
        """CREATE TABLE documents (
            id INTEGER PRIMARY KEY AUTOINCREMENT, path BLOB NOT NULL UNIQUE, media_type TEXT NOT NULL,
            size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 TEXT NOT NULL,
            characters INTEGER NOT NULL, passages INTEGER NOT NULL, remarks TEXT NOT NULL)""",
        """CREATE TABLE texts (
            document_id INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE, start INTEGER NOT NULL,
            data BLOB NOT NULL, PRIMARY KEY (document_id, start)) WITHOUT ROWID""",
        """CREATE TABLE marks (
            document_id INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE, kind TEXT NOT NULL,
            start INTEGER NOT NULL, value TEXT NOT NULL,
            PRIMARY KEY (document_id, kind, start)) WITHOUT ROWID""",
        "CREATE TABLE skipped (path BLOB PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID",
        "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    )


@migrations()
def passages_and_postings(db: Database) -> None:
    """Passages, and the retriever's postings in segments that are written once and merged."""
    _script(
        db,
        """CREATE TABLE passages (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            document_id INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
            start INTEGER NOT NULL, "end" INTEGER NOT NULL)""",
        "CREATE INDEX passages_of_document ON passages (document_id, start)",
        """CREATE TABLE segments (
            id INTEGER PRIMARY KEY AUTOINCREMENT, first INTEGER NOT NULL, lengths BLOB NOT NULL,
            live INTEGER NOT NULL, terms INTEGER NOT NULL)""",
        """CREATE TABLE postings (
            segment_id INTEGER NOT NULL REFERENCES segments(id) ON DELETE CASCADE, term TEXT NOT NULL,
            gaps BLOB NOT NULL, frequencies BLOB NOT NULL,
            PRIMARY KEY (segment_id, term)) WITHOUT ROWID""",
    )


@migrations()
def gold_set(db: Database) -> None:
    """What the library's owner said of answers."""
    _script(
        db,
        """CREATE TABLE verdicts (
            id INTEGER PRIMARY KEY AUTOINCREMENT, question TEXT NOT NULL, text TEXT, accepted INTEGER NOT NULL,
            path BLOB NOT NULL, context TEXT NOT NULL, start INTEGER NOT NULL)""",
    )


@migrations()
def roots_and_remembered_failures(db: Database) -> None:
    """The folders a library is kept current with, and what a file was like that could not be read."""
    _script(
        db,
        """CREATE TABLE roots (
            path BLOB PRIMARY KEY, include TEXT NOT NULL, exclude TEXT NOT NULL, inode INTEGER NOT NULL
        ) WITHOUT ROWID""",
        "ALTER TABLE skipped ADD COLUMN size INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE skipped ADD COLUMN mtime_ns INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE skipped ADD COLUMN sha256 TEXT",
        "ALTER TABLE skipped ADD COLUMN quarantined INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE skipped ADD COLUMN formats TEXT NOT NULL DEFAULT ''",
    )


@migrations()
def texts_by_row(db: Database) -> None:
    """Texts in a table with row ids, whose pages hold more of such long values."""
    _script(
        db,
        "ALTER TABLE texts RENAME TO old_texts",
        """CREATE TABLE texts (
            id INTEGER PRIMARY KEY,
            document_id INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE, start INTEGER NOT NULL,
            data BLOB NOT NULL)""",
        "INSERT INTO texts (document_id, start, data) SELECT document_id, start, data FROM old_texts",
        "DROP TABLE old_texts",
        "CREATE UNIQUE INDEX texts_of_document ON texts (document_id, start)",
    )


@migrations()
def postings_in_blocks(db: Database) -> None:
    """Postings in blocks of many terms, deletions as tombstones; what older segments hold is carried over."""
    old = [
        (*row, db.execute("SELECT term, gaps, frequencies FROM postings WHERE segment_id = ?", [row[0]]).fetchall())
        for row in db.execute("SELECT id, first, lengths, live, terms FROM segments ORDER BY first").fetchall()
    ]
    _script(
        db,
        "DROP TABLE postings",
        "DROP TABLE segments",
        """CREATE TABLE segments (
            id INTEGER PRIMARY KEY AUTOINCREMENT, first INTEGER NOT NULL, live INTEGER NOT NULL,
            terms INTEGER NOT NULL, passages INTEGER NOT NULL, dead BLOB NOT NULL, lengths BLOB NOT NULL)""",
        """CREATE TABLE blocks (
            id INTEGER PRIMARY KEY,
            segment_id INTEGER NOT NULL REFERENCES segments(id) ON DELETE CASCADE,
            term TEXT NOT NULL, data BLOB NOT NULL)""",
        "CREATE UNIQUE INDEX blocks_by_term ON blocks (segment_id, term)",
    )
    for segment_id, first, lengths, live, terms, rows in old:
        converted = postings.from_rows(rows, lengths)
        db.execute(
            "INSERT INTO segments (id, first, live, terms, passages, dead, lengths) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (segment_id, first, live, terms, len(converted.lengths), postings.encode_numbers(()), lengths),
        )
        db.conn.executemany(
            "INSERT INTO blocks (segment_id, term, data) VALUES (?, ?, ?)",
            ((segment_id, *block) for block in postings.encode(converted)),
        )


SCHEMA_VERSION = 6


def _script(db: Database, *statements: str) -> None:
    for statement in statements:
        db.execute(statement)


@dataclass(frozen=True, slots=True)
class Known:
    """What the library remembers of a file, to tell whether it has changed."""

    document_id: int
    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document to be added, with its packed text, its marks as kind, start and value, and its passages' bounds."""

    document: Document
    remarks: tuple[str, ...]
    marks: Sequence[tuple[str, int, str]]
    text: Sequence[bytes]
    bounds: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A file that is not in the library, and why.

    If its bytes are at fault, `sha256` knows them again, and `formats` says what was able to read them then.
    """

    reason: str
    size: int = 0
    mtime_ns: int = 0
    sha256: str | None = None
    quarantined: bool = False
    formats: str = ""


@dataclass(frozen=True, slots=True)
class RootRow:
    """A folder or file the library is kept current with, its patterns, and its inode when last seen filled."""

    path: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    inode: int


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """One segment of the postings: `passages` ids from `first` on.

    `live` of them have terms and have not been deleted, `terms` in all. `dead` are the encoded places, counted
    from `first`, of those that were deleted and whose entries still stand in the blocks.
    """

    id: int
    first: int
    live: int
    terms: int
    passages: int
    dead: bytes


class Store:
    """An open library. LibraryError from any method means that the file is damaged, full or unwritable.

    The files that make it up have its path with one of `SUFFIXES`.
    """

    SUFFIXES = ("", "-wal", "-shm", ".lock")

    def __init__(self, path: Path) -> None:
        """Open the library at `path`, bringing an older schema up to date.

        LibraryError if there is none, or the file is not a library, or a newer docqa wrote it; such a file
        is never changed.
        """
        self.path = path
        _refuse_foreign(path)
        with self._translated():
            try:
                self._db = _connect(path)
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith("SQLITE_IOERR_SHM"):
                    raise
                # The disk has no room for the memory that programs would share; one program alone needs none.
                self._db = _connect(path, "locking_mode = EXCLUSIVE")
            self._migrate()

    @classmethod
    def create(cls, path: Path) -> Store:
        """Make a library at `path`, readable by its owner only, unless there is one; open it."""
        draft = path.with_name(f".{path.name}.tmp")
        # A draft is left by a run that was killed; it may be a second name of the library itself.
        if draft.exists() or not path.exists():
            try:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                with _only_writer(path, BUSY_TIMEOUT_S):
                    _create(path, draft)
            except (OSError, sqlite3.OperationalError) as error:
                reason = error.strerror if isinstance(error, OSError) else None
                raise LibraryError(
                    f"cannot make a library at {path}: {reason or error}; choose another place with --library"
                ) from error
        return cls(path)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # --- transactions

    @contextmanager
    def writing(self) -> Generator[None]:
        """Be the only writer; LibraryBusy at once if another process is."""
        with _only_writer(self.path, 0):
            yield

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Commit all changes of the block at its end, or none if it raises."""
        with self._translated():
            # A transaction that starts as a reader cannot be sure to become a writer.
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.commit()
            finally:
                self._db.rollback()

    @contextmanager
    def snapshot(self) -> Generator[None]:
        """See one committed state throughout the block, whatever others write."""
        with self._translated():
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.rollback()

    # --- settings

    def setting(self, name: str) -> str | None:
        """Return the value of a setting, None if it has not been set."""
        rows = self._rows("SELECT value FROM settings WHERE name = ?", name)
        return str(rows[0][0]) if rows else None

    def set_setting(self, name: str, value: str) -> None:
        """Set a setting."""
        self._run("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", name, value)

    # --- documents

    def add_documents(self, documents: Sequence[NewDocument]) -> int:
        """Add documents; return the id of the first's first passage, which those of all the passages follow."""
        first_id, first_passage = self._next_id("documents"), self._next_id("passages")
        ids = range(first_id, first_id + len(documents))
        self._run_many(
            "INSERT INTO documents (id, path, media_type, size, mtime_ns, sha256, characters, passages, remarks)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (_document_row(number, new) for number, new in zip(ids, documents, strict=True)),
        )
        self._run_many(
            "INSERT INTO texts (document_id, start, data) VALUES (?, ?, ?)",
            (
                (number, place * CHUNK_CHARACTERS, data)
                for number, new in zip(ids, documents, strict=True)
                for place, data in enumerate(new.text)
            ),
        )
        # Of two marks of a kind at one place, the later is the closer: a heading right below its parent.
        marks = chain.from_iterable(new.marks for new in documents)
        self._run_many(
            "INSERT OR REPLACE INTO marks (document_id, kind, start, value) VALUES (?, ?, ?, ?)",
            zip(_owners(ids, [len(new.marks) for new in documents]), *_columns(marks, 3), strict=True),
        )
        owners = _owners(ids, [len(new.bounds) for new in documents])
        self._add_passages(first_passage, owners, chain.from_iterable(new.bounds for new in documents))
        return first_passage

    def touch_document(self, document_id: int, size: int, mtime_ns: int) -> None:
        """Note a new time of change of a file whose bytes are the same."""
        self._run("UPDATE documents SET size = ?, mtime_ns = ? WHERE id = ?", size, mtime_ns, document_id)

    def move_document(self, document_id: int, path: str, size: int, mtime_ns: int) -> None:
        """Give a document another path, at which no other one is; what was said of its answers goes along."""
        self._run(
            "UPDATE verdicts SET path = ? WHERE path = (SELECT path FROM documents WHERE id = ?)",
            os.fsencode(path),
            document_id,
        )
        self._run(
            "UPDATE documents SET path = ?, size = ?, mtime_ns = ? WHERE id = ?",
            os.fsencode(path),
            size,
            mtime_ns,
            document_id,
        )

    def remove_document(self, document_id: int) -> None:
        """Remove a document with its text, marks and passages."""
        self._run("DELETE FROM documents WHERE id = ?", document_id)

    def known(self, root: str | None = None) -> dict[str, Known]:
        """Return what is remembered of every file, or of those at or below `root`, by path."""
        where, values = _below(root)
        rows = self._rows(f"SELECT path, id, size, mtime_ns, sha256 FROM documents {where}", *values)  # noqa: S608
        return {os.fsdecode(path): Known(*rest) for path, *rest in rows}

    def known_file(self, path: str) -> Known:
        """Return what is remembered of a file that has a document."""
        rows = self._rows("SELECT id, size, mtime_ns, sha256 FROM documents WHERE path = ?", os.fsencode(path))
        if not rows:
            raise self._damaged(f"the document of {path!r} is missing")
        return Known(*rows[0])

    def stamps(self, root: str) -> dict[str, tuple[int, int]]:
        """Return size and time of every file at or below `root`, by path."""
        where, values = _below(root)
        rows = self._rows(f"SELECT path, size, mtime_ns FROM documents {where}", *values)  # noqa: S608
        # Decoded in one piece, because there may be a million of them; no path holds a NUL.
        paths = os.fsdecode(b"\0".join(map(itemgetter(0), rows))).split("\0") if rows else []
        if len(paths) != len(rows):
            raise self._damaged("a path holds a NUL")
        return dict(zip(paths, map(itemgetter(1, 2), rows), strict=True))

    def documents(self, root: str | None = None) -> list[Document]:
        """List all documents, or those at or below `root`, by path."""
        return self._documents(*_below(root))

    def document(self, document_id: int) -> Document:
        """Return one document by its id."""
        found = self._documents("WHERE id = ?", (document_id,))
        if not found:
            raise self._damaged(f"document {document_id} is missing")
        return found[0]

    def _documents(self, where: str, values: Sequence[Any]) -> list[Document]:
        rows = self._rows(
            "SELECT path, media_type, size, mtime_ns, sha256, characters, passages"  # noqa: S608
            f" FROM documents {where} ORDER BY path",
            *values,
        )
        return [Document(os.fsdecode(path), *rest) for path, *rest in rows]

    def remarks(self) -> dict[str, list[str]]:
        """Return the remarks made while extracting, by path, where there are any."""
        rows = self._rows("SELECT path, remarks FROM documents WHERE remarks != '[]' ORDER BY path")
        try:
            return {os.fsdecode(path): json.loads(remarks) for path, remarks in rows}
        except (TypeError, ValueError) as error:
            raise self._damaged(error) from error

    def text(self, document_id: int, start: int, end: int) -> str:
        """Return the characters `start` to `end` of a document's text, fewer where it ends before."""
        first_chunk = max(0, start) // CHUNK_CHARACTERS * CHUNK_CHARACTERS
        rows = self._rows(
            "SELECT data FROM texts WHERE document_id = ? AND start >= ? AND start < ? ORDER BY start",
            document_id,
            first_chunk,
            end,
        )
        try:
            joined = unpack(data for (data,) in rows)
        except ValueError as error:
            raise self._damaged(error) from error
        return joined[max(0, start) - first_chunk : max(0, end) - first_chunk]

    def marks(self, document_id: int, start: int, end: int) -> tuple[Mark, ...]:
        """Return the marks that hold at `start` and those after it up to `end`, by kind and start."""
        rows = []
        for kind in get_args(MarkKind):
            rows += self._rows(
                "SELECT kind, start, value FROM marks WHERE document_id = ?1 AND kind = ?2 AND start < ?4"
                " AND start >= coalesce("
                "(SELECT max(start) FROM marks WHERE document_id = ?1 AND kind = ?2 AND start <= ?3), ?3)"
                " ORDER BY start",
                document_id,
                kind,
                start,
                end,
            )
        return tuple(Mark(*row) for row in rows)

    # --- roots

    def roots(self) -> list[RootRow]:
        """List the roots by path."""
        rows = self._rows("SELECT path, include, exclude, inode FROM roots ORDER BY path")
        try:
            return [
                RootRow(os.fsdecode(path), tuple(json.loads(include)), tuple(json.loads(exclude)), inode)
                for path, include, exclude, inode in rows
            ]
        except (TypeError, ValueError) as error:
            raise self._damaged(error) from error

    def put_root(self, root: RootRow) -> None:
        """Add a root, or replace what is remembered of it."""
        self._run(
            "INSERT OR REPLACE INTO roots (path, include, exclude, inode) VALUES (?, ?, ?, ?)",
            os.fsencode(root.path),
            json.dumps(root.include),
            json.dumps(root.exclude),
            root.inode,
        )

    def forget_root(self, path: str) -> None:
        """Forget a root; its documents stay."""
        self._run("DELETE FROM roots WHERE path = ?", os.fsencode(path))

    # --- skipped files

    def skip(self, path: str, row: SkippedRow) -> None:
        """Remember that a file was skipped, and why."""
        self._run(
            "INSERT OR REPLACE INTO skipped (path, reason, size, mtime_ns, sha256, quarantined, formats)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            os.fsencode(path),
            # A reason may quote a name that is not text.
            row.reason.encode(errors="backslashreplace").decode(),
            row.size,
            row.mtime_ns,
            row.sha256,
            row.quarantined,
            row.formats,
        )

    def forget_skipped(self, paths: Iterable[str]) -> None:
        """Forget that files were skipped."""
        self._run_many("DELETE FROM skipped WHERE path = ?", ((os.fsencode(path),) for path in paths))

    def skipped(self, root: str | None = None) -> dict[str, SkippedRow]:
        """Return the skipped files, or those at or below `root`, by path and in its order."""
        where, values = _below(root)
        rows = self._rows(
            f"SELECT path, reason, size, mtime_ns, sha256, quarantined, formats FROM skipped {where} ORDER BY path",  # noqa: S608
            *values,
        )
        return {
            os.fsdecode(path): SkippedRow(reason, size, mtime_ns, sha256, bool(quarantined), formats)
            for path, reason, size, mtime_ns, sha256, quarantined, formats in rows
        }

    # --- passages

    def add_passages(self, document_id: int, bounds: Sequence[tuple[int, int]]) -> range:
        """Add a document's passages by their bounds in its text; return their ids."""
        first = self._next_id("passages")
        self._add_passages(first, repeat(document_id, len(bounds)), bounds)
        return range(first, first + len(bounds))

    def _add_passages(self, first: int, owners: Iterable[int], bounds: Iterable[tuple[int, int]]) -> None:
        self._run_many(
            'INSERT INTO passages (id, document_id, start, "end") VALUES (?, ?, ?, ?)',
            zip(count(first), owners, *_columns(bounds, 2), strict=False),
        )

    def _next_id(self, table: str) -> int:
        """Count on from the ids ever given, so that none is given twice."""
        used = self._rows("SELECT seq FROM sqlite_sequence WHERE name = ?", table)
        return int(used[0][0]) + 1 if used else 1

    def passage(self, passage_id: int) -> Passage:
        """Return a passage by its id, with its text, document and marks."""
        rows = self._rows('SELECT document_id, start, "end" FROM passages WHERE id = ?', passage_id)
        if not rows:
            raise self._damaged(f"passage {passage_id} is missing")
        document_id, start, end = rows[0]
        return Passage(
            passage_id,
            self.document(document_id),
            start,
            end,
            self.text(document_id, start, end),
            self.marks(document_id, start, end),
        )

    def passage_ids(self, accept: Callable[[Document], bool]) -> list[int]:
        """Return the ids of all passages of the documents that `accept` likes."""
        wanted = {os.fsencode(document.path) for document in self.documents() if accept(document)}
        rows = self._rows("SELECT passages.id, path FROM passages JOIN documents ON documents.id = document_id")
        return [passage_id for passage_id, path in rows if path in wanted]

    def places(self, ids: Iterable[int]) -> dict[int, tuple[str, int]]:
        """Return where passages stand: the document's path and the character at which each starts."""
        found = {}
        for passage_id in ids:
            rows = self._rows(
                "SELECT path, start FROM passages JOIN documents ON documents.id = document_id WHERE passages.id = ?",
                passage_id,
            )
            if not rows:
                raise self._damaged(f"passage {passage_id} is missing")
            path, start = rows[0]
            found[passage_id] = (os.fsdecode(path), start)
        return found

    def passages_of(self, document_id: int) -> list[Passage]:
        """Return a document's passages in the order of its text."""
        rows = self._rows("SELECT id FROM passages WHERE document_id = ? ORDER BY start", document_id)
        return [self.passage(passage_id) for (passage_id,) in rows]

    def passage_ids_of(self, document_id: int) -> list[int]:
        """Return the ids of a document's passages."""
        return [number for (number,) in self._rows("SELECT id FROM passages WHERE document_id = ?", document_id)]

    def remove_passages(self, document_id: int) -> None:
        """Remove a document's passages; its text stays."""
        self._run("DELETE FROM passages WHERE document_id = ?", document_id)

    # --- the gold set

    def add_verdict(self, verdict: Verdict) -> int:
        """Add an entry to the gold set, replacing one on the same answer to the same question; return its id."""
        self._run("DELETE FROM verdicts WHERE question = ? AND text IS ?", verdict.question, verdict.text)
        return self._run(
            "INSERT INTO verdicts (question, text, accepted, path, context, start) VALUES (?, ?, ?, ?, ?, ?)",
            verdict.question,
            verdict.text,
            verdict.accepted,
            os.fsencode(verdict.path),
            verdict.context,
            verdict.start,
        )

    def verdicts(self) -> list[Verdict]:
        """List the gold set in the order of its making."""
        rows = self._rows("SELECT question, text, accepted, path, context, start, id FROM verdicts ORDER BY id")
        return [
            Verdict(question, text, bool(accepted), os.fsdecode(path), *rest)
            for question, text, accepted, path, *rest in rows
        ]

    def remove_verdict(self, verdict_id: int) -> None:
        """Remove an entry of the gold set."""
        self._run("DELETE FROM verdicts WHERE id = ?", verdict_id)

    # --- the retriever's rows

    def add_segment(
        self, first: int, live: int, terms: int, passages: int, lengths: bytes, blocks: Iterable[tuple[str, bytes]]
    ) -> None:
        """Add a segment of passages that have `lengths`, with its blocks and the first term of each."""
        segment_id = self._run(
            "INSERT INTO segments (first, live, terms, passages, dead, lengths) VALUES (?, ?, ?, ?, ?, ?)",
            first,
            live,
            terms,
            passages,
            postings.encode_numbers(()),
            lengths,
        )
        self._run_many(
            "INSERT INTO blocks (segment_id, term, data) VALUES (?, ?, ?)",
            ((segment_id, *block) for block in blocks),
        )

    def update_segment(self, segment: SegmentRow) -> None:
        """Replace a segment's counts and tombstones after deletions."""
        self._run(
            "UPDATE segments SET live = ?, terms = ?, dead = ? WHERE id = ?",
            segment.live,
            segment.terms,
            segment.dead,
            segment.id,
        )

    def remove_segment(self, segment_id: int) -> None:
        """Remove a segment with its blocks."""
        self._run("DELETE FROM segments WHERE id = ?", segment_id)

    def segments(self) -> list[SegmentRow]:
        """List the segments in the order of their passages."""
        rows = self._rows("SELECT id, first, live, terms, passages, dead FROM segments")
        return sorted((SegmentRow(*row) for row in rows), key=attrgetter("first"))

    def lengths(self, segment_id: int) -> bytes:
        """Return a segment's encoded lengths: how many terms each passage had when it was added."""
        return bytes(self._rows("SELECT lengths FROM segments WHERE id = ?", segment_id)[0][0])

    def blocks_with(self, segment_id: int, terms: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield each term with the one block in which it stands if the segment has it."""
        with self._translated():
            for term in terms:
                row = self._db.execute(
                    "SELECT data FROM blocks WHERE segment_id = ? AND term <= ? ORDER BY term DESC LIMIT 1",
                    (segment_id, term),
                ).fetchone()
                if row is not None:
                    yield term, row[0]

    def blocks(self, segment_id: int) -> Iterator[bytes]:
        """Yield a segment's blocks by term."""
        with self._translated():
            for (data,) in self._db.execute("SELECT data FROM blocks WHERE segment_id = ? ORDER BY term", [segment_id]):
                yield data

    def take_blocks(self, segment_id: int, count: int) -> list[bytes]:
        """Take the first blocks of a segment, by term, out of the file: what is written next has their room."""
        rows = self._rows("SELECT term, data FROM blocks WHERE segment_id = ? ORDER BY term LIMIT ?", segment_id, count)
        if rows:
            self._run("DELETE FROM blocks WHERE segment_id = ? AND term <= ?", segment_id, rows[-1][0])
        return [data for _, data in rows]

    # --- health

    def shrink(self) -> None:
        """Give unused space back to the file system if it is much of the file."""
        free, pages = (self._rows(f"PRAGMA {name}")[0][0] for name in ("freelist_count", "page_count"))
        if free > _FREE_SHARE * pages:
            with self._translated():
                # As a script, because each step of the statement frees one page only.
                self._db.executescript("PRAGMA incremental_vacuum")

    def check(self) -> list[str]:
        """Return what SQLite finds wrong with the file: nothing, if it is sound."""
        findings = [str(finding) for (finding,) in self._rows("PRAGMA quick_check")]
        if findings != ["ok"]:
            return findings
        orphans = {(table, parent) for table, _, parent, _ in self._rows("PRAGMA foreign_key_check")}
        return [f"{table} hold rows whose {parent} are missing" for table, parent in sorted(orphans)]

    def parts(self) -> dict[str, int]:
        """Return how many bytes of the file each table takes with its indexes, the largest first.

        It is empty where SQLite was built without the means to tell.
        """
        sql = (
            "SELECT coalesce(tbl_name, 'SQLite itself'), sum(pgsize) FROM dbstat"
            " LEFT JOIN sqlite_master ON sqlite_master.name = dbstat.name"
            " WHERE aggregate = TRUE GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        try:
            parts: dict[str, int] = dict(self._db.execute(sql).fetchall())
        except sqlite3.OperationalError:
            return {}
        names = ("page_size", "page_count", "freelist_count")
        page_bytes, pages, free = (self._rows(f"PRAGMA {name}")[0][0] for name in names)
        # The map by which unused pages are given back belongs to no table.
        parts["SQLite itself"] += page_bytes * (pages - free) - sum(parts.values())
        return {**parts, "free": page_bytes * free}

    def count_documents(self, root: str) -> int:
        """Count the documents at or below a path."""
        where, values = _below(root)
        return int(self._rows(f"SELECT count(*) FROM documents {where}", *values)[0][0])  # noqa: S608

    def counts(self) -> dict[str, int]:
        """Count documents, passages, skipped files, and the characters of text."""
        names = ("documents", "passages", "skipped", "characters")
        row = self._rows(
            "SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM passages),"
            " (SELECT count(*) FROM skipped), (SELECT coalesce(sum(characters), 0) FROM documents)"
        )[0]
        return dict(zip(names, row, strict=True))

    # --- SQL

    def _rows(self, sql: str, *values: Any) -> list[Any]:
        with self._translated():
            return self._db.execute(sql, values).fetchall()

    def _run(self, sql: str, *values: Any) -> int:
        with self._translated():
            return self._db.execute(sql, values).lastrowid or 0

    def _run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        with self._translated():
            self._db.executemany(sql, rows)

    def _migrate(self) -> None:
        version = self._rows("PRAGMA user_version")[0][0]
        if version > SCHEMA_VERSION:
            raise LibraryError(
                f"{self.path} was written by a newer docqa (schema {version}, this one knows {SCHEMA_VERSION});"
                " update docqa"
            )
        if version < SCHEMA_VERSION:
            # Of several programs that open it at once, one takes each step and the others find it taken.
            with _only_writer(self.path, BUSY_TIMEOUT_S):
                migrations.apply(self._db)
                self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def _translated(self) -> Generator[None]:
        """Turn SQLite's errors into ones that say what to do."""
        try:
            yield
        except sqlite3.ProgrammingError:
            raise  # a mistake of ours, not a state of the file
        except UnicodeDecodeError as error:
            raise self._damaged(error) from error
        except sqlite3.DatabaseError as error:
            message = str(error)
            if "locked" in message or "busy" in message:
                raise LibraryBusy(f"another program is writing to {self.path}; try again later") from error
            if "full" in message:
                raise LibraryError(
                    f"no space left to write {self.path}; the library is as it was before: free some space"
                    " and run the command again"
                ) from error
            if "disk I/O" in message:
                raise LibraryError(
                    f"the disk failed to read or write {self.path} ({error.sqlite_errorname}); the library is as it"
                    " was before: see to the disk's room, quota and health, and run the command again"
                ) from error
            if "readonly" in message or "unable to open" in message:
                raise LibraryError(
                    f"{self.path} cannot be opened for writing ({message}); check its permissions"
                ) from error
            raise self._damaged(error) from error

    def _damaged(self, cause: object) -> LibraryError:
        return LibraryError(
            f"{self.path} is damaged ({cause}); move it away and index your folders again, the documents themselves"
            " are untouched"
        )


def _owners(ids: Iterable[int], counts: Iterable[int]) -> Iterable[int]:
    """Each id as often as its count says."""
    return chain.from_iterable(map(repeat, ids, counts))


def _columns(rows: Iterable[Sequence[Any]], width: int) -> Iterable[Iterable[Any]]:
    """Part rows into columns, of which rows with more in front are made without a step of Python for each."""
    rows = list(rows)
    return [map(itemgetter(column), rows) for column in range(width)]


def _document_row(number: int, new: NewDocument) -> tuple[Any, ...]:
    document = new.document
    return (
        number,
        os.fsencode(document.path),
        document.media_type,
        document.size,
        document.mtime_ns,
        document.sha256,
        document.characters,
        document.passages,
        json.dumps(new.remarks),
    )


def _below(root: str | None) -> tuple[str, tuple[bytes, ...]]:
    """Make a WHERE clause, with its values, for paths at or below a folder or file."""
    if root is None:
        return "", ()
    path = os.fsencode(root).rstrip(b"/")
    # "0" is the character after "/": everything below the folder sorts between the two.
    return "WHERE path = ? OR (path > ? AND path < ?)", (path or b"/", path + b"/", path + b"0")


def _refuse_foreign(path: Path) -> None:
    """Raise LibraryError unless the file says of itself that it is a library; nothing is written."""
    try:
        if path.is_dir():
            raise LibraryError(f"{path} is a folder; a library is a file, for example {path / 'library.docqa'}")
        with path.open("rb") as stream:
            header = stream.read(100)
    except FileNotFoundError:
        raise LibraryError(f"no library at {path}; make one with: docqa index FOLDER") from None
    except OSError as error:
        raise LibraryError(f"{path} cannot be read ({error.strerror}); check its permissions") from error
    if header[:16] != b"SQLite format 3\0" or header[68:72] != APPLICATION_ID.to_bytes(4, "big"):
        raise LibraryError(f"{path} is not a docqa library; it was not touched. Choose another file with --library")


@contextmanager
def _only_writer(path: Path, timeout_s: float) -> Generator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(f"{path}.lock", timeout=timeout_s, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        raise LibraryBusy(f"another docqa is already indexing into {path}; wait until it has finished") from None
    except OSError as error:
        raise LibraryError(
            f"cannot write {path}.lock ({error.strerror or error}); check the permissions of its folder"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _create(path: Path, draft: Path) -> None:
    """Build an empty library under another name and link it into place, so that it is whole or not there."""
    for left in (draft, Path(f"{draft}-journal")):
        left.unlink(missing_ok=True)
    if path.exists():
        return
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        db = sqlite3.connect(draft, isolation_level=None)
        try:
            _protect(db)
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            migrations.apply(db)
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            db.execute("PRAGMA journal_mode = WAL").fetchall()
        finally:
            db.close()
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another program's file, which opening it will tell
        except OSError:
            draft.rename(path)  # a file system without hard links
    finally:
        draft.unlink(missing_ok=True)


def _connect(path: Path, *pragmas: str) -> sqlite3.Connection:
    # The TUI asks from worker threads; the engine takes care that they take turns.
    db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        _protect(db, *pragmas)
    except sqlite3.Error:
        db.close()  # or its lock would stand in the way of the next attempt
        raise
    return db


def _protect(db: sqlite3.Connection, *pragmas: str) -> None:
    """Set what every connection needs: no trust in the file's own SQL, no trace of what is deleted."""
    for pragma in (
        *pragmas,
        "trusted_schema = OFF",
        "cell_size_check = ON",
        "foreign_keys = ON",
        "secure_delete = ON",
        "synchronous = NORMAL",
    ):
        db.execute(f"PRAGMA {pragma}").fetchall()
