from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docqa.reader.lengths import LengthConfiguration


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


@pytest.mark.parametrize(("share", "length", "kept"), [(0.7, 10, 7), (0.5, 5, 3), (1.0, 9, 9), (0.01, 10, 1)])
def test_the_number_kept_is_the_share_rounded_up(share: float, length: int, kept: int) -> None:
    assert LengthConfiguration((share,)).kept(0, length) == kept


shares = st.lists(st.floats(0.001, 1.0), min_size=1, max_size=6).map(lambda each: tuple(sorted(each, reverse=True)))


@given(shares, st.integers(1, 512))
def test_layers_keep_ever_fewer_tokens_but_at_least_one(shares: tuple[float, ...], length: int) -> None:
    lengths = LengthConfiguration(shares)
    kept = [length, *(lengths.kept(layer, length) for layer in range(len(shares)))]
    assert kept == sorted(kept, reverse=True)
    assert kept[-1] >= 1
