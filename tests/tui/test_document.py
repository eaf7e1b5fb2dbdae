from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from textual.widgets import Input, Static

from docqa.tui.screens.ask import AskScreen
from docqa.tui.screens.document import DocumentScreen

if TYPE_CHECKING:
    from tests.tui.conftest import Driver


async def open_document(driver: Driver, question: str) -> DocumentScreen:
    await driver.ask(question)
    await driver.until(lambda: driver.ask_screen.source)
    await driver.press("enter")
    await driver.until(lambda: isinstance(driver.app.screen, DocumentScreen) and driver.view.document)
    await driver.pilot.pause(0.1)
    screen = driver.app.screen
    assert isinstance(screen, DocumentScreen)
    return screen


def place(screen: DocumentScreen) -> str:
    return str(screen.query_one("#document-place", Static).content)


def test_a_document_opens_at_the_quote(drive: Callable[..., None], indexed: Callable[..., Path]) -> None:
    filler = "".join(f"filler number {number}\n" for number in range(1, 1000))
    library = indexed(a__txt=f"{filler}The lease ends in June.\n{filler}")

    async def steps(driver: Driver) -> None:
        await open_document(driver, "When does the lease end?")
        assert (
            driver.shown_quote()
            == driver.ask_screen.source.context[  # type: ignore[union-attr]
                driver.ask_screen.source.start - driver.ask_screen.source.context_start :  # type: ignore[union-attr]
            ][: len(driver.shown_quote())]
        )
        assert driver.shown_quote().splitlines()[0] in driver.screen()
        await driver.press("slash", *"lease", "enter")
        await driver.until(lambda: "1000 The lease" in driver.screen())
        await driver.press("g")
        assert "   1 filler number 1 " in driver.screen()
        await driver.press("t")
        assert driver.shown_quote().splitlines()[0] in driver.screen()
        await driver.press("G")
        assert "1999 filler number 999" in driver.screen()
        await driver.press("escape")
        assert isinstance(driver.app.screen, AskScreen)

    drive(library, steps)


def test_finding(drive: Callable[..., None], indexed: Callable[..., Path]) -> None:
    library = indexed(a__txt="".join(f"line {n} {'needle' if n % 100 == 0 else 'hay'}\n" for n in range(1, 1001)))

    async def steps(driver: Driver) -> None:
        screen = await open_document(driver, "needle")
        await driver.press("g", "slash")
        await driver.type("NEEDLE")
        await driver.until(lambda: "match 1 of 10" in place(screen))
        await driver.press("enter")
        assert driver.app.focused is driver.view
        await driver.press("n", "n")
        assert "match 3 of 10" in place(screen)
        assert "line 300 needle" in driver.screen()
        await driver.press("N", "N", "N")
        assert "match 10 of 10" in place(screen)
        await driver.press("slash")
        screen.query_one("#find", Input).value = "[/nothing"
        await driver.until(lambda: place(screen) == "not found")
        await driver.press("escape", "escape")
        assert isinstance(driver.app.screen, AskScreen)

    drive(library, steps)


def test_pages_can_be_jumped_to(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        screen = await open_document(driver, "boiler installer type:pdf in:*boiler*")
        await driver.press("colon", "3", "enter")
        await driver.until(lambda: "page 3 of" in place(screen))
        assert "Viewer" in driver.screen()
        assert "Editor" not in driver.screen()
        await driver.press("colon", "9", "9", "9", "enter")
        last = driver.view.document.pages[-1].value  # type: ignore[union-attr]
        await driver.until(lambda: f"p{last}" in driver.screen())

    drive(sample, steps)


@pytest.mark.slow
@pytest.mark.parametrize("content", ["word " * 2_000_000 + "needle", "漢字" * 1_700_000, "needle " + "x" * 10_000_000])
def test_a_line_of_ten_megabytes_does_not_freeze_the_view(
    drive: Callable[..., None], indexed: Callable[..., Path], content: str
) -> None:
    library = indexed(a__txt=f"The lease ends in June.\n{content}")

    async def steps(driver: Driver) -> None:
        await open_document(driver, "When does the lease end?")
        await driver.until(lambda: driver.view.virtual_size.height > 1000, 60)
        for key in ("G", "pageup", "g", "pagedown", "j"):
            started = time.perf_counter()
            await driver.press(key)
            driver.screen()
            assert time.perf_counter() - started < 2
        await driver.pilot.resize_terminal(70, 24)
        await driver.until(lambda: driver.view._rows is not None and driver.view._rows.width < 70, 60)

    drive(library, steps)


def test_a_document_that_left_the_library_is_a_notice(
    drive: Callable[..., None], indexed: Callable[..., Path], tmp_path: Path
) -> None:
    from docqa import DocQA

    library = indexed(a__txt="The lease ends in June.\n")

    async def steps(driver: Driver) -> None:
        await driver.ask("When does the lease end?")
        await driver.until(lambda: driver.view.document)
        with DocQA(library) as engine:
            engine.remove(tmp_path)
        await driver.press("enter")
        await driver.until(lambda: "is not in the library" in driver.notice)

    drive(library, steps)


def test_a_document_indexed_anew_shows_no_quote_at_the_old_place(
    drive: Callable[..., None], indexed: Callable[..., Path]
) -> None:
    library = indexed(a__txt="The lease ends in June.\n")

    async def steps(driver: Driver) -> None:
        await driver.ask("When does the lease end?")
        await driver.until(lambda: driver.view.document)
        indexed(a__txt="Something else stands here now, and the lease is over.\n")
        await driver.press("enter")
        await driver.until(lambda: "Indexed anew" in driver.notice)
        assert driver.view._quote is None
        offered = {command.title for command in driver.app.get_system_commands(driver.app.screen)}
        assert offered.isdisjoint({"To the quote", "Copy quote", "Copy citation"})

    drive(library, steps)


class TestEditor:
    @pytest.fixture
    def started(self, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
        calls: list[list[str]] = []

        def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
            calls.append(command)
            return subprocess.CompletedProcess(command, 0)

        monkeypatch.setattr("docqa.tui.actions.subprocess.run", run)
        monkeypatch.setattr("docqa.tui.app.DocqaApp.suspend", lambda _: nullcontext())
        monkeypatch.delenv("VISUAL", raising=False)
        monkeypatch.setenv("EDITOR", "vi -R")
        return calls

    @staticmethod
    def told(driver: Driver) -> list[str]:
        return [notification.message for notification in driver.app._notifications]

    def test_opens_the_file_at_the_line(
        self, drive: Callable[..., None], indexed: Callable[..., Path], started: list[list[str]], tmp_path: Path
    ) -> None:
        library = indexed(a__txt="one\n\ntwo\n\nThe lease ends in June.\n")

        async def steps(driver: Driver) -> None:
            await driver.ask("When does the lease end?")
            await driver.until(lambda: driver.view.document)
            line = driver.ask_screen.source.line  # type: ignore[union-attr]
            await driver.press("e")
            assert started == [["vi", "-R", f"+{line}", str(tmp_path / "documents" / "a.txt")]]
            (tmp_path / "documents" / "a.txt").unlink()
            await driver.press("e")
            assert len(started) == 1
            assert any("The file is gone" in message for message in self.told(driver))

        drive(library, steps)

    def test_says_when_there_is_none(
        self,
        drive: Callable[..., None],
        indexed: Callable[..., Path],
        started: list[list[str]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.delenv("EDITOR")

        async def steps(driver: Driver) -> None:
            await driver.ask("When does the lease end?")
            await driver.press("e")
            assert not started
            assert any("set EDITOR" in message for message in self.told(driver))

        drive(indexed(a__txt="The lease ends in June.\n"), steps)
