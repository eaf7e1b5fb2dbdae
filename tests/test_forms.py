"""Which quotes say the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docqa.forms import normal_form


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("the Harbour Board", "Harbour Board."),
        ("MRS  ODILE\nMarchbank", "Mrs Odile Marchbank"),
        ("€1,450.00", "€1450"),
        ("€1,450", "1450 euros"),
        ("EUR 1,450", "1,450 €"),
        ("1 450", "1,450"),
        ("three months", "3 months"),
        ("six per cent", "6%"),
        ("6 percent", "6 %"),
        ("3 May 2024", "May 3, 2024"),
        ("3rd of May 2024", "2024-05-03"),
        ("Sept. 1, 1999", "1 September 1999"),
        ("“quoted”", "quoted"),
        ("(in brackets)", "in brackets"),
        ("the “quoted”", "quoted"),
        ("EUR 5.-", "€5.00"),
    ],
)
def test_these_say_the_same(one: str, other: str) -> None:
    assert normal_form(one) == normal_form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("C++", "C#"),
        ("€5", "$5"),
        ("-5", "5"),
        ("1.450", "1,450"),
        ("12 May 2024", "2 May 2024"),
        ("3 May 2024", "5 March 2024"),
        ("5%", "5"),
        ("1,2,3", "123"),
        ("1.0.1", "1.1"),
        ("10.0.0.1", "10.1"),
        ("3.10.0", "3.10"),
        ("may", "May 2024"),
    ],
)
def test_these_do_not(one: str, other: str) -> None:
    assert normal_form(one) != normal_form(other)


@given(st.text())
def test_a_form_is_only_empty_for_nothing(text: str) -> None:
    assert bool(normal_form(text)) == bool(text)


@given(st.text())
def test_case_and_white_space_around_do_not_count(text: str) -> None:
    if text.strip():
        assert normal_form(f" {text}\n") == normal_form(text)
