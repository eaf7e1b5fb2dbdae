"""Terms to candidates: BM25 over postings that live in the library file.

The formula is rank_bm25's `BM25Okapi` (Robertson's, with k1 and b) under Lucene's IDF, which never turns
negative. Its class keeps the collection in memory and walks all of it for every query; here the postings
stand in the library in segments, a query reads those of its own terms, and numpy scores them.

A segment covers the passages of one commit, whose ids follow each other; small ones are merged. A deleted
passage leaves no trace but a length of zero: its entries are taken out of the postings of its terms, so scores
do not depend on the library's history, and no word of a removed document stays behind.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby
from operator import itemgetter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from rank_bm25 import BM25Okapi

from docqa.errors import LibraryError
from docqa.store import SegmentRow, Store

Integers = NDArray[np.int64]

# BM25's saturation of frequencies and its normalisation by length, chosen by recall on SQuADShifts' new Wikipedia
# articles and ten articles of SQuAD 2.0's training set: passages are alike in length, and repeat little.
K1, B = 0.9, 0.5

# Segments are merged when this many of similar size stand beside each other.
MERGE_FACTOR = 8


class Retriever(Protocol):
    """A search engine for passages. It sees terms only: analysis is docqa's own, so every engine ranks alike."""

    def add(self, passage_id: int, terms: Sequence[str]) -> None:
        """Add a passage under an id that was never used before; one without terms cannot be found."""

    def delete(self, passage_id: int, terms: Sequence[str]) -> None:
        """Remove a passage, given the terms it was added with; an unknown one is no error."""

    def commit(self) -> None:
        """Make all changes since the last commit visible to searches."""

    def search(self, terms: Sequence[str], k: int, allowed: Sequence[int] | None = None) -> list[tuple[int, float]]:
        """Return the k passages with the highest scores above zero, best first, and all that tie with the last.

        The ties let the caller break them by something steadier than ids. Only `allowed` passages are
        returned, if given; the statistics are the whole collection's all the same.
        """

    def check(self) -> list[str]:
        """Return what is wrong with the engine's data: nothing, if it is sound."""

    def close(self) -> None:
        """Release what the engine holds."""


class BM25(BM25Okapi):  # type: ignore[misc]  # rank_bm25 has no types
    """rank_bm25's Okapi BM25 with an IDF that is never negative, as in Lucene.

    Made from a corpus (a sequence of term lists) it ranks in memory, as its base class does; `of_collection`
    makes it from statistics alone, to score postings that are kept elsewhere.
    """

    def __init__(self, corpus: Sequence[Sequence[str]], k1: float = K1, b: float = B) -> None:
        super().__init__(corpus, k1=k1, b=b)

    @classmethod
    def of_collection(cls, passages: int, terms: int, frequencies: Mapping[str, int]) -> BM25:
        """Make a scorer for a collection of `passages` with `terms` in all; `frequencies` by document."""
        scorer = cls.__new__(cls)
        scorer.k1, scorer.b = K1, B
        scorer.corpus_size, scorer.avgdl = passages, terms / passages
        scorer.idf = {}
        scorer._calc_idf(frequencies)
        return scorer

    def _calc_idf(self, nd: Mapping[str, int]) -> None:
        """Compute log(1 + (N - n + 0.5) / (n + 0.5)) for every term."""
        for term, count in nd.items():
            self.idf[term] = math.log(1 + (self.corpus_size - count + 0.5) / (count + 0.5))

    def term_scores(self, term: str, frequencies: Integers, lengths: Integers) -> NDArray[np.float64]:
        """Score one term in passages that hold it `frequencies` times and have `lengths` terms."""
        norms = self.k1 * (1 - self.b + self.b * lengths / self.avgdl)
        scores: NDArray[np.float64] = self.idf[term] * (frequencies * (self.k1 + 1) / (frequencies + norms))
        return scores


@dataclass(frozen=True, slots=True)
class _Segment:
    """A segment with its lengths decoded: the number of terms of each passage from `row.first` on."""

    row: SegmentRow
    lengths: Integers

    @classmethod
    def decode(cls, row: SegmentRow) -> _Segment:
        return cls(row, decode(row.lengths))


class SqliteRetriever:
    """The embedded engine: postings in the library file. Changes need the store's transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._added: dict[int, Sequence[str]] = {}
        self._deleted: dict[int, Sequence[str]] = {}

    def add(self, passage_id: int, terms: Sequence[str]) -> None:
        """Add a passage under an id that was never used before."""
        self._added[passage_id] = terms

    def delete(self, passage_id: int, terms: Sequence[str]) -> None:
        """Remove a passage, given the terms it was added with."""
        if self._added.pop(passage_id, None) is None:
            self._deleted[passage_id] = terms

    def commit(self) -> None:
        """Take out what was deleted, write one segment with what was added, and merge small segments."""
        if self._deleted:
            for segment in map(_Segment.decode, self._store.segments()):
                self._take_out(segment)
        for passages in _runs(self._added):
            self._store.add_segment(*_build(passages))
        self._added, self._deleted = {}, {}
        while neighbours := _mergeable(self._store.segments()):
            self._merge([_Segment.decode(row) for row in neighbours])

    def search(self, terms: Sequence[str], k: int, allowed: Sequence[int] | None = None) -> list[tuple[int, float]]:
        """Rank as the protocol says, by the sum of BM25 term scores; repeated terms count once."""
        segments = [_Segment.decode(row) for row in self._store.segments() if row.live]
        passages = sum(segment.row.live for segment in segments)
        if not passages or k < 1:
            return []
        matches = {term: [self._postings(segment, term) for segment in segments] for term in dict.fromkeys(terms)}
        scorer = BM25.of_collection(
            passages,
            sum(segment.row.terms for segment in segments),
            {term: sum(len(places) for places, _ in found) for term, found in matches.items()},
        )
        ids, scores = [], []
        for number, segment in enumerate(segments):
            total = np.zeros(len(segment.lengths))
            for term, found in matches.items():
                places, frequencies = found[number]
                total[places] += scorer.term_scores(term, frequencies, segment.lengths[places])
            hits = np.flatnonzero(total)
            ids.append(hits + segment.row.first)
            scores.append(total[hits])
        hit_ids, hit_scores = np.concatenate(ids), np.concatenate(scores)
        if allowed is not None:
            wanted = np.isin(hit_ids, np.array(allowed, dtype=np.int64))
            hit_ids, hit_scores = hit_ids[wanted], hit_scores[wanted]
        return _top(hit_ids, hit_scores, k)

    def check(self) -> list[str]:
        """Compare every segment's counts with its lengths."""
        problems = []
        for segment in map(_Segment.decode, self._store.segments()):
            counted = int(np.count_nonzero(segment.lengths)), int(segment.lengths.sum())
            if counted != (segment.row.live, segment.row.terms):
                problems.append(f"segment {segment.row.id}: counts do not match its passages")
        return problems

    def close(self) -> None:
        """Nothing is held beyond the store."""

    def _postings(self, segment: _Segment, term: str) -> tuple[Integers, Integers]:
        """Return where in the segment a term occurs, and how often."""
        row = self._store.postings(segment.row.id, term)
        if row is None:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        places, counts = np.cumsum(decode(row[0])), decode(row[1])
        if len(places) != len(counts) or places.max(initial=0) >= len(segment.lengths) or places.min(initial=0) < 0:
            raise _damaged()
        return places, counts

    def _take_out(self, segment: _Segment) -> None:
        """Take the deleted passages out of a segment's lengths and of their terms' postings."""
        low, high = segment.row.first, segment.row.first + len(segment.lengths)
        gone = {number - low: terms for number, terms in self._deleted.items() if low <= number < high}
        dead = np.array([place for place in gone if segment.lengths[place]], dtype=np.int64)
        if not len(dead):
            return
        lengths = segment.lengths.copy()
        lengths[dead] = 0
        live = int(np.count_nonzero(lengths))
        if not live:
            self._store.remove_segment(segment.row.id)
            return
        self._store.update_segment(replace(segment.row, lengths=encode(lengths), live=live, terms=int(lengths.sum())))
        for term in {term for terms in gone.values() for term in terms}:
            places, counts = self._postings(segment, term)
            kept = lengths[places] > 0
            row = (encode(_gaps(places[kept])), encode(counts[kept])) if kept.any() else None
            self._store.replace_postings(segment.row.id, term, row)

    def _merge(self, segments: Sequence[_Segment]) -> None:
        """Write neighbouring segments as one, without what has been deleted from them."""
        first = segments[0].row.first
        # Segments may overlap where ids were not added in order; a passage has a length in one of them only.
        lengths = np.zeros(max(segment.row.first + len(segment.lengths) for segment in segments) - first, np.int64)
        for segment in segments:
            offset = segment.row.first - first
            lengths[offset : offset + len(segment.lengths)] += segment.lengths
        self._store.add_segment(
            first,
            encode(lengths),
            int(np.count_nonzero(lengths)),
            int(lengths.sum()),
            self._merged_postings(segments),
        )
        for segment in segments:
            self._store.remove_segment(segment.row.id)

    def _merged_postings(self, segments: Sequence[_Segment]) -> Iterator[tuple[str, bytes, bytes]]:
        """Join the segments' rows term by term, so that memory holds one term's postings at a time."""
        first = segments[0].row.first
        rows = heapq.merge(*(self._shifted_rows(segment, first) for segment in segments), key=itemgetter(0))
        for term, group in groupby(rows, key=itemgetter(0)):
            _, places, frequencies = zip(*group, strict=True)
            yield term, encode(_gaps(np.concatenate(places))), encode(np.concatenate(frequencies))

    def _shifted_rows(self, segment: _Segment, first: int) -> Iterator[tuple[str, Integers, Integers]]:
        for term, gaps, frequencies in self._store.all_postings(segment.row.id):
            yield term, np.cumsum(decode(gaps)) + (segment.row.first - first), decode(frequencies)


def encode(numbers: Integers) -> bytes:
    """Encode numbers from 0 on in the fewest whole bytes that hold the largest, that width in front."""
    largest = int(numbers.max(initial=0))
    width = next(width for width in (1, 2, 4, 8) if largest < 1 << (8 * width))
    return bytes([width]) + numbers.astype(f"<u{width}").tobytes()


def decode(encoded: bytes) -> Integers:
    """Decode what `encode` made; LibraryError if it cannot have made this."""
    if not encoded or encoded[0] not in (1, 2, 4, 8) or (len(encoded) - 1) % encoded[0]:
        raise _damaged()
    return np.frombuffer(encoded, f"<u{encoded[0]}", offset=1).astype(np.int64)


def _damaged() -> LibraryError:
    return LibraryError("the library's postings are damaged; move it away and index your folders again")


def _gaps(places: Integers) -> Integers:
    """The distances between places, the first one's from 0."""
    return np.diff(places, prepend=0)


def _runs(added: Mapping[int, Sequence[str]]) -> Iterator[list[tuple[int, Sequence[str]]]]:
    """Yield the added passages with terms, by id, apart wherever ids are far from following each other."""
    run: list[tuple[int, Sequence[str]]] = []
    for passage in sorted((passage_id, terms) for passage_id, terms in added.items() if terms):
        if run and passage[0] - run[-1][0] > len(run) + 1_000:
            yield run
            run = []
        run.append(passage)
    if run:
        yield run


def _build(
    passages: Sequence[tuple[int, Sequence[str]]],
) -> tuple[int, bytes, int, int, Iterator[tuple[str, bytes, bytes]]]:
    """Make a segment's arguments for the store from passages' ids and terms, sorted by id."""
    first, last = passages[0][0], passages[-1][0]
    lengths = np.zeros(last - first + 1, np.int64)
    lengths[[passage_id - first for passage_id, _ in passages]] = [len(terms) for _, terms in passages]
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__  # a term's number is how many came before it
    every_term = chain.from_iterable(terms for _, terms in passages)
    occurring = np.fromiter(map(numbers.__getitem__, every_term), np.int64, count=int(lengths.sum()))
    places = np.repeat(np.arange(len(lengths)), lengths)
    # One number for each pair of term and passage, so that sorting groups by term, then passage.
    pairs, counts = np.unique(occurring * len(lengths) + places, return_counts=True)
    term_numbers, places = np.divmod(pairs, len(lengths))
    borders = np.searchsorted(term_numbers, np.arange(len(numbers) + 1))
    gaps = _gaps(places)
    gaps[borders[:-1]] = places[borders[:-1]]  # a term's first gap counts from the segment's start
    rows = zip(numbers, _encoded_parts(gaps, borders), _encoded_parts(counts, borders), strict=True)
    return first, encode(lengths), len(passages), int(lengths.sum()), iter(sorted(rows))


def _encoded_parts(numbers: Integers, borders: Integers) -> Iterator[bytes]:
    """Encode the parts of an array between borders, each as `encode` would.

    Most terms are rare and their numbers small: those are cut out of one string of bytes.
    """
    small = numbers.astype(np.uint8).tobytes()
    largest = np.maximum.reduceat(numbers, borders[:-1])
    for low, high, most in zip(borders[:-1].tolist(), borders[1:].tolist(), largest.tolist(), strict=True):
        yield b"\x01" + small[low:high] if most < 256 else encode(numbers[low:high])


def _mergeable(segments: Sequence[SegmentRow]) -> Sequence[SegmentRow]:
    """Find neighbours worth merging: MERGE_FACTOR in a row of which none outweighs the others together."""
    for start in range(len(segments) - MERGE_FACTOR, -1, -1):
        neighbours = segments[start : start + MERGE_FACTOR]
        sizes = [segment.live for segment in neighbours]
        if 2 * max(sizes) <= sum(sizes):
            return neighbours
    return []


def _top(ids: Integers, scores: NDArray[np.float64], k: int) -> list[tuple[int, float]]:
    if len(scores) > k:
        kth = np.partition(scores, -k)[-k]
        ids, scores = ids[scores >= kth], scores[scores >= kth]
    order = np.lexsort((ids, -scores))
    return [(int(ids[place]), float(scores[place])) for place in order]
