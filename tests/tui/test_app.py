from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from textual.command import CommandPalette
from textual.screen import Screen
from textual.widgets import HelpPanel, OptionList

from docqa.tui.app import DocqaApp
from docqa.tui.screens.document import DocumentScreen
from docqa.tui.screens.library import LibraryScreen
from docqa.tui.widgets.chips import Chip
from docqa.tui.widgets.keys import Keys
from docqa.tui.widgets.question import QuestionInput
from docqa.tui.widgets.results import Results

if TYPE_CHECKING:
    from tests.tui.conftest import Driver


def test_the_first_frame_waits_for_no_library_no_model_and_no_panel(python: str) -> None:
    code = """
import asyncio, sys
from docqa.tui.app import DocqaApp
late = {'torch', 'numpy', 'sqlite3', 'markdown_it', 'click', 'docqa.engine', 'docqa.records', 'docqa.reader.reader'}
late |= {'docqa.tui.widgets.results', 'docqa.tui.widgets.text_view'}
async def first_frame():
    app = DocqaApp()
    app._begin = lambda: None
    async with app.run_test() as pilot:
        await pilot.pause()
        print(late & sys.modules.keys(), 'sk your documents' in app.export_screenshot().replace('&#160;', ' '))
asyncio.run(first_frame())
"""
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set() True", done.stderr


def test_what_is_typed_before_everything_stands_is_not_lost(
    drive: Callable[..., None], sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DocqaApp, "_begin", lambda _: None)

    async def steps(driver: Driver) -> None:
        assert not driver.ask_screen.query(Results)
        await driver.press("ctrl+t", *"lease", "enter")
        await driver.until(lambda: driver.ask_screen.query(Results) and driver.title == "Answers")
        assert driver.ask_screen.query_one(QuestionInput).value == "lease"

    drive(sample, steps)


def test_escape_closes_the_help_before_it_empties_the_line(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        line = driver.ask_screen.query_one(QuestionInput)
        await driver.press(*"lease", "f1")
        await driver.until(lambda: driver.app.screen.query(HelpPanel))
        await driver.press("escape")
        await driver.until(lambda: not driver.app.screen.query(HelpPanel))
        assert line.value == "lease"
        await driver.press("escape")
        assert line.value == ""

    drive(sample, steps)


def test_the_palette_offers_every_action(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.ask("When does the lease end?")
        offered = {command.title for command in driver.app.get_system_commands(driver.app.screen)}
        assert {
            "Copy",
            "Copy citation",
            "Viewer",
            "Why",
            "Right",
            "Wrong",
            "Effort",
            "History",
            "Export",
            "Update",
            "Library",
            "Add folder",
            "Sample library",
            "Theme",
            "Quit",
        } <= offered
        await driver.press("ctrl+p")
        await driver.until(lambda: isinstance(driver.app.screen, CommandPalette))
        await driver.press(*"library")
        await driver.until(lambda: driver.app.screen.query_one(OptionList).option_count)
        await driver.press("escape")
        await driver.press("enter")
        await driver.until(lambda: isinstance(driver.app.screen, DocumentScreen) and driver.view.document)
        offered = {command.title for command in driver.app.get_system_commands(driver.app.screen)}
        assert {"Find", "To the quote", "Back"} <= offered

    drive(sample, steps)


def told(driver: Driver) -> str:
    """The words beside the screen that the help panel holds, above its table of keys."""
    panel = driver.app.screen.query(HelpPanel)
    lines = driver.screen().splitlines() if panel else []
    return " ".join(" ".join(line[panel.first().region.x + 1 :] for line in lines).split())


def whole_help(screen: Screen[Any]) -> str:
    return " ".join((screen.HELP or "").translate(str.maketrans("", "", "*`")).split())


def test_help_tells_all_of_the_screen_wherever_the_focus_is(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        async def explained() -> None:
            await driver.until(lambda: told(driver).startswith(whole_help(driver.app.screen)))

        await driver.press("f1")
        await explained()
        for words in ("in:notes/", "type:pdf", "since:2024", '"exact phrase"', "-word", "ctrl+t", "docqa calibrate"):
            assert words in told(driver)
        await driver.press("f1")
        await driver.until(lambda: not driver.app.screen.query(HelpPanel))
        await driver.ask("When does the lease end? in:*.md")
        await driver.until(lambda: isinstance(driver.app.focused, Results))
        await driver.press("f1")
        await explained()
        driver.app.screen.set_focus(driver.app.screen.query(Chip).first())
        await explained()
        await driver.press("escape")
        driver.app.screen.set_focus(driver.results)
        await driver.press("enter")
        await driver.until(lambda: isinstance(driver.app.screen, DocumentScreen) and driver.view.document)
        await driver.press("f1")
        await explained()
        await driver.press("slash")
        await explained()

    drive(sample, steps, size=(80, 24))


def test_help_of_the_library_names_its_views_and_no_key_that_does_nothing(
    drive: Callable[..., None], sample: Path
) -> None:
    async def steps(driver: Driver) -> None:
        await driver.press("ctrl+l")
        await driver.until(lambda: isinstance(driver.app.screen, LibraryScreen) and driver.app.screen.rows.items)
        await driver.press("f1")
        await driver.until(lambda: told(driver).startswith(whole_help(driver.app.screen)))
        assert "1 documents, 2 folders" in told(driver)
        assert "Left and Right change between them" in told(driver)
        offered = {each.binding.key: each.binding.description for each in driver.app.screen.active_bindings.values()}
        assert (offered["left"], offered["right"]) == ("View", "View")
        assert not any("Left" in description or "Right" in description for description in offered.values())
        screen = driver.app.screen
        assert isinstance(screen, LibraryScreen)
        await driver.press("right")
        await driver.until(lambda: screen.view == "folders")

    drive(sample, steps, size=(80, 24))


@pytest.mark.parametrize("theme", ["docqa-dark", "docqa-light", "ansi-dark", "ansi-light", "nord"])
def test_themes(drive: Callable[..., None], sample: Path, theme: str) -> None:
    async def steps(driver: Driver) -> None:
        driver.app.theme = theme
        await driver.ask("When does the lease end?")
        await driver.until(lambda: driver.view.document and driver.view._quote)
        assert driver.shown_quote().split()[0] in driver.screen()

    drive(sample, steps)


def test_no_color(drive: Callable[..., None], sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def steps(driver: Driver) -> None:
        await driver.ask("When does the lease end?")
        await driver.until(lambda: driver.view.document and driver.view._quote)
        style = driver.view.get_component_rich_style("text-view--quote")
        assert style.reverse

    drive(sample, steps)


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (100, 30), (200, 60)])
def test_every_size_shows_question_answers_source_and_keys(
    drive: Callable[..., None], sample: Path, size: tuple[int, int]
) -> None:
    async def steps(driver: Driver) -> None:
        await driver.ask("When does the lease end?")
        await driver.until(lambda: driver.view.document and driver.view._quote)
        shown = driver.screen()
        assert "When does the lease end?" in shown
        assert "Answers" in shown
        assert driver.shown_quote().split()[0] in shown
        assert "Read" in shown
        body = driver.ask_screen.query_one("#source").region
        assert (body.x > 0) == (size[0] >= 100)
        assert max(map(len, shown.splitlines())) <= size[0]

    drive(sample, steps, size=size)


def test_the_keys_are_those_that_have_room(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        for width, roomy in ((120, True), (80, False), (120, True)):
            await driver.pilot.resize_terminal(width, 30)
            await driver.until(lambda roomy=roomy: ("^p palette" in driver.screen()) == roomy)

    drive(sample, steps)


def test_no_key_is_cut_and_help_always_stays(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.ask("When does the lease end?")
        for width in (60, 40, 61, 75, 99, 100, 140):
            await driver.pilot.resize_terminal(width, 24)

            def whole(width: int = width) -> bool:
                footer = driver.ask_screen.query_one(Keys)
                keys = [key.region for key in footer.children]
                return footer.size.width == width and bool(keys) and all(0 < key.right <= width for key in keys)

            await driver.until(whole)
            assert "f1 Help" in driver.screen().splitlines()[-1]
            assert "⏎ Read" in driver.screen()

    drive(sample, steps)


def test_a_storm_of_sizes(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.ask("When does the lease end?")
        await driver.until(lambda: driver.view.document and driver.view._quote)
        for screen in ("enter", "escape", "ctrl+l", "escape"):
            for number in range(12):
                await driver.pilot.resize_terminal(20 + 37 * number % 180, 6 + 11 * number % 50)
            await driver.press(screen)
        await driver.pilot.resize_terminal(100, 30)
        await driver.pilot.pause(0.2)
        assert driver.app.screen is driver.ask_screen
        assert "Answers" in driver.screen()
        assert driver.shown_quote().split()[0] in driver.screen()

    drive(sample, steps)


def test_the_library_opens_once(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.press("ctrl+l", "ctrl+l")
        await driver.until(lambda: isinstance(driver.app.screen, LibraryScreen))
        assert sum(isinstance(screen, LibraryScreen) for screen in driver.app.screen_stack) == 1

    drive(sample, steps)


def test_without_a_terminal_there_is_help_and_no_application(python: str) -> None:
    run = [python, "-c", "import sys; from docqa.cli import main; main(sys.argv[1:])"]
    plain = subprocess.run(run, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert plain.returncode == 0
    assert "Commands:" in plain.stdout
    tui = subprocess.run([*run, "tui"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert tui.returncode == 2
    assert "needs a terminal" in tui.stderr
