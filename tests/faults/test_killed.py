"""A library survives being killed at any moment: while it is made, brought up to date, or thinned out."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from portrait import portrait
from running import Docqa, eventually, has_left_nobody, ready

from docqa import DocQA
from docqa.records import Result, Timing

# Every kind of run is killed a third of this number of times.
KILLS = int(os.environ.get("DOCQA_TEST_KILLS", "51"))
QUESTIONS = ("Where is the lease of the boiler?", "river capital", "word")
WORDS = ["lease", "rent", "boiler", "garden", "river", "capital", "ends", "number", "word"]


class Folder:
    """Two folders of documents that change from round to round; a few need a parser, and so a child process."""

    def __init__(self, root: Path) -> None:
        self.kept, self.other = root / "kept", root / "other"
        self._dice = random.Random(7)
        for folder in (self.kept, self.other):
            folder.mkdir(parents=True)
            for number in range(20):
                self._write(folder / f"{number}.txt")
        self._write(self.kept / "page.html")

    def change(self) -> None:
        """Change, add and delete some documents, so that there is always something left to do."""
        for folder in (self.kept, self.other):
            for number in self._dice.sample(range(26), 8):
                self._write(folder / f"{number}.txt")
            for path in self._dice.sample(sorted(folder.glob("*.txt")), 4):
                path.unlink()
        if self._dice.random() < 0.2:
            self._write(self.kept / "page.html")

    def _write(self, path: Path) -> None:
        path.write_text(" ".join(self._dice.choices(WORDS, k=self._dice.choice((20, 300)))) + ".")


class Killer:
    """Kills runs at moments spread over what such a run does."""

    def __init__(self, docqa: Docqa) -> None:
        self._docqa = docqa.with_limits("docqa.indexing.BATCH_FILES = 4")
        self._dice = random.Random(11)
        self._whole: dict[str, tuple[float, int]] = {}

    def kill(self, kind: str, *arguments: object, prepare: Callable[[], None]) -> None:
        """Run until a run is killed before it has ended; `prepare` sets the stage for each attempt."""
        for _ in range(20):
            prepare()
            with self._docqa.start(*arguments) as process:
                ready(process)
                if kind in self._whole:
                    self._wait(process, *self._whole[kind])
                    process.kill()
                    process.communicate()
                else:
                    self._whole[kind] = self._measured(process)
            assert has_left_nobody(process)
            if process.returncode < 0:
                return
        raise AssertionError(f"{kind}: every run was faster than its killer")

    def _measured(self, process: subprocess.Popen[bytes]) -> tuple[float, int]:
        """How long a run takes that nobody kills, and how many lines it says."""
        started = time.perf_counter()
        _, told = process.communicate()
        return time.perf_counter() - started, len(told.splitlines())

    def _wait(self, process: subprocess.Popen[bytes], whole_s: float, lines: int) -> None:
        """Wait for one of the lines that the run will say, and then a little."""
        assert process.stderr is not None
        for _ in range(self._dice.randint(0, lines)):
            process.stderr.readline()
        time.sleep(self._dice.uniform(0, 0.9 * whole_s / (1 + lines / 4)))


@pytest.fixture
def ask(tiny_reader: Path) -> Callable[[Path], list[Any]]:
    """What a library says to some questions, but for its name and the time it took."""
    opened: list[DocQA] = []

    def answers(library: Path) -> list[Any]:
        reading = DocQA(library, reader=tiny_reader, precision="float32")
        if opened:
            reading._reader = opened[0]._reader  # loaded once
        opened.append(reading)
        results = [reading.ask(question) for question in QUESTIONS]
        reading.close()
        return [_lasting(result) for result in results]

    return answers


def _lasting(result: Result) -> Result:
    return replace(result, library="", timing_ms=Timing(0, 0, 0))


@pytest.mark.slow
def test_after_any_kill_the_library_is_sound_resumes_and_answers_like_a_fresh_one(
    docqa: Docqa, library: Path, tmp_path: Path, ask: Callable[[Path], list[Any]]
) -> None:
    folder, killer, fresh = Folder(tmp_path / "folder"), Killer(docqa), tmp_path / "fresh.docqa"
    seen: dict[str, Counter[Any]] = {kind: Counter() for kind in ("making", "updating", "removing")}

    def index(path: Path, *folders: Path) -> None:
        with DocQA(path) as opened:
            opened.index(folders)

    def nothing() -> None:
        shutil.rmtree(library.parent, ignore_errors=True)

    def everything_but_the_last_changes() -> None:
        index(library, folder.kept, folder.other)
        folder.change()

    def everything() -> None:
        index(library, folder.kept, folder.other)

    def assert_like_a_fresh_one(*folders: Path) -> None:
        fresh.unlink(missing_ok=True)
        index(fresh, *folders)
        assert portrait(library) == portrait(fresh)
        assert ask(library) == ask(fresh)

    both = (folder.kept, folder.other)
    for _ in range(-(-KILLS // 3)):
        killer.kill("making", "index", *both, prepare=nothing)
        seen["making"][documents_of_a_sound(library)] += 1
        index(library, *both)
        assert list(library.parent.glob(".*")) == []
        assert_like_a_fresh_one(*both)

        killer.kill("updating", "index", *both, prepare=everything_but_the_last_changes)
        seen["updating"][documents_of_a_sound(library)] += 1
        index(library, *both)
        assert_like_a_fresh_one(*both)

        before = len(list(folder.other.iterdir()))
        killer.kill("removing", "rm", folder.other, prepare=everything)
        # Removing is one transaction: all or nothing.
        left = documents_of_a_sound(library, folder.other)
        assert left in (0, before)
        seen["removing"][left] += 1
        with DocQA(library) as opened:
            opened.remove(folder.other)
        assert_like_a_fresh_one(folder.kept)

    assert sum(map(Counter.total, seen.values())) >= KILLS
    # Some kills left a part of a run committed, and not always the same part.
    assert len(seen["making"]) >= min(3, KILLS // 10), seen
    assert docqa("index", *both).code == 0
    assert_like_a_fresh_one(*both)


def documents_of_a_sound(library: Path, below: Path | None = None) -> int | None:
    """How many documents a library holds that opens and checks clean, None if it was not made yet."""
    for path in library.parent.glob("*") if library.parent.exists() else ():
        assert path.name.startswith((library.name, f".{library.name}.tmp")), path
    if not library.exists():
        return None
    with DocQA(library) as opened:
        assert opened.health().sound
        return len(opened.documents(below))


def test_killing_the_program_while_a_parser_hangs_leaves_a_library_and_no_process(
    docqa: Docqa, folder: Path, tmp_path: Path
) -> None:
    (folder / "late.wait").write_text(str(tmp_path / "release"))
    with docqa.start("index", folder) as process:
        assert eventually((tmp_path / "release.reached").exists)
        process.kill()
        process.communicate()
    (tmp_path / "release").touch()
    assert has_left_nobody(process)
    assert docqa("doctor").code == 0
    assert docqa("index", folder).code == 0
    assert docqa("search", "heron").code == 0
