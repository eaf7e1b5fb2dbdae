"""What one does with answers: effort, why, right or wrong, filters, history, export, opening and copying."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from textual.widgets import Input, OptionList, Static

from docqa import DocQA
from docqa.history import Asked, History
from docqa.records import Answer
from docqa.tui import preferences
from docqa.tui.screens.history import HistoryScreen
from docqa.tui.screens.save import SaveScreen
from docqa.tui.widgets.chips import Chip
from docqa.tui.widgets.choice_line import ChoiceLine
from docqa.tui.widgets.question import QuestionInput

if TYPE_CHECKING:
    from tests.tui.conftest import Driver

QUESTION = "When does the lease end?"


def status(driver: Driver) -> str:
    return str(driver.ask_screen.query_one("#status", Static).content)


def told(driver: Driver) -> list[str]:
    return [notification.message for notification in driver.app._notifications]


def line(driver: Driver) -> QuestionInput:
    return driver.ask_screen.query_one(QuestionInput)


def chosen(driver: Driver) -> Answer:
    item = driver.results.chosen
    assert isinstance(item, Answer)
    return item


def answered(driver: Driver) -> object:
    return driver.ask_screen._result is not None and driver.title == "Answers"


async def ask_anew(driver: Driver, question: str) -> None:
    line(driver).value = ""
    await driver.until(lambda: driver.ask_screen._result is None)
    line(driver).focus()
    await driver.until(lambda: driver.app.focused is line(driver))
    await driver.ask(question)
    await driver.until(lambda: answered(driver))


# --- effort


def test_the_dial_turns_asks_anew_and_is_remembered(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        assert "○ fast  ● balanced  ○ thorough" in driver.screen()
        await driver.ask(QUESTION)
        await driver.until(lambda: answered(driver))
        assert driver.ask_screen._result.effort == "balanced"  # type: ignore[union-attr]
        for effort, marked in (("thorough", "● thorough"), ("fast", "● fast")):
            await driver.press("ctrl+t")
            await driver.until(
                lambda effort=effort: answered(driver) and driver.ask_screen._result.effort == effort  # type: ignore[misc,union-attr]
            )
            assert marked in driver.screen()
        assert "ms" in status(driver)
        assert "5 passages read" in status(driver)

    drive(sample, steps)
    assert preferences.load().effort == "fast"

    async def later(driver: Driver) -> None:
        assert "● fast" in driver.screen()
        dial = driver.ask_screen.query_one("#dial", ChoiceLine)
        await driver.pilot.click(dial, offset=(dial.region.width - 2, 0))
        await driver.until(lambda: driver.app.effort == "thorough")

    drive(sample, later)


@pytest.mark.parametrize("content", ["", "[]", '{"theme": 7}', "\xff", "[" * 9_999])
def test_what_was_chosen_is_forgotten_without_harm(state: Path, content: str) -> None:
    state.mkdir()
    (state / "tui.json").write_text(content, encoding="latin-1")
    assert preferences.load() == preferences.Preferences()


# --- why


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
def test_why_shows_words_logits_and_layers(drive: Callable[..., None], sample: Path, size: tuple[int, int]) -> None:
    async def steps(driver: Driver) -> None:
        await driver.ask(QUESTION)
        await driver.until(lambda: answered(driver))
        explanation = chosen(driver).explanation
        assert explanation is not None
        await driver.press("w")
        await driver.until(lambda: "logits" in driver.screen())
        shown = driver.screen()
        for word in ("lease", "start", f"{explanation.start_logit:.2f}", f"{explanation.end_logit:.2f}", "no answer"):
            assert word in shown
        why = str(driver.ask_screen.query_one("#why-text", Static).content)
        assert [f"layer {number}" in why for number in (1, 2, 3)] == [True, True, False]
        assert f"{explanation.score:+.2f}" in why
        await driver.press("w")
        await driver.until(lambda: "logits" not in driver.screen())

    drive(sample, steps, size=size)


# --- right or wrong


def test_a_verdict_goes_to_the_gold_set_shows_on_the_row_and_is_undone(
    drive: Callable[..., None], sample: Path
) -> None:
    def stored() -> list[tuple[str, str | None, bool]]:
        with DocQA(sample) as library:
            return [(each.question, each.text, each.accepted) for each in library.verdicts()]

    async def steps(driver: Driver) -> None:
        await driver.ask(QUESTION)
        await driver.until(lambda: answered(driver))
        text = chosen(driver).text
        await driver.press("r")
        await driver.until(lambda: "✓ right" in driver.screen())
        assert stored() == [(QUESTION, text, True)]
        await driver.press("x")
        await driver.until(lambda: "✗ wrong" in driver.screen())
        assert stored() == [(QUESTION, text, False)]
        await driver.press("u")
        await driver.until(lambda: "✓ right" in driver.screen())
        assert stored() == [(QUESTION, text, True)]
        await driver.press("u")
        await driver.until(lambda: "✓ right" not in driver.screen())
        assert stored() == []
        await driver.press("r")
        await driver.until(stored)

    drive(sample, steps)

    async def later(driver: Driver) -> None:
        await driver.until(lambda: line(driver).value)
        await driver.press("enter")
        await driver.until(lambda: answered(driver))
        assert "✓ right" in driver.screen()

    drive(sample, later)
    with DocQA(sample) as library:
        (verdict,) = library.verdicts()
        assert verdict.context[verdict.start :].startswith(str(verdict.text))


def test_that_there_is_no_answer_can_be_right(
    drive: Callable[..., None], sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("docqa.asking.rank", lambda *_: ())

    async def steps(driver: Driver) -> None:
        await driver.ask(QUESTION)
        await driver.until(lambda: driver.title == "Closest passages")
        offered = {command.title for command in driver.app.get_system_commands(driver.app.screen)}
        assert "Right" in offered
        assert "Wrong" not in offered
        await driver.press("x")
        await driver.press("r")
        await driver.until(lambda: "✓ right" in driver.notice)

    drive(sample, steps)
    with DocQA(sample) as library:
        assert [(each.text, each.accepted) for each in library.verdicts()] == [(None, True)]


def test_the_sample_library_learns_nothing_from_answers_of_another(
    drive: Callable[..., None], indexed: Callable[..., Path]
) -> None:
    library = indexed(a__txt="The lease ends in June.\n")

    async def steps(driver: Driver) -> None:
        await driver.ask(QUESTION)
        await driver.until(lambda: answered(driver))
        driver.app.action_sample()
        await driver.until(lambda: driver.app.library.endswith("sample.docqa") and driver.title == "Passages")
        await driver.until(lambda: driver.ask_screen.source and "Tannery" in driver.screen())
        driver.results.focus()
        await driver.press("r")
        await driver.pilot.pause(0.2)
        assert told(driver) == []

    drive(library, steps)
    with DocQA(library.with_name("sample.docqa")) as sample:
        assert sample.documents()
        assert sample.verdicts() == []


def test_a_verdict_on_a_busy_library_is_a_notice(drive: Callable[..., None], sample: Path) -> None:
    from docqa.store import Store

    other = Store(sample)

    async def steps(driver: Driver) -> None:
        await driver.ask(QUESTION)
        await driver.until(lambda: answered(driver))
        with other.writing():
            await driver.press("r")
            await driver.until(lambda: "already indexing" in driver.notice)
        assert "✓ right" not in driver.screen()

    drive(sample, steps)
    other.close()


# --- filters


def test_filters_show_as_chips_and_are_taken_off(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.type('in:home type:pdf boiler "the boiler" -car')
        await driver.until(lambda: len(driver.ask_screen.query(Chip)) == 4)
        shown = driver.screen()
        assert all(chip in shown for chip in ("in:home ×", "type:pdf ×", '"the boiler" ×', "-car ×"))
        first = driver.ask_screen.query(Chip).first()
        first.focus()
        await driver.press("delete")
        await driver.until(lambda: len(driver.ask_screen.query(Chip)) == 3)
        assert line(driver).value == 'type:pdf boiler "the boiler" -car'
        await driver.pilot.click(driver.ask_screen.query(Chip)[1])
        await driver.until(lambda: len(driver.ask_screen.query(Chip)) == 2)
        assert line(driver).value == "type:pdf boiler the boiler -car"
        await driver.press("enter")
        await driver.until(lambda: driver.ask_screen._result is not None)
        driver.ask_screen.query(Chip).first().focus()
        await driver.press("x")
        await driver.until(lambda: driver.ask_screen._result and "type:pdf" not in driver.ask_screen._result.question)
        await driver.press("escape", "ctrl+u")
        await driver.until(lambda: not driver.ask_screen.query(Chip))

    drive(sample, steps)


# --- history


def test_the_last_question_comes_back_and_earlier_ones_are_found(
    drive: Callable[..., None], sample: Path, state: Path
) -> None:
    async def steps(driver: Driver) -> None:
        for question in ("boiler pressure", QUESTION):
            await ask_anew(driver, question)
        await driver.until(lambda: len(History().entries()) == 2)

    drive(sample, steps)
    assert stat.S_IMODE(os.stat(state / "history.jsonl").st_mode) == 0o600

    async def later(driver: Driver) -> None:
        await driver.until(lambda: line(driver).value == QUESTION)
        assert not line(driver).selection.is_empty
        await driver.press("ctrl+r")
        await driver.until(lambda: isinstance(driver.app.screen, HistoryScreen))
        options = driver.app.screen.query_one(OptionList)
        assert options.option_count == 2
        await driver.press(*"press")
        await driver.until(lambda: options.option_count == 1)
        await driver.press("enter")
        await driver.until(lambda: answered(driver) and line(driver).value == "boiler pressure")
        await driver.press("ctrl+r")
        await driver.until(lambda: isinstance(driver.app.screen, HistoryScreen))
        await driver.press("ctrl+d")
        await driver.until(lambda: driver.app.screen.query_one(OptionList).option_count == 1)
        await driver.press("escape")

    drive(sample, later)
    assert [asked.question for asked in History().entries()] == [QUESTION]


def test_hostile_history_is_text(drive: Callable[..., None], sample: Path, state: Path) -> None:
    from tests.tui.test_hostile import HOSTILE, assert_harmless

    history = History()
    for number in range(3):
        history.add(Asked(f"{number} lease {HOSTILE}", str(sample), float(number), HOSTILE, 0.5))
    file = state / "history.jsonl"
    file.write_text(file.read_text() + '{"question": 1}\nnot json\n[[[[\n')

    async def steps(driver: Driver) -> None:
        await driver.until(lambda: line(driver).value)
        assert_harmless(driver)
        await driver.press("ctrl+r")
        await driver.until(lambda: isinstance(driver.app.screen, HistoryScreen))
        assert driver.app.screen.query_one(OptionList).option_count == 3
        assert_harmless(driver)
        assert "[@click=app.quit]" in driver.screen()

    drive(sample, steps, size=(150, 40))


def test_a_history_that_cannot_be_written_is_told_once_and_loses_no_answer(
    drive: Callable[..., None], sample: Path, state: Path
) -> None:
    state.write_text("a file where the folder should be")

    async def steps(driver: Driver) -> None:
        await ask_anew(driver, "boiler pressure")
        await driver.until(lambda: any("not remembered" in message for message in told(driver)))
        driver.app.clear_notifications()
        await ask_anew(driver, QUESTION)
        await driver.pilot.pause(0.2)
        assert not told(driver)

    drive(sample, steps)


# --- export


def test_the_session_is_written_as_markdown_once(drive: Callable[..., None], sample: Path, tmp_path: Path) -> None:
    file = tmp_path / "session.md"

    async def steps(driver: Driver) -> None:
        await driver.press("ctrl+s")
        await driver.until(lambda: any("Nothing has been asked" in message for message in told(driver)))
        await driver.ask(QUESTION)
        await driver.until(lambda: answered(driver))
        await driver.press("r")
        await driver.until(lambda: "✓ right" in driver.screen())
        await driver.press("ctrl+s")
        await driver.until(lambda: isinstance(driver.app.screen, SaveScreen))
        name = driver.app.screen.query_one(Input)
        name.value = str(tmp_path / "no" / "folder.md")
        await driver.press("enter")
        assert "cannot be written" in driver.notice
        name.value = str(file)
        await driver.press("enter")
        await driver.until(file.exists)
        await driver.press("ctrl+s")
        await driver.until(lambda: isinstance(driver.app.screen, SaveScreen))
        driver.app.screen.query_one(Input).value = str(file)
        await driver.press("enter")
        assert "is there already" in driver.notice
        await driver.press("escape")

    drive(sample, steps)
    written = file.read_text()
    assert f"## {QUESTION}" in written.replace("\\", "")
    assert "marked right" in written
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_export_that_found_no_room_leaves_nothing_and_its_name_free(
    drive: Callable[..., None], sample: Path, tmp_path: Path
) -> None:
    file = tmp_path / "session.md"

    async def steps(driver: Driver) -> None:
        await driver.ask(QUESTION)
        await driver.until(lambda: answered(driver))
        await driver.press("ctrl+s")
        await driver.until(lambda: isinstance(driver.app.screen, SaveScreen))
        driver.app.screen.query_one(Input).value = str(file)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50, limits[1]))
        try:
            await driver.press("enter")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert "cannot be written (File too large)" in driver.notice
        assert not file.exists()
        await driver.press("enter")
        await driver.until(file.exists)

    drive(sample, steps)
    assert QUESTION in file.read_text().replace("\\", "")


# --- opening and copying


def test_copying_tells_how(
    drive: Callable[..., None], indexed: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library = indexed(a__txt="The lease ends in June.\n")
    tool = tmp_path / "bin" / "xclip"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\ncat > "{tmp_path}/copied"\n')
    tool.chmod(0o755)

    async def steps(driver: Driver) -> None:
        await driver.ask(QUESTION)
        await driver.press("y")
        await driver.until(lambda: any("through the terminal" in message for message in told(driver)))
        monkeypatch.setenv("DISPLAY", ":9")
        monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
        await driver.press("Y")
        await driver.until(lambda: "Citation copied" in told(driver))
        assert (tmp_path / "copied").read_text() == driver.app.clipboard

    drive(library, steps)


def test_the_viewer_opens_at_the_page(
    drive: Callable[..., None], sample: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr("docqa.desktop.subprocess.Popen", lambda command, **_: started.append(command))
    viewer = tmp_path / "bin" / "evince"
    viewer.parent.mkdir()
    viewer.write_text("#!/bin/sh\n")
    viewer.chmod(0o755)

    async def steps(driver: Driver) -> None:
        await driver.ask("boiler installer type:pdf in:*boiler*")
        await driver.press("o")
        assert any("No viewer" in message for message in told(driver))
        monkeypatch.setenv("PATH", str(viewer.parent))
        monkeypatch.setenv("DISPLAY", ":9")
        source = driver.ask_screen.source
        assert source is not None
        await driver.press("o")
        assert started == [[str(viewer), f"--page-index={source.page}", source.path]]

    drive(sample, steps)


def test_a_file_that_changed_while_it_was_shown_is_told_when_opened(
    drive: Callable[..., None], indexed: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library = indexed(a__txt="The lease ends in June.\n")
    monkeypatch.setattr("docqa.desktop.subprocess.Popen", lambda *_, **__: None)
    viewer = tmp_path / "bin" / "xdg-open"
    viewer.parent.mkdir()
    viewer.write_text("#!/bin/sh\n")
    viewer.chmod(0o755)
    monkeypatch.setenv("PATH", str(viewer.parent))
    monkeypatch.setenv("DISPLAY", ":9")

    async def steps(driver: Driver) -> None:
        await driver.ask(QUESTION)
        await driver.until(lambda: driver.view.document)
        await driver.press("o")
        (tmp_path / "documents" / "a.txt").write_text("The lease ends in July.\n")
        await driver.press("o")
        note = "; note: file changed since it was indexed"
        assert [f"Opened in xdg-open{end}" in told(driver) for end in ("", note)] == [True, True]

    drive(library, steps)


def test_an_editor_that_fails_is_told(
    drive: Callable[..., None], indexed: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", 'vim "unclosed')
    library = indexed(a__txt="The lease ends in June.\n")

    async def steps(driver: Driver) -> None:
        await driver.ask(QUESTION)
        await driver.press("e")
        assert any("look at EDITOR" in message for message in told(driver))

    drive(library, steps)


# --- faults


def test_a_library_deleted_while_open_is_told_and_the_question_stays(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.ask(QUESTION)
        await driver.until(lambda: answered(driver))
        for file in sample.parent.glob(f"{sample.name}*"):
            file.unlink()
        await driver.press("escape", "end", "space", *"boiler", "enter")
        await driver.until(lambda: "no library at" in driver.notice)
        assert line(driver).value == f"{QUESTION} boiler"

    drive(sample, steps)


def test_reading_of_an_earlier_question_stops_between_its_rounds(
    drive: Callable[..., None], sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.tui.test_ask import SlowReading

    slow = SlowReading(monkeypatch, "boiler pressure house")

    async def steps(driver: Driver) -> None:
        await driver.type("boiler pressure house")
        await driver.press("enter")
        await driver.until(slow.reading.is_set)
        await driver.press("ctrl+u")
        await driver.type("clutch cost")
        await driver.press("enter")
        slow.go_on.set()
        await driver.until(lambda: answered(driver) and line(driver).value == "clutch cost")
        # Ten passages are read in three rounds; the first was under way when the next question came.
        assert slow.read.count("boiler pressure house") == 1

    drive(sample, steps)


def test_a_terminal_of_ascii_gets_ascii(
    drive: Callable[..., None], sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("docqa.tui.app.speaks_unicode", lambda: False)

    async def steps(driver: Driver) -> None:
        await driver.ask(QUESTION)
        await driver.until(lambda: answered(driver))
        assert driver.screen().isascii()
        assert any("ASCII only" in message for message in told(driver))

    drive(sample, steps)


def test_the_encoding_tells_what_a_terminal_speaks(python: str) -> None:
    code = "from docqa.tui.ascii import speaks_unicode; print(speaks_unicode())"
    for encoding, speaks in (("utf-8", "True"), ("ascii", "False"), ("iso-8859-1", "False")):
        environment: dict[str, Any] = {**os.environ, "PYTHONIOENCODING": encoding}
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, env=environment)
        assert done.stdout.strip() == speaks, done.stderr
