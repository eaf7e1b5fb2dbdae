"""One process writes at a time and says so to the next; readers never wait and never see half a run."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from running import Docqa, eventually, kill_group, ready

from docqa import DocQA


@contextmanager
def indexing(docqa: Docqa, folder: Path, release: Path) -> Generator[subprocess.Popen[bytes]]:
    """An index run that is in the middle of its work for as long as the block lasts."""
    (folder / "late.wait").write_text(str(release))
    with docqa.start("index", folder) as process:
        try:
            assert eventually(Path(f"{release}.reached").exists)
            yield process
        finally:
            release.touch()
            kill_after = process.communicate(timeout=60)
            kill_group(process)
    assert process.returncode == 0, kill_after


@contextmanager
def stopped(docqa: Docqa, after_s: float, folder: Path) -> Generator[None]:
    """An index run that stands still for as long as the block lasts, and then goes on to its end."""
    with docqa.start("index", folder) as process:
        try:
            ready(process)
            time.sleep(after_s)
            process.send_signal(signal.SIGSTOP)
            yield
        finally:
            process.send_signal(signal.SIGCONT)
            process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_second_writer_is_told_at_once_and_changes_nothing(indexed: Docqa, folder: Path, tmp_path: Path) -> None:
    with indexing(indexed, folder, tmp_path / "release"):
        for command in (("index", folder), ("rm", folder / "lease.md"), ("gold", "add", "q", "--none")):
            started = time.monotonic()
            done = indexed(*command)
            assert (done.code, done.out) == (3, b"")
            assert b"another docqa is already indexing" in done.err
            assert b"wait until it has finished" in done.err
            assert time.monotonic() - started < 60  # it did not wait for the other, which waits for us
        assert len(indexed("ls", "--json").json["documents"]) == 2
    assert indexed("index", folder).code == 0


def test_another_program_that_keeps_the_library_locked_is_given_up_on(indexed: Docqa, folder: Path) -> None:
    (folder / "lease.md").unlink()
    with closing(sqlite3.connect(indexed.library, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = indexed("index", folder)
        assert (done.code, done.out) == (3, b"")
        assert b"another program is writing" in done.err
        assert indexed("search", "lease").code == 0
    assert indexed("index", folder, "--json").json["removed"] == 1


def test_readers_do_not_wait_for_a_writer_and_see_the_last_commit(
    indexed: Docqa, folder: Path, tmp_path: Path, tiny_reader: Path
) -> None:
    (folder / "boiler.txt").write_text("The heron has gone.\n")
    with indexing(indexed, folder, tmp_path / "release"):
        assert indexed("search", "boiler").code == 0
        assert indexed("ask", "--reader", tiny_reader, "--min-confidence", 0, "boiler").code == 0
        assert indexed("search", "heron").code == 1
        assert indexed("doctor").code == 0
        assert b"4711" in indexed("show", folder / "boiler.txt").out
    assert indexed("search", "heron").code == 0
    assert indexed("search", "4711").code == 1


def test_a_writer_that_stands_still_anywhere_stands_in_nobodys_way(indexed: Docqa, folder: Path) -> None:
    """Stop an index run at moments of its work, in the middle of transactions too, and read.

    Somebody has the library open all along: the first to open it, and the last to close it, has SQLite's log to itself
    for a moment.
    """
    dice, writer = random.Random(5), indexed.with_limits("docqa.indexing.BATCH_FILES = 3")
    for number in range(12):
        (folder / f"{number}.txt").write_text("Twins say the same.")
    assert indexed("index", folder).code == 0
    with DocQA(indexed.library) as already_open:
        assert len(already_open.documents()) == 14
        for content in range(8):
            for number in range(12):
                (folder / f"{number}.txt").write_text(f"Twins say the same, word {content}.")
            with stopped(writer, dice.uniform(0, 0.1), folder), DocQA(indexed.library) as reading:
                for each in (already_open, reading):
                    documents, matches = len(each.documents()), each.search("twins", top=50)
                    # A batch is committed as a whole: no document is missing or there twice.
                    assert (documents, len(matches)) == (14, 12)
                assert reading.health().sound
    assert indexed("search", "word").code == 0


def test_two_that_make_the_library_at_once_make_one(docqa: Docqa, folder: Path) -> None:
    runs = [docqa.start("index", folder) for _ in range(3)]
    codes = []
    for process in runs:
        _, complaint = process.communicate(timeout=60)
        codes.append(process.returncode)
        assert process.returncode == 0 or b"already indexing" in complaint
    assert set(codes) <= {0, 3}
    assert 0 in codes
    assert len(docqa("ls", "--json").json["documents"]) == 2
    assert [name for name in os.listdir(docqa.library.parent) if name.startswith(".")] == []
