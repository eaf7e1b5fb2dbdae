"""Length configurations: how many tokens each layer of the reader keeps, and what keeping fewer was measured to cost.

Length-Adaptive Transformer (arXiv 2010.07003, section 3) states a configuration as absolute numbers for one
input length. Shares of each input's real length serve inputs of every length.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from docqa.errors import ReaderError
from docqa.reader.choices import Effort

# How much F1, as a share, a configuration may cost where so much effort was asked for, and how many passages are read.
_AFFORDABLE_F1: Mapping[Effort, float] = {"fast": 0.03, "balanced": 0.01, "thorough": 0.0}
# How much lower a passage's logits may come out than when it is read in full. With the right passage given that costs
# nothing, but it blurs which of several passages is the right one.
_AFFORDABLE_DRIFT: Mapping[Effort, float] = {"fast": math.inf, "balanced": 1.25, "thorough": 0.0}
PASSAGES: Mapping[Effort, int] = {"fast": 5, "balanced": 10, "thorough": 20}

# What saves less than a seventh of the time is not worth an answer: with the passage given dropping tokens may lose
# nothing, and still blur which of several passages is the right one.
_WORTHWHILE_TIME = 0.85

# So many tokens always go on: in a short input the question alone takes up what a share would leave.
LEAST_KEPT = 48

# Differences of F1 below this are rounding.
_EQUAL_F1 = 1e-9


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

    @property
    def is_full(self) -> bool:
        """Whether no token is ever dropped."""
        return self.shares[-1] == 1.0

    def kept(self, layer: int, length: int) -> int:
        """How many of an input's `length` real tokens go on after `layer` (0 is the first); at least LEAST_KEPT."""
        # The margin keeps 0.7 * 10 at seven tokens where floating point makes it 7.000000000000001.
        return min(length, max(LEAST_KEPT, math.ceil(self.shares[layer] * length - 1e-9)))

    @classmethod
    def parse(cls, text: str) -> LengthConfiguration:
        """Read shares separated by commas, as in `1,1,0.7,0.5,0.3,0.2`; ValueError if it is no such list."""
        return cls(tuple(float(share) for share in text.split(",")))

    @classmethod
    def geometric(cls, layers: int, ratio: float, first: int = 0) -> LengthConfiguration:
        """Each layer from `first` on keeps the same share `ratio` of what the one before it kept."""
        return cls(tuple(round(ratio ** max(0, layer + 1 - first), 4) for layer in range(layers)))


@dataclass(frozen=True, slots=True)
class MeasuredLengths:
    """What reading by one configuration costs and brings.

    `cost` is its floating-point operations and `time` its measured time, both over those of keeping all tokens.
    `f1` and `exact` are shares, from 0 to 1. `drift` bounds how much higher the logits of a passage's best span
    are when it is read in full: 99 of 100 passages stay below it.
    """

    shares: tuple[float, ...]
    cost: float
    time: float
    f1: float
    exact: float
    drift: float

    @property
    def lengths(self) -> LengthConfiguration:
        """The configuration."""
        return LengthConfiguration(self.shares)


@dataclass(frozen=True, slots=True)
class LengthTable:
    """A reader's measured length configurations, keeping all tokens among them.

    `measured_on` names the questions, `questions` counts them. `precisions` is the F1, at full length, by the
    arithmetic it was reached in.
    """

    rows: tuple[MeasuredLengths, ...]
    measured_on: str
    questions: int
    precisions: Mapping[str, float] = field(default_factory=dict)

    @property
    def full(self) -> MeasuredLengths:
        """The row of keeping all tokens."""
        return next(row for row in self.rows if row.lengths.is_full)

    @property
    def layers(self) -> int:
        """For how many layers the configurations are."""
        return len(self.rows[0].shares)

    def affordable(self, effort: Effort) -> list[MeasuredLengths]:
        """The rows that cost no more accuracy than this effort allows, the best first, each faster than the last."""
        least = self.full.f1 - _AFFORDABLE_F1[effort] - _EQUAL_F1
        chosen = [self.full]
        for row in sorted(self.rows, key=lambda row: (-row.f1, row.time)):
            if row.f1 < least or row.drift > _AFFORDABLE_DRIFT[effort]:
                continue
            if row.time < min(chosen[-1].time, _WORTHWHILE_TIME):
                chosen.append(row)
        return chosen

    def choose(self, effort: Effort) -> MeasuredLengths:
        """The fastest row that costs no more accuracy than this effort allows; thorough is always full length."""
        return self.full if effort == "thorough" else self.affordable(effort)[-1]

    def to_json(self) -> str:
        """Write as JSON."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str, origin: Path) -> LengthTable:
        """Read what `to_json` wrote; ReaderError, naming where it came from, if it is anything else."""
        try:
            content = json.loads(text)
            table = cls(**{**content, "rows": tuple(_row(**row) for row in content["rows"])})
            table._check()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ReaderError(
                f"the length configurations in {origin} cannot be read ({error}); measure them anew: docqa reader tune"
            ) from error
        return table

    def _check(self) -> None:
        """ValueError unless the table can be chosen from."""
        if len({len(row.shares) for row in self.rows}) != 1:
            raise ValueError("the configurations are for different numbers of layers")
        if not any(row.lengths.is_full for row in self.rows):
            raise ValueError("no configuration keeps all tokens")
        numbers = [each for row in self.rows for each in (row.cost, row.time, row.drift)]
        if not all(math.isfinite(number) and number >= 0 for number in numbers):
            raise ValueError("costs, times and drifts must be numbers, 0 or more")
        if not all(0 <= share <= 1 for row in self.rows for share in (row.f1, row.exact)):
            raise ValueError("F1 and exact match are shares, from 0 to 1")
        if not all(0 <= share <= 1 for share in self.precisions.values()):
            raise ValueError("the F1 of a precision is a share, from 0 to 1")


def _row(*, shares: list[float], **figures: Any) -> MeasuredLengths:
    return MeasuredLengths(LengthConfiguration(tuple(shares)).shares, **figures)
