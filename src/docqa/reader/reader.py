"""The reader: a question and passages in, spans with logits out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from docqa.errors import ReaderError
from docqa.reader import catalogue, weights, windows
from docqa.reader.lengths import LengthConfiguration, LengthTable
from docqa.reader.weights import ReaderModel
from docqa.reader.windows import Window
from docqa.records import Span

Precision = Literal["auto", "float32", "bfloat16"]

# Every distinct shape costs the CPU backend a compiled kernel, so inputs are padded up to few lengths.
LENGTH_STEP = 32
BATCH_WINDOWS = 16


@dataclass(frozen=True, slots=True)
class Reading:
    """What the reader found: for each passage its best spans, best first; and whether it read the whole question."""

    spans: tuple[tuple[Span, ...], ...]
    question_shortened: bool


class Reader:
    """Dynamic-TinyBERT's way of reading (arXiv 2111.09645) for any BERT question-answering model.

    `reader` is None for the reader in use, else a reader's name, a folder, or a checkpoint's hub name.
    `precision` is the arithmetic's: `auto` is bfloat16 where the processor multiplies it in hardware, which
    is about twice as fast, else float32. `folder` is the model's own, None for a checkpoint without one,
    and `lengths_table` its measured length configurations, None if there are none.
    ReaderError if the model cannot be loaded.
    """

    def __init__(self, reader: str | os.PathLike[str] | None = None, *, precision: Precision = "auto") -> None:
        loaded = weights.load(reader)
        self.name = loaded.name
        self.folder = loaded.folder
        self.layers = loaded.model.shape.num_hidden_layers
        self.lengths_table = _lengths_table(loaded)
        self.precision = _hardware_precision() if precision == "auto" else precision
        self._tokenizer = loaded.tokenizer
        self._model = loaded.model.to(getattr(torch, self.precision))
        self._window_tokens = min(windows.WINDOW_TOKENS, self._model.shape.max_position_embeddings)

    def read(
        self,
        question: str,
        passages: Sequence[str],
        *,
        lengths: LengthConfiguration | None = None,
        spans: int = 10,
    ) -> Reading:
        """Find up to `spans` spans in each passage that may answer the question.

        `lengths` is the share of tokens that each layer keeps, None for all of them. A question of more
        than 64 tokens is shortened, which the result tells.
        """
        cut, shortened = windows.cut_windows(self._tokenizer, question, passages, self._window_tokens)
        found: list[dict[tuple[int, int], Span]] = [{} for _ in passages]
        for batch in _batches(cut):
            for window, logits in zip(batch, self._logits(batch, lengths), strict=True):
                for span in windows.best_spans(window, logits, spans):
                    # Overlapping windows may find the same span; the surer of the two counts.
                    known = found[window.passage].get((span.start, span.end))
                    if known is None or span.logit > known.logit:
                        found[window.passage][span.start, span.end] = span
        return Reading(tuple(_ranked(of_passage.values(), spans) for of_passage in found), shortened)

    @torch.inference_mode()
    def _logits(self, batch: Sequence[Window], lengths: LengthConfiguration | None) -> NDArray[np.float32]:
        """Logits (windows, tokens, 2) of a batch, padded to a common length."""
        size = _padded(batch[0])
        tokens = torch.zeros(len(batch), size, dtype=torch.int64)
        segments = torch.zeros_like(tokens)
        real = torch.zeros(len(batch), size, dtype=torch.bool)
        for row, window in enumerate(batch):
            tokens[row, : len(window.tokens)] = torch.tensor(window.tokens)
            segments[row, window.first : len(window.tokens)] = 1
            real[row, : len(window.tokens)] = True
        logits: NDArray[np.float32] = self._model(tokens, segments, real, lengths).numpy()
        return logits


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


def _hardware_precision() -> Literal["float32", "bfloat16"]:
    # Older versions of torch do not tell.
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bfloat16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "float32"


def _padded(window: Window) -> int:
    return -(-len(window.tokens) // LENGTH_STEP) * LENGTH_STEP


def _batches(cut: Sequence[Window]) -> Iterator[list[Window]]:
    """Windows of the same padded length together, so that short ones do not pay for long ones."""
    for _, group in groupby(sorted(cut, key=_padded), key=_padded):
        same = list(group)
        for start in range(0, len(same), BATCH_WINDOWS):
            yield same[start : start + BATCH_WINDOWS]


def _ranked(spans: Iterable[Span], count: int) -> tuple[Span, ...]:
    return tuple(sorted(spans, key=lambda span: (-span.logit, span.start, span.end))[:count])
