from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from docqa import DocQA
from docqa.citing import citation
from docqa.tui.screens.document import DocumentScreen
from docqa.tui.screens.library import LibraryScreen

if TYPE_CHECKING:
    from tests.tui.conftest import Driver

HOSTILE = (
    "The lease ends in [/foo] [bold red]June[/] [@click=app.quit]here[/] [link=file:///etc]x[/]\n"
    "lease \x1b]52;c;aGF4\x07 clipboard \x1b[2J cleared \x9b31m red \x1b]8;;http://evil\x1b\\link\n"
    "lease \u202egnp.exe\u202c \u2066bidi\u2069 emoji 👩‍👩‍👧‍👦 🏳️‍🌈 and 漢字かな交じり文 e\u0301\n"
    "lease {{x}} %s \\ [[ ]] [ [\n"
)
NAME = "[@click=app.quit]le[red]ase \x1b[2J\u202egnp.txt"
FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    folder = tmp_path / "[bold]folder[red]"
    folder.mkdir()
    (folder / NAME).write_text(HOSTILE, encoding="utf-8")
    (folder / os.fsdecode(b"lease \xff\xfe.txt")).write_text(HOSTILE, encoding="utf-8")
    (folder / os.fsdecode(b"[@click=app.quit]skipped \xff\x1b[2J.bin")).write_bytes(bytes(range(256)))
    path = tmp_path / "hostile.docqa"
    with DocQA(path) as library:
        library.index([folder])
    return path


def assert_harmless(driver: Driver) -> None:
    for strip in driver.app.screen._compositor.render_strips():
        assert not FORBIDDEN.search(strip.text), strip.text
        for segment in strip:
            if segment.style is not None:
                assert segment.style.link is None
                assert "@click" not in (segment.style.meta or {})
    assert driver.app.is_running


def test_hostile_text_is_shown_as_text_on_every_screen(drive: Callable[..., None], hostile: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.type("lease")
        await driver.until(lambda: driver.results.option_count == 2)
        await driver.until(lambda: driver.view.document)
        assert_harmless(driver)
        await driver.press("enter")
        await driver.until(lambda: driver.title == "Answers")
        await driver.until(lambda: driver.view.document and driver.view._quote)
        assert_harmless(driver)
        for key in ("j", "n", "y", "Y", "e"):
            await driver.press(key)
            assert_harmless(driver)
        await driver.press("enter")
        await driver.until(lambda: isinstance(driver.app.screen, DocumentScreen) and driver.view.document)
        await driver.press("g")
        assert_harmless(driver)
        shown = driver.screen()
        assert "[@click=app.quit]here[/]" in shown
        assert "\\x1b]52;c;aGF4\\x07" in shown
        assert "\\u202egnp.exe" in shown
        await driver.press("slash")
        await driver.type("[/foo]")
        await driver.until(lambda: "match 1 of 1" in driver.screen())
        assert_harmless(driver)
        await driver.press("escape", "escape", "ctrl+l")
        await driver.until(lambda: isinstance(driver.app.screen, LibraryScreen) and "2 documents" in driver.screen())
        assert_harmless(driver)
        for view in "234":
            await driver.press(view)
            await driver.until(lambda: "1 file skipped" in driver.screen())
            assert_harmless(driver)
            if view == "3":
                assert "[@click=app.quit]skipped" in driver.screen()
                await driver.press("enter")
                assert_harmless(driver)
        await driver.press("1", "delete")
        await driver.pilot.pause()
        assert_harmless(driver)

    drive(hostile, steps, size=(150, 40))


@pytest.mark.parametrize(
    "question", ["[/foo]", "[@click=app.quit]lease[/]", "👩‍👩‍👧 lease", "漢字", "((((", '" lease', "x" * 5000]
)
def test_a_hostile_question_is_only_a_question(drive: Callable[..., None], hostile: Path, question: str) -> None:
    async def steps(driver: Driver) -> None:
        await driver.ask(question)
        assert_harmless(driver)

    drive(hostile, steps)


def test_a_citation_is_one_line() -> None:
    from docqa.records import Source

    source = Source("/a/b.txt", "text/plain", 3, None, None, 0, 4, "", "a\nb", 0)
    assert citation("a\nb\x1b[2J", source) == "“a b\\x1b[2J” (/a/b.txt, page 3)"
