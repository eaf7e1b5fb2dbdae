from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from textual import events
from textual.widgets import Static

from docqa import DocQA
from docqa.reader import reader as reading_module
from docqa.reader.reader import Reader
from docqa.records import Answer, Match
from docqa.tui.widgets.question import QuestionInput
from docqa.tui.widgets.source_pane import SourcePane

if TYPE_CHECKING:
    from tests.tui.conftest import Driver


def test_passages_appear_while_typing(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.press(*"boiler")
        await driver.until(lambda: driver.results.option_count)
        assert driver.title == "Passages"
        assert isinstance(driver.results.chosen, Match)
        await driver.until(lambda: driver.view.document)
        assert "boiler" in driver.screen().lower()
        assert driver.app.focused is driver.app.screen.query_one(QuestionInput)

    drive(sample, steps)


def test_what_a_key_does_not_change_is_not_drawn_again(
    drive: Callable[..., None], sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def steps(driver: Driver) -> None:
        await driver.type("boiler pressure")
        await driver.until(lambda: driver.results.items and driver.view.document)
        made: list[object] = []
        set_options = driver.results.set_options
        monkeypatch.setattr(driver.results, "set_options", lambda rows: made.append(set_options(rows)))
        shown, text = driver.results.items, driver.view.document
        await driver.type(" of the")
        await driver.until(lambda: driver.results.items is not shown)
        assert driver.results.items == shown
        assert driver.view.document is text
        assert not made
        await driver.type(" garden")
        await driver.until(lambda: made)
        assert driver.results.items != shown

    drive(sample, steps)


def test_what_is_shown_belongs_to_the_last_key(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.press(*"boiler")
        await driver.press("ctrl+u", *"clutch")
        await driver.until(lambda: driver.results.option_count)
        await driver.pilot.pause(0.3)
        assert isinstance(driver.results.chosen, Match)
        assert "clutch" in driver.results.chosen.source.context.lower()
        await driver.press("ctrl+u")
        await driver.until(lambda: not driver.results.option_count)

    drive(sample, steps)


def test_the_cursor_leaves_the_line_only_for_something(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        line = driver.ask_screen.query_one(QuestionInput)
        await driver.press("down", *"since:2001-01-01 ")
        await driver.until(lambda: driver.app.screen.query("Chip"))
        await driver.press("down", *"lease")
        assert line.value == "since:2001-01-01 lease"
        await driver.until(lambda: driver.results.option_count)
        await driver.press("down")
        assert driver.app.focused is driver.results

    drive(sample, steps)


def test_enter_brings_answers_with_their_sources(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.ask("When does the lease end?")
        assert driver.title == "Answers"
        first = driver.results.chosen
        assert isinstance(first, Answer)
        await driver.until(lambda: driver.view.document and driver.view._quote)
        assert driver.shown_quote() == first.text
        assert driver.app.focused is driver.results
        status = str(driver.ask_screen.query_one("#status", Static).content)
        assert "ms" in status
        assert "tiny" in status

        await driver.press("j")
        second = driver.results.chosen
        assert second is not first
        await driver.until(lambda: isinstance(second, Answer) and driver.shown_quote() == second.text)
        await driver.press("k", "k")
        assert driver.app.focused is driver.app.screen.query_one(QuestionInput)

    drive(sample, steps)


def test_an_answer_with_several_sources_shows_one_after_the_other(
    drive: Callable[..., None], indexed: Callable[..., Path]
) -> None:
    library = indexed(a__txt="The lease ends in June.\n", b__txt="The lease ends in June.\n")

    async def steps(driver: Driver) -> None:
        await driver.ask("When does the lease end?")
        await driver.until(lambda: len(driver.ask_screen.sources) == 2)
        await driver.until(lambda: driver.view.document)
        paths = [driver.ask_screen.source.path]  # type: ignore[union-attr]
        for key in ("n", "p", "p"):
            await driver.press(key)
            await driver.until(lambda: driver.view.document.document.path != paths[-1])  # type: ignore[union-attr]
            paths.append(driver.ask_screen.source.path)  # type: ignore[union-attr]
        assert [Path(path).name for path in paths] == ["a.txt", "b.txt", "a.txt", "b.txt"]
        assert "source 2 of 2" in str(driver.ask_screen.query_one(SourcePane).border_subtitle)

    drive(library, steps)


def test_not_in_your_documents_is_said_with_passages_to_read(
    drive: Callable[..., None], sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("docqa.asking.rank", lambda *_: ())

    async def steps(driver: Driver) -> None:
        await driver.ask("When does the lease end?")
        await driver.until(lambda: driver.title == "Closest passages")
        assert driver.notice.startswith("Not in your documents")
        assert isinstance(driver.results.chosen, Match)
        await driver.press("w")
        await driver.until(lambda: "The reader saw no answer in it" in driver.screen())

    drive(sample, steps)


def test_files_of_one_name_are_told_apart_by_their_folders(drive: Callable[..., None], tmp_path: Path) -> None:
    for name in ("north", "south"):
        (tmp_path / "roofs" / name).mkdir(parents=True)
        (tmp_path / "roofs" / name / "notes.txt").write_text(f"The roof in the {name} leaks.\n")
    (tmp_path / "roofs" / "other.txt").write_text("No roof here.\n")
    with DocQA(tmp_path / "roofs.docqa") as library:
        library.index([tmp_path / "roofs"])

    async def steps(driver: Driver) -> None:
        await driver.type("roof")
        await driver.until(lambda: driver.results.option_count == 3)
        for told in ("notes.txt  in north", "notes.txt  in south", "other.txt"):
            assert told in driver.screen()
        assert "in roofs" not in driver.screen()

    drive(tmp_path / "roofs.docqa", steps)


def test_no_word_in_common_is_no_answer_either(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.ask("xylophone zeppelin")
        assert driver.notice == "Not in your documents. No passage matches the question."
        assert driver.results.option_count == 0

    drive(sample, steps)


class SlowReading:
    """Reading that waits, question by question, until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, slow: str) -> None:
        self.reading, self.go_on = threading.Event(), threading.Event()
        self.read: list[str] = []
        plain = Reader.read

        def read(reader: Reader, question: str, *args: Any, **options: Any) -> Any:
            self.read.append(question)
            if question == slow:
                self.reading.set()
                self.go_on.wait(20)
            return plain(reader, question, *args, **options)

        monkeypatch.setattr(Reader, "read", read)


def test_a_new_question_wins_over_the_one_being_read(
    drive: Callable[..., None], sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SlowReading(monkeypatch, "boiler pressure")

    async def steps(driver: Driver) -> None:
        await driver.type("boiler pressure")
        await driver.press("enter")
        await driver.until(slow.reading.is_set)
        assert driver.title == "Passages"
        assert driver.results.option_count > 0
        await driver.press("ctrl+u")
        await driver.type("clutch cost")
        await driver.press("enter")
        slow.go_on.set()
        await driver.until(lambda: driver.title == "Answers")
        assert list(dict.fromkeys(slow.read)) == ["boiler pressure", "clutch cost"]
        assert driver.ask_screen._terms == {"clutch", "cost"}
        await driver.pilot.pause(0.3)
        assert driver.title == "Answers"

    drive(sample, steps)


def test_what_nobody_waits_for_is_read_no_further_than_the_batch_in_hand(
    drive: Callable[..., None], indexed: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first two rounds hold three notes each, and each note makes a batch of its own.
    monkeypatch.setitem(reading_module.BATCH_WINDOWS, "cpu", 1)
    library = indexed(**{f"{number}__txt": f"boiler {'water ' * 40 * number}\n" for number in range(1, 7)})
    reading, go_on, batches, ended = threading.Event(), threading.Event(), [], threading.Event()
    compute = reading_module.logits_of

    def slow(*batch: Any) -> Any:
        batches.append(batch)
        reading.set()
        go_on.wait(20)
        return compute(*batch)

    async def steps(driver: Driver) -> None:
        await driver.until(lambda: driver.app.reader_ready)
        monkeypatch.setattr(reading_module, "logits_of", slow)
        await driver.type("boiler")
        await driver.press("enter")
        await driver.until(reading.is_set)
        await driver.press("s")
        await driver.until(lambda: not driver.ask_screen._asking)
        go_on.set()
        await driver.app.asker.call(lambda _: ended.set())
        assert ended.is_set()
        assert len(batches) == 1

    drive(library, steps)


def test_typing_on_drops_what_is_being_read(
    drive: Callable[..., None], sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SlowReading(monkeypatch, "boiler")

    async def steps(driver: Driver) -> None:
        await driver.type("boiler")
        await driver.press("enter")
        await driver.until(slow.reading.is_set)
        await driver.press("s")
        slow.go_on.set()
        await driver.pilot.pause(0.5)
        assert driver.title == "Passages"
        assert driver.results.option_count > 0
        assert driver.app.focused is driver.app.screen.query_one(QuestionInput)

    drive(sample, steps)


def test_keys_that_come_at_once_go_where_the_first_of_them_leads(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.ask("When does the lease end?")
        await driver.until(lambda: driver.app.focused is driver.results)
        for key, character in (("slash", "/"), *((letter, letter) for letter in "rexo")):
            driver.app.post_message(events.Key(key, character))
        line = driver.ask_screen.query_one(QuestionInput)
        await driver.until(lambda: line.value == "rexo" and driver.app.focused is line)
        assert not driver.app.judgement

    drive(sample, steps)


def test_the_cursor_stays_on_the_answer_that_one_has_gone_to(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.ask("When does the lease end?")
        await driver.until(lambda: driver.app.focused is driver.results)
        best, *others = driver.results.items
        await driver.press("down")
        assert driver.results.chosen == others[0]
        driver.ask_screen._show((*others[1:], others[0], best), "Answers", "")
        assert driver.results.chosen == others[0]
        driver.ask_screen._show((best,), "Answers", "")
        assert driver.results.chosen == best

    drive(sample, steps)


def test_earlier_questions_come_back(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        line = driver.app.screen.query_one(QuestionInput)
        for question in ("boiler", "clutch"):
            line.value = ""
            line.focus()
            await driver.until(lambda: driver.app.focused is line)
            await driver.ask(question)
        line.value = ""
        line.focus()
        await driver.until(lambda: driver.app.focused is line)
        await driver.press("up")
        assert line.value == "clutch"
        await driver.press("up")
        assert line.value == "boiler"
        await driver.press("escape")
        assert line.value == ""

    drive(sample, steps)


def test_copying_a_quote_and_its_citation(drive: Callable[..., None], indexed: Callable[..., Path]) -> None:
    library = indexed(a__txt="The lease ends in June.\n")

    async def steps(driver: Driver) -> None:
        await driver.ask("When does the lease end?")
        answer = driver.results.chosen
        assert isinstance(answer, Answer)
        await driver.press("y")
        assert driver.app.clipboard == answer.text
        await driver.press("Y")
        assert driver.app.clipboard.startswith("“")
        assert driver.app.clipboard.endswith("documents/a.txt, line 1)")

    drive(library, steps)


def test_a_missing_reader_is_told_and_the_question_stays(
    drive: Callable[..., None], sample: Path, tmp_path: Path
) -> None:
    missing = tmp_path / "no reader"
    missing.write_text("not a folder")

    async def steps(driver: Driver) -> None:
        await driver.until(lambda: driver.app.reader_status.startswith("No reader"))
        await driver.type("When does the lease end?")
        await driver.press("enter")
        await driver.until(lambda: driver.notice)
        assert "is a file" in driver.notice
        assert driver.app.screen.query_one(QuestionInput).value == "When does the lease end?"
        assert driver.results.option_count > 0

    drive(sample, steps, reader=missing)


def test_a_foreign_file_is_no_library(drive: Callable[..., None], tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.docqa"
    foreign.write_text("this is no database, whatever its name says\n" * 100)

    async def steps(driver: Driver) -> None:
        await driver.until(lambda: driver.notice)
        assert "foreign.docqa" in driver.notice
        await driver.press(*"boiler")
        await driver.pilot.pause(0.3)
        assert "foreign.docqa" in driver.notice

    drive(foreign, steps)


def test_a_filter_without_sense_is_told_on_enter(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.type("rent since:whenever")
        await driver.press("enter")
        await driver.until(lambda: "whenever" in driver.notice)

    drive(sample, steps)


def test_a_file_that_changed_or_went_is_said_beside_the_quote(
    drive: Callable[..., None], indexed: Callable[..., Path], tmp_path: Path
) -> None:
    library = indexed(a__txt="The lease ends in June.\n", b__txt="The boiler is in the cellar.\n")
    (tmp_path / "documents" / "a.txt").unlink()
    (tmp_path / "documents" / "b.txt").write_text("The boiler is gone.\n")

    async def steps(driver: Driver) -> None:
        await driver.press(*"lease")
        await driver.until(lambda: "file gone" in driver.screen())
        await driver.press("ctrl+u", *"boiler")
        await driver.until(lambda: "file changed" in driver.screen())

    drive(library, steps)


def test_a_reader_that_fails_is_told_and_can_be_asked_again(
    drive: Callable[..., None], sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of [/memory]")

    async def steps(driver: Driver) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Reader, "read", fail)
            await driver.type("When does the lease end?")
            await driver.press("enter")
            await driver.until(lambda: "out of [/memory]" in driver.notice)
        assert driver.app.screen.query_one(QuestionInput).value == "When does the lease end?"
        await driver.press("enter")
        await driver.until(lambda: driver.title == "Answers")
        assert not driver.notice

    drive(sample, steps)


def test_answers_stay_when_the_library_changes(drive: Callable[..., None], sample: Path) -> None:
    async def steps(driver: Driver) -> None:
        await driver.ask("When does the lease end?")
        driver.app.library_changed()
        await driver.pilot.pause(0.3)
        assert driver.title == "Answers"

    drive(sample, steps)
