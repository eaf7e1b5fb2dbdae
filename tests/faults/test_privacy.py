"""Who may read a library, what never gets into it, what leaves it without a trace, and that nothing is sent."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import zlib
from pathlib import Path

import pytest
from running import Docqa, beside, eventually

SECRETS = (".env", ".env.local", "server.pem", "a.key", "id_rsa", "id_ed25519.pub", ".netrc", "vault.kdbx")


def holds(library: Path, text: bytes) -> bool:
    """Whether a library's file or its log holds a text, as it stands or compressed."""
    return any(_holds(path.read_bytes(), text) for path in beside(library))


def _holds(data: bytes, text: bytes) -> bool:
    if text in data:
        return True
    place = data.find(b"x")
    while place >= 0:  # with which every stream of zlib begins
        try:
            if text in zlib.decompressobj().decompress(data[place : place + 100_000]):
                return True
        except zlib.error:
            pass
        place = data.find(b"x", place + 1)
    return False


def test_a_library_and_all_beside_it_are_for_their_owner_alone(docqa: Docqa, folder: Path, tmp_path: Path) -> None:
    release = tmp_path / "release"
    (folder / "late.wait").write_text(str(release))
    with docqa.start("index", folder, umask=0) as process:
        assert eventually(Path(f"{release}.reached").exists)
        names = {path.name.removeprefix(docqa.library.name) for path in beside(docqa.library)}
        assert names >= {"", "-wal", "-shm", ".lock"}
        for path in (*beside(docqa.library), docqa.library.parent):
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
        release.touch()
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert docqa("index", folder, umask=0).code == 0
    assert {stat.S_IMODE(path.stat().st_mode) for path in beside(docqa.library)} == {0o600}


def test_secrets_are_skipped_and_reported_and_version_control_is_left_out(docqa: Docqa, folder: Path) -> None:
    for name in (*SECRETS, ".ssh/config", ".aws/credentials", ".git/config", ".git/COMMIT_EDITMSG"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("password xyzzyplugh")
    report = docqa("index", "--json", folder).json
    expected = {str(folder / name) for name in (*SECRETS, ".ssh", ".aws/credentials")}
    assert {path for path, _ in report["skipped"]} == expected
    assert {reason for _, reason in report["skipped"]} == {"looks like a secret"}
    assert report["documents"] == 2
    assert not holds(docqa.library, b"xyzzyplugh")
    assert docqa("search", "password", "xyzzyplugh").code == 1


@pytest.mark.parametrize("how", ["rm", "deleted", "changed", "unreadable"])
def test_what_is_removed_leaves_the_bytes_of_the_file(indexed: Docqa, folder: Path, how: str) -> None:
    secret = folder / "quuxname.txt"
    secret.write_text("The password is xyzzyplugh. " * 50)
    assert indexed("index", folder).code == 0
    assert holds(indexed.library, b"password is xyzzyplugh")
    assert holds(indexed.library, b"quuxname.txt")
    match how:
        case "deleted":
            secret.unlink()
        case "changed":
            secret.write_text("Nothing to see here.")
        case "unreadable":
            secret.unlink()
            secret.symlink_to("nowhere")
    assert indexed(*(("rm", secret) if how == "rm" else ("index", folder))).code == 0
    assert not holds(indexed.library, b"xyzzyplugh")
    # A file that is there but not wanted, or not readable, is known by its name.
    assert holds(indexed.library, b"quuxname.txt") == (how != "deleted")
    assert indexed("doctor").code == 0


def test_nothing_tries_to_reach_the_network(docqa: Docqa, sample_folder: Path) -> None:
    """In a network namespace without any way out where that is allowed; the guard lists attempts in any case."""
    isolated = ("unshare", "--net")
    if shutil.which("unshare") and not subprocess.run([*isolated, "true"], check=False, capture_output=True).returncode:
        docqa = docqa.behind(*isolated)
    assert docqa("index", sample_folder).code == 0
    assert docqa("search", "garden").code == 0
    assert docqa("status").code == 0
    assert docqa("ask", "--json", "What is the rent for the flat from March 2025?").json["answers"]
    assert not os.path.exists(docqa.environment["DOCQA_TEST_NETWORK_LOG"])


def test_the_guard_of_these_tests_does_see_attempts(docqa: Docqa) -> None:
    log = Path(docqa.environment["DOCQA_TEST_NETWORK_LOG"])
    done = docqa("reader", "add", "nobody/no-such-reader")
    assert done.code == 3
    assert b"nobody/no-such-reader" in done.err
    assert "huggingface" in log.read_text()
    log.unlink()
