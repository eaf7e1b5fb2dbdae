"""The real program in real processes, and what a test may say of how one ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

# The program with some of its limits made small enough for a test; "ready" comes when only the work is left.
_CHANGED = """
import sys
import docqa.cli.commands, docqa.engine, docqa.indexing, docqa.workers, docqa.cli.progress, filelock, rank_bm25
{changes}
print("ready", file=sys.stderr, flush=True)
docqa.cli.main()
"""


class Ran(NamedTuple):
    """How a run of the program ended, and the bytes it printed."""

    code: int
    out: bytes
    err: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def objects(self) -> list[Any]:
        """What was printed with --jsonl."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Docqa:
    """The installed program on one library; calling it runs a command line to its end.

    `before` is a command that runs it, such as one that takes away its rights.
    """

    python: str
    program: str
    library: Path
    environment: dict[str, str]
    before: tuple[str, ...] = ()
    script: str | None = None
    more: dict[str, str] = field(default_factory=dict)

    def on(self, library: Path) -> Docqa:
        """The same program on another library."""
        return replace(self, library=library)

    def behind(self, *before: str) -> Docqa:
        """The program run by another one."""
        return replace(self, before=before)

    def with_variables(self, **variables: str) -> Docqa:
        """The program in a changed environment."""
        return replace(self, more={**self.more, **variables})

    def with_limits(self, *changes: str) -> Docqa:
        """The program after some assignments, such as `docqa.indexing.BATCH_FILES = 3`, to names that exist."""
        checks = [f"{change.partition(' = ')[0]}; {change}" for change in changes]
        return replace(self, script=_CHANGED.format(changes="\n".join(checks)))

    def command(self, *arguments: object) -> list[str | bytes]:
        program = [self.program] if self.script is None else [self.python, "-c", self.script]
        return [
            *self.before,
            *program,
            *(os.fspath(each) if isinstance(each, Path) else str(each) for each in arguments),
        ]

    def start(self, *arguments: object, **options: Any) -> subprocess.Popen[bytes]:
        """Start a command line in a process group of its own, with pipes."""
        usual: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen(
            self.command(*arguments),
            env={**self.environment, "DOCQA_LIBRARY": str(self.library), **self.more},
            start_new_session=True,
            **{**usual, "preexec_fn": interruptible, **options},
        )

    def __call__(self, *arguments: object, given: bytes = b"", timeout_s: float = 120, **options: Any) -> Ran:
        with self.start(*arguments, **options) as process:
            try:
                out, err = process.communicate(given, timeout=timeout_s)
            except BaseException:
                kill_group(process)
                raise
        assert b"Traceback" not in err, err.decode(errors="replace")
        assert process.returncode >= 0, (process.returncode, err)
        return Ran(process.returncode, out or b"", err or b"")


def interruptible() -> None:
    """Undo what a shell does to a job in the background: ignoring interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def ready(process: subprocess.Popen[bytes]) -> None:
    """Wait until a program with changed limits has nothing left to do but its work."""
    assert process.stderr is not None
    assert process.stderr.readline() == b"ready\n"


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a program and its children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def has_left_nobody(process: subprocess.Popen[bytes], within_s: float = 20) -> bool:
    """Whether no child of a program that has ended is left after a while."""
    return eventually(lambda: not _group_exists(process.pid), within_s)


def eventually(is_so: Callable[[], object], within_s: float = 20) -> bool:
    """Whether something becomes true before the time is up."""
    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def beside(library: Path) -> Sequence[Path]:
    """A library's file and all that stands beside it under its name."""
    return sorted(path for path in library.parent.iterdir() if library.name in path.name)
