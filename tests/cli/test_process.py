"""The installed program as a process: exit codes, streams, signals, and what it loads."""

from __future__ import annotations

import json
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


# --- streams ------------------------------------------------------------------------------------------------


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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_output_that_cannot_be_written_is_no_missing_answer(program: list[str], environment: dict[str, str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*program, "status"], env=environment, stdout=full, stderr=subprocess.PIPE, timeout=120)
    assert (done.returncode, done.stderr) == (3, b"docqa: No space left on device\n")


def test_a_folder_that_was_deleted_can_still_be_worked_from(
    program: list[str], environment: dict[str, str], tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    script = f'mkdir "{gone}" && cd "{gone}" && rmdir "{gone}" && exec "$@"'
    done = subprocess.run(["sh", "-c", script, "sh", *program, "ls"], env=environment, capture_output=True, timeout=120)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    assert b"passages" in done.stdout


@pytest.mark.parametrize(
    ("closed", "arguments", "code"),
    [("<&-", ("ask",), 1), (">&-", ("status",), 0), ("2>&-", ("index",), 0), ("<&- >&- 2>&-", ("show", "x"), 2)],
)
def test_streams_that_are_closed_are_no_failure(
    program: list[str], environment: dict[str, str], closed: str, arguments: tuple[str, ...], code: int
) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"$@" {closed}', "sh", *program, *arguments], env=environment, capture_output=True, timeout=120
    )
    assert (done.returncode, b"Traceback" in done.stderr) == (code, False)
