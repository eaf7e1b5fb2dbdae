"""End to end beside Haystack 2: same weights, same passages, ten of them read for each question.

Haystack's side is InMemoryBM25Retriever and ExtractiveReader with their defaults, without its "no answer" entry,
since every question has an answer. It runs in an environment of its own under `.bench/haystack`, made at the first
run from the package index, with telemetry off. All answer each question in turn, the order changing from question
to question; docqa in the precision it chooses for this processor by each effort, and in Haystack's float32.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean, median

import harness
import peers

from docqa.engine import DocQA
from docqa.evaluation.datasets import read_squad, sample
from docqa.evaluation.library import all_passages, is_right, library_of
from docqa.evaluation.metrics import exact_match, f1
from docqa.reader.choices import EFFORTS, Effort

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
    """Haystack's pipeline, in its own process."""

    def __init__(self, worker: peers.Worker) -> None:
        self._worker = worker

    def answer(self, question: str) -> tuple[list[str], float]:
        """The texts of the answers, and Haystack's own milliseconds, without the exchange."""
        reply = self._worker.exchange(question)
        return [answer["text"] or "" for answer in reply["answers"]], reply["ms"]


def benchmark(arguments: argparse.Namespace) -> harness.Table:
    from docqa.reader.catalogue import shipped_folder

    folder = Path(arguments.reader) if arguments.reader else shipped_folder()
    squad = read_squad(harness.data_path(arguments.data, harness.SETS[arguments.set]))
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
        with peers.worker("haystack", REQUIREMENTS, "haystack_worker.py", setup) as worker:
            peer, versions = Haystack(worker), worker.ready["versions"]
            contenders = [
                Contender(f"Haystack {versions['haystack-ai']} float32", peer.answer),
                Contender("docqa float32, thorough", partial(_ask, single, "thorough")),
            ]
            chosen = library.engine.reader.precision
            contenders += [
                Contender(f"docqa {chosen}, {effort}", partial(_ask, library.engine, effort)) for effort in EFFORTS
            ]
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


def _ask(engine: DocQA, effort: Effort, question: str) -> tuple[list[str], float]:
    started = time.perf_counter()
    answers = engine.ask(question, top=ANSWERS, effort=effort, passages=PASSAGES, min_confidence=0.0).answers
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
    parser = harness.options(__doc__)
    parser.add_argument("--set", choices=harness.SETS, default="squad-v1.1", help="the set to ask about (%(default)s)")
    harness.run(benchmark, parser)
