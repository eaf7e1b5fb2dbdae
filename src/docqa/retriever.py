"""Terms to candidates: BM25 over postings that live in the library file.

The formula is rank_bm25's `BM25Okapi` (Robertson's, with k1 and b) under Lucene's IDF, which never turns
negative. Its class keeps the collection in memory and walks all of it for every query; here the postings
stand in the library in segments, a query reads the blocks of its own terms, and numpy scores them.

A segment covers the passages of one commit, whose ids follow each other; small ones are merged. Deleted passages
are tombstones in their segment until it is written anew; they count for nothing in the meantime, so that
scores do not depend on the library's history.

Frequent terms cost little by the bounds of MaxScore (Turtle and Flood, Query evaluation: strategies and
optimizations, 1995): as soon as the k-th best score so far exceeds all that the remaining, more frequent terms
could give together, a passage without any of the rarer terms cannot be among the best, and the frequent ones
are only looked up in the passages already found.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from rank_bm25 import BM25Okapi

from docqa.errors import LibraryError
from docqa.postings import (
    CODE_FREQUENCIES,
    CODE_LENGTHS,
    Block,
    Counts,
    DamagedPostingsError,
    Entries,
    Integers,
    Postings,
    count_lists,
    decode,
    decode_numbers,
    encode,
    encode_numbers,
    merge,
    split,
    without,
)
from docqa.store import SegmentRow, Store

Scores = NDArray[np.float64]

_NOWHERE = np.empty(0, np.int64)

# BM25's saturation of frequencies and its normalisation by length, chosen by recall on SQuADShifts' new Wikipedia
# articles and ten articles of SQuAD 2.0's training set: passages are alike in length, and repeat little.
K1, B = 0.9, 0.5

# Segments are merged when this many of similar size stand beside each other.
MERGE_FACTOR = 8
# All are written as one after much was added, if the largest has no more than this share of the passages.
_COMPACT_SHARE = 3 / 4
# A segment is written anew, without its tombstones, if it is small or this share of it is dead.
_PURGED_PASSAGES = 4_096
_PURGED_SHARE = 1 / 8
# The k best are only estimated once the terms that are left could give this share of the highest score at most.
_HOPE = 0.25
# Looking up a passage among a term's costs as much as adding this many of them.
_LOOKUP_COST = 30
# Half of what a process keeps of the memory that its searches took: enough for a million passages.
_KEPT_BYTES = 24 << 20
# How many blocks of each segment a merge holds in memory, and a check; most take a page.
_MERGED_BLOCKS = 128


class Retriever(Protocol):
    """A search engine for passages. It sees terms only: analysis is docqa's own, so every engine ranks alike."""

    def add(self, passage_id: int, terms: Sequence[str]) -> None:
        """Add a passage under an id above all that were ever used; one without terms cannot be found."""

    def add_postings(self, first: int, postings: Postings) -> None:
        """Add passages with ids from `first` on, which is above all that were ever used."""

    def delete(self, passage_id: int) -> None:
        """Remove a passage; an unknown one is no error."""

    def commit(self) -> None:
        """Make all changes since the last commit visible to searches."""

    def compact(self) -> None:
        """Bring the engine's data into the form that is searched fastest, if enough was added to be worth it."""

    def purge(self) -> None:
        """Leave no trace of what was deleted."""

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
    def of_collection(cls, passages: int, terms: float, frequencies: Mapping[str, int]) -> BM25:
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

    def factors(self, frequencies: Integers, lengths: Integers) -> Scores:
        """Compute what the IDF of a term is multiplied by where it occurs so often in passages of such lengths."""
        norms = self.k1 * (1 - self.b + self.b * lengths / self.avgdl)
        factors: Scores = frequencies * (self.k1 + 1) / (frequencies + norms)
        return factors


@lru_cache(maxsize=1)
def _keep_memory() -> None:
    """Have memory that a search gives back kept for the next: fetching it anew would take as long as the search.

    glibc returns memory to the system in blocks as large as the largest it was ever given back, and at twice this
    size; elsewhere this does nothing.
    """
    np.empty(_KEPT_BYTES, np.uint8)


@lru_cache(maxsize=4)
def _factors_by_code(average_length: float) -> Scores:
    """The factors of all codes in a collection of this average length, by code."""
    frequencies, lengths = np.divmod(np.arange(CODE_FREQUENCIES * CODE_LENGTHS), CODE_LENGTHS)
    return BM25.of_collection(1, average_length, {}).factors(frequencies, lengths)


class _Segment(NamedTuple):
    """A segment as searches see it: its passages stand in the collection from `offset` on, `dead` ones among them."""

    row: SegmentRow
    offset: int
    dead: Integers


class _Found(NamedTuple):
    """Where in the collection a term occurs: at `places[i]` its score is `idf * factors[codes[i]]`.

    Scores are made when they are asked for: of frequent terms, few ever are.
    """

    places: Integers
    codes: NDArray[np.integer]
    factors: Scores
    idf: float = 1.0

    def corrected(self, index: Integers, factors: Scores) -> _Found:
        """The same, but for the factors of some entries."""
        each = self.factors.take(self.codes)
        each[index] = factors
        return _Found(self.places, np.arange(len(each)), each)

    def without(self, dead: Integers) -> _Found:
        live = ~np.isin(self.places, dead, assume_unique=True)
        return _Found(self.places[live], self.codes[live], self.factors)

    def weighed(self, idf: float) -> _Found:
        return _Found(self.places, self.codes, self.factors, idf)

    @property
    def scores(self) -> Scores:
        return self.idf * self.factors.take(self.codes)

    def at(self, places: Integers) -> Scores:
        """The scores at some places, 0 where the term does not occur."""
        index = self.places.searchsorted(places)
        # Beyond the last place stands no passage; the last is looked at instead, and is another.
        scores = self.idf * self.factors.take(self.codes.take(index, mode="clip"))
        scores[self.places.take(index, mode="clip") != places] = 0.0
        return scores


class SqliteRetriever:
    """The embedded engine: postings in the library file. Changes need the store's transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._added: dict[int, Sequence[str]] = {}
        self._parts: list[tuple[int, Postings]] = []
        self._deleted: set[int] = set()

    def add(self, passage_id: int, terms: Sequence[str]) -> None:
        """Add a passage under an id above all that were ever used."""
        self._added[passage_id] = terms

    def add_postings(self, first: int, postings: Postings) -> None:
        """Add passages with ids from `first` on."""
        self._parts.append((first, postings))

    def delete(self, passage_id: int) -> None:
        """Remove a passage."""
        self._deleted.add(passage_id)

    def commit(self) -> None:
        """Write what was added as a segment, put tombstones on what was deleted, and merge small segments."""
        parts = [(first, count_lists(lists)) for first, lists in _runs(self._added)] + self._parts
        for run in _neighbours(sorted(parts, key=lambda part: part[0])):
            self._write(run)
        if self._deleted:
            for segment in self._store.segments():
                self._bury(segment)
        self._added, self._parts, self._deleted = {}, [], set()
        while neighbours := _mergeable(self._store.segments()):
            self._rewrite(neighbours)

    def compact(self) -> None:
        """Write all segments as one, unless one of them is nearly all."""
        segments = self._store.segments()
        sizes = [segment.live for segment in segments]
        if len(sizes) > 1 and max(sizes) < _COMPACT_SHARE * sum(sizes):
            self._rewrite(segments)

    def purge(self) -> None:
        """Write every segment anew that has tombstones."""
        for segment in self._store.segments():
            if len(_numbers(segment.dead)):
                self._rewrite([segment])

    def search(self, terms: Sequence[str], k: int, allowed: Sequence[int] | None = None) -> list[tuple[int, float]]:
        """Rank as the protocol says, by the sum of BM25 term scores; repeated terms count once."""
        _keep_memory()
        segments = list(_placed(self._store.segments()))
        passages = sum(segment.row.live for segment in segments)
        if not passages or k < 1:
            return []
        length = sum(segment.row.terms for segment in segments)
        found = self._find(segments, list(dict.fromkeys(terms)), length / passages)
        scorer = BM25.of_collection(passages, length, {term: len(each.places) for term, each in found.items()})
        weighed = [each.weighed(scorer.idf[term]) for term, each in found.items()]
        size = segments[-1].offset + segments[-1].row.passages
        if allowed is None:
            places, scores = _best(weighed, size, k)
        else:
            places = _places(segments, np.array(allowed, dtype=np.int64))
            scores = _all(weighed, size)[places]
            places, scores = places[scores > 0], scores[scores > 0]
        return _top(_ids(segments, places), scores, k)

    def check(self) -> list[str]:
        """Compare every segment's counts with its lengths, and read all its blocks."""
        problems = []
        for segment in self._store.segments():
            lengths = self._lengths(segment)
            with _translated():
                blocks = self._store.blocks(segment.id)
                while group := list(islice(blocks, _MERGED_BLOCKS)):
                    decode(group, lengths)
            lengths[_numbers(segment.dead)] = 0
            counted = len(lengths), int(np.count_nonzero(lengths)), int(lengths.sum())
            if counted != (segment.passages, segment.live, segment.terms):
                problems.append(f"segment {segment.id}: counts do not match its passages")
        return problems

    def close(self) -> None:
        """Nothing is held beyond the store."""

    # --- search

    def _find(self, segments: Sequence[_Segment], terms: Sequence[str], average_length: float) -> dict[str, _Found]:
        """Read where each term occurs in all segments; those that do not occur are left out."""
        parts: dict[str, list[tuple[_Segment, Entries]]] = {}
        with _translated():
            for segment in segments:
                for term, data in self._store.blocks_with(segment.row.id, terms):
                    entries = Block.read(data).find(term)
                    if entries is not None:
                        parts.setdefault(term, []).append((segment, entries))
            factors = _factors_by_code(average_length)
            found = {term: _joined(each, factors, average_length) for term, each in parts.items()}
        dead = np.concatenate([segment.dead for segment in segments])
        if len(dead):
            found = {term: each.without(dead) for term, each in found.items()}
        # In the order of the question, whichever segment has which: sums in another order round differently.
        return {term: found[term] for term in terms if term in found and len(found[term].places)}

    # --- change

    def _write(self, run: Sequence[tuple[int, Postings]]) -> None:
        """Write parts whose passages follow each other as one segment."""
        first, (last, end) = run[0][0], run[-1]
        lengths = np.zeros(last + len(end.lengths) - first, np.int32)
        for start, part in run:
            lengths[start - first : start - first + len(part.lengths)] = part.lengths
        merged = merge([part for _, part in run], [start - first for start, _ in run], lengths)
        self._add_segment(first, lengths, encode(merged))

    def _add_segment(self, first: int, lengths: Counts, blocks: Iterable[tuple[str, bytes]]) -> None:
        live, terms = int(np.count_nonzero(lengths)), int(lengths.sum())
        if live:
            self._store.add_segment(first, live, terms, len(lengths), encode_numbers(lengths), blocks)

    def _bury(self, segment: SegmentRow) -> None:
        """Put tombstones on the deleted passages of a segment, or write it anew without them."""
        low, high = segment.first, segment.first + segment.passages
        new = np.array([number - low for number in self._deleted if low <= number < high], np.int64)
        dead = np.union1d(_numbers(segment.dead), new)
        lengths = self._lengths(segment)
        dead = dead[lengths[dead] > 0]
        lengths[dead] = 0
        live = int(np.count_nonzero(lengths))
        if live == segment.live:
            return
        if not live:
            self._store.remove_segment(segment.id)
            return
        changed = replace(segment, live=live, terms=int(lengths.sum()), dead=encode_numbers(dead))
        self._store.update_segment(changed)
        if segment.passages <= _PURGED_PASSAGES or len(dead) > _PURGED_SHARE * segment.passages:
            self._rewrite([changed])

    def _rewrite(self, segments: Sequence[SegmentRow]) -> None:
        """Write neighbouring segments as one, without their dead."""
        first = segments[0].first
        lengths = np.zeros(segments[-1].first + segments[-1].passages - first, np.int32)
        for segment in segments:
            part = lengths[segment.first - first : segment.first - first + segment.passages]
            part[:] = self._lengths(segment)
            part[_numbers(segment.dead)] = 0
        self._add_segment(first, lengths, self._merged_blocks(segments, lengths))
        for segment in segments:
            self._store.remove_segment(segment.id)

    def _merged_blocks(self, segments: Sequence[SegmentRow], lengths: Counts) -> Iterator[tuple[str, bytes]]:
        """Join the segments' blocks a stretch of terms at a time, so that memory holds a part of each only."""
        offsets = [segment.first - segments[0].first for segment in segments]
        for parts in _by_terms([self._stretches(segment) for segment in segments]):
            merged = merge([part for _, part in parts], [offsets[number] for number, _ in parts], lengths)
            if len(merged.terms):
                yield from encode(merged)

    def _stretches(self, segment: SegmentRow) -> Iterator[Postings]:
        """Take a segment's postings out by term, some blocks at a time, without those of its dead."""
        lengths, dead = self._lengths(segment), _numbers(segment.dead)
        while blocks := self._store.take_blocks(segment.id, _MERGED_BLOCKS):
            with _translated():
                postings = decode(blocks, lengths)
            yield without(postings, dead) if len(dead) else postings

    def _lengths(self, segment: SegmentRow) -> Counts:
        lengths = _numbers(self._store.lengths(segment.id)).astype(np.int32)
        if len(lengths) != segment.passages:
            raise _damaged()
        return lengths


# --- ranking


def _joined(parts: Sequence[tuple[_Segment, Entries]], factors: Scores, average_length: float) -> _Found:
    """Bring a term's entries in all segments to their places in the collection, the dead with the others."""
    codes = parts[0][1].codes if len(parts) == 1 else np.concatenate([entries.codes for _, entries in parts])
    found = _Found(np.empty(len(codes), np.int64), codes, factors)
    end = 0
    for segment, entries in parts:
        start, end = end, end + len(entries.codes)
        entries.locate(found.places[start:end], segment.offset)
        if start == end or found.places[end - 1] >= segment.offset + segment.row.passages:
            raise DamagedPostingsError("an entry stands beyond the last passage")
        if entries.escaped.size:
            index, frequencies, lengths = entries.escapes()
            exact = BM25.of_collection(1, average_length, {}).factors(frequencies, lengths)
            found = found.corrected(start + index, exact)
    return found


def _best(weighed: Sequence[_Found], size: int, k: int) -> tuple[Integers, Scores]:
    """Return places with their scores, among them the k best and all that tie with these.

    The terms are added in the order of their frequency, wherever a passage's entry is found, so its score is
    always the same sum.
    """
    queue = sorted(weighed, key=lambda each: len(each.places))
    # No term gives more than this; what the terms after each number of them give together at most.
    bounds = [(K1 + 1) * each.idf for each in queue]
    rests = [sum(bounds[number:]) for number in range(len(queue) + 1)]
    rare = next((each.places for each in queue if len(each.places) >= k), _NOWHERE)
    totals = np.zeros(size)
    least, places = 0.0, _NOWHERE
    for number, each in enumerate(queue, 1):
        np.add.at(totals, each.places, each.scores)
        others, rest = queue[number:], rests[number]
        if len(each.places) >= k and rest <= _HOPE * rests[0] and (others or not least):
            least = max(least, _reached(totals, rare, others, k))
        if least > rest or not others:
            places = places[totals[places] > least - rest] if len(places) else (totals > least - rest).nonzero()[0]
            if len(places) * _LOOKUP_COST <= sum(len(other.places) for other in others) or not others:
                return _completed(places, totals[places], others, rests[number + 1 :], least)
    return _NOWHERE, np.zeros(0)


def _reached(totals: Scores, places: Integers, others: Sequence[_Found], k: int) -> float:
    """A score that k passages have: the least of the best so far among some places, once the others are added.

    A little less than that, for sums of bounds and sums of scores round differently.
    """
    scores = totals[places]
    best = places[scores.argpartition(-k)[-k:]]
    scores = totals[best]
    for each in others:
        scores += each.at(best)
    return float(scores.min()) * (1 - 1e-9)


def _completed(
    places: Integers, scores: Scores, others: Sequence[_Found], rests: Sequence[float], least: float
) -> tuple[Integers, Scores]:
    """Add other terms to the scores of some places, leaving out those that cannot reach the least any more."""
    for each, rest in zip(others, rests, strict=True):
        scores += each.at(places)
        likely = scores >= least - rest
        places, scores = places[likely], scores[likely]
    return places, scores


def _all(weighed: Iterable[_Found], size: int) -> Scores:
    """Score every passage."""
    totals = np.zeros(size)
    for each in sorted(weighed, key=lambda each: len(each.places)):
        np.add.at(totals, each.places, each.scores)
    return totals


def _top(ids: Integers, scores: Scores, k: int) -> list[tuple[int, float]]:
    if len(scores) > k:
        best = scores >= scores[scores.argpartition(-k)[-k]]
        ids, scores = ids[best], scores[best]
    order = np.lexsort((ids, -scores))
    return list(zip(ids[order].tolist(), scores[order].tolist(), strict=True))


# --- segments


def _placed(rows: Iterable[SegmentRow]) -> Iterator[_Segment]:
    offset = 0
    for row in rows:
        yield _Segment(row, offset, _numbers(row.dead) + offset if len(row.dead) > 1 else _NOWHERE)
        offset += row.passages


def _ids(segments: Sequence[_Segment], places: Integers) -> Integers:
    """The ids of the passages at some places of the collection."""
    if len(segments) == 1:
        return places + segments[0].row.first
    offsets = np.array([segment.offset for segment in segments])
    shifts = np.array([segment.row.first - segment.offset for segment in segments])
    ids: Integers = places + shifts[np.searchsorted(offsets, places, side="right") - 1]
    return ids


def _places(segments: Sequence[_Segment], ids: Integers) -> Integers:
    """The places of passages in the collection by their ids; unknown ones are left out."""
    places = [np.empty(0, np.int64)]
    for segment in segments:
        inside = ids[(ids >= segment.row.first) & (ids < segment.row.first + segment.row.passages)]
        places.append(inside - segment.row.first + segment.offset)
    return np.concatenate(places)


def _runs(added: Mapping[int, Sequence[str]]) -> Iterator[tuple[int, list[Sequence[str]]]]:
    """Yield added passages with terms whose ids follow each other, with the first id."""
    run: list[Sequence[str]] = []
    first = 0
    for passage_id, terms in sorted((passage_id, terms) for passage_id, terms in added.items() if terms):
        if run and passage_id != first + len(run):
            yield first, run
            run = []
        first = first if run else passage_id
        run.append(terms)
    if run:
        yield first, run


def _neighbours(parts: Iterable[tuple[int, Postings]]) -> Iterator[list[tuple[int, Postings]]]:
    """Group parts by id, apart wherever ids are far from following each other."""
    group: list[tuple[int, Postings]] = []
    for first, part in parts:
        end = group[-1][0] + len(group[-1][1].lengths) if group else first
        if first - end > 1_000:
            yield group
            group = []
        group.append((first, part))
    if group:
        yield group


def _mergeable(segments: Sequence[SegmentRow]) -> Sequence[SegmentRow]:
    """Find neighbours worth merging: MERGE_FACTOR in a row of which none outweighs the others together."""
    for start in range(len(segments) - MERGE_FACTOR, -1, -1):
        neighbours = segments[start : start + MERGE_FACTOR]
        sizes = [segment.live for segment in neighbours]
        if 2 * max(sizes) <= sum(sizes):
            return neighbours
    return []


def _by_terms(sources: Sequence[Iterator[Postings]]) -> Iterator[list[tuple[int, Postings]]]:
    """Yield, a stretch of terms at a time, what each of the sources, which go by term, holds of them."""
    heads: dict[int, Postings] = {}
    waiting = dict(enumerate(sources))
    while waiting or heads:
        for number in [number for number in waiting if number not in heads]:
            if (head := next((part for part in waiting[number] if part.terms), None)) is None:
                del waiting[number]
            else:
                heads[number] = head
        if not heads:
            return
        # Beyond the least of the last terms, some source might hold more of a term in its next part.
        bound = min(head.terms[-1] for head in heads.values())
        stretch = []
        for number, head in sorted(heads.items()):
            here, rest = split(head, bisect_right(head.terms, bound))
            if here.terms:
                stretch.append((number, here))
            if rest.terms:
                heads[number] = rest
            else:
                del heads[number]
        yield stretch


def _numbers(encoded: bytes) -> Integers:
    with _translated():
        return decode_numbers(encoded)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DamagedPostingsError as error:
        raise _damaged() from error


def _damaged() -> LibraryError:
    return LibraryError("the library's postings are damaged; move it away and index your folders again")
