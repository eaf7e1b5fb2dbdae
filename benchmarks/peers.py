"""Other systems, each in an environment of its own under `.bench`, answering over standard input and output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import harness

from docqa.errors import DocqaError


class Worker:
    """A worker process: one line of JSON in, one out. The first line in is its set-up; `ready` is the answer to it."""

    def __init__(self, name: str, process: subprocess.Popen[str], setup: dict[str, Any]) -> None:
        self._name = name
        self._process = process
        self.ready = self.exchange(setup)

    def exchange(self, message: Any) -> dict[str, Any]:
        """Send a message and return the reply; DocqaError if the process has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise DocqaError(f"{self._name}'s process has ended; its messages are above")
        reply: dict[str, Any] = json.loads(line)
        return reply


@contextmanager
def worker(name: str, requirements: Sequence[str], program: str, setup: dict[str, Any]) -> Iterator[Worker]:
    """Run a program of this folder in the peer's environment, without network or telemetry."""
    python = prepare(name, requirements)
    environment = {**os.environ, "HAYSTACK_TELEMETRY_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
    # What this process imports docqa from is none of the peer's business.
    environment.pop("PYTHONPATH", None)
    file = Path(__file__).with_name(program)
    # -P: a worker beside this very file must not take a benchmark for the package of the same name.
    with subprocess.Popen(
        [python, "-P", file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        try:
            yield Worker(name, process, setup)
        finally:
            process.kill()


def prepare(name: str, requirements: Sequence[str]) -> Path:
    """Make the peer's environment, unless it has been made for these very requirements; return its Python."""
    folder = harness.BENCH / name
    python = folder / "bin" / "python"
    stamp = folder / "requirements.txt"
    wanted = "\n".join(requirements) + "\n"
    if not (stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted):
        print(f"installing {', '.join(requirements)} into {folder}", file=sys.stderr, flush=True)
        try:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements], check=True, stdout=sys.stderr)
        except subprocess.CalledProcessError as error:
            raise DocqaError(f"{folder} could not be made; see above, remove it and try again") from error
        stamp.write_text(wanted, encoding="utf-8")
    return python
