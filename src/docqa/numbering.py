"""Words to numbers, many at a time: the words of an ASCII text are found and looked up by numpy alone.

A word of at most sixteen bytes is two integers of eight. A table holds these beside the word's number, in a slot
that they choose; two words that choose the same slot take turns, and whoever is not there is asked of a plain
dictionary. So a number is never wrong, and a text that repeats its words hardly touches Python at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

_SLOT_BITS = 18
_WORD_BYTES = 16
# Letters and digits in lower case, a space for everything else.
_FOLDED = bytes(ord(chr(code).lower()) if code < 128 and chr(code).isalnum() else 32 for code in range(256))
_MASKS = np.array([(1 << 8 * length) - 1 for length in range(9)], np.uint64)
# Odd numbers without pattern: their products spread similar words over the slots.
_SPREAD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))


class WordTable:
    """Numbers the words of ASCII texts as `number_of` does."""

    def __init__(self, number_of: Callable[[str], int]) -> None:
        self._number_of = number_of
        self._heads = np.zeros(1 << _SLOT_BITS, np.uint64)
        self._tails = np.zeros(1 << _SLOT_BITS, np.uint64)
        self._numbers = np.zeros(1 << _SLOT_BITS, np.int64)

    def number(self, text: str, bounds: Sequence[tuple[int, int]]) -> tuple[Integers, NDArray[np.int32]] | None:
        """Number the words between bounds, one stretch after the other; return their numbers and counts.

        None if a bound parts a word, or the text is not ASCII.
        """
        if not text.isascii():
            return None
        # A space in front and behind makes every word begin and end; the rest is for reading beyond the end.
        folded = b" %b%b" % (text.encode("ascii").translate(_FOLDED), b" " * (_WORD_BYTES + 1))
        inside = np.frombuffer(folded, np.uint8) != ord(" ")
        limits = np.array(bounds, np.int64).reshape(-1, 2) + 1
        if (inside[limits] & inside[limits - 1]).any():
            return None
        edges = (inside[1:] != inside[:-1]).nonzero()[0] + 1
        starts, ends = edges[::2], edges[1::2]
        first = starts.searchsorted(limits[:, 0])
        counts = ends.searchsorted(limits[:, 1], side="right") - first
        before = counts.cumsum() - counts
        chosen = np.repeat(first - before, counts) + np.arange(int(counts.sum()))
        numbers = self._look_up(folded, starts, ends)
        return numbers[chosen], counts.astype(np.int32)

    def _look_up(self, folded: bytes, starts: Integers, ends: Integers) -> Integers:
        lengths = ends - starts
        eights = np.ndarray((len(folded) - 7,), "<u8", folded, strides=(1,))  # the eight bytes from each place on
        heads = eights[starts] & _MASKS[np.minimum(lengths, 8)]
        tails = eights[starts + 8] & _MASKS[np.clip(lengths - 8, 0, 8)]
        slots = ((heads * _SPREAD[0]) ^ (tails * _SPREAD[1])) >> np.uint64(64 - _SLOT_BITS)
        numbers: Integers = self._numbers[slots]
        known = (self._heads[slots] == heads) & (self._tails[slots] == tails) & (lengths <= _WORD_BYTES)
        missed = (~known).nonzero()[0]
        asked = [folded[start:end] for start, end in zip(starts[missed].tolist(), ends[missed].tolist(), strict=True)]
        numbers[missed] = [self._number_of(word.decode("ascii")) for word in asked]
        new = (~known & (lengths <= _WORD_BYTES)).nonzero()[0]
        # Of several words for a slot one is kept: all three parts must be that one's.
        _, chosen = np.unique(slots[new], return_index=True)
        new = new[chosen]
        self._heads[slots[new]], self._tails[slots[new]] = heads[new], tails[new]
        self._numbers[slots[new]] = numbers[new]
        return numbers
