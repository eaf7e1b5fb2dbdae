"""LengthDrop: training one model to answer under many length configurations.

The Length-Adaptive Transformer (Kim and Cho 2020, arXiv 2010.07003, section 3.2): each step trains the full
model, and by the sandwich rule (Yu and Huang 2019, arXiv 1903.05134) its smallest and a few random
configurations, which learn from the full pass's predictions ("in-place distillation").
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal

import torch
from torch import Tensor

from docqa.errors import UsageError
from docqa.reader.lengths import LengthConfiguration
from docqa.reader.model import SpanModel
from docqa.training.data import Mix
from docqa.training.inputs import Batch
from docqa.training.losses import distillation_loss, scored_logits, significance_loss, span_logits, span_loss
from docqa.training.run import Event, Settings, train
from docqa.training.start import load_start

Passes = Literal["all", "two", "one"]


@dataclass(frozen=True, slots=True)
class LengthDrop:
    """What is drawn in a step: `random` configurations, and the smallest, in which each layer drops the share `bound`.

    `bound` is the largest share of its tokens that a layer may drop (the paper's p). `layer_dropout` is the
    chance of a layer to be left out of a random configuration altogether (LayerDrop, Fan et al. 2019, arXiv
    1909.11556), which the paper has at 0.2. `passes` says how many passes a step makes: all of these and the full
    one; two, the full one and one of these, the smallest every other time; or one, the full one every other time.
    Passes beside the full one learn its predictions, one alone the answers. UsageError unless bound and chance are
    shares.
    """

    bound: float = 0.35
    random: int = 1
    layer_dropout: float = 0.0
    passes: Passes = "all"

    def __post_init__(self) -> None:
        if not 0 < self.bound < 1:
            raise UsageError(f"a layer drops a share between 0 and 1 of its tokens, not {self.bound}")
        if not 0 <= self.layer_dropout < 1:
            raise UsageError(f"layers are left out with a chance from 0 to below 1, not {self.layer_dropout}")

    def configurations(self, layers: int, random: Random) -> Iterator[LengthConfiguration]:
        """The configurations to train in a step beside the full one, or instead of it; the smallest first."""
        if self.passes == "all":
            yield self.smallest(layers)
            for _ in range(self.random):
                yield self._drawn(layers, random)
        elif self.passes == "two" or random.random() < 0.5:
            yield self.smallest(layers) if random.random() < 0.5 else self._drawn(layers, random)

    def usual(self, layers: int) -> LengthConfiguration:
        """The mean of the random configurations' draws: each layer drops half of the bound."""
        return LengthConfiguration(tuple((1 - self.bound / 2) ** (layer + 1) for layer in range(layers)))

    def smallest(self, layers: int) -> LengthConfiguration:
        """The configuration in which each layer drops the most it may."""
        return LengthConfiguration(tuple((1 - self.bound) ** (layer + 1) for layer in range(layers)))

    def _drawn(self, layers: int, random: Random) -> LengthConfiguration:
        shares, left = [], 1.0
        for _ in range(layers):
            left *= 1 - random.uniform(0, self.bound)
            shares.append(left)
        return LengthConfiguration(tuple(shares))

    def layers(self, layers: int, random: Random) -> list[int]:
        """The layers of a random configuration that are not left out; at least one."""
        kept = [layer for layer in range(layers) if random.random() >= self.layer_dropout]
        return kept or [random.randrange(layers)]


# The heads' loss is about three where the spans' is about one; it also draws early layers towards the answer.
_SIGNIFICANCE_WEIGHT = 0.1


class LengthDropObjective:
    """The span loss at full length, the significance heads' loss, and what shorter passes miss of the full one's."""

    def __init__(self, model: SpanModel, length_drop: LengthDrop) -> None:
        self.model = self.trained = model
        self.identity = repr(length_drop)
        # Full length alone would choose a reader that has not learnt to do with less yet.
        self.validated_by = (None, length_drop.usual(len(model.layers)))
        self._length_drop = length_drop

    def losses(self, batch: Batch, random: Random) -> Iterator[Tensor]:
        """The full pass's loss, then one for each configuration, the smallest first."""
        configurations = list(self._length_drop.configurations(len(self.model.layers), random))
        if self._length_drop.passes == "one" and configurations:
            yield span_loss(self._shorter(batch, configurations[0], random), batch)
            return
        logits, scores = scored_logits(self.model, batch)
        yield span_loss(logits, batch) + _SIGNIFICANCE_WEIGHT * significance_loss(scores, logits, batch)
        teacher = logits.detach()
        for lengths in configurations:
            yield distillation_loss(self._shorter(batch, lengths, random), teacher, batch)

    def _shorter(self, batch: Batch, lengths: LengthConfiguration, random: Random) -> Tensor:
        """The logits under a configuration; if it is a random one, without the layers that are left out."""
        layers = len(self.model.layers)
        smallest = lengths == self._length_drop.smallest(layers)
        kept = list(range(layers)) if smallest else self._length_drop.layers(layers, random)
        with only_layers(self.model, kept):
            return span_logits(self.model, batch, LengthConfiguration(tuple(lengths.shares[layer] for layer in kept)))

    def to(self, device: torch.device) -> None:
        """Move the reader."""
        self.model.to(device)


@contextmanager
def only_layers(model: SpanModel, numbers: Sequence[int]) -> Iterator[None]:
    """Let a model consist of some of its layers, in this order, for a while."""
    whole = model.layers
    model.layers = type(whole)(whole[number] for number in numbers)
    try:
        yield
    finally:
        model.layers = whole


def length_drop(
    start: str | os.PathLike[str], mix: Mix, folder: Path, settings: Settings, drop: LengthDrop
) -> Iterator[Event]:
    """Teach a reader to do with fewer tokens; resumes what is in `folder`. See `train`."""
    loaded = load_start(start, settings.seed, significance=True)
    yield from train(loaded, mix, LengthDropObjective(loaded.model, drop), folder, settings)
