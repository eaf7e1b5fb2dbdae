"""The peers of docqa's retriever: search engines, each in a process of its own and all in one environment."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import peers

REQUIREMENTS = ("tantivy==0.27.0", "bm25s==0.3.16", "rank-bm25==0.2.2", "numpy==2.4.6", "PyStemmer==3.1.0")


class Peer:
    """A search engine that has indexed texts: the seconds it took and computed, and `bytes` it wrote to disk."""

    def __init__(self, worker: peers.Worker) -> None:
        self._worker = worker
        self.seconds: float = worker.ready["seconds"]
        self.cpu_seconds: float = worker.ready["cpu_seconds"]
        self.bytes: int = worker.ready["bytes"]

    def search(self, question: str, count: int) -> tuple[list[int], float]:
        """The places of that many texts, best first, and the milliseconds they took."""
        reply = self._worker.exchange([question, count])
        return reply["places"], reply["ms"]


@contextmanager
def peer(name: str, texts: Path) -> Iterator[Peer]:
    """Let a search engine index the texts of a file written by `write_texts`."""
    with TemporaryDirectory() as folder:
        setup = {"peer": name, "texts": str(texts), "folder": folder}
        with peers.worker("search", REQUIREMENTS, "search_worker.py", setup) as worker:
            yield Peer(worker)


def write_texts(texts: Iterable[str], file: Path) -> None:
    with file.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(text) + "\n" for text in texts)
