"""The reader: a question and passages in, spans with logits out."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from docqa.errors import ReaderError
from docqa.reader import arithmetic, catalogue, machine, weights, windows
from docqa.reader.choices import Arithmetic, Device, Precision
from docqa.reader.lengths import LengthConfiguration, LengthTable
from docqa.reader.model import SpanModel, operations
from docqa.reader.weights import ReaderModel
from docqa.reader.windows import Window
from docqa.records import Span

__all__ = ["Precision", "Reader", "Reading"]

# A GPU wants to be filled; a CPU works through what fits its caches.
BATCH_WINDOWS = {"cpu": 16, "cuda": 128, "mps": 64}
# How much F1, as a share, a faster arithmetic may cost to be chosen by itself.
ARITHMETIC_F1 = 0.003


@dataclass(frozen=True, slots=True)
class Reading:
    """What the reader found: for each passage its best spans, best first; and whether it read the whole question.

    `tokens` is the length of each passage's input, with the question; of several, of that with the best span.
    """

    spans: tuple[tuple[Span, ...], ...]
    question_shortened: bool
    tokens: tuple[int, ...]


class Reader:
    """Dynamic-TinyBERT's way of reading (arXiv 2111.09645) for any BERT question-answering model.

    `reader` is None for the reader in use, else a reader's name, a folder, or a checkpoint's hub name.
    `precision` is the arithmetic's: `auto` is what is fastest on this machine of what was measured to cost no
    accuracy; where nothing was measured, bfloat16 where the processor multiplies it in hardware, else float32.
    `device` is where it computes: `auto` is a GPU if there is one. `folder` is the model's own, None for a
    checkpoint without one, and `lengths_table` its measured length configurations, None if there are none.
    ReaderError if the model cannot be loaded or the device or the precision are not there.
    """

    def __init__(
        self,
        reader: str | os.PathLike[str] | None = None,
        *,
        precision: Precision = "auto",
        device: Device = "auto",
    ) -> None:
        self._device = arithmetic.choose_device(device)
        loaded = weights.load(reader, as_stored=True)
        self.name = loaded.name
        self.folder = loaded.folder
        self.shape = loaded.model.shape
        self.layers = self.shape.num_hidden_layers
        self.lengths_table = _lengths_table(loaded)
        self.precision = self._choose(loaded.model) if precision == "auto" else precision
        self._tokenizer = loaded.tokenizer
        self._model = arithmetic.computed_in(loaded.model, self.precision, self._device)
        self._window_tokens = min(windows.WINDOW_TOKENS, self.shape.max_position_embeddings)

    @property
    def device(self) -> str:
        """The kind of processor that computes: cpu, cuda or mps."""
        return self._device.type

    def read(
        self,
        question: str,
        passages: Sequence[str],
        *,
        lengths: LengthConfiguration | None = None,
        spans: int = 10,
        before_batch: Callable[[], None] | None = None,
    ) -> Reading:
        """Find up to `spans` spans in each passage that may answer the question.

        `lengths` is the share of tokens that each layer keeps, None for all of them. A question of more
        than 64 tokens is shortened, which the result tells. `before_batch` is called before each pass through
        the model; what it raises ends the reading. ReaderError if there is too little memory even
        for one window at a time.
        """
        cut, shortened = windows.cut_windows(self._tokenizer, question, passages, self._window_tokens)
        found: list[dict[tuple[int, int], Span]] = [{} for _ in passages]
        tokens, best = [0] * len(passages), [-math.inf] * len(passages)
        for batch in _batches(cut, BATCH_WINDOWS[self.device]):
            if before_batch is not None:
                before_batch()
            for window, logits in self._in_memory(batch, lengths):
                of_window = windows.best_spans(window, logits, spans)
                if of_window and of_window[0].logit > best[window.passage]:
                    best[window.passage], tokens[window.passage] = of_window[0].logit, len(window.tokens)
                for span in of_window:
                    # Overlapping windows may find the same span; the surer of the two counts.
                    known = found[window.passage].get((span.start, span.end))
                    if known is None or span.logit > known.logit:
                        found[window.passage][span.start, span.end] = span
        return Reading(tuple(_ranked(of_passage.values(), spans) for of_passage in found), shortened, tuple(tokens))

    def costs_ms(self, question: str, passages: Sequence[str], lengths: LengthConfiguration | None) -> list[float]:
        """How long reading each of the passages will take on this machine, in milliseconds."""
        cut, _ = windows.cut_windows(self._tokenizer, question, passages, self._window_tokens)
        costs = [0.0] * len(passages)
        for window in cut:
            costs[window.passage] += self.cost.ms(operations(self.shape, len(window.tokens), lengths))
        return costs

    def cost_is_known(self) -> None:
        """Measure what a forward pass costs on this machine if that is not remembered, before a clock runs."""
        _ = self.cost

    @cached_property
    def cost(self) -> machine.Cost:
        """What a forward pass costs on this machine, measured at the first use and remembered."""
        return machine.cost_of(self._key(self.precision), self._device, lambda: self._model)

    def _choose(self, model: SpanModel) -> Arithmetic:
        """The fastest arithmetic of those that cost no accuracy."""
        there = arithmetic.in_hardware(self._device)
        measured = self.lengths_table.precisions if self.lengths_table else {}
        if "float32" not in measured or not measured.keys() & {*there} - {"float32"}:
            return "bfloat16" if "bfloat16" in there else "float32"
        least = measured["float32"] - ARITHMETIC_F1
        good = [each for each in there if measured.get(each, 0.0) >= least]
        return min(good, key=lambda each: self._cost_in(each, model).ms(_USUAL_OPERATIONS))

    def _cost_in(self, precision: Arithmetic, model: SpanModel) -> machine.Cost:
        """What a forward pass costs in an arithmetic, on a copy of the model if it is not known yet."""

        def converted() -> SpanModel:
            return arithmetic.computed_in(copy.deepcopy(model), precision, self._device)

        return machine.cost_of(self._key(precision), self._device, converted)

    def _key(self, precision: str) -> str:
        digest = catalogue.weights_digest(self.folder)[:16] if self.folder is not None else self.name
        return f"{digest} in {precision}"

    def _in_memory(
        self, batch: Sequence[Window], lengths: LengthConfiguration | None
    ) -> Iterator[tuple[Window, NDArray[np.float32]]]:
        """Windows with their logits, read in halves where the whole batch needs more memory than there is."""
        try:
            logits = logits_of(self._model, batch, lengths)
        except (RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
            if len(batch) == 1:
                raise ReaderError(
                    f"there is too little memory to read a passage with {self.name}; close other programs,"
                    " or choose a smaller reader: docqa reader ls"
                ) from error
            half = len(batch) // 2
            logits = None
        if logits is None:
            # Outside of the handler, which keeps the failed pass's tensors alive.
            yield from self._in_memory(batch[:half], lengths)
            yield from self._in_memory(batch[half:], lengths)
        else:
            yield from zip(batch, logits, strict=True)


@torch.inference_mode()
def logits_of(
    model: SpanModel, batch: Sequence[Window], lengths: LengthConfiguration | None = None
) -> NDArray[np.float32]:
    """Logits (windows, tokens of the longest, 2), zeros behind a window's last token, in one pass."""
    size = max(len(window.tokens) for window in batch)
    tokens = torch.zeros(len(batch), size, dtype=torch.int64)
    segments = torch.zeros_like(tokens)
    real = torch.zeros(len(batch), size, dtype=torch.bool)
    for row, window in enumerate(batch):
        tokens[row, : len(window.tokens)] = torch.tensor(window.tokens)
        segments[row, window.first : len(window.tokens)] = 1
        real[row, : len(window.tokens)] = True
    inputs = (each.to(model.span_head.weight.device) for each in (tokens, segments, real))
    logits: NDArray[np.float32] = model(*inputs, lengths).cpu().numpy()
    return logits


# By which arithmetics are compared: a batch of passages through a small reader.
_USUAL_OPERATIONS = 1e10


def _is_out_of_memory(error: Exception) -> bool:
    """Whether an allocation failed; on a CPU torch raises a bare RuntimeError, and oneDNN says less."""
    signs = ("allocate memory", "could not create a primitive")
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(sign in str(error) for sign in signs)


def _lengths_table(loaded: ReaderModel) -> LengthTable | None:
    """The model's measured length configurations; ReaderError if they are another model's."""
    table = catalogue.lengths_of(loaded.folder) if loaded.folder is not None else None
    layers = loaded.model.shape.num_hidden_layers
    if table is not None and table.layers != layers:
        raise ReaderError(
            f"the length configurations of {loaded.folder} are for {table.layers} layers, the model has {layers};"
            " measure them anew: docqa reader tune"
        )
    return table


def _batches(cut: Sequence[Window], most: int) -> Iterator[list[Window]]:
    """All windows, at most so many together, the shortest first."""
    by_length = sorted(cut, key=lambda window: len(window.tokens))
    for start in range(0, len(by_length), most):
        yield by_length[start : start + most]


def _ranked(spans: Iterable[Span], count: int) -> tuple[Span, ...]:
    return tuple(sorted(spans, key=lambda span: (-span.logit, span.start, span.end))[:count])
