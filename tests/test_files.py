"""The walk over folders and the reading of single files, on a real file system."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docqa.errors import ExtractionError, UsageError
from docqa.files import MAX_BYTES, FoundFile, SkippedFile, read, walk

SECRET = "looks like a secret"


def put(root: Path, *names: str, text: str = "x") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def found(*roots: Path) -> list[str]:
    """The names of the files found, relative to the first root."""
    results = walk(roots)
    return [os.path.relpath(result.path, roots[0]) for result in results if isinstance(result, FoundFile)]


def skipped(*roots: Path) -> dict[str, str]:
    results = walk(roots)
    return {
        os.path.relpath(result.path, roots[0]): result.reason for result in results if isinstance(result, SkippedFile)
    }


@contextmanager
def without_root() -> Iterator[None]:
    """Give up root's rights, which see through every permission, and take them back at the end."""
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


# --- walk ---------------------------------------------------------------------------------------------------


def test_files_come_depth_first_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    put(tmp_path, "b/2", "b/1/z", "a", "B", "é", "c")
    assert found(tmp_path) == ["B", "a", "b/1/z", "b/2", "c", "é"]


def test_a_found_file_carries_its_size_and_time(tmp_path: Path) -> None:
    put(tmp_path, "a.txt", text="four")
    status = (tmp_path / "a.txt").stat()
    [result] = walk([tmp_path])
    assert result == FoundFile(str(tmp_path / "a.txt"), 4, status.st_mtime_ns)


def test_a_missing_root_is_named_before_anything_is_walked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing: does not exist; name a folder"):
        walk([tmp_path, tmp_path / "missing"])


def test_an_empty_path_is_not_the_current_folder() -> None:
    with pytest.raises(UsageError, match="empty"):
        walk([""])


def test_relative_roots_give_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "sub/a")
    monkeypatch.chdir(tmp_path)
    assert [result.path for result in walk(["sub"])] == [str(tmp_path / "sub/a")]


def test_overlapping_roots_yield_each_file_once(tmp_path: Path) -> None:
    put(tmp_path, "a", "sub/b", "sub/deep/c")
    everything = ["a", "sub/b", "sub/deep/c"]
    sub = tmp_path / "sub"
    assert sorted(found(tmp_path, sub, sub / "b", tmp_path)) == everything
    assert sorted(os.path.join("sub", name) for name in found(sub, sub / "deep")) == everything[1:]
    results = list(walk([sub / "b", sub, tmp_path]))
    assert sorted(os.path.relpath(result.path, tmp_path) for result in results) == everything


def test_links_inside_are_reported_and_not_followed(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    put(outside, "private")
    put(root, "a/file")
    (root / "a/loop").symlink_to(root)
    (root / "out").symlink_to(outside)
    (root / "broken").symlink_to("nowhere")
    assert found(root) == ["a/file"]
    assert skipped(root) == dict.fromkeys(["a/loop", "broken", "out"], "symbolic link, not followed")


def test_a_root_may_be_a_link(tmp_path: Path) -> None:
    put(tmp_path, "real/a")
    (tmp_path / "folder").symlink_to("real")
    (tmp_path / "file").symlink_to("real/a")
    for root in ("folder", "file"):
        [result] = walk([tmp_path / root])
        assert result.path == str(tmp_path / "real/a")
        assert read(result.path, max_bytes=10).data == b"x"


def test_a_link_that_points_at_itself_is_no_root(tmp_path: Path) -> None:
    (tmp_path / "self").symlink_to("self")
    with pytest.raises(UsageError, match="self"):
        walk([tmp_path / "self"])


def test_what_is_not_a_regular_file_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    os.mkfifo("fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        assert skipped(tmp_path) == {
            "fifo": "not a regular file (FIFO)",
            "socket": "not a regular file (socket)",
        }


def test_a_device_named_as_root_is_reported() -> None:
    assert list(walk(["/dev/null"])) == [SkippedFile("/dev/null", "not a regular file (character device)")]


@pytest.mark.parametrize(
    ("limit", "reason"),
    [(1_500_000, "larger than 1.5 MB"), (2_000, "larger than 2 kB"), (99, "larger than 99 bytes")],
)
def test_large_files_are_reported_with_the_limit(tmp_path: Path, limit: int, reason: str) -> None:
    (tmp_path / "exact").write_bytes(b"x" * limit)
    (tmp_path / "large").write_bytes(b"x" * (limit + 1))
    results = list(walk([tmp_path], max_bytes=limit))
    assert [result.path for result in results if isinstance(result, FoundFile)] == [str(tmp_path / "exact")]
    assert SkippedFile(str(tmp_path / "large"), reason) in results


def test_unreadable_files_and_folders_are_reported() -> None:
    with TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        root = Path(name).resolve()
        root.chmod(0o755)
        put(root, "locked/inside", "shut", "open")
        (root / "shut").chmod(0)
        (root / "locked").chmod(0)
        with without_root():
            results = {Path(result.path).name: result for result in walk([root])}
            with pytest.raises(ExtractionError, match="permission denied"):
                read(str(root / "shut"), max_bytes=10)
        (root / "locked").chmod(0o755)
    assert isinstance(results["open"], FoundFile)
    assert results["shut"] == SkippedFile(str(root / "shut"), "permission denied")
    assert results["locked"] == SkippedFile(str(root / "locked"), "permission denied")


def test_names_that_are_not_utf8_survive(tmp_path: Path) -> None:
    name = b"caf\xe9\n\x1b[31m.txt"
    Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).write_text("x")
    [result] = walk([tmp_path])
    assert os.fsencode(result.path).endswith(name)
    assert read(result.path, max_bytes=10).data == b"x"


def test_patterns_match_names_that_are_not_utf8(tmp_path: Path) -> None:
    Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), b"caf\xe9.txt"))).write_text("x")
    (tmp_path / ".gitignore").write_bytes(b"caf\xe9*\n.gitignore\n")
    assert found(tmp_path) == []


def test_folders_may_be_nested_more_deeply_than_the_stack(tmp_path: Path) -> None:
    depth = sys.getrecursionlimit() + 200
    folders = [str(tmp_path)]
    for _ in range(depth):
        folders.append(f"{folders[-1]}/d")
        os.mkdir(folders[-1])
    file = Path(folders[-1], "file")
    file.write_text("x")
    try:
        assert [result.path for result in walk([tmp_path])] == [str(file)]
    finally:  # shutil.rmtree would not get down there
        file.unlink()
        for folder in folders[:0:-1]:
            os.rmdir(folder)


def test_ignore_files_nest_and_the_inner_one_wins(tmp_path: Path) -> None:
    put(tmp_path, ".gitignore", text="*.log\n/build/\n.gitignore\n")
    put(tmp_path, "sub/.gitignore", text="!keep.log\nnotes*\n")
    put(tmp_path, "a.log", "build/a", "sub/build/a", "sub/keep.log", "sub/x.log", "sub/notes.txt", "notes.txt")
    assert found(tmp_path) == ["notes.txt", "sub/build/a", "sub/keep.log"]


def test_docqaignore_overrides_gitignore_beside_it(tmp_path: Path) -> None:
    put(tmp_path, ".gitignore", text="*.log\n")
    put(tmp_path, ".docqaignore", text="!wanted.log\nunwanted.txt\n.*ignore\n")
    put(tmp_path, "wanted.log", "other.log", "unwanted.txt")
    assert found(tmp_path) == ["wanted.log"]
    assert skipped(tmp_path) == {}


def test_what_lies_in_an_ignored_folder_cannot_be_taken_back(tmp_path: Path) -> None:
    put(tmp_path, ".gitignore", text="out/\n!out/keep\n.gitignore\n")
    put(tmp_path, "out/keep", "kept/.gitignore")
    (tmp_path / "kept/.gitignore").write_text("/*\n!/keep\n")
    put(tmp_path, "kept/keep", "kept/other")
    assert found(tmp_path) == ["kept/keep"]


def test_patterns_that_make_no_sense_do_not_spoil_the_others(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes(b"\xef\xbb\xbf*.log\n!\n[z-a]\n\\\n# comment\n.gitignore\r\n")
    put(tmp_path, "a.log", "b.txt")
    assert found(tmp_path) == ["b.txt"]


def test_an_ignore_file_that_is_a_fifo_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".gitignore")
    put(tmp_path, "a")
    assert found(tmp_path) == ["a"]


def test_litter_caches_and_libraries_are_left_out_by_default(tmp_path: Path) -> None:
    put(
        tmp_path,
        *(".git/config", ".hg/x", ".svn/x", "node_modules/x", "__pycache__/x", ".venv/x", ".tox/x", ".cache/x"),
        *(".mypy_cache/x", ".pytest_cache/x", ".ruff_cache/x", "venv/pyvenv.cfg", "venv/lib/x", ".DS_Store", "._a.txt"),
        *("Thumbs.db", "~$letter.docx", "a~", ".a.swp", "a.tmp", "my.docqa", "my.docqa-wal", "my.docqa-shm"),
        *("my.docqa.lock", ".hidden/kept", "git/kept", "venv2/kept"),
    )
    assert found(tmp_path) == [".hidden/kept", "git/kept", "venv2/kept"]
    assert skipped(tmp_path) == {}


def test_default_rules_yield_to_an_ignore_file(tmp_path: Path) -> None:
    put(tmp_path, ".docqaignore", text="!node_modules/\n.docqaignore\n")
    put(tmp_path, "node_modules/a")
    assert found(tmp_path) == ["node_modules/a"]


def test_secrets_are_reported_and_a_secret_folder_once(tmp_path: Path) -> None:
    secrets = [".env", ".env.local", "a.pem", "A.KEY", "b.p12", "c.pfx", "d.kdbx", "id_rsa", "id_ed25519.pub"]
    secrets += [".netrc", ".npmrc", ".pypirc", "x/.aws/credentials"]
    put(tmp_path, *secrets, ".ssh/config", ".ssh/known_hosts", ".gnupg/x", "x/.aws/config", "monkey")
    assert found(tmp_path) == ["monkey", "x/.aws/config"]
    assert skipped(tmp_path) == dict.fromkeys([*secrets, ".ssh", ".gnupg"], SECRET)


def test_only_a_docqaignore_takes_a_secret_back_in(tmp_path: Path) -> None:
    put(tmp_path, ".gitignore", text="!.env\n.*ignore\n")
    put(tmp_path, ".docqaignore", text="!.env.example\n!.ssh/\n")
    put(tmp_path, ".env", ".env.example", ".ssh/config", ".ssh/id_rsa")
    assert found(tmp_path) == [".env.example", ".ssh/config"]
    assert skipped(tmp_path) == {".env": SECRET, ".ssh/id_rsa": SECRET}


def test_a_file_named_as_root_is_exempt_from_the_rules(tmp_path: Path) -> None:
    put(tmp_path, ".gitignore", text="*\n")
    put(tmp_path, ".env", "a.log")
    roots = [tmp_path / ".env", tmp_path / "a.log", tmp_path]
    assert [Path(result.path).name for result in walk(roots)] == [".env", "a.log"]
    assert sorted(Path(result.path).name for result in walk(roots[::-1])) == [".env", "a.log"]


def test_compiling_patterns_warns_of_nothing(tmp_path: Path) -> None:
    put(tmp_path, ".gitignore", text="*.log\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert found(tmp_path) == [".gitignore"]


def test_taking_a_folder_back_in_does_not_take_its_secrets_along(tmp_path: Path) -> None:
    put(tmp_path, ".docqaignore", text="*\n!*/\n!/docs/**\n!*\n")
    put(tmp_path, "docs/.env", "docs/a", ".ssh/id_rsa")
    assert found(tmp_path) == [".docqaignore", "docs/a"]
    assert skipped(tmp_path) == {"docs/.env": SECRET, ".ssh": SECRET}


# --- read ---------------------------------------------------------------------------------------------------


def test_content_comes_with_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"content\0\r\n")
    content = read(str(path), max_bytes=100)
    assert content.data == b"content\0\r\n"
    assert content.sha256 == hashlib.sha256(content.data).hexdigest()
    assert (content.size, content.mtime_ns) == (10, path.stat().st_mtime_ns)


@settings(max_examples=20)
@given(size=st.integers(0, 3_000_000), limit=st.integers(0, 3_000_000))
def test_the_limit_is_exact(tmp_path_factory: pytest.TempPathFactory, size: int, limit: int) -> None:
    path = tmp_path_factory.getbasetemp() / "sized"
    path.write_bytes(b"x" * size)
    if size <= limit:
        assert read(str(path), max_bytes=limit).size == size
    else:
        with pytest.raises(ExtractionError, match="larger than"):
            read(str(path), max_bytes=limit)


def test_a_sparse_gigabyte_hits_the_limit_at_once(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    begin = time.monotonic()
    with pytest.raises(ExtractionError, match="larger than 100 MB"):
        read(str(path), max_bytes=MAX_BYTES)
    assert skipped(tmp_path) == {"sparse": "larger than 100 MB"}
    assert time.monotonic() - begin < 0.5


def test_a_fifo_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ExtractionError, match="FIFO"):
        read(str(tmp_path / "fifo"), max_bytes=10)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    put(tmp_path, "target")
    (tmp_path / "link").symlink_to("target")
    with pytest.raises(ExtractionError, match="symbolic link"):
        read(str(tmp_path / "link"), max_bytes=10)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/nowhere/at/all", "does not exist"),
        ("/dev/null", "character device"),
        ("/", "not a regular file"),
        ("a\0b", "not a valid path"),
        ("x" * 5000, "path too long"),
    ],
)
def test_what_cannot_be_read_says_why(path: str, reason: str) -> None:
    with pytest.raises(ExtractionError, match=reason):
        read(path, max_bytes=10)


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs a /proc file system")
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no way to count open descriptors")
def test_a_folder_in_place_of_a_file_leaves_nothing_open(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(ExtractionError):
        read(str(tmp_path), max_bytes=9)
    assert os.listdir("/proc/self/fd") == before


def test_a_file_whose_size_is_a_lie_is_refused() -> None:
    with pytest.raises(ExtractionError, match="changed while being read"):
        read("/proc/self/status", max_bytes=1_000_000)
    with pytest.raises(ExtractionError, match="larger than 10 bytes"):
        read("/proc/self/status", max_bytes=10)


def read_often(path: str) -> None:
    """Give a process that touches the file a chance, even if it has to wait for a processor now and then."""
    for _ in range(20):
        read(path, max_bytes=MAX_BYTES)


def test_a_file_that_keeps_changing_is_refused_and_one_that_rests_is_read(tmp_path: Path) -> None:
    path = tmp_path / "busy"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES)  # large, so that reading takes a while
    script = "import itertools, os\nprint(flush=True)\nfor s in itertools.count(): os.utime('busy', (s, s))"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) as toucher:
        assert toucher.stdout is not None
        toucher.stdout.readline()
        try:
            with pytest.raises(ExtractionError, match="changed while being read; index again"):
                read_often(str(path))
        finally:
            toucher.kill()
    assert read(str(path), max_bytes=MAX_BYTES).size == MAX_BYTES
