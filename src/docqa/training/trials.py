"""What length configurations bring and cost a reader, for the search to go by; and a drawing of its trials."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Literal

from docqa.errors import Unavailable
from docqa.evaluation.metrics import f1
from docqa.evaluation.tuning import Asked
from docqa.reader.lengths import LengthConfiguration
from docqa.reader.model import operations
from docqa.reader.reader import Reader
from docqa.training.search import Outcome, Tried, frontier

Cost = Literal["time", "flops"]

# The input length that operations are stated for: that of a passage with its question.
TYPICAL_TOKENS = 192


class Trial:
    """Reads questions, each with the passage that answers it, by length configurations."""

    def __init__(self, reader: Reader, asked: Sequence[Asked], cost: Cost = "time") -> None:
        self._reader = reader
        self._asked = asked
        self._cost = cost
        self._warm = False

    def __call__(self, lengths: LengthConfiguration) -> Outcome:
        """F1, and milliseconds a question or millions of operations a passage."""
        if not self._warm:
            # The first pass over some lengths compiles kernels for them.
            self._read(None)
            self._warm = True
        began = time.perf_counter()
        texts = self._read(lengths)
        ms = 1000 * (time.perf_counter() - began) / len(texts)
        reached = fmean(f1(text, each.gold) for text, each in zip(texts, self._asked, strict=True))
        if self._cost == "time":
            return Outcome(reached, ms)
        return Outcome(reached, operations(self._reader.shape, TYPICAL_TOKENS, lengths) / 1e6)

    def _read(self, lengths: LengthConfiguration | None) -> list[str]:
        texts = []
        for each in self._asked:
            (spans,) = self._reader.read(each.question, [each.passage], lengths=lengths, spans=1).spans
            texts.append(each.passage[spans[0].start : spans[0].end] if spans else "")
        return texts


def plot(tried: Sequence[Tried], file: Path, unit: str) -> None:
    """Draw all trials and their frontier as SVG, F1 over cost; Unavailable if it cannot be drawn or written."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise Unavailable("the plot needs matplotlib: pip install 'docqa[train]'") from error
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot(xlabel=unit, ylabel="F1")
    best = frontier(tried)
    axes.scatter([one.outcome.cost for one in tried], [100 * one.outcome.f1 for one in tried], s=12, color="0.7")
    costs, f1s = [one.outcome.cost for one in best], [100 * one.outcome.f1 for one in best]
    axes.plot(costs, f1s, marker="o", markersize=4, drawstyle="steps-post", color="C0", label="best at its cost")
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    # The same trials give the same file.
    with matplotlib.rc_context({"svg.hashsalt": "docqa"}):
        try:
            figure.savefig(file, format="svg", metadata={"Date": None})
        except OSError as error:
            raise Unavailable(f"{file} could not be written ({error.strerror})") from error
