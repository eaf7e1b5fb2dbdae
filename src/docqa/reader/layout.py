"""How inputs of different lengths lie in memory: one behind the other, so that short ones do not pay for long ones.

Everything in a transformer but attention works on each token by itself, and need not know where an input ends. So
all inputs are one matrix, (rows, width), for every linear map. Attention needs rectangles: each input is filled up to
a multiple of a few rows, and those filled up to the same length lie together, which is a rectangle without a copy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import torch
from torch import Tensor

# On a processor inputs are filled up to a multiple of so many rows, and all of them together, where that hardly adds to
# them, to one of so many: every distinct shape costs a compiled kernel. A GPU gets one rectangle, for a single call.
INPUT_ROWS, ALL_ROWS = 16, 64
_MANY_ROWS = 8 * ALL_ROWS


@dataclass(frozen=True, slots=True)
class Group:
    """`count` inputs that are filled up to `tokens` rows each and lie together, from row `first` on.

    `real` is boolean (count, tokens), True for what is no filling; None if nothing is.
    """

    first: int
    count: int
    tokens: int
    real: Tensor | None

    def of(self, rows: Tensor) -> Tensor:
        """These inputs' part of (rows, width): (count, tokens, width), without a copy."""
        return rows[self.first : self.first + self.count * self.tokens].view(self.count, self.tokens, -1)


class Layout:
    """Inputs of so many tokens, one or more each, as one sequence of rows.

    `inputs` and `places`, int64 (rows,), say which input a row belongs to, and which place in it a row is; those of
    filling lie behind the input's last.
    """

    def __init__(self, lengths: Sequence[int], device: torch.device, *, filled: int | None = None) -> None:
        self.lengths = list(lengths)
        self.longest = max(lengths)
        self._device = device
        if device.type != "cpu":
            filled = filled or self.longest
        self._filled = [filled or -(-length // INPUT_ROWS) * INPUT_ROWS for length in lengths]
        # Each input's turn, by length; what all together are filled up with counts to the last one's rows.
        self._order = sorted(range(len(lengths)), key=self._filled.__getitem__)
        counts = [self._filled[each] for each in self._order]
        if not filled and sum(counts) > _MANY_ROWS:
            counts[-1] += -sum(counts) % ALL_ROWS
        self.rows = sum(counts)
        order, rows_of = torch.tensor(self._order), torch.tensor(counts)
        firsts = rows_of.cumsum(0) - rows_of
        self.inputs = order.repeat_interleave(rows_of).to(device)
        self.places = (torch.arange(self.rows) - firsts.repeat_interleave(rows_of)).to(device)
        self._firsts = torch.empty_like(order).scatter(0, order, firsts).to(device)
        self._lengths = torch.tensor(self.lengths, device=device)

    @classmethod
    def of(cls, real: Tensor, *, filled: int | None = None) -> Layout:
        """The layout for a batch: `real` is boolean (inputs, tokens), True where a token is no padding, which is last.

        With `filled` all inputs are filled up to so many rows and lie in their order, which is one rectangle.
        """
        return cls(real.sum(dim=1).tolist(), real.device, filled=filled)

    @cached_property
    def filling(self) -> Tensor:
        """Which rows are no token: boolean (rows,)."""
        return self.places >= self._lengths[self.inputs]

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The rectangles, in the order of the rows."""
        return tuple(self._rectangles())

    def _rectangles(self) -> Iterator[Group]:
        first = 0
        for tokens, members in groupby(self._order, key=self._filled.__getitem__):
            lengths = [self.lengths[each] for each in members]
            beyond = first + len(lengths) * tokens
            real = None if min(lengths) == tokens else ~self.filling[first:beyond].view(-1, tokens)
            yield Group(first, len(lengths), tokens, real)
            first = beyond

    @cached_property
    def real(self) -> Tensor:
        """What is a token where all inputs are a rectangle: boolean (inputs, longest)."""
        return torch.arange(self.longest, device=self._device) < self._lengths[:, None]

    @cached_property
    def rectangle(self) -> Tensor:
        """Where each token of that rectangle lies among the rows, int64 (inputs, longest); for others, the last one."""
        places = torch.arange(self.longest, device=self._device).expand(len(self.lengths), -1)
        return self._firsts[:, None] + torch.minimum(places, self._lengths[:, None] - 1)

    def lay(self, batch: Tensor) -> Tensor:
        """The rows (rows, ...) of a batch (inputs, tokens, ...) that has all tokens; filling is some of its rows."""
        return batch[self.inputs, self.places.clamp(max=batch.shape[1] - 1)]

    def stand(self, rows: Tensor) -> Tensor:
        """The rectangle (inputs, longest, ...) of rows (rows, ...)."""
        picked = rows.index_select(0, self.rectangle.flatten())
        return picked.view(*self.rectangle.shape, *rows.shape[1:])
