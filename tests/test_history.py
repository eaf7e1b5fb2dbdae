from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from docqa import history
from docqa.errors import Unavailable
from docqa.history import Asked, History, matching, state_folder


@pytest.fixture
def kept(tmp_path: Path) -> History:
    return History(tmp_path / "state" / "history.jsonl")


def asked(question: str, time: float = 0.0, library: str = "/a.docqa", answer: str | None = None) -> Asked:
    return Asked(question, library, time, answer, None if answer is None else 0.5)


def test_the_latest_comes_first_and_each_question_once(kept: History) -> None:
    for number, question in enumerate(("one", "two", "one")):
        kept.add(asked(question, number))
    kept.add(asked("one", 9, library="/b.docqa"))
    assert [(each.question, each.library, each.time) for each in kept.entries()] == [
        ("one", "/b.docqa", 9),
        ("one", "/a.docqa", 2),
        ("two", "/a.docqa", 1),
    ]
    last = kept.last("/a.docqa")
    assert last is not None
    assert last.time == 2
    assert kept.last("/c.docqa") is None


def test_another_session_reads_what_this_one_wrote(kept: History) -> None:
    kept.add(asked("Wann endet der Mietvertrag? 漢字 \x1b[2J \udcff", answer="June"))
    (entry,) = History(kept.file).entries()
    assert entry.question == "Wann endet der Mietvertrag? 漢字 \x1b[2J \udcff"
    assert (entry.answer, entry.confidence) == ("June", 0.5)


def test_only_the_owner_can_read_it(kept: History) -> None:
    kept.add(asked("one"))
    assert stat.S_IMODE(kept.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.file.parent.stat().st_mode) == 0o700
    assert not list(kept.file.parent.glob("*.tmp"))


def test_it_stays_small(kept: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "ENTRIES", 5)
    for number in range(9):
        kept.add(asked(f"{number} " + "x" * 10_000, number, answer="y" * 10_000))
    assert [each.question[0] for each in kept.entries()] == ["8", "7", "6", "5", "4"]
    assert kept.file.stat().st_size < 5 * (history.QUESTION_CHARACTERS + history.ANSWER_CHARACTERS + 200)


def test_what_takes_many_bytes_to_write_is_read_again(kept: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_BYTES", 10_000)
    for number in range(5):
        kept.add(asked(f"{number} " + "漢" * 500, number))
    assert [each.question[0] for each in kept.entries()] == ["4", "3", "2"]


def test_questions_are_forgotten(kept: History) -> None:
    for question in ("one", "two"):
        kept.add(asked(question))
    kept.remove(asked("one"))
    assert [each.question for each in kept.entries()] == ["two"]
    kept.clear()
    assert kept.entries() == []


@pytest.mark.parametrize(
    "content",
    ["", "not json\n", "{}\n", "[1]\n", '{"question": 1, "library": "", "time": 0}\n', "\x00\xff" * 50, "[" * 100_000],
)
def test_lines_that_are_no_entries_are_passed_over(kept: History, content: str) -> None:
    kept.add(asked("one"))
    kept.file.write_text(content + kept.file.read_text())
    assert len(kept.entries()) <= 1
    kept.add(asked("two"))
    assert kept.entries()[0].question == "two"


def test_a_file_too_large_to_be_ours_is_not_read(kept: History, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.add(asked("one"))
    monkeypatch.setattr(history, "MAX_BYTES", 10)
    assert kept.entries() == []


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="DOCQA_STATE"):
        History(tmp_path / "file" / "history.jsonl").add(asked("one"))


def test_searching() -> None:
    entries = [asked("When does the LEASE end?", answer="31 March"), asked("Who fixed the boiler?")]
    assert matching(entries, "lease march") == entries[:1]
    assert matching(entries, "") == entries
    assert matching(entries, "zeppelin") == []


def test_the_folder_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCQA_STATE", str(tmp_path))
    assert state_folder() == tmp_path
    assert History().file == tmp_path / "history.jsonl"
    monkeypatch.delenv("DOCQA_STATE")
    assert os.fspath(state_folder()).endswith("docqa")
