from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docqa.errors import ReaderError
from docqa.reader.choices import EFFORTS, Effort
from docqa.reader.lengths import LEAST_KEPT, LengthConfiguration, LengthTable, MeasuredLengths


@pytest.mark.parametrize(
    ("shares", "complaint"),
    [
        ((), "one share per layer"),
        ((0.0,), "must lie in"),
        ((1.0, -0.5), "must lie in"),
        ((1.1,), "must lie in"),
        ((math.nan,), "must lie in"),
        ((0.5, 0.6), "must not increase"),
    ],
)
def test_shares_that_make_no_sense_are_refused(shares: tuple[float, ...], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        LengthConfiguration(shares)


def test_shares_are_read_from_a_list_with_commas() -> None:
    assert LengthConfiguration.parse("1, 0.7,.5") == LengthConfiguration((1.0, 0.7, 0.5))


@pytest.mark.parametrize("text", ["", "1,", "a,b", "1;0.5", "0.5,1", "__import__('os')"])
def test_text_that_is_no_list_of_shares_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (float's own words will do)
        LengthConfiguration.parse(text)


@pytest.mark.parametrize(
    ("share", "length", "kept"), [(0.7, 100, 70), (0.5, 201, 101), (1.0, 90, 90), (0.01, 90, LEAST_KEPT), (0.01, 9, 9)]
)
def test_the_number_kept_is_the_share_rounded_up_but_never_few(share: float, length: int, kept: int) -> None:
    assert LengthConfiguration((share,)).kept(0, length) == kept


shares = st.lists(st.floats(0.001, 1.0), min_size=1, max_size=6).map(lambda each: tuple(sorted(each, reverse=True)))


@given(shares, st.integers(1, 512))
def test_layers_keep_ever_fewer_tokens_but_never_few(shares: tuple[float, ...], length: int) -> None:
    lengths = LengthConfiguration(shares)
    kept = [length, *(lengths.kept(layer, length) for layer in range(len(shares)))]
    assert kept == sorted(kept, reverse=True)
    assert kept[-1] >= min(length, LEAST_KEPT)


# --- the measured table -------------------------------------------------------------------------------------


def row(shares: tuple[float, ...], f1: float, time: float, **figures: float) -> MeasuredLengths:
    return MeasuredLengths(shares, **{"cost": time, "exact": f1 / 2, "drift": 0.5, **figures}, f1=f1, time=time)


FULL = row((1.0, 1.0), 0.80, 1.0)
TABLE = LengthTable(
    (
        row((0.9, 0.9), 0.795, 0.9),
        FULL,
        row((0.5, 0.2), 0.60, 0.3),
        row((0.8, 0.7), 0.79, 0.7),
        row((0.7, 0.4), 0.775, 0.5),
        row((0.9, 0.2), 0.793, 0.8),
    ),
    "a test",
    10,
    {"float32": 0.80},
)
ORIGIN = Path("lengths.json")


@pytest.mark.parametrize(
    ("effort", "shares"), [("thorough", (1.0, 1.0)), ("balanced", (0.8, 0.7)), ("fast", (0.7, 0.4))]
)
def test_an_effort_is_the_fastest_configuration_that_loses_little_enough(
    effort: Effort, shares: tuple[float, ...]
) -> None:
    assert TABLE.choose(effort).shares == shares


def test_what_blurs_passages_is_for_haste_only() -> None:
    table = replace(TABLE, rows=(FULL, row((0.8, 0.7), 0.80, 0.7, drift=1.5), row((0.9, 0.8), 0.80, 0.8, drift=1.0)))
    assert table.choose("balanced").shares == (0.9, 0.8)
    assert table.choose("fast").shares == (0.8, 0.7)


def test_where_dropping_tokens_never_pays_every_effort_reads_in_full() -> None:
    dear = LengthTable((FULL, row((0.9, 0.9), 0.80, 1.1), row((0.5, 0.5), 0.4, 0.5)), "a test", 10)
    assert {dear.choose(effort).shares for effort in EFFORTS} == {(1.0, 1.0)}


def test_rows_to_choose_from_get_faster_and_less_accurate() -> None:
    rows = TABLE.affordable("fast")
    assert [row.time for row in rows] == [1.0, 0.8, 0.7, 0.5]
    assert [row.f1 for row in rows] == sorted((row.f1 for row in rows), reverse=True)


@given(st.lists(st.builds(row, st.just((0.5, 0.5)), st.floats(0, 1), st.floats(0, 2)), max_size=8))
def test_less_effort_is_never_slower(rows: list[MeasuredLengths]) -> None:
    table = LengthTable((FULL, *rows), "a test", 10)
    times = [table.choose(effort).time for effort in EFFORTS]
    assert times == sorted(times)
    assert all(table.choose(effort).f1 >= 0.80 - 0.03 - 1e-6 for effort in EFFORTS)


def test_a_table_survives_being_written() -> None:
    assert LengthTable.from_json(TABLE.to_json(), ORIGIN) == TABLE


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"rows": []}, "number"),
        ({"rows": 3}, "not iterable"),
        ({"rows": [{"shares": [1.0]}]}, "missing"),
        ({"rows": [{**asdict(FULL), "shares": [0.5, 0.6]}]}, "must not increase"),
        ({"rows": [{**asdict(FULL), "shares": "no"}]}, "'<'"),
        ({"rows": [asdict(FULL), {**asdict(FULL), "shares": [1.0]}]}, "numbers of layers"),
        ({"rows": [{**asdict(FULL), "shares": [1.0, 0.5]}]}, "keeps all tokens"),
        ({"rows": [{**asdict(FULL), "time": math.nan}]}, "0 or more"),
        ({"rows": [{**asdict(FULL), "f1": 80.0}]}, "are shares"),
        ({"precisions": {"int8": 80}}, "a share"),
        ({"precisions": []}, "items|values"),
        ({"surplus": 1}, "surplus"),
    ],
)
def test_a_table_that_is_none_is_refused_by_name(change: dict[str, object], complaint: str) -> None:
    text = json.dumps({**json.loads(TABLE.to_json()), **change})
    with pytest.raises(ReaderError, match=rf"lengths\.json cannot be read .*{complaint}.*reader tune"):
        LengthTable.from_json(text, ORIGIN)


@pytest.mark.parametrize("text", ["", "[]", "null", '"x"', "{", "{}"])
def test_text_that_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(ReaderError, match=r"lengths\.json cannot be read"):
        LengthTable.from_json(text, ORIGIN)


def test_a_geometric_configuration_keeps_the_same_share_of_what_is_left() -> None:
    assert LengthConfiguration.geometric(4, 0.5).shares == (0.5, 0.25, 0.125, 0.0625)
    assert LengthConfiguration.geometric(4, 0.5, first=2).shares == (1.0, 1.0, 0.5, 0.25)
    assert LengthConfiguration.geometric(3, 1.0).is_full


def test_what_saves_too_little_time_is_not_chosen() -> None:
    slow = replace(TABLE.affordable("balanced")[-1], time=0.95)
    table = replace(TABLE, rows=(TABLE.full, slow))
    assert table.choose("balanced").lengths.is_full
    assert table.choose("fast").lengths.is_full
