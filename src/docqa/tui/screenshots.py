"""Pictures of the application's main states, for the README: `python -m docqa.tui.screenshots FOLDER`.

The sample library is indexed anew and asked with the reader that comes with docqa, in float32 on every
machine, so that the pictures change only when docqa does.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from textual.pilot import Pilot

from docqa.tui.app import DocqaApp, sample_folder

SIZE = (110, 32)
QUESTION = "Up to what amount do the tenants have to pay a single small repair themselves?"
UNANSWERABLE = "zebra xylophone"


async def take(folder: Path, *, size: tuple[int, int] = SIZE) -> list[Path]:
    """Write the pictures into a folder and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    taken: list[Path] = []
    with tempfile.TemporaryDirectory() as scratch:
        app = DocqaApp(Path(scratch, "library.docqa"), precision="float32", show_times=False)
        async with app.run_test(size=size, notifications=True) as pilot:
            await _tour(pilot, folder, taken)
    return taken


async def _tour(pilot: Pilot[None], folder: Path, taken: list[Path]) -> None:
    app = pilot.app

    def picture(name: str) -> None:
        taken.append(Path(app.save_screenshot(f"{name}.svg", path=str(folder))))

    await settled(pilot)
    picture("welcome")
    await pilot.press("down", "enter")
    await settled(pilot)
    await pilot.press(*_keys("small repair"))
    await settled(pilot)
    picture("search")
    await pilot.press("ctrl+u", *_keys(QUESTION), "enter")
    await settled(pilot)
    picture("answers")
    await pilot.press("enter")
    await settled(pilot)
    picture("document")
    await pilot.press("escape", "ctrl+l")
    await settled(pilot)
    picture("library")
    await pilot.press("escape", "ctrl+p")
    await settled(pilot)
    picture("commands")
    await pilot.press("escape")
    await settled(pilot)


async def settled(pilot: Pilot[None]) -> None:
    """Wait until timers have fired and nothing is being searched, read or drawn any more."""
    for _ in range(2):
        await pilot.pause(0.15)
        while any(
            worker.is_running and worker.group != "greet" for worker in pilot.app.workers if not _waits(worker.name)
        ):
            await pilot.pause(0.05)


def _waits(worker: str) -> bool:
    """Whether a worker waits for the person, not for the machine."""
    return worker in ("action_add_folder", "action_sample", "action_remove", "_greet")


def _keys(text: str) -> list[str]:
    return ["space" if character == " " else "question_mark" if character == "?" else character for character in text]


def main() -> None:
    """Take the pictures."""
    if len(sys.argv) != 2 or sample_folder() is None:
        sys.exit("usage: python -m docqa.tui.screenshots FOLDER")
    asyncio.run(take(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
