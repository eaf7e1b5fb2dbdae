"""Words to numbers, many at a time: the words of many texts are found and looked up by numpy alone.

A word of at most sixteen bytes is two integers of eight. A table holds these beside the word's number, in a slot
that they choose; two words that choose the same slot take turns, and whoever is not there is asked of a plain
dictionary. So a number is never wrong, and a text that repeats its words hardly touches Python at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Numbers = NDArray[np.int32]

_SLOT_BITS = 18
_WORD_BYTES = 16
_MASKS = np.array([(1 << 8 * length) - 1 for length in range(9)], np.uint64)
# Odd numbers without pattern: their products spread similar words over the slots.
_SPREAD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))


NumbersOf = Callable[[Sequence[str]], Sequence[int]]
"""From words to their numbers, always the same."""


class WordTable:
    """Remembers words and their numbers."""

    def __init__(self) -> None:
        self._heads = np.zeros(1 << _SLOT_BITS, np.uint64)
        self._tails = np.zeros(1 << _SLOT_BITS, np.uint64)
        self._numbers = np.zeros(1 << _SLOT_BITS, np.int32)

    def number(self, words: bytes, numbers_of: NumbersOf) -> tuple[Numbers, Integers]:
        """Number the words of texts in UTF-8, with spaces around them and a NUL after each text, as `numbers_of` does.

        Return their numbers, and how many each text has.
        """
        # A space in front makes the first word begin; the rest is for reading beyond the end.
        padded = b" %b%b" % (words, b" " * _WORD_BYTES)
        codes = np.frombuffer(padded, np.uint8)
        inside = codes > ord(" ")
        edges = (inside[1:] != inside[:-1]).nonzero()[0] + 1
        starts, ends = edges[::2].copy(), edges[1::2].copy()
        counts = np.diff(starts.searchsorted((codes == 0).nonzero()[0]), prepend=0)
        return self._look_up(padded, starts, ends, numbers_of), counts

    def _look_up(self, padded: bytes, starts: Integers, ends: Integers, numbers_of: NumbersOf) -> Numbers:
        heads, tails = _as_integers(padded, starts, ends - starts)
        slots = (((heads * _SPREAD[0]) ^ (tails * _SPREAD[1])) >> np.uint64(64 - _SLOT_BITS)).view(np.int64)
        is_long = ends - starts > _WORD_BYTES
        numbers = self._numbers[slots]
        missed = (is_long | (self._heads[slots] != heads) | (self._tails[slots] != tails)).nonzero()[0]
        # Of the words that miss a slot one is kept in it, and most of the others are the same word.
        _, first = np.unique(slots[missed], return_index=True)
        asked = missed[first]
        numbers[asked] = _ask(padded, starts[asked], ends[asked], numbers_of)
        kept = asked[~is_long[asked]]
        self._heads[slots[kept]], self._tails[slots[kept]] = heads[kept], tails[kept]
        self._numbers[slots[kept]] = numbers[kept]
        again = slots[missed]
        numbers[missed] = self._numbers[again]
        left = is_long[missed] | (self._heads[again] != heads[missed]) | (self._tails[again] != tails[missed])
        missed = missed[left]
        numbers[missed] = _ask(padded, starts[missed], ends[missed], numbers_of)
        return numbers


def _ask(padded: bytes, starts: Integers, ends: Integers, numbers_of: NumbersOf) -> Sequence[int]:
    words = [padded[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    return numbers_of(b" ".join(words).decode().split(" ")) if words else []


def _as_integers(padded: bytes, starts: Integers, lengths: Integers) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The first eight bytes of each word, and the next eight, 0 where it has ended."""
    eights = np.ndarray((len(padded) - 7,), "<u8", padded, strides=(1,))  # the eight bytes from each place on
    heads = eights[starts] & _MASKS[np.minimum(lengths, 8)]
    tails = np.zeros_like(heads)
    beyond = (lengths > 8).nonzero()[0]
    tails[beyond] = eights[starts[beyond] + 8] & _MASKS[np.minimum(lengths[beyond] - 8, 8)]
    return heads, tails
