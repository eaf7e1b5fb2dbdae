"""Files that are no sound library are refused with advice, by every command, and never written to."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from running import Docqa

from docqa.store import APPLICATION_ID, SCHEMA_VERSION

Spoil = Callable[[Path], object]


def foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE documents (id INTEGER PRIMARY KEY, path TEXT)")


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")


def disguised(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + bytes(52) + APPLICATION_ID.to_bytes(4, "big") + bytes(28))


def overwritten(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:200] + b"\xa5" * (len(data) - 200))


SPOILT: dict[str, tuple[Spoil, bytes]] = {
    "empty": (lambda path: path.write_bytes(b""), b"is not a docqa library"),
    "text": (lambda path: path.write_text("Dear diary, " * 50), b"is not a docqa library"),
    "torn header": (lambda path: os.truncate(path, 50), b"is not a docqa library"),
    "foreign": (foreign, b"is not a docqa library"),
    "newer": (newer, b"was written by a newer docqa"),
    "disguised": (disguised, b"is damaged"),
    "truncated": (lambda path: os.truncate(path, path.stat().st_size // 2), b"is damaged"),
    "overwritten": (overwritten, b"is damaged"),
}
ADVICE = {
    b"is not": b"Choose another file",
    b"was written": b"update docqa",
    b"is damaged": b"index your folders again",
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_file_that_is_no_sound_library_is_refused_and_left_alone(indexed: Docqa, folder: Path, kind: str) -> None:
    spoil, complaint = SPOILT[kind]
    spoil(indexed.library)
    (folder / "new.txt").write_text("A heron.")
    before = indexed.library.read_bytes()
    for command in (("search", "lease"), ("index", folder)):
        done = indexed(*command)
        assert (done.code, done.out) == (3, b""), command
        assert complaint in done.err
        assert str(indexed.library).encode() in done.err
        assert next(advice for part, advice in ADVICE.items() if complaint.startswith(part)) in done.err
        assert indexed.library.read_bytes() == before


def test_a_folder_or_nothing_as_library_is_refused_with_a_proposal(docqa: Docqa, tmp_path: Path) -> None:
    for library, proposal in (
        (tmp_path, b"a library is a file, for example"),
        (tmp_path / "none", b"docqa index FOLDER"),
    ):
        for command in (("search", "lease"), ("status",)):
            done = docqa.on(library)(*command)
            assert (done.code, done.out) == (3, b"")
            assert proposal in done.err
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_bytes_changed_anywhere_are_found_or_do_no_harm(indexed: Docqa, folder: Path) -> None:
    """Every command reads the library or says that it is damaged; none fails in any other way."""
    for number in range(60):
        (folder / f"{number}.txt").write_text(f"The heron has number {number}. " * 20)
    assert indexed("index", folder).code == 0
    sound, dice = indexed.library.read_bytes(), random.Random(2)
    complained = 0
    for _ in range(8):
        broken = bytearray(sound)
        for _ in range(dice.choice((1, 10, 100))):
            broken[dice.randrange(100, len(broken))] = dice.randrange(256)
        indexed.library.write_bytes(broken)
        for command in (("search", "heron number"), ("doctor",)):
            done = indexed(*command)
            assert done.code in (0, 1, 2, 3)
            assert done.code != 3 or b"damaged" in done.err + done.out, done
            complained += done.code == 3
    assert complained


def test_a_library_that_lost_rows_says_so_to_its_doctor(indexed: Docqa) -> None:
    with closing(sqlite3.connect(indexed.library)) as connection:
        connection.execute("DELETE FROM documents")
        connection.commit()
    done = indexed("doctor")
    assert (done.code, b"passages hold rows whose documents are missing" in done.out) == (3, True)
    done = indexed("search", "lease")
    assert (done.code, b"is damaged" in done.err) == (3, True)
