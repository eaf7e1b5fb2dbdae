"""The embedded engine against rank_bm25 over the whole collection, and its rows against themselves."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from portrait import term_counts
from rank_bm25 import BM25Okapi

from docqa import retriever
from docqa.errors import LibraryError
from docqa.postings import count_lists, decode_numbers, encode
from docqa.retriever import BM25, K1, B, SqliteRetriever, _all, _best, _Found, _top
from docqa.store import Store

TERMS = ["lease", "rent", "boiler", "garden", "ends", "the", "日本", "x1"]


class Oracle(BM25Okapi):  # type: ignore[misc]
    """rank_bm25 with Lucene's IDF, log(1 + (N - n + 0.5) / (n + 0.5)), and nothing else of its own."""

    def _calc_idf(self, nd: dict[str, int]) -> None:
        for term, count in nd.items():
            self.idf[term] = math.log(1 + (self.corpus_size - count + 0.5) / (count + 0.5))


def oracle_ranking(collection: dict[int, list[str]], query: list[str]) -> list[tuple[int, float]]:
    """All passages with a score above zero, best first, equal ones by id."""
    ids = sorted(number for number, terms in collection.items() if terms)
    if not ids:
        return []
    scores = Oracle([collection[number] for number in ids], k1=K1, b=B).get_scores(list(dict.fromkeys(query)))
    ranked = sorted(zip(ids, scores.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    return [pair for pair in ranked if pair[1] > 0]


def assert_ranks_alike(engine: SqliteRetriever, collection: dict[int, list[str]], query: list[str]) -> None:
    found, expected = engine.search(query, 1_000), oracle_ranking(collection, query)
    assert dict(found).keys() == dict(expected).keys()
    assert [score for _, score in found] == pytest.approx([score for _, score in expected], rel=1e-9)
    # The order is the same wherever scores differ by more than rounding.
    wanted = dict(expected)
    for (_, earlier), (later_id, later) in pairwise(found):
        assert earlier >= later
        assert wanted[later_id] == pytest.approx(later)


@pytest.fixture
def store(library: Path) -> Iterator[Store]:
    made = Store.create(library)
    yield made
    made.close()


def change(store: Store, added: dict[int, list[str]], deleted: Iterable[int] = ()) -> None:
    """One committed change."""
    with store.transaction():
        engine = SqliteRetriever(store)
        for number in deleted:
            engine.delete(number)
        for number, terms in added.items():
            engine.add(number, terms)
        engine.commit()


passages = st.lists(st.sampled_from(TERMS), max_size=12)
queries = st.lists(st.sampled_from([*TERMS, "nowhere"]), max_size=5)


# Numbers whose sum in another order is another in its last place.
@pytest.mark.parametrize("seed", [10, 16, 25])
def test_scores_do_not_depend_on_how_passages_came_to_their_segments(store: Store, tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    held = (("c",), ("a", "b", "c"), ("a",), ("b",))  # all three terms are alike in frequency
    collection = {
        number: [term for term in (*terms, "z") for _ in range(random.randint(1, 5))]
        for number, terms in enumerate(held, 1)
    }
    change(store, {1: collection[1]})
    change(store, {number: collection[number] for number in (2, 3, 4)})
    fresh = Store.create(tmp_path / "fresh.docqa")
    change(fresh, collection)
    query = ["a", "b", "c"]
    assert SqliteRetriever(store).search(query, 9) == SqliteRetriever(fresh).search(query, 9)
    fresh.close()


class Histories(RuleBasedStateMachine):
    """Whatever is added and deleted in whatever order, the ranking is that of what is left."""

    def __init__(self) -> None:
        super().__init__()
        self.collection: dict[int, list[str]] = {}
        self.next = 1

        self.folder = tempfile.TemporaryDirectory()
        self.store = Store.create(Path(self.folder.name) / "l.docqa")

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @rule(added=st.lists(passages, min_size=1, max_size=4), gap=st.sampled_from((0, 0, 0, 1, 1_500)))
    def add(self, added: list[list[str]], gap: int) -> None:
        first = self.next + gap
        new = dict(enumerate(added, first))
        change(self.store, new)
        self.collection |= new
        self.next = first + len(added)

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        numbers = data.draw(st.lists(st.sampled_from([*self.collection, 99_999]), max_size=4))
        change(self.store, {}, numbers)
        for number in numbers:
            self.collection.pop(number, None)

    @rule(compact=st.booleans())
    def tidy(self, compact: bool) -> None:
        with self.store.transaction():
            engine = SqliteRetriever(self.store)
            engine.compact() if compact else engine.purge()

    @rule(query=queries)
    def search(self, query: list[str]) -> None:
        assert_ranks_alike(SqliteRetriever(self.store), self.collection, query)

    @invariant()
    def is_sound(self) -> None:
        assert SqliteRetriever(self.store).check() == []
        assert sum(row.live for row in self.store.segments()) == sum(map(bool, self.collection.values()))


class HistoriesWithTombstones(Histories):
    """The same, but tombstones stay until segments are merged, which is soon."""

    patches = (("_PURGED_PASSAGES", 0), ("_PURGED_SHARE", 0.9), ("MERGE_FACTOR", 3), ("_MERGED_BLOCKS", 1))

    def __init__(self) -> None:
        super().__init__()
        self.patched = pytest.MonkeyPatch()
        for name, value in self.patches:
            self.patched.setattr(retriever, name, value)

    def teardown(self) -> None:
        self.patched.undo()
        super().teardown()


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestHistoriesWithTombstones = HistoriesWithTombstones.TestCase
TestHistoriesWithTombstones.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)


# --- the bounds ---------------------------------------------------------------------------------------------

SIZE = 60

# A term in few passages with much weight, or in many with little, as IDF makes them; equal weights make ties.
entries = st.one_of(
    st.tuples(st.sets(st.integers(0, SIZE - 1), min_size=1, max_size=6), st.sampled_from([3.0, 4.0])),
    st.tuples(st.sets(st.integers(0, SIZE - 1), min_size=20), st.sampled_from([0.1, 0.25, 1.0])),
)


@given(st.lists(entries, min_size=1, max_size=6), st.integers(1, 25), st.sampled_from([0, 30]), st.randoms())
def test_what_is_left_out_by_its_bound_changes_no_place_and_no_score(
    drawn: list[tuple[set[int], float]], k: int, lookup_cost: int, random: Random
) -> None:
    weighed = [
        _Found(
            np.array(sorted(places)), np.array([random.choice([0, 1]) for _ in places]), np.array([1.0, 1.5]), weight
        )
        for places, weight in drawn
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retriever, "_LOOKUP_COST", lookup_cost)
        patch.setattr(retriever, "_HOPE", 1.0)
        found = _top(*_best(weighed, SIZE, k), k)
    totals = _all(weighed, SIZE)
    everything = totals.nonzero()[0]
    assert found == _top(everything, totals[everything], k)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 3, 20])
def test_the_best_of_many_are_those_of_the_whole_collection(store: Store, seed: int, k: int) -> None:
    random = np.random.default_rng(seed)
    words = [f"w{number}" for number in range(200)]
    frequency = 1 / np.arange(1, 201)
    collection = {
        number: random.choice(words, size=random.integers(1, 60), p=frequency / frequency.sum()).tolist()
        for number in range(1, 400)
    }
    change(store, {number: terms for number, terms in collection.items() if number < 150})
    change(store, {number: terms for number, terms in collection.items() if number >= 150})
    gone = random.choice(list(collection), size=40, replace=False).tolist()
    change(store, {}, gone)
    for number in gone:
        del collection[number]
    for _ in range(20):
        query = [f"w{number}" for number in random.choice([0, 1, 2, 5, 20, 60, 150], size=4, replace=False)]
        found, expected = SqliteRetriever(store).search(query, k), oracle_ranking(collection, query)
        least = expected[min(k, len(expected)) - 1][1] if expected else 0.0
        wanted = {number: score for number, score in expected if score >= least * (1 - 1e-12)}
        assert dict(found).keys() == wanted.keys()
        assert [score for _, score in found] == pytest.approx(sorted(wanted.values(), reverse=True), rel=1e-9)


# --- particular cases ---------------------------------------------------------------------------------------


def test_many_small_commits_are_merged_and_rank_like_the_whole_collection(store: Store) -> None:
    random = np.random.default_rng(0)
    collection: dict[int, list[str]] = {}
    for number in range(1, 200):
        collection[number] = random.choice(TERMS, size=random.integers(1, 30)).tolist()
        gone = [number - 7] if number % 3 == 0 and number > 7 else []
        for each in gone:
            del collection[each]
        change(store, {number: collection[number]}, gone)
    assert len(store.segments()) < 40
    for query in (["rent"], ["lease", "boiler", "ends"], TERMS):
        assert_ranks_alike(SqliteRetriever(store), collection, query)


def test_the_terms_of_a_deleted_passage_leave_the_postings(store: Store) -> None:
    change(store, {1: ["rent", "alone"], 2: ["rent"]})
    change(store, {}, [1])
    [segment] = store.segments()
    assert term_counts(store, segment) == {"rent": 1}


def test_a_large_segment_keeps_its_dead_until_it_is_purged(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retriever, "_PURGED_PASSAGES", 0)
    collection = {number: ["rent", f"only{number}"] for number in range(1, 101)}
    change(store, collection)
    change(store, {}, [7])
    del collection[7]
    [segment] = store.segments()
    assert decode_numbers(segment.dead).tolist() == [6]
    assert_ranks_alike(SqliteRetriever(store), collection, ["rent", "only7", "only8"])
    with store.transaction():
        SqliteRetriever(store).purge()
    assert not any(b"only7\n" in data for each in store.segments() for data in store.blocks(each.id))
    assert_ranks_alike(SqliteRetriever(store), collection, ["rent", "only7", "only8"])


def test_compacting_leaves_one_segment_unless_little_was_added(store: Store) -> None:
    change(store, {number: ["rent"] for number in range(1, 11)})
    change(store, {11: ["lease"]})
    for added, segments in (([12, 13, 14], 1), ([15], 2)):
        change(store, {number: ["boiler"] for number in added})
        with store.transaction():
            SqliteRetriever(store).compact()
        assert len(store.segments()) == segments


def test_a_segment_of_which_nothing_is_left_is_removed(store: Store) -> None:
    change(store, {1: ["rent"], 2: ["lease"]})
    change(store, {}, [1, 2])
    assert store.segments() == []


def test_our_scorer_ranks_in_memory_like_the_oracle() -> None:
    corpus = [["rent", "lease"], ["rent", "rent", "boiler"], ["garden"]]
    query = ["rent", "garden"]
    assert BM25(corpus, k1=K1, b=B).get_scores(query).tolist() == Oracle(corpus, k1=K1, b=B).get_scores(query).tolist()


def test_a_term_in_every_passage_still_counts(store: Store) -> None:
    change(store, {1: ["rent"], 2: ["rent", "lease"]})
    assert all(score > 0 for _, score in SqliteRetriever(store).search(["rent"], 5))


def test_an_empty_library_and_unknown_terms_find_nothing(store: Store) -> None:
    assert SqliteRetriever(store).search(["rent"], 5) == []
    change(store, {1: ["lease"]})
    assert SqliteRetriever(store).search(["rent"], 5) == []
    assert SqliteRetriever(store).search([], 5) == []
    assert SqliteRetriever(store).search(["lease"], 0) == []


def test_a_passage_without_terms_is_not_found_and_does_not_count(store: Store) -> None:
    change(store, {1: [], 2: ["rent"], 3: []})
    assert_ranks_alike(SqliteRetriever(store), {2: ["rent"]}, ["rent"])


def test_all_that_tie_with_the_last_are_returned(store: Store) -> None:
    change(store, {number: ["rent"] for number in range(1, 7)} | {7: ["rent", "rent"]})
    found = SqliteRetriever(store).search(["rent"], 3)
    assert [number for number, _ in found] == [7, 1, 2, 3, 4, 5, 6]


def test_repeating_a_term_in_the_query_changes_nothing(store: Store) -> None:
    change(store, {1: ["rent", "lease"], 2: ["lease"]})
    engine = SqliteRetriever(store)
    assert engine.search(["rent", "rent", "lease"], 5) == engine.search(["rent", "lease"], 5)


def test_changes_show_only_after_commit(store: Store) -> None:
    with store.transaction():
        engine = SqliteRetriever(store)
        engine.add(1, ["rent"])
        assert engine.search(["rent"], 5) == []
        engine.commit()
        assert [number for number, _ in engine.search(["rent"], 5)] == [1]


def test_what_is_added_and_deleted_before_a_commit_never_was(store: Store) -> None:
    with store.transaction():
        engine = SqliteRetriever(store)
        engine.add(1, ["rent"])
        engine.delete(1)
        engine.commit()
    assert store.segments() == []


def test_a_rolled_back_change_leaves_the_ranking_alone(store: Store) -> None:
    change(store, {1: ["rent"]})
    before = SqliteRetriever(store).search(["rent"], 5)

    def fail() -> None:
        with store.transaction():
            engine = SqliteRetriever(store)
            engine.add(2, ["rent"])
            engine.commit()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert SqliteRetriever(store).search(["rent"], 5) == before


def test_only_what_is_allowed_is_found_with_the_scores_of_the_whole_collection(store: Store) -> None:
    change(store, {1: ["rent"], 2: ["rent", "lease"], 3: ["garden"]})
    engine = SqliteRetriever(store)
    whole = dict(engine.search(["rent"], 5))
    assert engine.search(["rent"], 5, allowed=[2, 3]) == [(2, whole[2])]
    assert engine.search(["rent"], 5, allowed=[]) == []


# --- check --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["live", "terms"])
def test_check_finds_counts_that_do_not_match(store: Store, column: str) -> None:
    change(store, {1: ["rent"], 2: ["lease"]})
    assert SqliteRetriever(store).check() == []
    store._run(f"UPDATE segments SET {column} = {column} + 1")
    [problem] = SqliteRetriever(store).check()
    assert "counts do not match" in problem


def test_postings_beyond_their_segment_are_damage(store: Store) -> None:
    change(store, {1: ["rent"]})
    store._run("UPDATE blocks SET data = ?", *(data for _, data in encode(count_lists([[], [], ["rent"]]))))
    for use in (lambda: SqliteRetriever(store).search(["rent"], 5), lambda: SqliteRetriever(store).check()):
        with pytest.raises(LibraryError, match="damaged"):
            use()


def test_a_block_that_is_cut_short_is_damage(store: Store) -> None:
    change(store, {1: ["rent", "lease"]})
    store._run("UPDATE blocks SET data = substr(data, 1, 25)")
    for use in (lambda: SqliteRetriever(store).search(["rent"], 5), lambda: SqliteRetriever(store).check()):
        with pytest.raises(LibraryError, match="damaged"):
            use()
