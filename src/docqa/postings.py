"""Postings in memory and as bytes: which terms occur in which passages, how often.

In memory the entries of all terms stand one after the other in arrays. As bytes they stand in blocks of a few
thousand bytes that hold a run of terms in order, or one frequent term alone. An entry takes three bytes: its
distance from the one before, and one number for the term's frequency and the passage's length together, so
that a query needs nothing but the blocks of its terms. What exceeds these is kept beside them.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Counts = NDArray[np.int32]

# A code is frequency * CODE_LENGTHS + length. ESCAPE stands for a frequency or length that is too large for it.
CODE_LENGTHS = 1 << 10
CODE_FREQUENCIES = 1 << 6
ESCAPE = CODE_LENGTHS * CODE_FREQUENCIES - 1

# A row of this many bytes fills a page of the library file.
_BLOCK_BYTES = 3_900
# Terms, entries, escaped codes, large gaps, and the bytes that each of these takes.
_HEADER = struct.Struct("<5I")
_LARGE_GAP = 255


@dataclass(frozen=True, slots=True)
class Postings:
    """The postings of passages that are numbered from 0.

    The first `counts[0]` of the entries are those of `terms[0]`, and so on; a term's entries are in the order
    of their passages. An entry says that the passage `places[i]` holds the term `frequencies[i]` times.
    `lengths` are the passages' numbers of terms.
    """

    terms: list[str]
    counts: Counts
    places: Counts
    frequencies: Counts
    lengths: Counts

    def __reduce__(self) -> tuple[Any, ...]:
        """Be pickled in little space, with the terms as one string: many small ones take long to make again."""
        arrays = (self.counts, self.places, self.frequencies, self.lengths)
        return _unpickled, ("\n".join(self.terms), *map(_narrowed, arrays))


def _unpickled(terms: str, *arrays: NDArray[np.integer]) -> Postings:
    # One term may be empty: what is left of a mark that only changes the character before it.
    return Postings(terms.split("\n") if len(arrays[0]) else [], *(array.astype(np.int32) for array in arrays))


def _narrowed(numbers: Counts) -> NDArray[np.integer]:
    """The same numbers, none of them negative, in the fewest bytes."""
    return numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))))


class Entries(NamedTuple):
    """One term's entries as they lie in a block: distances and codes.

    What these could not say stands in `large` and `escaped`, for these entries first, for others of the block after
    that.
    """

    gaps: NDArray[np.uint8]
    codes: NDArray[np.uint16]
    large: NDArray[np.unsignedinteger]
    escaped: NDArray[np.uint32]

    def locate(self, places: Integers, offset: int) -> None:
        """Write the places of the entries, counted from an offset on; DamagedPostingsError if some are not known."""
        places[:] = self.gaps
        if len(self.large):
            index = (self.gaps == _LARGE_GAP).nonzero()[0]
            _fill(places, index, self.large[: len(index)])
        if offset:
            places[:1] += offset
        places.cumsum(out=places)

    def escapes(self) -> tuple[Integers, Integers, Integers]:
        """Which entries have the code ESCAPE, with their frequencies and lengths; DamagedPostingsError likewise."""
        index = (self.codes == ESCAPE).nonzero()[0]
        frequencies, lengths = self.escaped[:, : len(index)].astype(np.int64)
        if len(frequencies) != len(index):
            raise DamagedPostingsError("escaped codes are missing")
        return index, frequencies, lengths


class DamagedPostingsError(ValueError):
    """The bytes cannot have been written as postings."""


def count(numbers: Integers | Counts, places: Integers, lengths: Counts, names: Sequence[str]) -> Postings:
    """Make postings from terms, as numbers into `names`, each with the passage that holds it."""
    # One number for each pair of term and passage, so that sorting groups by term, then passage.
    bits = len(lengths).bit_length()
    pairs = numbers.astype(np.int64) << bits | places
    if len(names) << bits < 1 << 32:
        pairs = pairs.astype(np.uint32)  # half as long to sort
    pairs.sort()
    starts = _starts(pairs)
    pairs = pairs[starts]
    terms = pairs >> bits
    first = _starts(terms)
    return Postings(
        [names[number] for number in terms[first].tolist()],
        np.diff(first, append=len(terms)).astype(np.int32),
        (pairs & ((1 << bits) - 1)).astype(np.int32),
        np.diff(starts, append=len(numbers)).astype(np.int32),
        lengths,
    )


def count_lists(passages: Sequence[Sequence[str]]) -> Postings:
    """Make postings from passages' lists of terms."""
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__  # a term's number is how many came before it
    found = np.fromiter(map(numbers.__getitem__, chain.from_iterable(passages)), np.int64)
    lengths = np.fromiter(map(len, passages), np.int32)
    return count(found, np.repeat(np.arange(len(lengths)), lengths), lengths, list(numbers))


def merge(parts: Sequence[Postings], offsets: Sequence[int], lengths: Counts) -> Postings:
    """Join postings; the passages of each part are numbered from its offset on, and the terms come out sorted.

    The parts' passages follow each other: a term's entries keep the order of the parts.
    """
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    found = np.fromiter(map(numbers.__getitem__, chain.from_iterable(part.terms for part in parts)), np.int64)
    names = list(numbers)
    by_name = sorted(range(len(names)), key=names.__getitem__)
    rank = np.empty(len(names), np.int64)
    rank[by_name] = np.arange(len(names))
    ranks = rank[found]
    # A part has each term once, so with the part's number all keys differ, and any way of sorting will do.
    owners = np.repeat(np.arange(len(parts)), [len(part.terms) for part in parts])
    order = np.argsort(ranks * len(parts) + owners)
    counts = np.concatenate([part.counts for part in parts]).astype(np.int64)
    sources = _stretches((np.cumsum(counts) - counts)[order], counts[order])
    places = np.concatenate([part.places + np.int32(offset) for part, offset in zip(parts, offsets, strict=True)])
    return Postings(
        [names[number] for number in by_name],
        np.bincount(ranks, weights=counts, minlength=len(names)).astype(np.int32),
        places[sources],
        np.concatenate([part.frequencies for part in parts])[sources],
        lengths,
    )


def without(postings: Postings, dead: Integers) -> Postings:
    """Leave out the entries of some passages, and the terms that are left without any."""
    kept = np.ones(len(postings.lengths), bool)
    kept[dead] = False
    entries = kept[postings.places]
    owners = np.repeat(np.arange(len(postings.terms)), postings.counts)
    counts = np.bincount(owners[entries], minlength=len(postings.terms)).astype(np.int32)
    return Postings(
        [postings.terms[number] for number in np.flatnonzero(counts).tolist()],
        counts[counts > 0],
        postings.places[entries],
        postings.frequencies[entries],
        np.where(kept, postings.lengths, np.int32(0)),
    )


def split(postings: Postings, number: int) -> tuple[Postings, Postings]:
    """Part postings before the term of that number."""
    entries = int(postings.counts[:number].sum())
    return (
        replace(
            postings,
            terms=postings.terms[:number],
            counts=postings.counts[:number],
            places=postings.places[:entries],
            frequencies=postings.frequencies[:entries],
        ),
        replace(
            postings,
            terms=postings.terms[number:],
            counts=postings.counts[number:],
            places=postings.places[entries:],
            frequencies=postings.frequencies[entries:],
        ),
    )


def encode(postings: Postings) -> Iterator[tuple[str, bytes]]:
    """Yield the blocks of postings whose terms are sorted, each with its first term."""
    ends = np.cumsum(postings.counts, dtype=np.int64)
    gaps = np.diff(postings.places, prepend=np.int32(0))
    first = ends - postings.counts
    gaps[first] = postings.places[first]  # a term's first gap counts from passage 0
    lengths = postings.lengths[postings.places]
    codes = postings.frequencies * CODE_LENGTHS + lengths
    escaped = np.flatnonzero((postings.frequencies >= CODE_FREQUENCIES - 1) | (lengths >= CODE_LENGTHS - 1))
    codes[escaped] = ESCAPE
    large = np.flatnonzero(gaps >= _LARGE_GAP)
    sizes = np.fromiter(map(len, postings.terms), np.int64) + 3 + 3 * postings.counts
    escaped_ends, large_ends = np.searchsorted(escaped, ends), np.searchsorted(large, ends)
    firsts = _block_firsts(np.cumsum(sizes) + 8 * escaped_ends + 4 * large_ends)
    starts = np.concatenate([[0], ends])[firsts]
    # Where a term's entries end, counted from where those of its block begin.
    inside = ends - np.repeat(starts[:-1], np.diff(firsts))
    written = _Written(
        codes.astype("<u2").tobytes(),
        np.minimum(gaps, _LARGE_GAP).astype(np.uint8).tobytes(),
        inside.astype("<u2").tobytes(),
        np.stack([postings.frequencies[escaped], lengths[escaped]]).astype("<u4"),
        gaps[large],
    )
    parts = np.stack(
        [firsts, starts, np.concatenate([[0], escaped_ends])[firsts], np.concatenate([[0], large_ends])[firsts]]
    )
    for low, high in pairwise(parts.T.tolist()):
        yield postings.terms[low[0]], written.block(postings.terms[low[0] : high[0]], low, high)


def _block_firsts(ends: Integers) -> list[int]:
    """The numbers of the blocks' first terms, by where in the bytes of all each term ends; the number of terms last."""
    totals = ends.tolist()
    firsts, before = [0], 0
    while firsts[-1] < len(totals):
        low = firsts[-1]
        high = max(low + 1, bisect_right(totals, before + _BLOCK_BYTES, low))
        firsts.append(high)
        before = totals[high - 1]
    return firsts


class _Written(NamedTuple):
    """Postings in the form that blocks hold: each a stretch of these."""

    codes: bytes
    gaps: bytes
    ends: bytes
    escaped: NDArray[np.uint32]
    large: Counts

    def block(self, terms: Sequence[str], low: Sequence[int], high: Sequence[int]) -> bytes:
        """Write a block of some terms: the first term, entry, escaped code and large gap in it, and beyond it."""
        entries = slice(low[1], high[1])
        escaped, large = self.escaped[:, low[2] : high[2]], self.large[low[3] : high[3]]
        width = 2 if not len(large) or int(large.max()) < 1 << 16 else 4
        return b"".join(
            (
                _HEADER.pack(len(terms), high[1] - low[1], escaped.shape[1], len(large), width),
                escaped.tobytes(),
                large.astype(f"<u{width}").tobytes() if len(large) else b"",
                self.codes[2 * entries.start : 2 * entries.stop],
                self.ends[2 * low[0] : 2 * high[0]] if len(terms) > 1 else b"",  # a term alone ends with the entries
                self.gaps[entries],
                "\n".join(("", *terms, "")).encode(),
            )
        )


_NO_ESCAPES = np.empty((2, 0), np.uint32)


class Block(NamedTuple):
    """The parts of one block as they lie in its bytes; `ends` says where each term's entries end."""

    codes: NDArray[np.uint16]
    gaps: NDArray[np.uint8]
    escaped: NDArray[np.uint32]
    large: NDArray[np.unsignedinteger]
    ends: NDArray[np.uint16] | Integers
    data: bytes
    vocabulary: int

    @classmethod
    def read(cls, data: bytes) -> Block:
        """Take a block apart; DamagedPostingsError if it is none."""
        try:
            terms, entries, escaped, large, width = _HEADER.unpack_from(data)
            codes_at = _HEADER.size + 8 * escaped + width * large
            ends_at = codes_at + 2 * entries
            gaps_at = ends_at + (2 * terms if terms > 1 else 0)
            if width not in (2, 4) or gaps_at + entries > len(data):
                raise DamagedPostingsError("a block is shorter than it says")
            return cls(
                np.frombuffer(data, "<u2", entries, codes_at),
                np.frombuffer(data, np.uint8, entries, gaps_at),
                np.frombuffer(data, "<u4", 2 * escaped, _HEADER.size).reshape(2, escaped) if escaped else _NO_ESCAPES,
                np.frombuffer(data, f"<u{width}", large, _HEADER.size + 8 * escaped),
                np.frombuffer(data, "<u2", terms, ends_at) if terms > 1 else np.array([entries]),
                data,
                gaps_at + entries,
            )
        except struct.error as error:
            raise DamagedPostingsError(str(error)) from error

    def find(self, term: str) -> Entries | None:
        """Return a term's entries, None if it is not in the block; DamagedPostingsError if there can be none."""
        at = self.data.find(b"\n%b\n" % term.encode(), self.vocabulary)
        if at < 0:
            return None
        number = self.data.count(b"\n", self.vocabulary, at)
        if number >= len(self.ends):
            raise DamagedPostingsError("terms and their entries do not match")
        start, end = int(self.ends[number - 1]) if number else 0, int(self.ends[number])
        gaps_at = self.vocabulary - len(self.gaps)
        large = self.data.count(_LARGE_GAP, gaps_at, gaps_at + start)
        escaped = np.count_nonzero(self.codes[:start] == ESCAPE) if self.escaped.size else 0
        return Entries(self.gaps[start:end], self.codes[start:end], self.large[large:], self.escaped[:, escaped:])


def decode(blocks: Iterable[bytes], lengths: Counts) -> Postings:
    """Read whole blocks of passages that have `lengths`; DamagedPostingsError if they are none."""
    parts = [Block.read(data) for data in blocks]
    counts = np.concatenate([np.diff(part.ends.astype(np.int32), prepend=np.int32(0)) for part in parts])
    places = np.concatenate([part.gaps for part in parts]).astype(np.int32)
    codes = np.concatenate([part.codes for part in parts])
    frequencies = (codes // CODE_LENGTHS).astype(np.int32)
    _fill(places, np.flatnonzero(places == _LARGE_GAP), np.concatenate([part.large for part in parts]))
    _fill(frequencies, np.flatnonzero(codes == ESCAPE), np.concatenate([part.escaped[0] for part in parts]))
    # The sum runs through all terms: what it was before a term's first entry is taken off again.
    sums = np.cumsum(places, dtype=np.int64)
    first = np.cumsum(counts) - counts
    if counts.min() < 1 or counts.sum() != len(sums):
        raise DamagedPostingsError("a term has no entries")
    places = (sums - np.repeat(sums[first] - places[first], counts)).astype(np.int32)
    if int(places.max(initial=0)) >= len(lengths):
        raise DamagedPostingsError("an entry stands beyond the last passage")
    try:
        terms = [term for part in parts for term in part.data[part.vocabulary + 1 : -1].decode().split("\n")]
    except UnicodeDecodeError as error:
        raise DamagedPostingsError(str(error)) from error
    if len(terms) != len(counts):
        raise DamagedPostingsError("terms and their entries do not match")
    return Postings(terms, counts, places, frequencies, lengths)


def encode_numbers(numbers: Integers | Counts | Sequence[int]) -> bytes:
    """Encode numbers from 0 on in the fewest whole bytes that hold the largest, that width in front."""
    array = np.asarray(numbers, np.int64)
    largest = int(array.max(initial=0))
    width = next(width for width in (1, 2, 4, 8) if largest < 1 << (8 * width))
    return bytes([width]) + array.astype(f"<u{width}").tobytes()


def decode_numbers(encoded: bytes) -> Integers:
    """Decode what `encode_numbers` made; DamagedPostingsError if it cannot have made this."""
    if not encoded or encoded[0] not in (1, 2, 4, 8) or (len(encoded) - 1) % encoded[0]:
        raise DamagedPostingsError("not a row of numbers")
    return np.frombuffer(encoded, f"<u{encoded[0]}", offset=1).astype(np.int64)


def from_rows(rows: Iterable[tuple[str, bytes, bytes]], lengths: bytes) -> Postings:
    """Make postings from rows as libraries of schema 3 hold them: a term, its gaps and its frequencies."""
    parts = [(term, decode_numbers(gaps), decode_numbers(frequencies)) for term, gaps, frequencies in sorted(rows)]
    return Postings(
        [term for term, _, _ in parts],
        np.array([len(gaps) for _, gaps, _ in parts], np.int32),
        np.concatenate([np.cumsum(gaps) for _, gaps, _ in parts]).astype(np.int32),
        np.concatenate([frequencies for _, _, frequencies in parts]).astype(np.int32),
        decode_numbers(lengths).astype(np.int32),
    )


def _fill(numbers: NDArray[np.int32] | Integers, places: Integers, values: NDArray[np.unsignedinteger]) -> None:
    if len(places) != len(values):
        raise DamagedPostingsError("large numbers are missing")
    numbers[places] = values


def _starts(numbers: NDArray[np.integer]) -> Integers:
    """Where runs of equal numbers start."""
    return np.concatenate([np.ones(min(1, len(numbers)), bool), numbers[1:] != numbers[:-1]]).nonzero()[0]


def _stretches(starts: Integers, counts: Integers) -> Integers:
    """Join the ranges of `counts` numbers that begin at `starts`."""
    before = np.cumsum(counts) - counts
    return np.repeat(starts - before, counts) + np.arange(int(counts.sum()))
