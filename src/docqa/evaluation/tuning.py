"""Measuring a reader's table of length configurations: what each of them costs and brings."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory

import torch

from docqa.engine import DocQA, PathLike
from docqa.errors import UsageError
from docqa.evaluation.datasets import SquadSet, sample
from docqa.evaluation.library import all_passages
from docqa.evaluation.metrics import exact_match, f1
from docqa.evaluation.reading import Progress, answerable
from docqa.evaluation.sample_library import read_questions
from docqa.reader import arithmetic, catalogue, machine
from docqa.reader.lengths import LengthConfiguration, LengthTable, MeasuredLengths
from docqa.reader.model import operations
from docqa.reader.reader import Reader
from docqa.records import Verdict

# The input length that relative operations are stated for: that of a passage with its question.
TYPICAL_TOKENS = 192
_TIMED_PASSAGES = 10
_TIMED_ROUNDS = 7
# What a layer keeps of what reaches it, in the configurations that are worth measuring.
_SHARES = (0.9, 0.8, 0.7, 0.6, 0.5)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the passage that answers it, and its gold answers."""

    question: str
    passage: str
    gold: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one configuration or arithmetic read all questions: mean F1 and exact match, and each best span's logit."""

    f1: float
    exact: float
    logits: tuple[float, ...]


def of_squad(squad: SquadSet, count: int | None = None) -> list[Asked]:
    """`count` answerable questions of a set at even distances (None: all) with their paragraphs."""
    return [Asked(question.text, paragraph.text, question.answers) for paragraph, question in answerable(squad, count)]


def of_gold_set(verdicts: Iterable[Verdict]) -> list[Asked]:
    """The accepted answers of a gold set of which the text around them is known; UsageError without any."""
    gold: dict[tuple[str, str], list[str]] = {}
    for verdict in verdicts:
        if verdict.accepted and verdict.text and verdict.context:
            gold.setdefault((verdict.question, verdict.context), []).append(verdict.text)
    if not gold:
        raise UsageError(
            "the gold set has no answer of which it knows the text around it;"
            " add some with: docqa gold add QUESTION --answer TEXT --file PATH"
        )
    return [Asked(question, context, tuple(texts)) for (question, context), texts in gold.items()]


def of_sample_library() -> list[Asked]:
    """The answerable questions about the sample library, each with the first passage that holds an answer."""
    root = catalogue.shipped("library").resolve()
    asked = []
    with TemporaryDirectory() as place, DocQA(Path(place) / "sample.docqa") as engine:
        engine.index([root])
        passages = [(Path(each.document.path).relative_to(root).as_posix(), each.text) for each in all_passages(engine)]
    for entry in read_questions(catalogue.shipped("questions.json")):
        holding = (
            text for path, text in passages if path in entry.files and any(answer in text for answer in entry.answers)
        )
        if (passage := next(holding, None)) is not None:
            asked.append(Asked(entry.question, passage, entry.answers))
    return asked


def configurations(layers: int) -> list[LengthConfiguration]:
    """What is worth measuring for a reader of so many layers: all tokens first, then ever fewer.

    Tokens leave from the first layer on, or after the first third, half or two thirds of them; each layer from there on
    keeps the same share of what reaches it.
    """
    beginnings = (0, layers // 3, layers // 2, layers - layers // 3)
    whole = LengthConfiguration.geometric(layers, 1.0)
    falling = [LengthConfiguration.geometric(layers, share, first) for first in beginnings for share in _SHARES]
    return list(dict.fromkeys([whole, *falling]))


def tune(
    reader: PathLike | None,
    asked: Sequence[Asked],
    measured_on: str,
    *,
    wanted: Sequence[LengthConfiguration] = (),
    progress: Progress | None = None,
) -> LengthTable:
    """Measure a reader's length configurations and arithmetics on questions with the right passage given.

    Besides keeping all tokens, these are the `wanted` ones, else those of `configurations`.
    What has been measured is kept in the cache folder until all is: a run that was stopped goes on when it is
    called again. UsageError without questions or for a reader that is no folder.
    """
    if not asked:
        raise UsageError("there is no answerable question to measure on")
    exact = Reader(reader, precision="float32")
    if exact.folder is None:
        raise UsageError(f"{exact.name} has no folder to keep a table in; add it first: docqa reader add {exact.name}")
    there = arithmetic.in_hardware(torch.device(exact.device))
    usual = Reader(reader, precision="bfloat16") if "bfloat16" in there else exact
    full = LengthConfiguration((1.0,) * exact.layers)
    wanted = list(dict.fromkeys([full, *(wanted or configurations(exact.layers))]))
    run = _Run(asked, f"{catalogue.weights_digest(exact.folder)} {list(asked)}", len(wanted) + len(there), progress)
    rows = {lengths: run.outcome(f"{lengths.shares}", usual, lengths) for lengths in wanted}
    precisions = {each: run.outcome(each, Reader(reader, precision=each), None).f1 for each in there}
    times = _relative_times(usual, asked, wanted)
    run.forget()
    return LengthTable(
        tuple(_row(usual, lengths, times[lengths], outcome, rows[full]) for lengths, outcome in rows.items()),
        measured_on,
        len(asked),
        {name: round(reached, 5) for name, reached in precisions.items()},
    )


class _Run:
    """The measurements so far, in a file until all are done."""

    def __init__(self, asked: Sequence[Asked], identity: str, measurements: int, progress: Progress | None) -> None:
        self._asked = asked
        digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()
        self._file = machine.cache_folder() / f"tuning-{digest[:24]}.json"
        self._known = self._load()
        self._progress = progress
        self._done, self._all = 0, measurements * len(asked)

    def outcome(self, name: str, reader: Reader, lengths: LengthConfiguration | None) -> Outcome:
        """What reading all questions so brings: as measured before, else measured now."""
        if name not in self._known:
            self._known[name] = list(map(list, self._read(reader, lengths)))
            self._save()
        else:
            self._advance(len(self._asked))
        exact, scores, logits = zip(*self._known[name], strict=True)
        return Outcome(fmean(scores), fmean(exact), logits)

    def forget(self) -> None:
        """Drop what was kept for a run that is stopped."""
        self._file.unlink(missing_ok=True)

    def _read(self, reader: Reader, lengths: LengthConfiguration | None) -> Iterator[tuple[float, float, float]]:
        """Exact match, F1 and the logit of the best span, question by question."""
        for each in self._asked:
            (spans,) = reader.read(each.question, [each.passage], lengths=lengths, spans=1).spans
            text = each.passage[spans[0].start : spans[0].end] if spans else ""
            yield exact_match(text, each.gold), f1(text, each.gold), spans[0].logit if spans else 0.0
            self._advance(1)

    def _advance(self, questions: int) -> None:
        self._done += questions
        if self._progress:
            self._progress(self._done, self._all)

    def _load(self) -> dict[str, list[list[float]]]:
        with suppress(OSError, ValueError):
            content = json.loads(self._file.read_text(encoding="utf-8"))
            if isinstance(content, dict):
                return content
        return {}

    def _save(self) -> None:
        # Where nothing can be kept, a run that is stopped begins anew.
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            partial = self._file.with_suffix(f".{os.getpid()}")
            partial.write_text(json.dumps(self._known), encoding="utf-8")
            partial.replace(self._file)


def _relative_times(
    reader: Reader, asked: Sequence[Asked], wanted: Sequence[LengthConfiguration]
) -> dict[LengthConfiguration, float]:
    """Each configuration's time over that of the first, which keeps all tokens: the median of rounds.

    Every round times all of them, so that the ratio does not depend on the machine's mood.
    """
    passages = [each.passage for each in sample(asked, _TIMED_PASSAGES)]
    ratios: dict[LengthConfiguration, list[float]] = {lengths: [] for lengths in wanted}
    for lengths in wanted:
        _time(reader, asked[0].question, passages, lengths)
    for _ in range(_TIMED_ROUNDS):
        of_full = _time(reader, asked[0].question, passages, None)
        for lengths in wanted[1:]:
            ratios[lengths].append(_time(reader, asked[0].question, passages, lengths) / of_full)
    return {lengths: median(taken) if taken else 1.0 for lengths, taken in ratios.items()}


def _time(reader: Reader, question: str, passages: Sequence[str], lengths: LengthConfiguration | None) -> float:
    started = time.perf_counter()
    reader.read(question, passages, lengths=lengths)
    return time.perf_counter() - started


def _row(
    reader: Reader, lengths: LengthConfiguration, relative: float, outcome: Outcome, full: Outcome
) -> MeasuredLengths:
    rises = sorted(more - less for more, less in zip(full.logits, outcome.logits, strict=True))
    return MeasuredLengths(
        lengths.shares,
        cost=round(operations(reader.shape, TYPICAL_TOKENS, lengths) / operations(reader.shape, TYPICAL_TOKENS), 4),
        time=round(relative, 4),
        f1=round(outcome.f1, 5),
        exact=round(outcome.exact, 5),
        drift=round(max(0.0, rises[math.ceil(0.99 * len(rises)) - 1]), 3),
    )
