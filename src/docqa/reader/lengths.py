"""Length configurations: how many tokens each layer of the reader keeps.

Length-Adaptive Transformer (arXiv 2010.07003, section 3) states a configuration as absolute numbers for one
input length. Shares of each input's real length serve inputs of every length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LengthConfiguration:
    """The share of an input's tokens that goes on after each layer's attention, first layer first.

    Raises ValueError unless every share lies in (0, 1] and none exceeds the one before it.
    """

    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.shares:
            raise ValueError("a length configuration needs one share per layer")
        if not all(0.0 < share <= 1.0 for share in self.shares):
            raise ValueError(f"shares must lie in (0, 1], got {self.shares}")
        if any(later > earlier for earlier, later in zip(self.shares, self.shares[1:], strict=False)):
            raise ValueError(f"a dropped token never comes back: shares must not increase, got {self.shares}")

    def kept(self, layer: int, length: int) -> int:
        """How many of an input's `length` real tokens go on after `layer` (0 is the first); at least one."""
        # The margin keeps 0.7 * 10 at seven tokens where floating point makes it 7.000000000000001.
        return max(1, min(length, math.ceil(self.shares[layer] * length - 1e-9)))

    @classmethod
    def parse(cls, text: str) -> LengthConfiguration:
        """Read shares separated by commas, as in `1,1,0.7,0.5,0.3,0.2`; ValueError if it is no such list."""
        return cls(tuple(float(share) for share in text.split(",")))
