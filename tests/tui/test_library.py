from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Input, Static

from docqa import DocQA, indexing
from docqa.tui.screens.add_folder import AddFolderScreen, FolderTree
from docqa.tui.screens.confirm import ConfirmScreen
from docqa.tui.screens.document import DocumentScreen
from docqa.tui.screens.indexing import IndexingScreen
from docqa.tui.screens.library import LibraryScreen
from docqa.tui.screens.welcome import WelcomeScreen

if TYPE_CHECKING:
    from tests.tui.conftest import Driver


async def open_library(driver: Driver) -> LibraryScreen:
    await driver.press("ctrl+l")
    await driver.until(lambda: isinstance(driver.app.screen, LibraryScreen) and "skipped" in status(driver))
    assert isinstance(driver.app.screen, LibraryScreen)
    return driver.app.screen


def status(driver: Driver) -> str:
    return str(driver.app.screen.query_one("#status", Static).content)


def names(screen: LibraryScreen) -> list[str]:
    return [Path(row.item.path).name for row in screen.rows.items]


def test_documents_are_listed_filtered_and_read(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        screen = await open_library(driver)
        await driver.until(lambda: len(names(screen)) == 19)
        assert "Aurel boiler manual.pdf" in names(screen)
        assert "PDF" in driver.screen()
        await driver.press("slash", *"boiler")
        await driver.until(lambda: sorted(names(screen)) == ["Aurel boiler manual.pdf", "Boiler at Rose Cottage.eml"])
        assert "2 match the filter" in status(driver)
        await driver.press("enter", "j", "enter")
        await driver.until(lambda: isinstance(driver.app.screen, DocumentScreen) and driver.view.document)
        assert "Boiler at Rose Cottage.eml" in driver.screen()
        await driver.press("escape", "slash", "escape")
        await driver.until(lambda: len(names(screen)) == 19)

    drive(sample, steps)


def test_an_empty_view_says_what_that_means(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        await open_library(driver)
        await driver.press("3")
        await driver.until(lambda: "No file was skipped." in driver.screen())
        await driver.press("1", "slash", *"zzz")
        await driver.until(lambda: "Nothing matches the filter." in driver.screen())

    drive(sample, steps)


def test_skipped_files_come_with_reasons(drive: Callable[..., None], tmp_path: Path, sample: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "fine.txt").write_text("fine")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 broken")
    with DocQA(sample) as library:
        library.index([folder])

    async def steps(driver: Driver) -> None:
        await open_library(driver)
        assert "1 file skipped" in status(driver)
        await driver.press("3")
        await driver.until(lambda: "broken.pdf" in driver.screen())
        await driver.press("enter")
        assert "broken.pdf: " in driver.notice
        await driver.press("right")
        await driver.until(lambda: "Health 1" in driver.screen())
        assert "broken.pdf" in driver.screen()
        assert "kB documents" in driver.screen()
        assert "sqlite" not in driver.screen().lower()

    drive(sample, steps)


def _folder_rows(screen: LibraryScreen) -> str:
    """What the folders' rows say where there is room for all of it."""
    draw, _ = screen._drawing()
    return "\n".join("".join(text for text, _ in draw(row, 300)) for row in screen.rows.items)


def test_a_document_is_removed_after_a_yes(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        screen = await open_library(driver)
        first = names(screen)[0]
        await driver.press("delete")
        await driver.until(lambda: isinstance(driver.app.screen, ConfirmScreen))
        await driver.press("n")
        await driver.until(lambda: driver.app.screen is screen)
        assert first in names(screen)
        await driver.press("d")
        await driver.until(lambda: isinstance(driver.app.screen, ConfirmScreen))
        await driver.press("y")
        await driver.until(lambda: len(names(screen)) == 18)
        assert first not in names(screen)
        await driver.press("2")
        await driver.until(lambda: re.search(r"\S without", _folder_rows(screen)))
        await driver.press("escape")
        await driver.until(lambda: "18 documents" in driver.screen())

    drive(sample, steps)


def test_a_folder_is_added_by_typing_and_completing(drive: Callable[..., None], tmp_path: Path, sample: Path) -> None:
    (tmp_path / "shelf" / "letters").mkdir(parents=True)
    (tmp_path / "shelf" / "lists").mkdir()
    (tmp_path / "shelf" / "letters" / "new.txt").write_text("The zeppelin leaves at noon.")

    async def steps(driver: Driver) -> None:
        await open_library(driver)
        await driver.press("a")
        await driver.until(lambda: isinstance(driver.app.screen, AddFolderScreen))
        line, tree = driver.app.screen.query_one(Input), driver.app.screen.query_one(FolderTree)
        line.value = str(tmp_path / "shelf" / "x")
        await driver.press("enter")
        assert "There is no" in driver.notice
        line.value += f"/{tmp_path / 'shelf'}/"
        await driver.until(lambda: line.value == str(tmp_path / "shelf") + "/")
        await driver.until(lambda: [str(node.label) for node in tree.root.children] == ["letters", "lists"])
        await driver.press("tab")
        await driver.until(lambda: line.value == str(tmp_path / "shelf" / "l"))
        await driver.press("e", "tab")
        await driver.until(lambda: line.value == str(tmp_path / "shelf" / "letters") + "/")
        await driver.press("enter")
        await driver.until(lambda: isinstance(driver.app.screen, IndexingScreen))
        await driver.until(lambda: "Indexed" in driver.screen())
        assert "1 indexed" in driver.screen()
        await driver.press("enter")
        await driver.until(lambda: isinstance(driver.app.screen, LibraryScreen) and "20 documents" in status(driver))
        await driver.press("2")
        await driver.until(lambda: "Folders 2" in driver.screen())
        await driver.press("escape")
        await driver.press(*"zeppelin")
        await driver.until(lambda: "zeppelin leaves at noon" in driver.screen())

    drive(sample, steps)


def test_a_folder_is_chosen_in_the_tree(drive: Callable[..., None], tmp_path: Path, sample: Path) -> None:
    (tmp_path / "shelf" / "[red]letters" / "old").mkdir(parents=True)

    async def steps(driver: Driver) -> None:
        driver.app.action_add_folder(str(tmp_path / "shelf"))
        await driver.until(lambda: isinstance(driver.app.screen, AddFolderScreen))
        tree, line = driver.app.screen.query_one(FolderTree), driver.app.screen.query_one(Input)
        await driver.until(lambda: len(tree.root.children) == 1)
        await driver.press("down", "j", "l")
        await driver.until(lambda: "▸ old" in driver.screen())
        assert "[red]letters" in driver.screen()
        await driver.press("j")
        await driver.until(lambda: line.value == str(tmp_path / "shelf" / "[red]letters" / "old") + "/")
        await driver.press("h", "h", "k", "up")
        await driver.until(lambda: driver.app.focused is line)
        await driver.press("escape")
        await driver.until(lambda: not isinstance(driver.app.screen, AddFolderScreen))

    drive(sample, steps)


def test_changed_and_missing_files_are_marked_and_brought_up_to_date(
    drive: Callable[..., None], indexed: Callable[..., Path], tmp_path: Path
) -> None:
    library = indexed(a__txt="one", b__txt="two", c__txt="three")
    (tmp_path / "documents" / "a.txt").write_text("one, and more")
    (tmp_path / "documents" / "b.txt").unlink()

    async def steps(driver: Driver) -> None:
        screen = await open_library(driver)
        await driver.until(lambda: "2 changed or gone" in status(driver))
        shown = driver.screen()
        assert [word in shown for word in ("changed", "gone", "indexed")] == [True] * 3
        await driver.press("u")
        await driver.until(lambda: isinstance(driver.app.screen, IndexingScreen) and "Indexed" in driver.screen())
        assert "1 removed" in driver.screen()
        await driver.press("enter")
        await driver.until(lambda: names(screen) == ["a.txt", "c.txt"] and "changed" not in status(driver))

    drive(library, steps)


def test_what_an_update_removes_is_told_though_no_file_is_left(
    drive: Callable[..., None], indexed: Callable[..., Path], tmp_path: Path
) -> None:
    library = indexed(a__txt="one")
    (tmp_path / "documents" / "a.txt").unlink()

    async def steps(driver: Driver) -> None:
        await open_library(driver)
        await driver.press("u")
        await driver.until(lambda: "0 files found  ·  1 removed" in driver.screen())

    drive(library, steps)


def test_folders_are_listed_looked_into_and_removed(
    drive: Callable[..., None], indexed: Callable[..., Path], tmp_path: Path
) -> None:
    library = indexed(a__txt="one", b__txt="two")

    async def steps(driver: Driver) -> None:
        screen = await open_library(driver)
        await driver.press("l")
        await driver.until(lambda: "there" in driver.screen())
        await driver.press("enter")
        await driver.until(lambda: screen.view == "documents" and names(screen) == ["a.txt", "b.txt"])
        await driver.press("escape", "2", "delete")
        await driver.until(lambda: isinstance(driver.app.screen, ConfirmScreen))
        assert "with 2 documents" in driver.screen()
        await driver.press("y")
        await driver.until(lambda: "0 documents" in status(driver))
        assert (tmp_path / "documents" / "a.txt").exists()

    drive(library, steps)


def test_a_hundred_thousand_rows_are_drawn_one_screen_at_a_time() -> None:
    from docqa.tui.widgets.row_list import RowList

    drawn: list[int] = []

    def draw(item: int, _width: int) -> list[tuple[str, str]]:
        drawn.append(item)
        return [(f"row {item}", "plain")]

    class Rows(App[None]):
        def compose(self) -> ComposeResult:
            yield RowList[int](id="rows")

    async def session() -> None:
        async with Rows().run_test(size=(60, 20)) as pilot:
            rows = pilot.app.query_one(RowList)
            rows.show(range(100_000), draw, lambda _width: "header")
            rows.focus()
            await pilot.pause()
            for key in ("G", "k", "pageup", "g", "pagedown", "j"):
                await pilot.press(key)
                text = "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips())
                assert f"row {rows.cursor}" in text
                assert "header" in text
            assert len(set(drawn)) < 200

    asyncio.run(session())


def test_indexing_tells_what_it_skips(drive: Callable[..., None], tmp_path: Path, sample: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 broken")

    async def steps(driver: Driver) -> None:
        driver.app.call_later(driver.app.push_screen, IndexingScreen([str(folder)]))
        await driver.until(lambda: "Indexed" in driver.screen())
        await driver.until(lambda: "broken.pdf" in driver.screen())

    drive(sample, steps)


def test_indexing_can_be_stopped(
    drive: Callable[..., None], tmp_path: Path, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.txt").write_text(f"number {number}")
    begun, go_on = threading.Event(), threading.Event()
    write = indexing._Run._write

    def slowly(*arguments: Any) -> Any:
        begun.set()
        go_on.wait(20)
        return write(*arguments)

    monkeypatch.setattr(indexing._Run, "_write", slowly)
    monkeypatch.setattr(indexing, "BATCH_FILES", 2)
    monkeypatch.setattr(indexing, "CHUNK_FILES", 2)

    async def steps(driver: Driver) -> None:
        driver.app.call_later(driver.app.push_screen, IndexingScreen([str(folder)]))
        await driver.until(begun.is_set)
        await driver.press("escape")
        await driver.until(lambda: "Stopping" in driver.screen())
        go_on.set()
        await driver.until(lambda: not isinstance(driver.app.screen, IndexingScreen))
        screen = await open_library(driver)
        await driver.until(lambda: "21 documents" in status(driver))
        assert len(names(screen)) == 21

    drive(sample, steps)
    with DocQA(sample) as library:
        assert library.index([folder]).indexed == 18


def test_a_busy_library_is_told(drive: Callable[..., None], tmp_path: Path, sample: Path) -> None:
    from docqa.store import Store

    (tmp_path / "shelf").mkdir()
    other = Store(sample)

    async def steps(driver: Driver) -> None:
        with other.writing():
            driver.app.call_later(driver.app.push_screen, IndexingScreen([str(tmp_path / "shelf")]))
            await driver.until(lambda: "already indexing" in driver.notice)
            await driver.press("enter")
            await open_library(driver)
            await driver.press("delete")
            await driver.until(lambda: isinstance(driver.app.screen, ConfirmScreen))
            await driver.press("y")
            await driver.until(lambda: isinstance(driver.app.screen, LibraryScreen) and driver.notice)
            assert "already indexing" in driver.notice

    drive(sample, steps)
    other.close()


class TestFirstRun:
    def test_without_a_library_one_is_told_what_to_do(self, drive: Callable[..., None], library: Path) -> None:
        async def steps(driver: Driver) -> None:
            await driver.until(lambda: isinstance(driver.app.screen, WelcomeScreen))
            assert "Ask your own documents" in driver.screen()
            await driver.press("escape")
            await driver.until(lambda: "ctrl+l, then a" in driver.notice)
            await driver.press("ctrl+l")
            await driver.until(lambda: isinstance(driver.app.screen, LibraryScreen) and driver.notice)
            assert not library.exists()

        drive(library, steps)

    def test_an_empty_library_is_a_first_run_too(self, drive: Callable[..., None], tmp_path: Path) -> None:
        (tmp_path / "nothing").mkdir()
        with DocQA(tmp_path / "empty.docqa") as empty:
            empty.index([tmp_path / "nothing"])

        async def steps(driver: Driver) -> None:
            await driver.until(lambda: isinstance(driver.app.screen, WelcomeScreen))

        drive(tmp_path / "empty.docqa", steps)

    def test_the_sample_library_is_kept_apart(self, drive: Callable[..., None], library: Path) -> None:
        async def steps(driver: Driver) -> None:
            await driver.until(lambda: isinstance(driver.app.screen, WelcomeScreen))
            await driver.press("j", "enter")
            await driver.until(lambda: driver.app.screen is driver.ask_screen and "19 documents" in driver.screen(), 60)
            await driver.press(*"boiler")
            await driver.until(lambda: driver.results.option_count)
            assert not library.exists()
            assert library.with_name("sample.docqa").exists()

        drive(library, steps)

    def test_adding_the_first_folder(self, drive: Callable[..., None], library: Path, tmp_path: Path) -> None:
        (tmp_path / "shelf").mkdir()
        (tmp_path / "shelf" / "a.txt").write_text("The zeppelin leaves at noon.")

        async def steps(driver: Driver) -> None:
            await driver.until(lambda: isinstance(driver.app.screen, WelcomeScreen))
            await driver.press("enter")
            await driver.until(lambda: isinstance(driver.app.screen, AddFolderScreen))
            driver.app.screen.query_one(Input).value = str(tmp_path / "shelf")
            await driver.press("enter")
            await driver.until(lambda: isinstance(driver.app.screen, IndexingScreen) and "Indexed" in driver.screen())
            await driver.press("enter")
            await driver.until(lambda: "1 document" in driver.screen())

        drive(library, steps)
