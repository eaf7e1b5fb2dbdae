"""`docqa gold` and `docqa calibrate`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from docqa.cli import render

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("", "--none"), "it is empty"),
        (("?!", "--none"), "no words"),
        (("When?", "--answer", " "), "it is empty"),
        (("caf\udce9?", "--none"), "is not UTF-8"),
        (("When?", "--wrong", "caf\udce9"), "is not UTF-8"),
        (("When?", "--none", "--file", "lease.md"), "--file says where right answers stand"),
        (("When?", "--answer", "May", "--none"), "either"),
        (("When?",), "either"),
    ],
)
def test_what_can_be_no_entry_of_a_gold_set_is_refused(filled: Cli, arguments: tuple[str, ...], problem: str) -> None:
    done = filled("gold", "add", *arguments)
    assert (done.code, done.out) == (2, "")
    assert problem in done.err
    assert filled("gold", "ls", "--json").json["verdicts"] == []


def test_an_answer_is_placed_in_its_document(filled: Cli, folder: Path) -> None:
    add = ("gold", "add", "When does it end?", "--file", folder / "lease.md", "--answer")
    assert filled(*add, "in May").code == 0
    [stored] = filled("gold", "ls", "--json").json["verdicts"]
    assert stored["path"] == str(folder / "lease.md")
    assert stored["context"][stored["start"] :].startswith("in May")
    assert "quote it as it stands there" in filled(*add, "in June").err


def test_a_calibration_can_be_forgotten_after_its_gold_set(filled: Cli, tiny_reader: Path) -> None:
    reset = ("calibrate", "--reset", "--reader", tiny_reader)
    done = filled(*reset)
    assert (done.code, done.out) == (0, "")
    assert "calibration is forgotten" in done.err
    assert filled(*reset, "--json").json == {"before": None, "after": None}
    assert filled("calibrate", "--reader", tiny_reader).code == 2


def test_a_question_that_cannot_be_asked_is_named_with_what_removes_it(
    filled: Cli, tmp_path: Path, tiny_reader: Path
) -> None:
    def entry(question: str, *answers: str) -> dict[str, object]:
        given = [{"text": answer, "answer_start": 0} for answer in answers]
        return {"id": question, "question": question, "answers": given, "is_impossible": not answers}

    questions = [entry("When does the lease end?", "May"), entry("?!", "this", "that")]
    file = tmp_path / "imported.json"
    file.write_text(json.dumps({"data": [{"title": "t", "paragraphs": [{"context": "", "qas": questions}]}]}))
    assert filled("gold", "import", file).code == 0
    numbers = [each["id"] for each in filled("gold", "ls", "--json").json["verdicts"] if each["question"] == "?!"]
    for command in (("eval", "gold"), ("calibrate",)):
        done = filled(*command, "--reader", tiny_reader)
        assert (done.code, done.out) == (2, "")
        assert "'?!' in the gold set cannot be asked (the question has no words" in done.err
        assert f"remove it: docqa gold rm {numbers[0]}; docqa gold rm {numbers[1]}" in done.err
    for number in numbers:
        assert filled("gold", "rm", number).code == 0
    assert filled("eval", "gold", "--reader", tiny_reader, "--json").json["questions"] == 1


def test_calibrating_shows_how_far_it_is(filled: Cli, tiny_reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = filled("ask", "--reader", tiny_reader, "--json", "When does the lease end?").json["answers"]
    filled("gold", "add", "When does the lease end?", "--answer", answers[0]["text"])
    filled("gold", "add", "Where is the boiler?", "--answer", "nowhere that is told")
    filled("gold", "add", "Who feeds the zebra?", "--none")
    seen: list[tuple[str, int, int]] = []

    @contextmanager
    def counting(label: str) -> Iterator[Callable[[int, int], None]]:
        yield lambda done, total: seen.append((label, done, total))

    monkeypatch.setattr(render, "counting", counting)
    done = filled("calibrate", "--reader", tiny_reader)
    assert done.code == 0, done.err
    assert [seen.count((label, 3, 3)) for label in ("asking", "learning", "asking again")] == [1, 1, 1]
    assert seen[:2] == [("asking", 1, 3), ("asking", 2, 3)]


def test_a_shell_can_complete_an_entry_that_is_begun(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_DOCQA_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "docqa gold add --")
    monkeypatch.setenv("COMP_CWORD", "3")
    assert "plain,--none" in cli().out.splitlines()
