"""Pictures of the application's main states, for the README: `python -m docqa.tui.screenshots FOLDER`.

The sample library is copied to a home folder of its own, indexed, and asked with the reader that comes with
docqa, in float32 on every machine, so that the pictures change only when docqa does.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input
from textual.worker import Worker

from docqa.tui.app import DocqaApp, sample_folder
from docqa.tui.themes import DARK, LIGHT

SIZE = (110, 32)
QUESTION = "How often should the ignition electrodes be replaced?"
# What nothing in the sample library tells.
ABSENT = "Who brings the zeppelin to the moon?"
STILL_LOOKS = 3


async def take(
    folder: Path, *, size: tuple[int, int] = SIZE, reader: str | os.PathLike[str] | None = None
) -> list[Path]:
    """Write the pictures into a folder and return their paths; `reader` is the shipped one unless another is named."""
    folder.mkdir(parents=True, exist_ok=True)
    taken: list[Path] = []
    sample = sample_folder()
    assert sample is not None
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(os.path.realpath(scratch))
        with _environment(HOME=str(home), DOCQA_STATE=str(home / "state")):
            documents = Path(shutil.copytree(sample, home / "Documents"))
            app = DocqaApp(home / "library.docqa", reader=reader, precision="float32", show_times=False)
            async with app.run_test(size=size, notifications=True) as pilot:
                await _tour(app, pilot, documents, folder, taken)
    return taken


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    earlier = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in earlier.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


async def _tour(app: DocqaApp, pilot: Pilot[None], documents: Path, folder: Path, taken: list[Path]) -> None:
    async def picture(name: str) -> None:
        await settled(pilot)
        taken.append(Path(app.save_screenshot(f"{name}.svg", path=str(folder))))

    await picture("welcome")
    await pilot.press("escape")
    await app.writer.call(lambda engine: engine.index([documents]))
    app.library_changed()
    await pilot.press(*_keys("ignition electrodes"))
    await picture("search")
    await pilot.press("ctrl+u", *_keys(QUESTION), "enter")
    await picture("answers")
    app.theme = LIGHT.name
    await picture("light")
    app.theme = DARK.name
    await pilot.press("w")
    await picture("why")
    await pilot.press("w", "enter")
    await picture("document")
    await pilot.press("escape", "ctrl+l")
    await picture("library")
    await pilot.press("escape", "escape", "ctrl+u", *_keys(ABSENT), "enter")
    await picture("absent")
    await pilot.press("ctrl+r")
    await picture("history")
    await pilot.press("escape", "ctrl+p")
    await picture("commands")
    await pilot.press("escape")


async def settled(pilot: Pilot[None]) -> None:
    """Wait until nothing is being searched, read or drawn, and what is shown has stood still for several looks.

    One thing leads to the next by way of timers and messages, so for a moment nothing may run in between.
    """
    still, shown = 0, ""
    while still < STILL_LOOKS:
        for line in pilot.app.screen.query(Input):
            line.cursor_blink = False
        await pilot.pause(0.15)
        busy = any(worker.is_running and not _waits(worker) for worker in pilot.app.workers)
        earlier, shown = shown, pilot.app.export_screenshot()
        still = still + 1 if shown == earlier and not busy else 0


def _waits(worker: Worker[Any]) -> bool:
    """Whether a worker waits for somebody to do something; a tree of folders always does."""
    return worker.group == "person" or worker.name == "_loader"


def _keys(text: str) -> list[str]:
    return ["space" if character == " " else "question_mark" if character == "?" else character for character in text]


def main() -> None:
    """Take the pictures."""
    if len(sys.argv) != 2 or sample_folder() is None:
        sys.exit("usage: python -m docqa.tui.screenshots FOLDER")
    asyncio.run(take(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
