"""Every command in this process: what it prints where, its JSON, and its exit code."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from docqa.cli import render
from docqa.cli.commands import docqa
from docqa.errors import Unavailable
from docqa.records import Answer, ReaderInfo, Result, Source, Timing

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def commands(command: click.Command = docqa, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(path), command
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from commands(child, (*path, name))


# --- help ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_every_command_and_option_says_what_it_is_for(name: str, command: click.Command) -> None:
    assert command.help
    assert command.get_short_help_str()
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            assert parameter.help.endswith(".") or parameter.name in ("version", "help")


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_help_is_shown_and_fits_a_terminal(cli: Cli, name: str) -> None:
    shown = cli(*name.split(), "--help")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith("Usage: docqa")
    assert max(map(len, shown.out.splitlines())) <= 100


def test_no_command_shows_the_help(cli: Cli) -> None:
    assert cli().out == cli("--help").out


def test_the_version_is_shown(cli: Cli) -> None:
    from importlib.metadata import version

    assert version("docqa") in cli("--version").out


# --- index --------------------------------------------------------------------------------------------------


def test_index_prints_its_outcome_and_narrates_beside_it(cli: Cli, folder: Path, library: Path) -> None:
    done = cli("index", folder)
    assert done.code == 0
    assert done.out.startswith("2 indexed, 0 unchanged, 0 removed, 1 skipped")
    assert "library.docqa holds 2 documents in 2 passages" in done.out
    assert done.err.splitlines()[0] == "3 files found"
    assert any("empty.txt: no text in it" in line for line in done.err.splitlines())
    assert library.exists()


def test_index_in_json_has_this_shape(cli: Cli, folder: Path, library: Path) -> None:
    report = cli("index", folder, "--json").json
    seconds = report.pop("seconds")
    assert seconds > 0
    assert report == {
        "library": str(library),
        "indexed": 2,
        "unchanged": 0,
        "removed": 0,
        "skipped": [[str(folder / "empty.txt"), "no text in it"]],
        "bytes": (folder / "lease.md").stat().st_size + (folder / "boiler.txt").stat().st_size,
        "documents": 2,
        "passages": 2,
        "moved": 0,
        "roots_gone": [],
    }


def test_indexing_what_is_not_there_is_a_usage_error(cli: Cli, tmp_path: Path) -> None:
    done = cli("index", tmp_path / "nowhere")
    assert (done.code, done.out) == (2, "")
    assert "does not exist" in done.err


# --- ask ----------------------------------------------------------------------------------------------------


def test_an_answer_in_json_has_exactly_this_shape(filled: Cli, library: Path, folder: Path, tiny_reader: Path) -> None:
    done = filled("ask", "--json", "--reader", tiny_reader, "When does the lease end?")
    assert (done.code, done.err) == (0, "")
    result = done.json
    shape = ["question", "answers", "passages", "library", "reader", "timing_ms", "notices", "effort", "complete"]
    assert list(result) == shape
    assert list(result["reader"]) == ["name", "precision", "lengths", "passages", "sieve"]
    assert (result["effort"], result["complete"], result["reader"]["passages"]) == ("balanced", True, 1)
    assert list(result["timing_ms"]) == ["retrieve", "read", "total"]
    assert (result["question"], result["library"]) == ("When does the lease end?", str(library))
    assert (result["passages"], result["notices"], result["reader"]["lengths"]) == ([], [], None)
    assert result["answers"]
    for answer in result["answers"]:
        assert list(answer) == ["text", "confidence", "sources", "retriever_score", "reader_score", "explanation"]
        assert answer["explanation"] is None
        assert 0 <= answer["confidence"] <= 1
        for source in answer["sources"]:
            assert list(source) == [
                *("path", "media_type", "page", "line", "heading", "start", "end", "sha256"),
                *("context", "context_start", "state", "cell"),
            ]
            assert source["path"] == str(folder / "lease.md")
            assert (source["heading"], source["page"], source["state"]) == ("Lease", None, "unchanged")
            start = source["start"] - source["context_start"]
            assert answer["text"] in source["context"][start:]


def test_an_answer_shows_quote_context_and_place(
    filled: Cli, tiny_reader: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.chdir(folder)
    done = filled("ask", "--reader", tiny_reader, "--top", 1, "When", "does", "the", "lease", "end?")
    first, _, place = done.out.splitlines()[:3]
    assert first.startswith("1. ")
    assert first.endswith("%")
    assert place.strip().startswith("lease.md, line ")
    assert "\x1b" not in done.out


def test_a_place_is_named_once_however_often_it_says_the_same() -> None:
    source = Source("/a.txt", "text/plain", None, 7, None, 4, 9, "ab" * 32, "the lease and the lease", 0)
    again, elsewhere = replace(source, start=18, end=23), replace(source, line=9)
    answer = Answer("lease", 0.9, (source, again, elsewhere, elsewhere), 1.0, 2.0)
    info, timing = ReaderInfo("tiny", "float32", None, 3), Timing(1, 2, 3)
    shown = click.unstyle(render.result(Result("what?", (answer,), (), "/library.docqa", info, timing)))
    assert [line.strip() for line in shown.splitlines() if "a.txt" in line] == ["/a.txt, line 7", "also /a.txt, line 9"]


def test_no_match_is_exit_code_1_and_says_so(filled: Cli, tiny_reader: Path) -> None:
    done = filled("ask", "--reader", tiny_reader, "zebra")
    assert (done.code, done.err) == (1, "")
    assert "Not in your documents" in done.out


def test_no_answer_shows_the_closest_passages(filled: Cli, tiny_reader: Path) -> None:
    done = filled("ask", "--reader", tiny_reader, "--min-confidence", 1, "lease")
    assert done.code == 1
    assert "come closest" in done.out
    assert "lease.md" in done.out


def test_questions_from_input_are_answered_line_by_line_by_one_reader(
    filled: Cli, tiny_reader: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from docqa.reader import weights

    loads = []
    load = weights.load
    monkeypatch.setattr(weights, "load", lambda reader, **options: loads.append(reader) or load(reader, **options))
    done = filled("ask", "--jsonl", "--reader", tiny_reader, given=b"the lease?\n\nzebra\n  boiler \r\n")
    results = [json.loads(line) for line in done.out.splitlines()]
    assert [result["question"] for result in results] == ["the lease?", "zebra", "boiler"]
    assert [bool(result["answers"]) for result in results] == [True, False, True]
    assert done.code == 0
    assert len(loads) == 1


def test_questions_from_input_of_which_none_is_answered_are_exit_code_1(filled: Cli, tiny_reader: Path) -> None:
    assert filled("ask", "--jsonl", "--reader", tiny_reader, given=b"zebra\nheron\n").code == 1


def test_input_that_is_not_utf8_is_still_a_question(filled: Cli, tiny_reader: Path) -> None:
    done = filled("ask", "--jsonl", "--reader", tiny_reader, given=b"caf\xe9 lease\n")
    assert done.code == 0
    assert done.json["question"] == "caf\ufffd lease"


def test_an_argument_that_is_not_utf8_is_still_a_question(filled: Cli, tiny_reader: Path) -> None:
    assert filled("ask", "--json", "--reader", tiny_reader, "caf\udce9 lease").code == 0


@pytest.mark.parametrize(
    "duration", ["300", "0ms", "-5ms", "ms", "fast", "1e3ms", "300 hours", "0.0s", "nanms", "infs", "9" * 400 + "s", ""]
)
def test_a_duration_that_is_none_is_a_usage_error(filled: Cli, duration: str) -> None:
    done = filled("ask", f"--within={duration}", "lease?")
    assert (done.code, done.out) == (2, "")
    assert "is no stretch of time; write it like 300ms or 1.5s" in done.err


@pytest.mark.parametrize("duration", ["60s", "1.5 s", "90000ms"])
def test_an_answer_may_have_a_deadline(filled: Cli, tiny_reader: Path, duration: str) -> None:
    done = filled("ask", "--json", "--reader", tiny_reader, "--within", duration, "When does the lease end?")
    assert (done.code, done.json["complete"], done.json["notices"]) == (0, True, [])


def test_the_effort_is_an_option_or_an_environment_variable(
    filled: Cli, tiny_reader: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = ("ask", "--json", "--reader", tiny_reader, "lease?")
    assert filled(*ask, "--effort", "fast").json["effort"] == "fast"
    monkeypatch.setenv("DOCQA_EFFORT", "thorough")
    assert filled(*ask).json["effort"] == "thorough"
    assert filled(*ask, "--effort", "heroic").code == 2


def test_an_interrupt_while_reading_is_exit_code_130(
    filled: Cli, tiny_reader: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from docqa.reader.model import SpanModel

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SpanModel, "forward", interrupt)
        done = filled("ask", "--reader", tiny_reader, "lease?")
    assert (done.code, done.out) == (130, "")
    assert "Traceback" not in done.err
    assert filled("ask", "--reader", tiny_reader, "lease?").code == 0


@pytest.mark.parametrize(("option", "value"), [("--device", "abacus"), ("--arithmetic", "roman")])
def test_a_device_or_arithmetic_that_there_is_not_is_a_usage_error(filled: Cli, option: str, value: str) -> None:
    assert filled("ask", option, value, "lease?").code == 2


def test_device_and_arithmetic_are_chosen_by_option(filled: Cli, tiny_reader: Path) -> None:
    ask = ("ask", "--json", "--reader", tiny_reader, "--device", "cpu", "lease?")
    assert filled(*ask, "--arithmetic", "float32").json["reader"]["precision"] == "float32"
    assert filled(*ask, "--arithmetic", "bfloat16").json["reader"]["precision"] == "bfloat16"


@pytest.mark.parametrize("question", ["", " ", "?!", "___"])
def test_a_question_without_words_is_a_usage_error(filled: Cli, question: str) -> None:
    for command in ("ask", "search"):
        done = filled(command, question)
        assert (done.code, done.out) == (2, "")
        assert "no words" in done.err


@pytest.mark.parametrize(
    "question", ["lease C++", "a:b lease", "lease -x", '"unbalanced lease', "(lease", "lease AND", "lease*"]
)
def test_operators_in_a_question_do_no_harm(filled: Cli, tiny_reader: Path, question: str) -> None:
    for command in (("ask", "--reader", tiny_reader), ("search",)):
        done = filled(*command, "--", question)
        assert done.code == 0
        assert "lease.md" in done.out


def test_an_endless_question_is_shortened_with_notices_beside_the_data(filled: Cli, tiny_reader: Path) -> None:
    question = "lease " + " ".join(f"w{number}" for number in range(20_000))
    done = filled("ask", "--json", "--reader", tiny_reader, question)
    assert done.code == 0
    assert len(done.json["notices"]) == 2
    assert [line.startswith("the question is long") for line in done.err.splitlines()] == [True, True]


def test_a_reader_that_is_not_there_is_exit_code_3(filled: Cli, tmp_path: Path) -> None:
    done = filled("ask", "--reader", tmp_path / "nowhere", "lease")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("docqa: no reader")


# --- search, show, ls, status, rm ---------------------------------------------------------------------------


def test_search_in_json_has_this_shape(filled: Cli, library: Path, folder: Path) -> None:
    found = filled("search", "--json", "lease").json
    assert list(found) == ["question", "passages", "library"]
    assert (found["question"], found["library"]) == ("lease", str(library))
    [match] = found["passages"]
    assert list(match) == ["source", "score"]
    assert match["source"]["context"] == (folder / "lease.md").read_text().removeprefix("# ").strip()
    assert match["source"]["start"] == match["source"]["context_start"] == 0


def test_search_that_finds_nothing_is_exit_code_1(filled: Cli) -> None:
    done = filled("search", "zebra")
    assert (done.code, done.out) == (1, "No passage matches.\n")


def test_show_prints_the_text(filled: Cli, folder: Path) -> None:
    assert filled("show", folder / "boiler.txt").out.strip() == "The boiler stands in the garden."
    shown = filled("show", "--json", folder / "boiler.txt").json
    assert shown["document"]["path"] == str(folder / "boiler.txt")
    assert shown["text"].startswith("The boiler")


def test_showing_what_is_not_there_is_a_usage_error(filled: Cli, folder: Path) -> None:
    done = filled("show", folder / "nothing.txt")
    assert (done.code, done.out) == (2, "")
    assert "not in the library" in done.err


def test_ls_lists_documents(filled: Cli, folder: Path) -> None:
    lines = filled("ls").out.splitlines()
    assert [line.split("/")[-1] for line in lines] == ["boiler.txt", "lease.md"]
    listed = filled("ls", "--json", folder / "lease.md").json["documents"]
    assert [document["path"] for document in listed] == [str(folder / "lease.md")]
    assert list(listed[0]) == ["path", "media_type", "size", "mtime_ns", "sha256", "characters", "passages"]


def test_ls_says_that_a_path_is_not_in_the_library(filled: Cli, folder: Path) -> None:
    done = filled("ls", folder / "nothing.txt")
    assert (done.code, done.out) == (1, "Nothing there is in the library.\n")
    done = filled("ls", "--json", folder / "nothing.txt")
    assert (done.code, done.json) == (1, {"documents": []})
    assert filled("ls", folder).code == 0


def test_ls_names_formats_whole_and_counts_one_passage(filled: Cli, folder: Path) -> None:
    (folder / "sums.csv").write_text("a,b\n1,2\n")
    (folder / "setup.toml").write_text("name = 'boiler'\n")
    assert filled("index", folder).code == 0
    lines = filled("ls").out.splitlines()
    named = {line.rpartition("/")[2]: line.partition("passage ")[2].partition(str(folder))[0] for line in lines}
    assert {name: kind.strip() for name, kind in named.items()} == {
        "boiler.txt": "text file",
        "lease.md": "Markdown file",
        "setup.toml": "TOML file",
        "sums.csv": "table of values",
    }
    assert len({len(kind) for kind in named.values()}) == 1


def test_ask_says_that_json_is_an_object_for_each_question(cli: Cli) -> None:
    assert "a JSON object for each question" in " ".join(cli("ask", "--help").out.split())


def test_status_tells_what_is_there_and_what_is_not(filled: Cli, library: Path) -> None:
    shown = filled("status").out
    assert "documents  2" in shown
    assert "empty.txt: no text in it" in shown
    status = filled("status", "--json").json
    # Whether the file is sound takes reading all of it: docqa doctor does.
    assert (status["library"], status["documents"], status["problems"]) == (str(library), 2, None)
    assert len(status["skipped"]) == 1


def test_rm_takes_out_documents(filled: Cli, folder: Path) -> None:
    done = filled("rm", "--json", folder / "lease.md")
    assert (done.code, done.json) == (0, {"removed": [str(folder / "lease.md")]})
    assert (folder / "lease.md").exists()
    assert filled("rm", folder / "lease.md").code == 1


# --- libraries that are none --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        *(("ask", "lease"), ("search", "lease"), ("show", "x")),
        *(("index",), ("ls",), ("roots",), ("status",), ("doctor",), ("rm", "x"), ("roots", "rm", "x")),
    ],
)
def test_no_library_is_exit_code_3_and_says_how_to_make_one(cli: Cli, library: Path, command: tuple[str, ...]) -> None:
    done = cli(*command)
    assert (done.code, done.out) == (3, "")
    assert f"no library at {library}; make one with: docqa index FOLDER" in done.err
    assert not library.exists()


@pytest.mark.parametrize("command", [("ask", "lease"), ("search", "lease"), ("status",), ("index", ".")])
def test_a_folder_or_another_file_as_library_is_exit_code_3(
    cli: Cli, tmp_path: Path, command: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    text = tmp_path / "notes.txt"
    text.write_text("Dear diary")
    for path, reason in ((tmp_path, "is a folder"), (text, "is not a docqa library")):
        done = cli(*command, "--library", path)
        assert (done.code, done.out) == (3, "")
        assert reason in done.err
    assert text.read_text() == "Dear diary"


def test_an_empty_library_has_no_answer(cli: Cli, tmp_path: Path, tiny_reader: Path) -> None:
    (tmp_path / "nothing").mkdir()
    assert cli("index", tmp_path / "nothing").code == 0
    assert cli("ask", "--reader", tiny_reader, "lease").code == 1
    assert cli("search", "lease").code == 1
    assert cli("ls").out == ""
    assert "documents  0" in cli("status").out


def test_the_library_can_be_named_before_or_after_the_command(filled: Cli, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.docqa"
    assert filled("--library", other, "index", folder / "boiler.txt").code == 0
    assert len(filled("ls", "--json").json["documents"]) == 2
    assert len(filled("ls", "--json", "--library", other).json["documents"]) == 1
    assert len(filled("--library", other, "ls", "--json").json["documents"]) == 1


def test_an_unknown_command_or_option_is_a_usage_error(cli: Cli) -> None:
    for arguments in (("nonsense",), ("ls", "--nonsense"), ("ask", "--top", "0", "x"), ("rm",)):
        done = cli(*arguments)
        assert (done.code, done.out) == (2, "")
        assert done.err


# --- colours ------------------------------------------------------------------------------------------------


def test_colours_are_used_when_asked_for_and_only_then(
    filled: Cli, tiny_reader: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = ("ask", "--reader", tiny_reader, "lease")
    assert "\x1b[" not in filled(*ask).out
    assert "\x1b[" in filled(*ask, "--color", "always").out
    assert "\x1b[" not in filled(*ask, "--color", "never").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in filled(*ask, "--color", "auto").out
    assert "\x1b[" in filled(*ask, "--color", "always").out


@pytest.mark.parametrize(
    ("variable", "value", "wanted"), [("NO_COLOR", "1", False), ("NO_COLOR", "", None), ("TERM", "dumb", False)]
)
def test_the_environment_can_turn_colours_off(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, wanted: bool | None
) -> None:
    from docqa.cli.render import wants_color

    monkeypatch.setenv("TERM", "xterm")
    assert wants_color("auto") is None
    monkeypatch.setenv(variable, value)
    assert wants_color("auto") is wanted
    assert (wants_color("always"), wants_color("never")) == (True, False)


def test_a_dumb_terminal_gets_no_escapes_from_commands_without_color(
    filled: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click._compat.isatty", lambda _stream: True)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[" in filled("gold", "add", "Is it wet?", "--none").err
    monkeypatch.setenv("TERM", "dumb")
    assert filled("gold", "add", "Is it dry?", "--none").err == "1 added\n"


@pytest.mark.parametrize("arguments", [(), ("tui",)])
@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (Unavailable("the library is not to be had"), 3, "docqa: the library is not to be had\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_goes_wrong_in_the_application_is_told_like_all_else(
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    raised: BaseException,
    code: int,
    message: str,
    arguments: tuple[str, ...],
) -> None:
    def run() -> None:
        raise raised

    monkeypatch.setattr("docqa.cli.is_interactive", lambda: True)
    monkeypatch.setattr("docqa.tui.run", run)
    done = cli(*arguments)
    assert (done.code, done.out, done.err) == (code, "", message)


@pytest.mark.parametrize("arguments", [[], ["tui"]])
def test_the_application_opens_without_what_parses_a_command_line(python: str, arguments: list[str]) -> None:
    code = f"""
import sys
import docqa.cli, docqa.tui
docqa.cli.is_interactive = lambda: True
docqa.tui.run = lambda: print('click' in sys.modules)
docqa.cli.main({arguments})
"""
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr
