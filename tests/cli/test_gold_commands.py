"""`docqa gold` and `docqa calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

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


def test_a_shell_can_complete_an_entry_that_is_begun(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_DOCQA_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "docqa gold add --")
    monkeypatch.setenv("COMP_CWORD", "3")
    assert "plain,--none" in cli().out.splitlines()
