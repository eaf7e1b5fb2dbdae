"""Postings against plain dictionaries, and their bytes against themselves."""

from __future__ import annotations

import pickle
from collections import Counter
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docqa.postings import (
    Block,
    DamagedPostingsError,
    Postings,
    count_lists,
    decode,
    decode_numbers,
    encode,
    encode_numbers,
    from_rows,
    merge,
    split,
    without,
)

Plain = dict[str, dict[int, int]]

# A passage of few terms, one that repeats a term beyond what a code holds, one that is longer than a code says.
passages = st.lists(
    st.lists(st.sampled_from(["a", "b", "lease", "rent", "日本", "x1", "z"]), max_size=8)
    | st.integers(60, 70).map(lambda times: ["rent"] * times + ["a"])
    | st.integers(1_020, 1_030).map(lambda length: [f"w{number}" for number in range(length)]),
    max_size=6,
)


def plain(postings: Postings) -> Plain:
    """Each term's passages with its frequency in them."""
    ends = np.cumsum(postings.counts).tolist()
    places, frequencies = postings.places.tolist(), postings.frequencies.tolist()
    return {
        term: dict(zip(places[start:end], frequencies[start:end], strict=True))
        for term, start, end in zip(postings.terms, [0, *ends], ends, strict=False)
    }


def expected(lists: list[list[str]]) -> Plain:
    found: Plain = {}
    for place, terms in enumerate(lists):
        for term, times in Counter(terms).items():
            found.setdefault(term, {})[place] = times
    return found


def in_order(lists: list[list[str]]) -> Postings:
    counted = count_lists(lists)
    return merge([counted], [0], counted.lengths)


def spread(lists: list[list[str]], step: int) -> list[list[str]]:
    """The same passages with so many empty ones between them."""
    return [terms for each in lists for terms in [each, *([[]] * step)]]


@given(passages)
def test_counting(lists: list[list[str]]) -> None:
    counted = count_lists(lists)
    assert plain(counted) == expected(lists)
    assert counted.lengths.tolist() == list(map(len, lists))


@given(st.lists(passages, min_size=1, max_size=4))
def test_merging_parts_is_counting_them_together(parts: list[list[list[str]]]) -> None:
    counted = [count_lists(part) for part in parts]
    offsets = np.cumsum([0, *map(len, parts)])[:-1].tolist()
    merged = merge(counted, offsets, np.concatenate([each.lengths for each in counted]))
    assert plain(merged) == expected([terms for part in parts for terms in part])
    assert merged.terms == sorted(merged.terms)
    assert all(list(places) == sorted(places) for places in plain(merged).values())


@given(passages, st.sampled_from([0, 1, 300, 70_000]))
def test_postings_survive_their_bytes(lists: list[list[str]], step: int) -> None:
    lists = spread(lists, step)
    postings = in_order(lists)
    blocks = [data for _, data in encode(postings)]
    if blocks:
        assert plain(decode(blocks, postings.lengths)) == plain(postings)


@given(passages, st.sampled_from([0, 300, 70_000]))
def test_postings_survive_the_way_to_another_process(lists: list[list[str]], step: int) -> None:
    counted = count_lists(spread(lists, step))
    sent = pickle.loads(pickle.dumps(counted))
    assert plain(sent) == plain(counted)
    assert sent.lengths.tolist() == counted.lengths.tolist()
    assert {array.dtype.name for array in (sent.counts, sent.places, sent.frequencies, sent.lengths)} == {"int32"}


@pytest.mark.parametrize("lists", [[], [[]], [[""]], [["", "a"]]])
def test_an_empty_term_is_one_on_the_way_too(lists: list[list[str]]) -> None:
    assert pickle.loads(pickle.dumps(count_lists(lists))).terms == sorted({term for terms in lists for term in terms})


@given(passages, st.sampled_from([0, 300, 70_000]))
def test_a_term_is_found_in_the_last_block_that_does_not_begin_after_it(lists: list[list[str]], step: int) -> None:
    lists = spread(lists, step)
    blocks = list(encode(in_order(lists)))
    for term, wanted in [*expected(lists).items(), ("nowhere", {}), ("", {}), ("\n", {})]:
        data = next((data for first, data in reversed(blocks) if first <= term), None)
        entries = Block.read(data).find(term) if data is not None else None
        if entries is None:
            assert not wanted
            continue
        frequencies, lengths = np.divmod(entries.codes.astype(int), 1 << 10)
        escapes, *numbers = entries.escapes()
        frequencies[escapes], lengths[escapes] = numbers
        places = np.empty(len(frequencies), np.int64)
        entries.locate(places, 7)
        assert dict(zip((places - 7).tolist(), frequencies.tolist(), strict=True)) == wanted
        assert lengths.tolist() == [len(lists[place]) for place in wanted]


def test_a_frequent_term_has_a_block_of_its_own() -> None:
    lists = [["common", f"rare{number}"] for number in range(5_000)]
    blocks = dict(encode(in_order(lists)))
    assert Block.read(blocks["common"]).ends.tolist() == [5_000]
    assert max(len(data) for term, data in blocks.items() if term != "common") < 4_000


@given(passages, st.integers(0, 8))
def test_the_parts_of_a_split_make_the_whole(lists: list[list[str]], number: int) -> None:
    postings = in_order(lists)
    before, after = split(postings, number)
    assert before.terms == postings.terms[:number]
    assert plain(before) | plain(after) == plain(postings)


@given(passages, st.data())
def test_without_some_passages(lists: list[list[str]], data: st.DataObject) -> None:
    dead = data.draw(st.sets(st.integers(0, len(lists) - 1))) if lists else set()
    left = without(in_order(lists), np.array(sorted(dead), np.int64))
    assert plain(left) == expected([[] if place in dead else terms for place, terms in enumerate(lists)])
    assert left.lengths.tolist() == [0 if place in dead else len(terms) for place, terms in enumerate(lists)]


def test_rows_of_older_libraries_are_read() -> None:
    rows = [("rent", b"\x01\x00\x02", b"\x01\x03\x01"), ("lease", b"\x01\x01", b"\x01\x02")]
    converted = from_rows(rows, b"\x01\x03\x02\x01")
    assert plain(converted) == {"lease": {1: 2}, "rent": {0: 3, 2: 1}}
    assert converted.terms == ["lease", "rent"]
    assert converted.lengths.tolist() == [3, 2, 1]


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda rest: b"\1\0\0\0\1\0\0\0" + bytes(12) + rest))
def test_foreign_bytes_are_a_block_or_damage(data: bytes) -> None:
    lengths = np.ones(300, np.int32)

    def look() -> None:
        if (entries := Block.read(data).find("rent")) is not None:
            entries.locate(np.empty(len(entries.gaps), np.int64), 0)
            entries.escapes()

    for use in (look, lambda: decode([data], lengths)):
        with suppress(DamagedPostingsError):
            use()


# --- rows of numbers ----------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 2**62)) | st.lists(st.integers(0, 300)))
def test_numbers_survive_encoding(numbers: list[int]) -> None:
    assert decode_numbers(encode_numbers(numbers)).tolist() == numbers


@pytest.mark.parametrize(("largest", "width"), [(0, 1), (255, 1), (256, 2), (65_535, 2), (65_536, 4), (2**32, 8)])
def test_numbers_take_the_fewest_bytes(largest: int, width: int) -> None:
    assert len(encode_numbers([1, largest])) == 1 + 2 * width


@given(st.binary(max_size=20))
def test_foreign_bytes_are_numbers_or_damage(encoded: bytes) -> None:
    try:
        numbers = decode_numbers(encoded)
    except DamagedPostingsError:
        assert not encoded or encoded[0] not in (1, 2, 4, 8) or (len(encoded) - 1) % encoded[0]
    else:
        assert len(numbers) == (len(encoded) - 1) // encoded[0]
