"""The peers' side of `reader.py`: runs in a peer's own environment and answers over standard input and output.

The first line in is the set-up: the peer's name and the reader's folder. Each further line is a question with
passages; each line out the best answer in each passage, and the milliseconds that all of them together took.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from typing import Any

Read = Callable[[str, "list[str]"], "list[str]"]


def main() -> None:
    # What libraries print must not get between the answers.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    setup = json.loads(sys.stdin.readline())
    make, package = {"haystack": (haystack, "haystack-ai"), "txtai": (txtai, "txtai")}[setup["peer"]]
    read = make(setup["model"])
    say(replies, {"versions": {name: version(name) for name in (package, "transformers", "torch")}})
    for line in sys.stdin:
        asked = json.loads(line)
        started = time.perf_counter()
        answers = read(asked["question"], asked["passages"])
        say(replies, {"answers": answers, "ms": 1000 * (time.perf_counter() - started)})


def haystack(model: str) -> Read:
    """ExtractiveReader with its defaults, but without its "no answer" and with an answer from every passage."""
    package = import_module("haystack")
    reader = import_module("haystack.components.readers").ExtractiveReader(
        model=model,
        device=import_module("haystack.utils").ComponentDevice.from_str("cpu"),
        token=None,
        no_answer=False,
        answers_per_seq=1,
    )
    reader.warm_up()

    def read(question: str, passages: list[str]) -> list[str]:
        documents = [package.Document(id=str(number), content=text) for number, text in enumerate(passages)]
        answers = reader.run(query=question, documents=documents, top_k=4 * len(passages))["answers"]
        best: dict[str, str] = {}
        for answer in answers:  # best first
            if answer.document is not None:
                best.setdefault(answer.document.id, answer.data or "")
        return [best.get(document.id, "") for document in documents]

    return read


def txtai(model: str) -> Read:
    """The pipeline `Questions` with its defaults; where it fails or gives none, there is no answer."""
    questions = import_module("txtai.pipeline").Questions(model, gpu=False)

    def one(question: str, passage: str) -> str:
        try:
            answer: str | None = questions([question], [passage])[0]
        except (TypeError, ValueError, IndexError):  # its best start or end lies in the question
            return ""
        return answer or ""

    return lambda question, passages: [one(question, passage) for passage in passages]


def say(replies: Any, message: dict[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()
