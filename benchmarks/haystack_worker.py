"""Haystack's side of `haystack.py`: runs in Haystack's own environment and answers over standard input and output.

The first line in is the set-up: the reader's folder, the passages' texts, how many to retrieve and how many
answers to give. Each further line is a question; each line out its answers and the milliseconds they took.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import import_module
from importlib.metadata import version
from typing import Any


def main() -> None:
    # What libraries print must not get between the answers.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    setup = json.loads(sys.stdin.readline())
    pipeline = make_pipeline(setup)
    names = ("haystack-ai", "transformers", "torch")
    say(replies, {"versions": {name: version(name) for name in names}})
    for line in sys.stdin:
        question = json.loads(line)
        started = time.perf_counter()
        outcome = pipeline.run({"retriever": {"query": question}, "reader": {"query": question}})
        ms = 1000 * (time.perf_counter() - started)
        answers = [{"text": answer.data, "score": answer.score} for answer in outcome["reader"]["answers"]]
        say(replies, {"answers": answers, "ms": ms})


def make_pipeline(setup: dict[str, Any]) -> Any:
    # By name, because a type checker would take the benchmark beside this file for the package.
    haystack = import_module("haystack")
    readers = import_module("haystack.components.readers")
    retrievers = import_module("haystack.components.retrievers.in_memory")
    stores = import_module("haystack.document_stores.in_memory")

    store = stores.InMemoryDocumentStore()
    store.write_documents(
        [haystack.Document(id=str(number), content=text) for number, text in enumerate(setup["passages"])]
    )
    pipeline = haystack.Pipeline()
    pipeline.add_component("retriever", retrievers.InMemoryBM25Retriever(store, top_k=setup["retrieved"]))
    reader = readers.ExtractiveReader(
        model=setup["model"],
        device=import_module("haystack.utils").ComponentDevice.from_str("cpu"),
        token=None,
        top_k=setup["answers"],
        no_answer=False,
    )
    pipeline.add_component("reader", reader)
    pipeline.connect("retriever.documents", "reader.documents")
    pipeline.warm_up()
    return pipeline


def say(replies: Any, message: dict[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()
