"""What the fault tests share: the program as a process, documents, and parsers that misbehave."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from running import Docqa

LEASE = "# Lease\n\nThe lease ends in May. The rent is 20 a year.\n"
BOILER = "The boiler stands in the garden.\nIts number is 4711.\n"

# Extractors of formats that exist in these tests alone; each file of one suffix meets one accident.
_PARSERS = """
    import os, signal, sys, time
    from docqa.records import Extraction, Mark

    def text(content):
        return Extraction(content, (Mark("line", 0, "1"),))

    def sound(data):
        return text(data.decode())

    def hang(data):
        time.sleep(3600)

    def spin(data):
        while True:
            pass

    def crash(data):
        os.kill(os.getpid(), signal.SIGSEGV)

    def leave(data):
        sys.exit(3)

    def eat(data):
        return text(str(len(bytearray(64 << 30))))

    def nest(data):
        return nest(data)

    def talk(data):
        print("not a result " * 100_000, flush=True)
        return text("said the heron")

    def count(data):
        with open(data.decode().split()[0], "a") as tries:
            tries.write("x")
        os.kill(os.getpid(), signal.SIGSEGV)

    def wait(data):
        release = data.decode().strip()
        open(release + ".reached", "w").close()
        while not os.path.exists(release):
            time.sleep(0.01)
        return text("The heron was waited for.")
"""
PARSERS = ("sound", "hang", "spin", "crash", "leave", "eat", "nest", "talk", "count", "wait")


@pytest.fixture(scope="session")
def parsers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a package with these extractors is installed, as pip would leave it."""
    folder = tmp_path_factory.mktemp("parsers")
    (folder / "docqa_faulty.py").write_text(dedent(_PARSERS))
    metadata = folder / "docqa_faulty-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: docqa-faulty\nVersion: 1.0\n")
    entries = "".join(f".{name} = docqa_faulty:{name}\n" for name in PARSERS)
    (metadata / "entry_points.txt").write_text(f"[docqa.extractors]\n{entries}")
    return folder


@pytest.fixture
def docqa(
    python: str, program: list[str], guarded_environment: dict[str, str], parsers: Path, library: Path
) -> Iterator[Docqa]:
    """The installed program on the test's library; that it tried to reach the network fails the test."""
    sources = [guarded_environment["PYTHONPATH"], str(parsers)]
    environment = {**guarded_environment, "PYTHONPATH": os.pathsep.join(sources)}
    yield Docqa(python, program[0], library, environment)
    assert not Path(environment["DOCQA_TEST_NETWORK_LOG"]).exists()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two documents."""
    made = tmp_path / "folder"
    made.mkdir()
    (made / "lease.md").write_text(LEASE)
    (made / "boiler.txt").write_text(BOILER)
    return made


@pytest.fixture
def indexed(docqa: Docqa, folder: Path) -> Docqa:
    """The program, with both documents in its library."""
    assert docqa("index", folder).code == 0
    return docqa
