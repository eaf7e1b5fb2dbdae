"""`docqa watch`: a process of its own, on files that change under its eyes."""

from __future__ import annotations

import errno
import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest

from docqa import DocQA, events, indexing, watching
from docqa.errors import UsageError

PATIENCE_S = 60


class Watcher:
    """A running `docqa watch` and what it says on standard error."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._collect, daemon=True).start()

    def _collect(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.put(line)

    def says(self, *parts: str) -> str:
        """Wait for the next line that holds all these parts."""
        heard = []
        try:
            while True:
                heard.append(self._lines.get(timeout=PATIENCE_S))
                if all(part in heard[-1] for part in parts):
                    return heard[-1]
        except queue.Empty:
            raise AssertionError(f"never said {parts}, but {heard}") from None


@pytest.fixture
def watch(program: list[str], guarded_environment: dict[str, str], library: Path) -> Iterator[Callable[..., Watcher]]:
    started = []

    def start(*arguments: object) -> Watcher:
        process = subprocess.Popen(
            [*program, "--library", str(library), "watch", *map(str, arguments)],
            env=guarded_environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            # What starts the tests in the background may have told its children to ignore Ctrl-C.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
        started.append(process)
        return Watcher(process)

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def found(library: Path, question: str) -> list[str]:
    with DocQA(library) as engine:
        return [Path(match.source.path).name for match in engine.search(question)]


def test_what_happens_to_files_is_in_the_library_soon(
    watch: Callable[..., Watcher], folder: Path, library: Path
) -> None:
    watcher = watch(folder)
    watcher.says("indexed", "lease.md")
    watcher.says("watching", "folder")
    (folder / "deep").mkdir()
    (folder / "deep/heron.txt").write_text("A heron stands in the river.")
    watcher.says("indexed", "heron.txt")
    assert found(library, "river") == ["heron.txt"]
    (folder / "deep").rename(folder / "shallow")
    watcher.says("moved", "deep/heron.txt to", "shallow/heron.txt")
    (folder / "lease.md").write_text("# Lease\n\nThe lease ends in June.\n")
    watcher.says("indexed", "lease.md")
    (folder / "boiler.txt").unlink()
    watcher.says("removed", "boiler.txt")
    (folder / ".docqaignore").write_text("shallow/\n")
    watcher.says("removed", "heron.txt")
    assert (found(library, "lease june"), found(library, "boiler river")) == (["lease.md"], [])


def test_ctrl_c_ends_it_in_order(watch: Callable[..., Watcher], folder: Path, library: Path) -> None:
    watcher = watch(folder)
    watcher.says("watching")
    watcher.process.send_signal(signal.SIGINT)
    assert watcher.process.wait(PATIENCE_S) == 130
    with DocQA(library) as engine:
        assert engine.index().unchanged == 2


def test_a_folder_may_go_and_come_back(watch: Callable[..., Watcher], folder: Path, library: Path) -> None:
    watcher = watch(folder)
    watcher.says("watching", "folder")
    folder.rename(folder.with_name("taken"))
    watcher.says("folder is not there: 2 documents kept")
    (folder.with_name("taken") / "new.txt").write_text("A heron.")
    folder.with_name("taken").rename(folder)
    watcher.says("indexed", "new.txt")
    assert len(found(library, "heron lease boiler")) == 3


def test_what_replaces_a_folder_or_a_file_is_watched_in_its_place(
    watch: Callable[..., Watcher], folder: Path, tmp_path: Path
) -> None:
    single = tmp_path / "single.txt"
    single.write_text("A heron.")
    watcher = watch(folder, single)
    watcher.says("watching")
    folder.rename(folder.with_name("taken"))
    folder.mkdir()
    (folder / "first.txt").write_text("A crane.")
    watcher.says("indexed", "first.txt")
    (folder / "second.txt").write_text("A stork.")
    watcher.says("indexed", "second.txt")
    for words in ("Two herons.", "Three herons."):
        draft = tmp_path / "draft.txt"
        draft.write_text(words)
        draft.replace(single)
        watcher.says("indexed", "single.txt")


def test_a_folder_that_another_process_names_is_watched_from_then_on(
    watch: Callable[..., Watcher], folder: Path, library: Path, tmp_path: Path
) -> None:
    watcher = watch(folder)
    watcher.says("watching")
    other = tmp_path / "other"
    other.mkdir()
    with DocQA(library) as engine:
        engine.index([other])
    watcher.says("watching", "other")
    (other / "new.txt").write_text("A heron.")
    watcher.says("indexed", "new.txt")


def test_it_waits_while_another_process_is_writing(watch: Callable[..., Watcher], folder: Path, library: Path) -> None:
    watcher = watch(folder)
    watcher.says("watching")
    with DocQA(library) as engine, engine._open().writing():
        (folder / "new.txt").write_text("A heron.")
        watcher.says("waiting", "already indexing")
    watcher.says("indexed", "new.txt")


def test_names_that_are_not_utf_8_are_seen_as_well(watch: Callable[..., Watcher], folder: Path) -> None:
    watcher = watch(folder)
    watcher.says("watching")
    Path(f"{folder}/caf\udce9.txt").write_text("A heron.")
    watcher.says("indexed", "caf\\xe9.txt")


def test_a_folder_whose_name_is_not_utf_8_is_gone_through_now_and_then(
    folder: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "EVERYTHING_AGAIN_S", 2.0)
    odd = Path(f"{folder}/../caf\udce9")
    odd.mkdir()
    stop = threading.Event()
    with DocQA(library) as engine:
        for event in engine.watch_events([folder, odd], stop=stop):
            match event:
                case events.Watching(paths):
                    assert paths == (str(folder),)
                    (odd / "new.txt").write_text("A heron.")
                case events.FileIndexed(path) if path.endswith("new.txt"):
                    stop.set()
    assert found(library, "heron") == ["new.txt"]


def test_a_library_in_a_watched_folder_does_not_keep_it_busy(folder: Path) -> None:
    stop = threading.Event()
    told = []
    with DocQA(folder / "notes.docqa") as engine:
        for event in engine.watch_events([folder], stop=stop):
            told.append(event)
            if isinstance(event, events.Watching):
                # Long enough for several rounds, if the library's own changes made any.
                threading.Timer(5, stop.set).start()
    assert sum(isinstance(event, events.IndexFinished) for event in told) == 1


def test_without_a_folder_there_is_nothing_to_watch(library: Path, folder: Path) -> None:
    with DocQA(library) as engine:
        engine.index([folder])
        engine.remove_root(folder)
        with pytest.raises(UsageError, match="knows no folder yet"):
            next(engine.watch_events())
        with pytest.raises(UsageError, match="does not exist"):
            next(engine.watch_events([folder / "nowhere"]))


def test_a_watch_may_begin_before_its_folder_is_there(
    watch: Callable[..., Watcher], folder: Path, library: Path
) -> None:
    with DocQA(library) as engine:
        engine.index([folder])
    folder.rename(folder.with_name("taken"))
    watcher = watch()
    watcher.says("not there")
    folder.with_name("taken").rename(folder)
    watcher.says("watching", "folder")


def test_only_what_hinders_watching_is_told_as_that(
    folder: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EMFILE, "too many open files")

    for module, name, told in (
        (watching, "file_changes", "the system cannot watch so many folders"),
        (indexing, "index", "too many open files"),
    ):
        with monkeypatch.context() as patch, DocQA(library) as engine:
            patch.setattr(module, name, fail)
            with pytest.raises((OSError, UsageError)) as raised:
                list(engine.watch_events([folder]))
        assert told in str(raised.value)
        assert isinstance(raised.value, UsageError) == (module is watching)
