"""The application under test: the real engine, the tiny reader, a pilot that waits for what it expects."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from docqa import DocQA
from docqa.tui.app import DocqaApp
from docqa.tui.screens.ask import AskScreen
from docqa.tui.widgets.notice import Notice
from docqa.tui.widgets.results import Results
from docqa.tui.widgets.text_view import TextView

Steps = Callable[["Driver"], Awaitable[None]]


class Driver:
    """A pilot with eyes: it reads the screen as text and waits until something holds."""

    def __init__(self, app: DocqaApp, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def until(self, condition: Callable[[], object], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"did not come about; the screen:\n{self.screen()}"
            await self.pilot.pause(0.02)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Put text into the focused line as if it were pasted."""
        line = self.app.focused
        assert isinstance(line, Input)
        line.insert_text_at_cursor(text)
        await self.pilot.pause()

    async def ask(self, question: str) -> None:
        await self.type(question)
        await self.press("enter")
        await self.until(lambda: self.title in ("Answers", "Closest passages") or self.notice)

    def screen(self) -> str:
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())

    @property
    def ask_screen(self) -> AskScreen:
        return self.app.ask_screen

    @property
    def results(self) -> Results:
        return self.ask_screen.query_one(Results)

    @property
    def title(self) -> str:
        return str(self.results.border_title)

    @property
    def notice(self) -> str:
        notice = self.app.screen.query_one(Notice)
        return str(notice.content) if notice.display else ""

    @property
    def view(self) -> TextView:
        return self.app.screen.query_one(TextView)

    def shown_quote(self) -> str:
        """What is highlighted as the quote in the text in view."""
        view = self.view
        document, quote = view.document, view._quote
        assert document is not None
        assert quote is not None
        return document.text[quote[0] - document.start : quote[1] - document.start]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's application remembers; no editor, viewer or clipboard but the test's own."""
    folder = tmp_path / "state"
    monkeypatch.setenv("DOCQA_STATE", str(folder))
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def drive(tiny_reader: Path) -> Callable[..., None]:
    """Run the application on a library and do some steps in it."""

    def run(library: Path, steps: Steps, *, size: tuple[int, int] = (110, 32), reader: Path | None = None) -> None:
        async def session() -> None:
            app = DocqaApp(library, reader=reader or tiny_reader)
            async with app.run_test(size=size) as pilot:
                await pilot.pause()
                await steps(Driver(app, pilot))

        asyncio.run(session())

    return run


@pytest.fixture
def indexed(tmp_path: Path) -> Callable[..., Path]:
    """Make a library of files with given contents, by name, in a folder `documents`."""

    def make(**contents: str) -> Path:
        folder = tmp_path / "documents"
        folder.mkdir(exist_ok=True)
        for name, content in contents.items():
            (folder / name.replace("__", ".")).write_text(content, encoding="utf-8")
        path = tmp_path / "made.docqa"
        with DocQA(path) as library:
            library.index([folder])
        return path

    return make
