"""The installed program as a process: exit codes, streams, signals, and what it loads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Docqa = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def environment(guarded_environment: dict[str, str], sample: Path) -> dict[str, str]:
    return {**guarded_environment, "DOCQA_LIBRARY": str(sample)}


@pytest.fixture
def run(program: list[str], environment: dict[str, str]) -> Docqa:
    def run_(*arguments: str | Path, given: bytes = b"", **variables: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*program, *map(str, arguments)],
            input=given,
            env={**environment, **variables},
            capture_output=True,
            timeout=120,
        )

    return run_


def modules_after(python: str, environment: dict[str, str], *arguments: str) -> set[str]:
    """The modules that a command leaves loaded."""
    script = (
        "import json, sys\nfrom docqa.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit as ended:\n    assert not ended.code, ended.code\n"
        "print('\\n' + json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([python, "-c", script, *arguments], env=environment, capture_output=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


# --- exit codes ---------------------------------------------------------------------------------------------


def test_an_answer_of_the_shipped_reader_is_exit_code_0_and_needs_no_network(
    run: Docqa, environment: dict[str, str]
) -> None:
    done = run("ask", "--json", "What is the rent for the flat from March 2025?")
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["answers"][0]["sources"]
    assert not Path(environment["DOCQA_TEST_NETWORK_LOG"]).exists()


def test_indexing_and_searching_need_no_network(
    run: Docqa, environment: dict[str, str], tmp_path: Path, sample_folder: Path
) -> None:
    library = tmp_path / "new.docqa"
    assert run("index", sample_folder, DOCQA_LIBRARY=str(library)).returncode == 0
    assert run("search", "garden", DOCQA_LIBRARY=str(library)).returncode == 0
    assert not Path(environment["DOCQA_TEST_NETWORK_LOG"]).exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--help",), 0),
        (("search", "garden"), 0),
        (("search", "zzzz"), 1),
        (("search", "?!"), 2),
        (("nonsense",), 2),
        (("index", "/nowhere/at/all"), 2),
        (("ls", "--library", "/nowhere/at/all"), 3),
        (("status", "--library", "/"), 3),
    ],
)
def test_exit_codes_are_those_of_the_help(run: Docqa, arguments: tuple[str, ...], code: int) -> None:
    done = run(*arguments)
    assert done.returncode == code
    # Data or a complaint, and never a stack of calls.
    assert bool(done.stdout) == (code in (0, 1))
    assert b"Traceback" not in done.stderr


def as_in_a_terminal() -> None:
    """Undo what a shell does to a job in the background: ignoring interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupt_while_waiting_for_questions_is_exit_code_130(
    program: list[str], environment: dict[str, str], tiny_reader: Path
) -> None:
    with subprocess.Popen(
        [*program, "ask", "--jsonl", "--reader", str(tiny_reader)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        preexec_fn=as_in_a_terminal,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"Where is the garden?\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["answers"]
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in complaint


# --- streams ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [("ls",), ("show", "diary 2024.txt"), ("search", "garden"), ("--help",)])
def test_a_reader_that_leaves_early_causes_no_noise(
    program: list[str], environment: dict[str, str], sample_folder: Path, arguments: tuple[str, ...]
) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = subprocess.run(
            [*program, *arguments],
            stdout=write_end,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=sample_folder / "garden",
            timeout=60,
        )
    finally:
        os.close(write_end)
    assert done.stderr == b""


@pytest.mark.parametrize(
    "variables", [{"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, {"LC_ALL": "C.UTF-8"}]
)
def test_any_locale_shows_any_text(run: Docqa, tmp_path: Path, variables: dict[str, str]) -> None:
    folder = tmp_path / "日本"
    folder.mkdir()
    (folder / "naïve.txt").write_text("Der Fluß 日本 “heron”.")
    done = run("index", folder, **variables)
    assert done.returncode == 0
    for arguments in (("search", "heron"), ("ls",), ("status",), ("search", "heron", "--json")):
        done = run(*arguments, **variables)
        assert (done.returncode, done.stderr) == (0, b"")
    if "PYTHONUTF8" in variables:
        assert run("ls", **variables).stdout.isascii()


def test_data_goes_to_one_stream_and_narration_to_the_other(run: Docqa, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    done = run("index", "--json", tmp_path / "empty.txt")
    assert json.loads(done.stdout)["skipped"] == [[str(tmp_path / "empty.txt"), "no text in it"]]
    assert b"skipped" in done.stderr


# --- what is loaded -----------------------------------------------------------------------------------------

HEAVY = {"torch", "transformers", "textual", "tokenizers"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("search", "garden"),
        ("status",),
        ("ls",),
        ("index", "{folder}"),
        ("roots",),
        ("doctor",),
        ("reader", "ls"),
        ("reader", "show", "shipped"),
        ("reader", "use", "shipped"),
    ],
)
def test_what_needs_no_reader_loads_none(
    python: str, environment: dict[str, str], arguments: tuple[str, ...], sample_folder: Path
) -> None:
    filled = [argument.format(folder=sample_folder) for argument in arguments]
    assert modules_after(python, environment, *filled).isdisjoint(HEAVY)


def test_help_does_not_even_load_the_engine(python: str, environment: dict[str, str]) -> None:
    modules = modules_after(python, environment, "--help")
    assert modules.isdisjoint({"numpy", "sqlite_utils", "docqa.engine"})


def test_asking_the_shipped_reader_loads_neither_transformers_nor_the_screens(
    python: str, environment: dict[str, str]
) -> None:
    modules: set[Any] = modules_after(python, environment, "ask", "--min-confidence", "0", "Where is the garden?")
    assert "torch" in modules
    assert modules.isdisjoint({"transformers", "textual"})
