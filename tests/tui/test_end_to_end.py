"""The installed program in a real terminal, driven by keys."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]


class Terminal:
    def __init__(self, socket: Path, command: str, width: int, height: int) -> None:
        self._tmux = ["tmux", "-S", str(socket), "-f", "/dev/null"]
        self._run("set-option", "-g", "default-size", f"{width}x{height}", ";", "new-session", "-d", command)

    def _run(self, *arguments: str) -> str:
        return subprocess.run([*self._tmux, *arguments], check=True, capture_output=True, text=True).stdout

    def keys(self, *keys: str) -> None:
        self._run("send-keys", *keys)

    def type(self, text: str) -> None:
        self._run("send-keys", "-l", text)

    def screen(self) -> str:
        return self._run("capture-pane", "-p")

    def until(self, condition: Callable[[str], object], seconds: float = 60) -> str:
        deadline = time.monotonic() + seconds
        while not condition(shown := self.screen()):
            assert time.monotonic() < deadline, shown
            time.sleep(0.1)
        return shown

    def close(self) -> None:
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True)


@pytest.fixture
def terminal(tmp_path: Path, sample: Path, tiny_reader: Path, python: str) -> Iterator[Terminal]:
    program = "import sys; from docqa.cli import main; main(sys.argv[1:])"
    command = [python, "-c", program, "tui", "--library", str(sample), "--reader", str(tiny_reader)]
    state = shlex.quote(str(tmp_path / "state"))
    settings = f"unset COLUMNS LINES DISPLAY; export DOCQA_STATE={state} OMP_NUM_THREADS=1 EDITOR=cat"
    line = f"{settings}; {shlex.join(command)}; echo exit code $?; sleep 60"
    made = Terminal(tmp_path / "tmux", line, 100, 30)
    yield made
    made.close()


def test_a_session(terminal: Terminal) -> None:
    terminal.until(lambda shown: "19 documents" in shown and "tiny" in shown)
    terminal.type("boiler pressure")
    terminal.until(lambda shown: "page 3  Aurel boiler manual.pdf" in shown or "Aurel boiler manual.pdf" in shown)
    terminal.keys("Enter")
    terminal.until(lambda shown: "Answers" in shown and "passages read" in shown)
    terminal.keys("w")
    terminal.until(lambda shown: "logits" in shown and "layer 2" in shown)
    terminal.keys("w", "r")
    terminal.until(lambda shown: "✓ right" in shown and "logits" not in shown)
    terminal.keys("C-t")
    terminal.until(lambda shown: "● thorough" in shown and "passages read" in shown and "✓ right" in shown)
    terminal.keys("C-r")
    terminal.until(lambda shown: "Asked before" in shown and "boiler pressure" in shown)
    terminal.keys("Escape")
    terminal.until(lambda shown: "Asked before" not in shown)
    terminal.keys("Enter")
    terminal.until(lambda shown: "To the quote" in shown)
    terminal.keys("Escape")
    terminal.until(lambda shown: "Answers" in shown)
    terminal.keys("C-l")
    terminal.until(lambda shown: "Brook End statutes.docx" in shown)
    terminal.keys("Escape")
    terminal.until(lambda shown: "Answers" in shown)
    terminal.keys("C-q")
    terminal.until(lambda shown: "exit code 0" in shown)
