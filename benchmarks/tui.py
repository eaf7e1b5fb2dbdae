"""The terminal application: its first frame, a key while the reader works, a long library, memory.

First frame: from the start of the process to the end of the first refresh, in a pseudo-terminal of 80 × 24 cells,
beside an application of textual without any widget, in turn. Keys: from the moment a key arrives until the screen
has been drawn anew, while questions are being read in the background, one after the other; in the list of a library of
many documents, page by page; and while that library is searched, where matches are there once they are drawn. Memory
is the resident set of the process.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import pty
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import accumulate
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import harness

from docqa.tui import spare_keys

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from docqa.engine import DocQA
    from docqa.tui.app import DocqaApp

SAMPLE = harness.REPOSITORY / "data" / "library"
DOCUMENTS = 100_000
STARTS = 15
KEYS = 200
PAGES = 300
NOTE_WORDS = 25
SIZE = (120, 40)
LETTERS = "boiler pressure lease rent clutch garden "
QUESTIONS = (
    "How often should the ignition electrodes be replaced?",
    "What is the rent for the flat from March 2025?",
    "Who repaired the clutch?",
)
TARGETS = {"ratio": 1.3, "key_ms": 50.0}

# Both tell through a pipe that the first frame stands, and end.
_EMPTY = """
import os, sys
from textual.app import App
class Empty(App):
    def on_mount(self):
        self.call_after_refresh(self.tell)
    def tell(self):
        os.write(int(sys.argv[1]), b"x")
        self.exit()
Empty().run()
"""
_DOCQA = """
import gc, os, sys
import docqa.tui
from docqa.cli import main
run = docqa.tui.run
def run_and_tell():
    gc.disable()  # as `run` does first of all
    from docqa.tui.app import DocqaApp
    def tell(app):
        os.write(int(sys.argv[1]), b"x")
        app.exit()
    def tell_later(app):
        app.call_after_refresh(lambda: tell(app))
    if sys.argv[2] == "first":
        DocqaApp._begin = tell
    else:
        DocqaApp._greet, DocqaApp._load_reader = tell_later, lambda app: None
    run()
docqa.tui.run = run_and_tell
main(sys.argv[3:])
"""


def benchmark(arguments: argparse.Namespace) -> harness.Table:
    spare_keys()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["DOCQA_STATE"] = f"{scratch}/state"
        folder = Path(scratch)
        sample = _indexed(folder / "sample.docqa", [SAMPLE])
        long = _long_library(arguments.keep or folder, arguments.documents)
        figures = {
            **first_frames(sample, arguments.sample or STARTS),
            **asyncio.run(while_reading(sample, arguments.sample or KEYS, arguments.reader)),
            **asyncio.run(in_a_long_library(long, arguments.sample or PAGES)),
            **asyncio.run(searching_a_long_library(long, arguments.sample or KEYS)),
        }
    return _table(figures, arguments.documents)


def _long_library(folder: Path, documents: int) -> Path:
    """A library of so many short notes; the one made before, where the folder is kept."""
    library, notes = folder / f"{documents}.docqa", folder / str(documents)
    if not library.exists():
        shutil.rmtree(notes, ignore_errors=True)
        begun = _indexed(folder / "begun.docqa", [_many_files(notes, documents)])
        begun.replace(library)
    return library


def _indexed(library: Path, paths: Sequence[Path]) -> Path:
    # A process of its own, so that the memory of indexing is none of the application's.
    names = [os.fspath(path) for path in paths]
    command = [sys.executable, "-m", "docqa", "index", "--library", os.fspath(library), *names]
    subprocess.run(command, check=True, capture_output=True)
    return library


def _many_files(folder: Path, count: int) -> Path:
    """Write short notes whose words are as unequally common as those of a language are: by one over their rank."""
    draw, vocabulary = random.Random(count), _words()
    weights = list(accumulate(1 / rank for rank in range(1, len(vocabulary) + 1)))
    for number in range(count):
        place = folder / f"{number // 1000:03}"
        if number % 1000 == 0:
            place.mkdir(parents=True)
        words = " ".join(draw.choices(vocabulary, cum_weights=weights, k=NOTE_WORDS))
        (place / f"note {number}.txt").write_text(f"{words.capitalize()}.\n", encoding="utf-8")
    return folder


def _words() -> list[str]:
    """The words of the sample library's plain texts, the commonest first."""
    texts = (file.read_text(encoding="utf-8") for file in sorted(SAMPLE.rglob("*.md")) + sorted(SAMPLE.rglob("*.txt")))
    counts = Counter(word for text in texts for word in re.findall(r"[a-z]{2,}", text.lower()))
    return [word for word, _ in counts.most_common()]


# --- first frame


def first_frames(library: Path, starts: int) -> dict[str, Any]:
    os.environ["DOCQA_LIBRARY"] = os.fspath(library)
    programs = {
        "empty": (_EMPTY,),
        "docqa": (_DOCQA, "first"),
        "docqa_tui": (_DOCQA, "first", "tui"),
        "complete": (_DOCQA, "complete"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for number in range(-1, starts):
        for name in list(programs)[:: 1 if number % 2 else -1]:
            taken = first_frame_s(*programs[name])
            # The first round only warms what files and bytecode are cached in.
            if number >= 0:
                seconds[name].append(taken)
    return {
        **{f"{name}_first_frame_s": median(each) for name, each in seconds.items()},
        "ratio": _ratio(seconds["docqa"], seconds["empty"]),
        "ratio_tui": _ratio(seconds["docqa_tui"], seconds["empty"]),
        "ratio_complete": _ratio(seconds["complete"], seconds["empty"]),
        "first_frames_s": seconds,
    }


def _ratio(some: Sequence[float], others: Sequence[float]) -> float:
    """The median of each round's own ratio, for machines have faster and slower moments."""
    return median(one / other for one, other in zip(some, others, strict=True))


def first_frame_s(code: str, *arguments: str) -> float:
    """Seconds from the start of a process to its first frame in a pseudo-terminal."""
    reading, writing = os.pipe()
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(writing), *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        pass_fds=[writing],
        env=environment,
        start_new_session=True,
    )
    os.close(writing)
    os.close(slave)
    drain = threading.Thread(target=_drain, args=(master,), daemon=True)
    drain.start()
    told = os.read(reading, 1)
    seconds = time.perf_counter() - started
    process.wait(60)
    drain.join(5)
    os.close(reading)
    os.close(master)
    if told != b"x":
        raise SystemExit("the application ended before its first frame")
    return seconds


def _drain(master: int) -> None:
    """Read what the application draws, as a terminal does, so that it never waits."""
    while True:
        try:
            if not os.read(master, 65536):
                return
        except OSError:
            return


# --- keys


async def while_reading(library: Path, keys: int, reader: str | None) -> dict[str, Any]:
    """Milliseconds from a key to the screen, first at rest, then while the reader reads."""
    from docqa.tui.app import DocqaApp

    app = DocqaApp(library, reader=reader)
    async with app.run_test(size=SIZE) as pilot:
        await _until(lambda: app.reader_ready)
        loaded_mb = _resident_mb()
        rest = await _typed_ms(app, pilot, keys)
        reading = asyncio.create_task(_read_on(app))
        busy = await _typed_ms(app, pilot, keys)
        reading.cancel()
        await app.asker.call(lambda _: None)
        return {
            **_summary("key_at_rest", rest),
            **_summary("key_while_reading", busy),
            "memory_with_reader_mb": loaded_mb,
            "memory_after_reading_mb": _resident_mb(),
        }


async def _read_on(app: DocqaApp) -> None:
    """Have questions read, one after the other, until cancelled."""
    while True:
        for question in QUESTIONS:
            await app.asker.call(partial(_read, question=question))


def _read(engine: DocQA, *, question: str) -> None:
    engine.ask(question, effort="thorough")


async def _typed_ms(app: DocqaApp, pilot: Pilot[None], keys: int) -> list[float]:
    """Type words into the line, a key at a time; passages are searched for meanwhile, as ever."""
    taken = []
    for number in range(keys):
        letter = LETTERS[number % len(LETTERS)]
        taken.append(await _key_ms(app, "space" if letter == " " else letter, letter))
        await asyncio.sleep(0.03)
        if number % len(LETTERS) == len(LETTERS) - 1:
            await pilot.press("ctrl+u")
    return taken


async def _key_ms(app: DocqaApp, key: str, character: str | None = None) -> float:
    """Milliseconds from a key's arrival until the screen has been drawn with what it brought about."""
    from textual import events

    with _drawing(app) as drawn:
        started = time.perf_counter()
        app.post_message(events.Key(key, character))
        await asyncio.wait_for(drawn.wait(), 30)
        return 1000 * (time.perf_counter() - started)


@contextmanager
def _drawing(app: DocqaApp) -> Iterator[asyncio.Event]:
    """An event that is set when the screen is drawn next; nothing but the key may cause that, so no cursor blinks."""
    from textual.widgets import Input

    for line in app.screen.query(Input):
        line.cursor_blink = False
    drawn, display = asyncio.Event(), app._display

    def display_and_tell(*arguments: Any) -> None:
        display(*arguments)
        drawn.set()

    app._display = display_and_tell  # type: ignore[method-assign, assignment]
    try:
        yield drawn
    finally:
        app._display = display  # type: ignore[method-assign]


async def in_a_long_library(library: Path, pages: int) -> dict[str, Any]:
    """Milliseconds until the documents are listed, for a page down, and for a key in the filter."""
    from docqa.tui.app import DocqaApp
    from docqa.tui.screens.library import LibraryScreen

    app = DocqaApp(library)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        started = time.perf_counter()
        await pilot.press("ctrl+l")
        await _until(lambda: isinstance(app.screen, LibraryScreen) and len(app.screen.rows.items) > 0)
        screen = app.screen
        assert isinstance(screen, LibraryScreen)
        listed_ms = 1000 * (time.perf_counter() - started)
        await _until(lambda: screen._health is not None, 600)
        scrolled = [await _key_ms(app, "pagedown") for _ in range(pages)]
        scrolled += [await _key_ms(app, "pageup") for _ in range(pages)]
        await pilot.press("slash")
        filtered = []
        for key in "item4242":
            filtered.append(await _key_ms(app, key, key))
            await asyncio.sleep(0.1)
        return {
            "documents_listed": len(screen._rows["documents"]),
            "listed_ms": listed_ms,
            **_summary("page", scrolled),
            **_summary("filter_key", filtered),
            "memory_with_library_mb": _resident_mb(),
        }


async def searching_a_long_library(library: Path, keys: int) -> dict[str, Any]:
    """Milliseconds, while one types, until a key is on the screen, and until the passages are that belong to it."""
    from docqa.tui.app import DocqaApp

    app = DocqaApp(library)
    async with app.run_test(size=SIZE) as pilot:
        await _until(lambda: app.library and app.reader_status != "Loading the reader…")
        passages = await app.shelf.call(lambda engine: engine.status(check=False).passages)
        await pilot.press("ctrl+u")
        typed = await _typed_ms(app, pilot, keys)
        await pilot.press("ctrl+u")
        found = []
        for number in range(keys):
            letter = LETTERS[number % len(LETTERS)]
            found.append(await _matches_ms(app, letter))
            if number % len(LETTERS) == len(LETTERS) - 1:
                await pilot.press("ctrl+u")
        return {
            "passages_searched": passages,
            **_summary("key_while_searching", typed),
            **_summary("matches", found),
            "memory_with_long_library_mb": _resident_mb(),
        }


async def _matches_ms(app: DocqaApp, letter: str) -> float:
    """Milliseconds from a key's arrival until the passages that match with it are on the screen."""
    from textual import events

    screen, shown = app.ask_screen, asyncio.Event()
    show = screen._show

    def show_and_tell(*arguments: Any) -> None:
        show(*arguments)
        shown.set()

    screen._show = show_and_tell  # type: ignore[method-assign, assignment]
    started = time.perf_counter()
    app.post_message(events.Key("space" if letter == " " else letter, letter))
    await asyncio.wait_for(shown.wait(), 30)
    screen._show = show  # type: ignore[method-assign]
    with _drawing(app) as drawn:
        await asyncio.wait_for(drawn.wait(), 30)
        return 1000 * (time.perf_counter() - started)


async def _until(condition: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("the application did not come to where the benchmark wanted it")
        await asyncio.sleep(0.01)


# --- figures


def _summary(name: str, milliseconds: Sequence[float]) -> dict[str, Any]:
    ordered = sorted(milliseconds)
    return {
        f"{name}_ms_median": median(ordered),
        f"{name}_ms_p95": ordered[math.ceil(0.95 * len(ordered)) - 1],
        f"{name}_ms_max": ordered[-1],
    }


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _table(figures: dict[str, Any], documents: int) -> harness.Table:
    def spread(name: str) -> str:
        return " / ".join(f"{figures[f'{name}_ms_{part}']:.1f}" for part in ("median", "p95", "max"))

    table = harness.Table(
        "The terminal application",
        ("what", "measured", "wanted"),
        remarks=["Spreads are median / 95th percentile / longest."],
        details=figures,
    )
    ratio, key = TARGETS["ratio"], f"at most {TARGETS['key_ms']:.0f} ms"
    table.rows += [
        ("first frame, an empty application of textual, s", f"{figures['empty_first_frame_s']:.3f}", ""),
        ("first frame, docqa, s", f"{figures['docqa_first_frame_s']:.3f}", ""),
        ("ratio", f"{figures['ratio']:.2f}", f"at most {ratio}"),
        ("first frame, docqa tui, s", f"{figures['docqa_tui_first_frame_s']:.3f}", ""),
        ("ratio", f"{figures['ratio_tui']:.2f}", f"at most {ratio}"),
        ("until all panels stand, docqa, s", f"{figures['complete_first_frame_s']:.3f}", ""),
        ("ratio", f"{figures['ratio_complete']:.2f}", ""),
        ("key to screen at rest, ms", spread("key_at_rest"), key),
        ("key to screen while the reader reads, ms", spread("key_while_reading"), key),
        (f"list of {figures['documents_listed']:,} documents to screen, ms", f"{figures['listed_ms']:.0f}", ""),
        (f"page up or down in {documents:,} documents, ms", spread("page"), key),
        (f"key in the filter over {documents:,} documents, ms", spread("filter_key"), key),
        (
            f"key to screen while {figures['passages_searched']:,} passages are searched, ms",
            spread("key_while_searching"),
            key,
        ),
        (f"key to matches on screen, {figures['passages_searched']:,} passages, ms", spread("matches"), key),
        ("memory with the reader loaded, MB", f"{figures['memory_with_reader_mb']:.0f}", ""),
        ("memory after reading, MB", f"{figures['memory_after_reading_mb']:.0f}", ""),
        ("memory with the long library too, MB", f"{figures['memory_with_library_mb']:.0f}", ""),
    ]
    return table


if __name__ == "__main__":
    parser = harness.options(__doc__)
    parser.add_argument("--documents", type=int, default=DOCUMENTS, metavar="N", help="in the long library (100,000)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the long library here, or use the one kept")
    harness.run(benchmark, parser)
