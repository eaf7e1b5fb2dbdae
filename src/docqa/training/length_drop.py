"""LengthDrop: training one model to answer under many length configurations.

The Length-Adaptive Transformer (Kim and Cho 2020, arXiv 2010.07003, section 3.2): each step trains the full
model, and by the sandwich rule (Yu and Huang 2019, arXiv 1903.05134) its smallest and a few random
configurations, which learn from the full pass's predictions ("in-place distillation").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from docqa.reader.lengths import LengthConfiguration


@dataclass(frozen=True, slots=True)
class LengthDrop:
    """What is drawn in a step: `random` configurations, and the smallest, in which each layer drops the share `bound`.

    `bound` is the largest share of its tokens that a layer may drop (the paper's p); ValueError unless it lies
    between 0 and 1.
    """

    bound: float = 0.35
    random: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.bound < 1:
            raise ValueError(f"a layer drops a share between 0 and 1 of its tokens, not {self.bound}")

    def configurations(self, layers: int, random: Random) -> Iterator[LengthConfiguration]:
        """The configurations to train in a step beside the full one, the smallest first."""
        yield LengthConfiguration(tuple((1 - self.bound) ** (layer + 1) for layer in range(layers)))
        for _ in range(self.random):
            yield self._drawn(layers, random)

    def _drawn(self, layers: int, random: Random) -> LengthConfiguration:
        shares, left = [], 1.0
        for _ in range(layers):
            left *= 1 - random.uniform(0, self.bound)
            shares.append(left)
        return LengthConfiguration(tuple(shares))
