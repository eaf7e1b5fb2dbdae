"""End to end beside Haystack 2: same weights, same passages, ten of them read for each question.

Haystack's side is InMemoryBM25Retriever and ExtractiveReader with their defaults, without its "no answer" entry,
since every question has an answer. It runs in an environment of its own under `.bench/haystack`, made at the first
run from the package index, with telemetry off. All answer each question in turn, the order changing from question
to question; docqa in the precision it chooses for this processor, and in Haystack's float32.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import Any

import harness

from docqa.engine import DocQA
from docqa.errors import DocqaError
from docqa.evaluation.datasets import read_squad, sample
from docqa.evaluation.library import all_passages, is_right, library_of
from docqa.evaluation.metrics import exact_match, f1

REQUIREMENTS = ("haystack-ai==2.20.0", "transformers==4.57.1", "torch==2.13.0", "accelerate==1.15.0")
PASSAGES = 10
ANSWERS = 5
WARM_UP = 3


Answer = Callable[[str], tuple[list[str], float]]
"""From a question to the texts of the first answers, best first, and the milliseconds they took."""


@dataclass
class Contender:
    """A system, its answers to each question, and the milliseconds they took."""

    name: str
    answer: Answer
    answers: list[list[str]] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)


class Haystack:
    """The worker process: one line of JSON in, one out."""

    def __init__(self, process: subprocess.Popen[str], setup: dict[str, Any]) -> None:
        self._process = process
        self.versions: dict[str, str] = self._exchange(setup)["versions"]

    def answer(self, question: str) -> tuple[list[str], float]:
        """The texts of the answers, and Haystack's own milliseconds, without the exchange."""
        reply = self._exchange(question)
        return [answer["text"] or "" for answer in reply["answers"]], reply["ms"]

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
            raise DocqaError("Haystack's process has ended; its messages are above")
        reply: dict[str, Any] = json.loads(line)
        return reply


@contextmanager
def haystack(setup: dict[str, Any]) -> Iterator[Haystack]:
    python = harness.environment("haystack", REQUIREMENTS)
    environment = {**os.environ, "HAYSTACK_TELEMETRY_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
    worker = Path(__file__).with_name("haystack_worker.py")
    # -P: a worker beside this very file must not take it for the package of the same name.
    with subprocess.Popen(
        [python, "-P", worker], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        try:
            yield Haystack(process, setup)
        finally:
            process.kill()


def benchmark(arguments: argparse.Namespace) -> harness.Table:
    from docqa.reader.catalogue import shipped_folder

    folder = Path(arguments.reader) if arguments.reader else shipped_folder()
    squad = read_squad(harness.data_path(arguments.data, harness.SQUAD_V1))
    with (
        library_of(squad, reader=folder) as library,
        DocQA(library.engine.library, reader=folder, precision="float32") as single,
    ):
        asked = sample([placed.question for placed in library.questions if placed.question.answers], arguments.sample)
        passages = all_passages(library.engine)
        setup = {
            "model": str(folder.resolve()),
            "passages": [passage.text for passage in passages],
            "retrieved": PASSAGES,
            "answers": ANSWERS,
        }
        with haystack(setup) as peer:
            versions = peer.versions
            contenders = [
                Contender(f"Haystack {versions['haystack-ai']} float32", peer.answer),
                Contender("docqa float32", partial(_ask, single)),
            ]
            if (chosen := library.engine.reader.precision) != "float32":
                contenders.append(Contender(f"docqa {chosen}", partial(_ask, library.engine)))
            _race(contenders, [question.text for question in asked])
        name = library.engine.reader.name
    table = _table(
        f"Library: {squad.name}, {len(asked)} questions, {len(passages)} passages, {PASSAGES} read, reader {name}",
        contenders,
        [question.answers for question in asked],
    )
    table.remarks.append(f"Haystack's environment: {', '.join(f'{name} {v}' for name, v in versions.items())}.")
    return table


def _race(contenders: Sequence[Contender], questions: Sequence[str]) -> None:
    """Let every contender answer every question, each of them first equally often."""
    for question in questions[:WARM_UP]:
        for contender in contenders:
            contender.answer(question)
    tell = harness.progress("questions")
    for number, question in enumerate(questions):
        first = number % len(contenders)
        for contender in [*contenders[first:], *contenders[:first]]:
            answers, ms = contender.answer(question)
            contender.answers.append(answers)
            contender.ms.append(ms)
        tell(number + 1, len(questions))


def _ask(engine: DocQA, question: str) -> tuple[list[str], float]:
    started = time.perf_counter()
    answers = engine.ask(question, top=ANSWERS, passages=PASSAGES, min_confidence=0.0).answers
    return [answer.text for answer in answers], 1000 * (time.perf_counter() - started)


def _table(title: str, contenders: Sequence[Contender], golds: Sequence[Sequence[str]]) -> harness.Table:
    table = harness.Table(
        title,
        (
            "system",
            "F1, %",
            "EM, %",
            "right, %",
            f"right among {ANSWERS}, %",
            "ms (mean)",
            "ms (median)",
            "F1 ratio",
            "times faster",
        ),
        remarks=["F1 ratio and times faster: against Haystack's F1 and mean time, in this run."],
    )
    peer = _figures(contenders[0], golds)
    for contender in contenders:
        found = _figures(contender, golds)
        found["f1_ratio"] = found["f1"] / peer["f1"] if peer["f1"] else 0.0
        found["times_faster"] = peer["ms_mean"] / found["ms_mean"]
        table.details[contender.name] = {**found, "answers": contender.answers}
        table.rows.append(
            (
                contender.name,
                *(harness.percent(found[name]) for name in ("f1", "exact", "right_first", "right_among")),
                f"{found['ms_mean']:.0f}",
                f"{found['ms_median']:.0f}",
                f"{found['f1_ratio']:.3f}",
                f"{found['times_faster']:.2f}",
            )
        )
    return table


def _figures(contender: Contender, golds: Sequence[Sequence[str]]) -> dict[str, float]:
    first = [answers[0] if answers else "" for answers in contender.answers]
    return {
        "f1": fmean(map(f1, first, golds)),
        "exact": fmean(map(exact_match, first, golds)),
        "right_first": fmean(map(is_right, first, golds)),
        "right_among": fmean(
            any(is_right(answer, gold) for answer in answers[:ANSWERS])
            for answers, gold in zip(contender.answers, golds, strict=True)
        ),
        "ms_mean": fmean(contender.ms),
        "ms_median": median(contender.ms),
    }


if __name__ == "__main__":
    harness.run(benchmark, harness.options(__doc__))
