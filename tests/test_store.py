"""The library file: what it keeps, who may open it, and what it refuses to touch."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import sqlite_utils
from hypothesis import given, settings
from hypothesis import strategies as st

from docqa.errors import LibraryBusy, LibraryError
from docqa.packing import CHUNK_CHARACTERS, pack
from docqa.records import Document, Mark
from docqa.retriever import SqliteRetriever
from docqa.store import (
    APPLICATION_ID,
    SCHEMA_VERSION,
    NewDocument,
    RootRow,
    SkippedRow,
    Store,
    documents_and_texts,
    gold_set,
    passages_and_postings,
)


def document(path: str = "/folder/a.txt", **changes: object) -> Document:
    values = {"media_type": "text/plain", "size": 3, "mtime_ns": 7, "sha256": "ab", "characters": 3, "passages": 1}
    return Document(path=path, **{**values, **changes})  # type: ignore[arg-type]


def add(store: Store, path: str = "/folder/a.txt", text: str = "abc", marks: tuple[Mark, ...] = ()) -> int:
    with store.transaction():
        store.add_documents([NewDocument(document(path), (), rows(marks), pack(text), [(0, len(text))])])
    return store.known()[path].document_id


def rows(marks: Iterable[Mark]) -> list[tuple[str, int, str]]:
    return [(mark.kind, mark.start, mark.value) for mark in marks]


@pytest.fixture
def store(library: Path) -> Iterator[Store]:
    made = Store.create(library)
    yield made
    made.close()


# --- what it keeps ------------------------------------------------------------------------------------------


def test_documents_come_back_as_they_were_by_path(store: Store) -> None:
    for path in ("/b", "/a/z", "/a"):
        add(store, path)
    assert store.documents() == [document("/a"), document("/a/z"), document("/b")]


@pytest.mark.parametrize("name", ["caf\udce9", "line\nbreak", "\x1b[31m", "日本", "%_*?[x]", "' OR 1=1 --", "-"])
def test_any_file_name_comes_back_as_it_was(store: Store, name: str) -> None:
    add(store, f"/f/{name}")
    add(store, "/f/other")
    assert [each.path for each in store.documents(f"/f/{name}")] == [f"/f/{name}"]
    assert f"/f/{name}" in store.known()


@pytest.mark.parametrize(
    ("root", "below"),
    [
        ("/a", ["/a", "/a/b", "/a/b/c"]),
        ("/a/b", ["/a/b", "/a/b/c"]),
        ("/a/b/", ["/a/b", "/a/b/c"]),
        ("/", ["/a", "/a b", "/a-b", "/a/b", "/a/b/c", "/a0", "/ab"]),
        ("/a%", []),
        ("/z", []),
    ],
)
def test_below_a_folder_is_what_lies_in_it_and_nothing_that_only_looks_so(
    store: Store, root: str, below: list[str]
) -> None:
    for path in ("/a", "/a/b", "/a/b/c", "/ab", "/a0", "/a b", "/a-b"):
        add(store, path)
    assert [each.path for each in store.documents(root)] == below
    assert sorted(store.known(root)) == below


@settings(max_examples=20)
@given(st.data())
def test_any_stretch_of_a_text_is_the_slice(tmp_path: Path, data: st.DataObject) -> None:
    unit = data.draw(st.text(alphabet=st.characters(exclude_categories=("Cs",)), min_size=1, max_size=9))
    text = (unit * 70_000)[: data.draw(st.integers(0, 3 * CHUNK_CHARACTERS))]
    library = tmp_path / "slices.docqa"
    library.unlink(missing_ok=True)
    with closing(Store.create(library)) as store:
        number = add(store, text=text)
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, len(text) + 10))
        assert store.text(number, start, end) == text[start:end]
        assert store.text(number, 0, sys.maxsize) == text


def test_marks_are_those_that_hold_at_the_start_and_those_inside(store: Store) -> None:
    marks = (Mark("page", 0, "1"), Mark("page", 50, "2"), Mark("page", 90, "3"), Mark("line", 60, "7"))
    number = add(store, text="x" * 100, marks=marks)
    assert store.marks(number, 55, 90) == (Mark("page", 50, "2"), Mark("line", 60, "7"))
    assert store.marks(number, 0, 10) == (Mark("page", 0, "1"),)
    assert store.marks(number, 50, 91) == (Mark("page", 50, "2"), Mark("page", 90, "3"), Mark("line", 60, "7"))


def test_of_two_marks_of_a_kind_at_one_place_the_later_stays(store: Store) -> None:
    number = add(store, marks=(Mark("heading", 0, "A"), Mark("heading", 0, "A › B")))
    assert store.marks(number, 0, 3) == (Mark("heading", 0, "A › B"),)


def test_ids_are_never_given_twice(store: Store) -> None:
    first = add(store)
    gone = [passage.id for passage in store.passages_of(first)]
    with store.transaction():
        store.remove_document(first)
    second = add(store)
    assert second > first
    assert min(passage.id for passage in store.passages_of(second)) > max(gone)
    assert store.passages_of(first) == []


def test_skipped_files_are_remembered_until_forgotten(store: Store) -> None:
    for path in ("/a/x", "/a/caf\udce9", "/b"):
        store.skip(path, SkippedRow("why"))
    store.skip("/b", SkippedRow("damaged", 4, 5, "ab12", quarantined=True, formats="these"))
    store.forget_skipped(store.skipped("/a"))
    assert store.skipped() == {"/b": SkippedRow("damaged", 4, 5, "ab12", quarantined=True, formats="these")}


def test_a_reason_may_quote_a_name_that_is_not_text(store: Store) -> None:
    store.skip("/a", SkippedRow("the same folder as /caf\udce9"))
    assert store.skipped() == {"/a": SkippedRow("the same folder as /caf\\udce9")}


def test_roots_come_back_as_they_were(store: Store) -> None:
    rows = [RootRow("/a", (), (), 3), RootRow("/caf\udce9", ("*.md",), ("/caf\udce9", "x y"), 2**63 - 1)]
    for row in rows:
        store.put_root(replace(row, inode=1))
        store.put_root(row)
    assert store.roots() == rows
    store.forget_root("/a")
    assert store.roots() == rows[1:]


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    add(store, "/kept")

    def fail() -> None:
        with store.transaction():
            store.add_documents([NewDocument(document("/lost"), (), [], pack("x"), [])])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [each.path for each in store.documents()] == ["/kept"]


def test_a_passage_that_is_not_there_is_damage(store: Store) -> None:
    with pytest.raises(LibraryError, match="passage 7 is missing"):
        store.passage(7)


# --- privacy ------------------------------------------------------------------------------------------------


def test_the_file_and_its_log_are_for_the_owner_alone(library: Path) -> None:
    before = os.umask(0)
    try:
        with closing(Store.create(library)) as store, store.writing():
            add(store)
            for path in library.parent.iterdir():
                assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
            assert {path.name for path in library.parent.iterdir()} >= {f"{library.name}-wal", library.name}
            assert stat.S_IMODE(library.parent.stat().st_mode) == 0o700
    finally:
        os.umask(before)


def test_what_was_removed_is_not_in_the_file_any_more(library: Path) -> None:
    secret, kept = "the code is 4711 " * 3, "a harmless text"
    with closing(Store.create(library)) as store:
        number = add(store, "/folder/very private name", secret)
        add(store, "/folder/other", kept)
    [packed] = pack(secret)
    traces = [packed, b"very private name"]
    assert all(trace in library.read_bytes() for trace in traces)
    with closing(Store(library)) as store, store.transaction():
        store.remove_document(number)
    assert not Path(f"{library}-wal").exists()
    assert not any(trace in library.read_bytes() for trace in traces)
    assert pack(kept)[0] in library.read_bytes()


# --- who may write, who may read ----------------------------------------------------------------------------

# A second process that does its part, says so, and waits for the word to go on.
OTHER = """
import sys
from pathlib import Path
from docqa.packing import pack
from docqa.records import Document
from docqa.store import NewDocument, Store
store = Store(Path(sys.argv[1]))
{body}
store.close()
"""
WRITING = """
with store.writing(), store.transaction():
    new = Document("/new", "text/plain", 1, 1, "", 1, 0)
    store.add_documents([NewDocument(new, (), [], pack("x"), [])])
    print("ready", flush=True)
    sys.stdin.readline()
print("done", flush=True)
"""
HOLDING_A_SNAPSHOT = """
with store.snapshot():
    print(len(store.documents()), flush=True)
    sys.stdin.readline()
    print(len(store.documents()), flush=True)
print(len(store.documents()), flush=True)
"""


@pytest.fixture
def another_process(library: Path, python: str) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(body: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [python, "-c", OTHER.format(body=body), str(library)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.communicate(timeout=30)
        assert process.returncode == 0


def say(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdin is not None
    process.stdin.write(word + "\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_second_writer_is_told_at_once_that_somebody_is_indexing(
    store: Store, another_process: Callable[[str], subprocess.Popen[str]]
) -> None:
    other = another_process(WRITING)
    assert hear(other) == "ready"
    with pytest.raises(LibraryBusy, match="already indexing"), store.writing():
        pass
    say(other, "go on")
    assert hear(other) == "done"
    with store.writing():
        assert "/new" in store.known()


def test_reading_during_a_write_shows_the_last_commit_without_waiting(
    store: Store, another_process: Callable[[str], subprocess.Popen[str]]
) -> None:
    add(store, "/old")
    other = another_process(WRITING)
    assert hear(other) == "ready"
    assert [each.path for each in store.documents()] == ["/old"]
    say(other, "go on")
    assert hear(other) == "done"
    assert [each.path for each in store.documents()] == ["/new", "/old"]


def test_a_snapshot_in_another_process_outlasts_a_commit_here(
    store: Store, another_process: Callable[[str], subprocess.Popen[str]]
) -> None:
    add(store, "/old")
    other = another_process(HOLDING_A_SNAPSHOT)
    assert hear(other) == "1"
    add(store, "/new")
    say(other, "look again")
    assert [hear(other), hear(other)] == ["1", "2"]


def test_two_processes_that_make_a_library_get_the_same_one(library: Path) -> None:
    with closing(Store.create(library)) as first, closing(Store.create(library)) as second:
        add(first, "/a")
        assert [each.path for each in second.documents()] == ["/a"]
    assert list(library.parent.glob("*.tmp")) == []
    assert list(library.parent.glob(".*")) == []


def test_a_lock_that_cannot_be_made_is_a_library_error(store: Store, library: Path) -> None:
    lock = Path(f"{library}.lock")
    lock.unlink()
    lock.mkdir()
    with pytest.raises(LibraryError, match=r"cannot write .*lock"), store.writing():
        pass


# --- what it refuses ----------------------------------------------------------------------------------------


def newer(path: Path) -> None:
    Store.create(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE documents (id INTEGER PRIMARY KEY, path TEXT)")


def disguised(path: Path) -> None:
    """Nothing but the header of a library."""
    path.write_bytes(b"SQLite format 3\0" + bytes(52) + APPLICATION_ID.to_bytes(4, "big") + bytes(28))


def truncated(path: Path) -> None:
    with closing(Store.create(path)) as store:
        add(store, text="abc" * 50_000)
    os.truncate(path, path.stat().st_size // 2)


def overwritten(path: Path) -> None:
    with closing(Store.create(path)) as store:
        add(store, text="abc" * 50_000)
    data = path.read_bytes()
    path.write_bytes(data[:200] + b"\xa5" * (len(data) - 200))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (newer, "newer docqa"),
        (foreign, "not a docqa library"),
        (lambda path: path.write_text("Dear diary, " * 50), "not a docqa library"),
        (lambda path: path.write_bytes(b""), "not a docqa library"),
        (lambda path: path.write_bytes(b"SQLite format 3\0"), "not a docqa library"),
        (disguised, "damaged"),
        (truncated, "damaged"),
        (overwritten, "damaged"),
    ],
)
def test_a_file_that_is_no_sound_library_is_refused_by_name_and_left_alone(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    path = tmp_path / "suspect.docqa"
    make(path)
    before = path.read_bytes()
    for opener in (Store, Store.create):
        with pytest.raises(LibraryError, match=reason) as raised:
            use(opener(path))
        assert str(path) in str(raised.value)
        assert path.read_bytes() == before


def use(store: Store) -> None:
    """Read and write a little of everything."""
    with closing(store):
        store.documents()
        store.skipped()
        with store.transaction():
            store.skip("/x", SkippedRow("y"))
        if findings := store.check():
            raise store._damaged(findings[0])


def test_a_folder_is_refused_with_a_proposal(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="is a folder; a library is a file, for example"):
        Store(tmp_path)


def test_a_missing_library_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match=r"no library at .*docqa index FOLDER"):
        Store(tmp_path / "none.docqa")
    assert list(tmp_path.iterdir()) == []


def test_a_library_cannot_be_made_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(LibraryError, match="cannot make a library"):
        Store.create(tmp_path / "file" / "library.docqa")


@given(st.data())
def test_a_library_with_bytes_changed_anywhere_reads_or_is_a_library_error(tmp_path: Path, data: st.DataObject) -> None:
    sound = tmp_path / "sound.docqa"
    if not sound.exists():
        with closing(Store.create(sound)) as store:
            for number in range(40):
                add(store, f"/folder/{number}", f"text {number} " * 40, (Mark("line", 0, "1"),))
    content = bytearray(sound.read_bytes())
    for _ in range(data.draw(st.integers(1, 30))):
        content[data.draw(st.integers(72, len(content) - 1))] = data.draw(st.integers(0, 255))
    broken = tmp_path / "broken.docqa"
    for suffix in ("", "-wal", "-shm"):
        Path(f"{broken}{suffix}").unlink(missing_ok=True)
    broken.write_bytes(content)
    with suppress(LibraryError), closing(Store(broken)) as store:
        store.check()
        store.remarks()
        for number in store.known().values():
            store.text(number.document_id, 0, 1_000)


# --- check --------------------------------------------------------------------------------------------------


def test_a_sound_library_has_no_findings(store: Store) -> None:
    add(store)
    assert store.check() == []


def test_check_finds_rows_that_have_lost_their_document(store: Store, library: Path) -> None:
    add(store)
    with closing(sqlite3.connect(library)) as connection:
        connection.execute("DELETE FROM documents")
        connection.commit()
    assert any("passages" in finding and "documents" in finding for finding in store.check())


def test_check_finds_what_sqlite_finds(library: Path) -> None:
    with closing(Store.create(library)) as store:
        add(store)
    with library.open("r+b") as stream:
        stream.seek(36)  # the number of free pages
        stream.write((9).to_bytes(4, "big"))
    with closing(Store(library)) as store:
        assert any("reelist" in finding for finding in store.check())


@pytest.fixture
def old_library(tmp_path: Path) -> Path:
    """A library of schema 3."""
    path = tmp_path / "old.docqa"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    older = sqlite_utils.Migrations("docqa")
    for step in (documents_and_texts, passages_and_postings, gold_set):
        older()(step)
    older.apply(sqlite_utils.Database(connection))
    connection.executescript(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 3")
    connection.execute("INSERT INTO documents VALUES (1, x'2f61', 'text/plain', 1, 1, '', 10, 2, '[]')")
    connection.execute("INSERT INTO texts VALUES (1, 0, ?)", pack("rent lease"))
    connection.execute("INSERT INTO passages VALUES (5, 1, 0, 4), (6, 1, 5, 10)")
    connection.execute("INSERT INTO segments VALUES (1, 5, x'010101', 2, 2)")
    connection.execute("INSERT INTO postings VALUES (1, 'rent', x'0100', x'0101'), (1, 'leas', x'0101', x'0101')")
    connection.execute("INSERT INTO skipped VALUES (x'2f62', 'too large')")
    connection.commit()
    connection.close()
    return path


def test_an_older_library_is_brought_up_to_date_with_all_that_it_holds(old_library: Path) -> None:
    store = Store(old_library)
    assert store.text(1, 0, 10) == "rent lease"
    assert [number for number, _ in SqliteRetriever(store).search(["leas"], 5)] == [6]
    assert [number for number, _ in SqliteRetriever(store).search(["rent"], 5)] == [5]
    assert store.skipped() == {"/b": SkippedRow("too large")}
    assert store.roots() == []
    store.put_root(RootRow("/a", (), (), 3))
    assert store.check() + SqliteRetriever(store).check() == []
    store.close()


def test_several_that_bring_a_library_up_to_date_at_once_all_open_it(old_library: Path) -> None:
    start = threading.Barrier(4)

    def look(_: int) -> list[str]:
        start.wait()
        with closing(Store(old_library)) as store:
            return store.check()

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(look, range(4))) == [[]] * 4
