"""What length configurations bring and cost a reader: for the search to go by, and as the table a reader keeps."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from docqa.errors import Unavailable
from docqa.reader.lengths import LengthConfiguration, LengthTable, MeasuredLengths
from docqa.reader.model import BertShape
from docqa.reader.weights import ReaderModel
from docqa.records import Span
from docqa.training.run import multiplies_bfloat16
from docqa.training.search import Outcome, Tried, frontier
from docqa.training.validation import Slice

Cost = Literal["time", "flops"]

# Of so many timings the shortest counts: what else the machine does only ever adds.
TIMINGS = 3
DRIFT_QUANTILE = 0.99


def operations(shape: BertShape, tokens: int, lengths: LengthConfiguration | None = None) -> int:
    """The floating-point operations of the layers' matrix products for an input of so many tokens.

    A layer projects and attends with the tokens that reach it; its feed-forward network sees those that go on.
    Embeddings, normalisation and softmax are left out, as usual.
    """
    total, reaching = 0, tokens
    for layer in range(shape.num_hidden_layers):
        going_on = lengths.kept(layer, tokens) if lengths else tokens
        width = shape.hidden_size
        projections = 4 * 2 * reaching * width * width
        attention = 2 * 2 * reaching * reaching * width
        feed_forward = 2 * 2 * going_on * width * shape.intermediate_size
        total += projections + attention + feed_forward
        reaching = going_on
    return total


class LengthMeasure:
    """Reads questions by length configurations, in the processor's fastest floating-point arithmetic."""

    def __init__(self, reader: ReaderModel, questions: Slice, cost: Cost = "time") -> None:
        self.precision = "bfloat16" if multiplies_bfloat16(torch.device("cpu")) else "float32"
        self._model = reader.model.to(getattr(torch, self.precision)).eval()
        self._shape = reader.model.shape
        self._questions = questions
        self._cost = cost
        self._full: list[Span | None] | None = None

    @property
    def layers(self) -> int:
        """How many layers the reader has."""
        return self._shape.num_hidden_layers

    def __call__(self, lengths: LengthConfiguration) -> Outcome:
        """F1 on the questions, and milliseconds or millions of operations a question."""
        self._warm_up()
        began = time.perf_counter()
        best = self._questions.read(self._model, lengths)
        taken = 1000 * (time.perf_counter() - began) / len(self._questions)
        cost = self.operations(lengths) / len(self._questions) / 1e6 if self._cost == "flops" else taken
        return Outcome(self._questions.judge(best).f1, cost)

    def operations(self, lengths: LengthConfiguration | None = None) -> int:
        """The operations of reading all the questions."""
        return sum(operations(self._shape, tokens, lengths) for tokens in self._questions.window_tokens)

    def row(self, lengths: LengthConfiguration) -> MeasuredLengths:
        """All that is known of a configuration, measured beside reading in full."""
        full = self._warm_up()
        full_s, lengths_s = [], []
        for _ in range(TIMINGS):
            full_s.append(self._seconds(None))
            lengths_s.append(self._seconds(lengths))
        best = self._questions.read(self._model, lengths)
        score = self._questions.judge(best)
        return MeasuredLengths(
            shares=lengths.shares,
            cost=round(self.operations(lengths) / self.operations(), 4),
            time=1.0 if lengths.is_full else round(min(lengths_s) / min(full_s), 4),
            f1=round(score.f1, 4),
            exact=round(score.exact, 4),
            drift=0.0 if lengths.is_full else round(_drift(full, best), 4),
        )

    def table(self, configurations: Iterable[LengthConfiguration], measured_on: str) -> LengthTable:
        """The table of these configurations and of keeping all tokens."""
        full = LengthConfiguration((1.0,) * self.layers)
        rows = [self.row(each) for each in [full, *(each for each in configurations if not each.is_full)]]
        return LengthTable(tuple(rows), measured_on, len(self._questions), {self.precision: rows[0].f1})

    def _warm_up(self) -> list[Span | None]:
        """What is read in full; the first time compiles kernels and touches memory."""
        if self._full is None:
            self._full = self._questions.read(self._model)
        return self._full

    def _seconds(self, lengths: LengthConfiguration | None) -> float:
        began = time.perf_counter()
        self._questions.read(self._model, lengths)
        return time.perf_counter() - began


def _drift(full: Sequence[Span | None], shorter: Sequence[Span | None]) -> float:
    """How much higher the best spans' logits are in full; 99 of 100 questions stay below it."""
    gaps = [one.logit - other.logit for one, other in zip(full, shorter, strict=True) if one and other]
    return max(0.0, float(np.quantile(gaps, DRIFT_QUANTILE))) if gaps else 0.0


def plot(tried: Sequence[Tried], file: Path, unit: str) -> None:
    """Draw all trials and their frontier as SVG, F1 over cost; Unavailable if it cannot be drawn or written."""
    try:
        import matplotlib
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError as error:
        raise Unavailable("the plot needs matplotlib: pip install 'docqa[train]'") from error
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasSVG(figure)
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
