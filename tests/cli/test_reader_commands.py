"""`docqa reader`, and which reader `docqa ask` then takes and names."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tables

from docqa.reader import catalogue

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

QUESTION = "When does the lease end?"

SHIPPED = json.loads((catalogue.shipped_folder() / "config.json").read_text())["name"]


@pytest.fixture(autouse=True)
def _own_readers(readers: Path) -> None:
    """None of these tests touches anyone's readers."""


def answering(cli: Cli, *options: object) -> str:
    """The reader that `docqa ask` says has answered."""
    name: str = cli("ask", "--json", *options, QUESTION).json["reader"]["name"]
    return name


# --- add, ls, show, use, rm ---------------------------------------------------------------------------------


def test_a_reader_is_added_used_and_removed(filled: Cli, foreign: Path) -> None:
    assert answering(filled) == SHIPPED
    added = filled("reader", "add", foreign)
    assert added.code == 0
    assert added.out.startswith("foreign added: 2 layers, width 32")
    assert "docqa reader use foreign" in added.out
    assert answering(filled) == SHIPPED
    assert answering(filled, "--reader", "foreign") == "foreign"

    assert filled("reader", "use", "foreign") == (0, "", "foreign answers from now on\n")
    assert answering(filled) == "foreign"
    assert answering(filled, "--reader", "shipped") == SHIPPED

    assert filled("reader", "rm", "foreign") == (0, "", "foreign is gone; shipped answers\n")
    assert answering(filled) == SHIPPED


def test_dynamic_tinybert_answers_as_soon_as_it_is_there(filled: Cli, foreign: Path) -> None:
    added = filled("reader", "add", foreign, "--name", "Intel/dynamic_tinybert")
    assert "it answers from now on" in added.out
    assert answering(filled) == "Intel/dynamic_tinybert"
    assert filled("reader", "use", "shipped").code == 0
    assert answering(filled) == SHIPPED


def test_ls_lists_the_readers_and_marks_the_one_in_use(cli: Cli, foreign: Path) -> None:
    cli("reader", "add", foreign)
    shipped, added = cli("reader", "ls").out.splitlines()
    mark, name, megabytes, *rest = shipped.split()
    assert (mark, name, megabytes.isdecimal()) == ("*", "shipped", True)
    assert rest == ["MB", "6", "layers,", "width", "384", f"{SHIPPED},", "ships", "with", "docqa"]
    assert added.startswith("  foreign")
    assert added.endswith(str(foreign))
    listed = cli("reader", "ls", "--json").json["readers"]
    assert [(each["name"], each["in_use"]) for each in listed] == [("shipped", True), ("foreign", False)]
    assert list(listed[1]) == [
        *("name", "title", "in_use", "folder", "bytes", "layers", "width", "digest", "source", "problem")
    ]
    assert list(listed[1]["source"]) == ["origin", "revision", "commit", "converted", "docqa"]


def test_show_tells_what_is_known(cli: Cli, foreign: Path) -> None:
    folder = Path(cli("reader", "add", foreign, "--json").json["folder"])
    shown = cli("reader", "show", "foreign").out
    for known in ("2 layers, width 32", str(foreign), "by docqa 0.", "none fitted", "none measured"):
        assert known in shown
    (folder / catalogue.RANKING).write_text(json.dumps({"least_confidence": 0.31, "precisions": []}))
    tables.write(folder)
    shown = cli("reader", "show", "foreign").out
    assert "a confidence of 31% on" in shown
    assert "measured on a test, 100 questions; F1 80.0 in full" in shown
    assert "fast 0.45 of the time, F1 77.5; balanced 0.70 of the time, F1 79.5" in shown
    as_json = cli("reader", "show", "foreign", "--json").json
    assert as_json["ranking"]["least_confidence"] == 0.31
    assert as_json["lengths"] == json.loads(tables.TABLE.to_json())
    assert as_json["digest"] in (folder / catalogue.MANIFEST).read_text()


@pytest.mark.parametrize("command", ["use", "show", "rm"])
@pytest.mark.parametrize("name", ["../x", "nobody/nothing"])
def test_a_name_that_is_no_readers_is_a_usage_error(cli: Cli, command: str, name: str) -> None:
    done = cli("reader", command, name)
    assert (done.code, done.out) == (2, "")
    assert name in done.err


def test_what_cannot_be_added_is_said(cli: Cli, foreign: Path, tmp_path: Path) -> None:
    assert cli("reader", "add", tmp_path / "nowhere").code == 3
    assert cli("reader", "add", foreign, "--name", "../x").code == 2
    (foreign / "config.json").write_text('{"model_type": "distilbert"}')
    done = cli("reader", "add", foreign)
    assert (done.code, done.out) == (3, "")
    assert "model_type 'distilbert'" in done.err


def test_a_hostile_source_does_not_reach_the_terminal(cli: Cli, foreign: Path) -> None:
    folder = Path(cli("reader", "add", foreign, "--json").json["folder"])
    source = json.loads((folder / catalogue.SOURCE).read_text())
    (folder / catalogue.SOURCE).write_text(json.dumps({**source, "origin": "\x1b]0;title\x07"}))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "name": "\x1b[2J"}))
    for command in (("ls",), ("show", "foreign")):
        assert "\x1b" not in cli("reader", *command).out


# --- what ask says ------------------------------------------------------------------------------------------


def said_on_a_terminal(program: list[str], environment: dict[str, str], *arguments: str) -> str:
    """What a command says beside its data when standard error is a terminal."""
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [*program, *arguments],
            env={**environment, "TERM": "xterm"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            timeout=120,
        )
        assert done.returncode == 0
        os.write(theirs, b"\x04")  # so that reading ends where nothing was said
        return os.read(ours, 10_000).decode().replace("\x04", "")
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.slow
def test_a_terminal_hears_once_of_the_other_reader_and_then_which_one_has_answered(
    program: list[str], guarded_environment: dict[str, str], sample: Path, readers: Path, foreign: Path
) -> None:
    environment = {**guarded_environment, "DOCQA_LIBRARY": str(sample), "DOCQA_READERS": str(readers)}
    ask = ("ask", "Where is the garden?", "--min-confidence", "0")
    assert said_on_a_terminal(program, environment, *ask, "--json") == ""
    assert said_on_a_terminal(program, environment, *ask, "--reader", "shipped") == ""
    assert "docqa reader add Intel/dynamic_tinybert" in said_on_a_terminal(program, environment, *ask)
    assert said_on_a_terminal(program, environment, *ask) == ""
    said_on_a_terminal(program, environment, "reader", "add", str(foreign))
    said = said_on_a_terminal(program, environment, *ask, "--reader", "foreign")
    assert "read by foreign" in said
    assert len(said.splitlines()) == 1


def test_nothing_is_said_where_nobody_looks(filled: Cli, tiny_reader: Path) -> None:
    assert filled("ask", "--reader", tiny_reader, QUESTION).err == ""


def test_explanations_stand_below_their_answers(filled: Cli, tiny_reader: Path) -> None:
    ask = ("ask", "--explain", "--reader", tiny_reader, "--top", 2, QUESTION)
    lines = [line.split() for line in filled(*ask).out.splitlines()]
    for word in ("terms", "logits", "score", "tokens"):
        assert [line[:1] for line in lines].count([word]) == 2
    assert ["terms", "leas,", "end"] in lines
    assert any(line[:1] == ["tokens"] and line[2:] == ["all", "kept", "by", "the", "2", "layers"] for line in lines)
    explanation = filled(*ask, "--json").json["answers"][0]["explanation"]
    shape = ["terms", "start_logit", "end_logit", "null_logit", "score", "evidence", "tokens", "kept"]
    assert list(explanation) == shape
    assert list(explanation["evidence"][0]) == ["feature", "value", "weight", "contribution"]
    assert explanation["kept"] == [explanation["tokens"]] * 2


def test_tune_measures_and_keeps_a_table(cli: Cli, foreign: Path, tmp_path: Path) -> None:
    folder = Path(cli("reader", "add", foreign, "--json").json["folder"])
    paragraph = {
        "context": "The lease ends in May.",
        "qas": [{"id": "1", "question": "When does the lease end?", "answers": [{"text": "May", "answer_start": 18}]}],
    }
    (tmp_path / "own.json").write_text(json.dumps({"data": [{"title": "t", "paragraphs": [paragraph]}]}))
    done = cli("reader", "tune", "foreign", "--questions", tmp_path / "own.json")
    assert (done.code, done.err) == (0, "")
    assert "F1     EM   time   cost" in done.out
    assert "1 question; kept in" in done.out
    assert "thorough" in done.out
    assert "measured on own.json, 1 questions" in cli("reader", "show", "foreign").out
    measured = cli("reader", "tune", "foreign", "--questions", tmp_path / "own.json", "--json").json
    assert measured["file"] == str(folder / catalogue.LENGTHS)
    assert measured["rows"][0]["shares"] == [1.0, 1.0]
    assert cli("ask", "--reader", "foreign", "lease?").code == 3  # there is no library yet, but the reader loads


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (("--questions", "x.json", "--library", "y"), 2, "either --questions or --library"),
        (("--questions", "nowhere.json"), 2, "nowhere.json cannot be read"),
        (("--library", "nowhere.docqa"), 3, "nowhere.docqa"),
        (("nobody/nothing", "--sample", "1"), 3, "nobody/nothing"),
    ],
)
def test_tune_says_what_it_cannot_use(cli: Cli, arguments: tuple[str, ...], code: int, complaint: str) -> None:
    done = cli("reader", "tune", *arguments)
    assert (done.code, done.out) == (code, "")
    assert complaint in done.err
