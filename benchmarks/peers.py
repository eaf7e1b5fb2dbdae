"""The peers of docqa's retriever, each in a process of its own and all in one environment under `.bench/peers`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import harness

from docqa.errors import DocqaError

REQUIREMENTS = ("tantivy==0.27.0", "bm25s==0.3.16", "rank-bm25==0.2.2", "numpy==2.4.6", "PyStemmer==3.1.0")


class Peer:
    """A search engine that has indexed texts: `seconds` it took, and `bytes` it wrote to disk."""

    def __init__(self, name: str, process: subprocess.Popen[str], texts: Path, folder: Path) -> None:
        self.name = name
        self._process = process
        built = self._exchange({"texts": str(texts), "folder": str(folder)})
        self.seconds: float = built["seconds"]
        self.bytes: int = built["bytes"]

    def search(self, question: str, count: int) -> tuple[list[int], float]:
        """The places of that many texts, best first, and the milliseconds they took."""
        reply = self._exchange([question, count])
        return reply["places"], reply["ms"]

    def _exchange(self, message: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise DocqaError(f"the process of {self.name} has ended; its messages are above")
        reply: dict[str, Any] = json.loads(line)
        return reply


@contextmanager
def peer(name: str, texts: Path) -> Iterator[Peer]:
    """Let a search engine index the texts of a file written by `write_texts`."""
    python = harness.environment("peers", REQUIREMENTS)
    worker = Path(__file__).with_name("peer_worker.py")
    # -P: a worker beside these very files must not take them for the packages.
    command = [str(python), "-P", str(worker), name]
    with (
        TemporaryDirectory() as folder,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": ""}, text=True
        ) as process,
    ):
        try:
            yield Peer(name, process, texts, Path(folder))
        finally:
            process.kill()


def write_texts(texts: Iterable[str], file: Path) -> None:
    with file.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(text) + "\n" for text in texts)
