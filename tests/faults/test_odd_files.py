"""Things in folders that are no ordinary files, and ordinary files in odd circumstances."""

from __future__ import annotations

import codecs
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from running import Docqa

from docqa import DocQA


def skipped(docqa: Docqa, *paths: Path) -> dict[str, str]:
    """Index and return the names of what was skipped, with the reasons."""
    done = docqa("index", "--json", *paths)
    assert done.code == 0, done.err
    return {os.path.basename(path): reason for path, reason in done.json["skipped"]}


def names(docqa: Docqa) -> set[str]:
    return {os.path.basename(each["path"]) for each in docqa("ls", "--json").json["documents"]}


def test_links_are_reported_and_not_followed(docqa: Docqa, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "private.txt").write_text("A heron.")
    (folder / "loop").symlink_to(folder)
    (folder / "self").symlink_to("self")
    (folder / "up").symlink_to("..")
    (folder / "out").symlink_to(outside)
    (folder / "private.txt").symlink_to(outside / "private.txt")
    (folder / "broken.txt").symlink_to("nowhere")
    links = ("loop", "self", "up", "out", "private.txt", "broken.txt")
    assert skipped(docqa, folder) == dict.fromkeys(links, "symbolic link, not followed")
    assert names(docqa) == {"lease.md", "boiler.txt"}
    assert docqa("search", "heron").code == 1


def test_pipes_sockets_and_devices_are_reported_and_do_not_block(
    docqa: Docqa, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)  # a socket's path must be short
    os.mkfifo("pipe.txt")
    os.mkfifo(".docqaignore")
    expected = dict.fromkeys(("pipe.txt", ".docqaignore"), "not a regular file (FIFO)")
    try:
        os.mknod("zeros.txt", 0o600 | stat.S_IFCHR, os.makedev(1, 5))
        expected["zeros.txt"] = "not a regular file (character device)"
    except PermissionError:
        pass  # only root makes devices
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.txt")
        expected["socket.txt"] = "not a regular file (socket)"
        assert skipped(docqa, folder) == expected
    assert names(docqa) == {"lease.md", "boiler.txt"}
    assert skipped(docqa, Path("/dev/zero")) == {"zero": "not a regular file (character device)"}


@pytest.fixture
def powerless(docqa: Docqa) -> Docqa:
    """The program without root's power to see through permissions."""
    if os.geteuid() != 0:
        return docqa
    command = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    if not shutil.which("setpriv") or subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("root's power to read everything cannot be put down here")
    return docqa.behind(*command)


def test_what_may_not_be_read_is_skipped_and_shown(powerless: Docqa, folder: Path) -> None:
    (folder / "locked").mkdir()
    (folder / "locked" / "inside.txt").write_text("A heron.")
    (folder / "shut.txt").write_text("A heron.")
    (folder / "shut.txt").chmod(0)
    (folder / "locked").chmod(0)
    try:
        assert skipped(powerless, folder) == dict.fromkeys(("locked", "shut.txt"), "permission denied")
        assert b"shut.txt: permission denied" in powerless("status").out
        assert names(powerless) == {"lease.md", "boiler.txt"}
        (folder / "shut.txt").chmod(0o600)
        (folder / "locked").chmod(0o700)
        assert skipped(powerless, folder) == {}
        # What can no longer be read is no longer answered from.
        (folder / "shut.txt").chmod(0)
        assert skipped(powerless, folder) == {"shut.txt": "permission denied"}
        assert names(powerless) == {"lease.md", "boiler.txt", "inside.txt"}
    finally:
        (folder / "locked").chmod(0o700)


def test_a_library_in_a_place_where_nobody_may_write_says_so(powerless: Docqa, folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "closed"
    place.mkdir()
    place.chmod(0o500)
    done = powerless.on(place / "library.docqa")("index", folder)
    assert (done.code, done.out) == (3, b"")
    assert b"closed/library.docqa" in done.err


def test_names_that_are_no_text_are_kept_and_found(docqa: Docqa, folder: Path) -> None:
    odd = [b"caf\xe9.txt", b"esc\x1b[31m.txt", b"line\nbreak.txt", b"-rf.txt", b" .txt", b"%_*?[x].txt", b"'; --.txt"]
    odd += ["日本.txt".encode(), "e\u0301.txt".encode(), "é.txt".encode(), b"x" * 251 + b".txt"]
    for name in odd:
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_text("A heron in the garden.")
    assert skipped(docqa, folder) == {}
    assert {os.fsencode(name) for name in names(docqa)} == {*odd, b"lease.md", b"boiler.txt"}
    found = docqa("search", "--json", "--top", 20, "heron").json["passages"]
    assert len(found) == len(odd)
    for name in (odd[0], odd[5], odd[6]):
        path = Path(os.fsdecode(os.path.join(os.fsencode(folder), name)))
        assert docqa("show", path).out == b"A heron in the garden.\n"
        assert docqa("rm", "--json", path).json["removed"] == [str(path)]
    assert len(names(docqa)) == len(odd) - 1


def test_any_encoding_gives_text_with_true_offsets(docqa: Docqa, folder: Path) -> None:
    sentence = "Der Fluß heißt Reiher, and the heron stands in the garden.\r\n"
    contents = {
        "bom16.txt": sentence.encode("utf-16"),
        "le16.txt": sentence.encode("utf-16-le"),
        "be16.txt": codecs.BOM_UTF16_BE + sentence.encode("utf-16-be"),
        "bom32.txt": sentence.encode("utf-32"),
        "bom8.txt": sentence.encode("utf-8-sig"),
        "latin.txt": sentence.encode("latin-1"),
        "nuls.txt": sentence.replace("heron", "\0heron\0").encode(),
        "torn.txt": sentence.encode() + b"\xff",
        "mac.txt": sentence.replace("\r\n", "\r").encode(),
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    assert skipped(docqa, folder) == {}
    with DocQA(docqa.library) as library:
        matches = library.search("heron", top=20)
        assert {os.path.basename(match.source.path) for match in matches} == set(contents)
        for match in matches:
            text = library.text(match.source.path)
            assert text[match.source.start : match.source.end] == match.source.context
            assert "Fluß" in text
            assert not {"\0", "\r"} & set(text)


@contextmanager
def touched(path: Path) -> Generator[None]:
    """A file that another process changes all the time."""
    script = "import itertools, os, sys\nprint(flush=True)\nfor s in itertools.count(): os.utime(sys.argv[1], (s, s))"
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE) as toucher:
        assert toucher.stdout is not None
        toucher.stdout.readline()
        try:
            yield
        finally:
            toucher.kill()


def test_a_file_that_changes_while_it_is_read_waits_for_the_next_run(docqa: Docqa, folder: Path) -> None:
    busy = folder / "busy.txt"
    with busy.open("wb") as file:
        file.write(b"The heron is in a hurry.")
        file.truncate(90_000_000)  # so that reading takes a while
    with touched(busy):
        deadline = time.monotonic() + 60
        # On a machine with much to do, the other process may sleep through a whole run.
        while (reasons := skipped(docqa, folder)) == {} and time.monotonic() < deadline:
            docqa("rm", busy)
    assert reasons == {"busy.txt": "changed while being read; index again"}
    os.truncate(busy, 24)
    assert skipped(docqa, folder) == {}
    assert docqa("search", "heron hurry").code == 0


def test_an_answer_says_when_its_file_is_no_longer_what_was_indexed(
    indexed: Docqa, folder: Path, tiny_reader: Path
) -> None:
    lease = folder / "lease.md"

    with indexed.start("ask", "--jsonl", "--min-confidence", 0, "--reader", tiny_reader) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def said() -> str:
            process.stdin.write(b"When does the lease end?\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            result = json.loads(process.stdout.readline())  # type: ignore[union-attr]
            [state] = {source["state"] for answer in result["answers"] for source in answer["sources"]}
            return str(state)

        assert said() == "unchanged"
        content = lease.read_bytes()
        lease.write_bytes(content + b"And more.")
        assert said() == "changed"
        lease.write_bytes(content)
        assert said() == "unchanged"
        lease.unlink()
        assert said() == "gone"
        os.mkfifo(lease)
        assert said() == "changed"
        process.stdin.close()
    assert process.returncode == 0
