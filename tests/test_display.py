from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docqa.display import one_line, printable, size

CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"]
BIDI = list("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
hostile = st.text() | st.text(alphabet=[*CONTROLS, *BIDI, *"a b\n\t\u2028\u2029\ufeff\udc80\udcff\ud800"])


def obeyed(text: str) -> list[str]:
    """Characters that a terminal might obey, by their Unicode properties."""
    return [
        character
        for character in text
        if (unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") and character not in "\n\t")
        or unicodedata.bidirectional(character) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        or character in BIDI
    ]


@given(hostile)
def test_nothing_that_a_terminal_obeys_comes_through(text: str) -> None:
    assert obeyed(printable(text)) == []


@given(hostile)
def test_one_line_is_printable_and_one_line(text: str) -> None:
    line = one_line(text)
    assert obeyed(line) == []
    assert "\n" not in line
    assert "\t" not in line


@given(hostile)
def test_what_is_shown_can_be_encoded(text: str) -> None:
    assert printable(text).encode("utf-8").decode("utf-8") == printable(text)


@given(st.text(alphabet=st.characters(categories=("L", "N", "P", "S", "Zs")) | st.sampled_from("\n\t")))
def test_ordinary_text_comes_through_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("character", [*CONTROLS, *BIDI])
def test_every_forbidden_character_is_shown_as_an_escape(character: str) -> None:
    assert printable(f"a{character}b").startswith("a\\")
    assert printable(f"a{character}b").endswith("b")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("caf\udce9", "caf\\xe9"),
        ("\ud800", "\\ud800"),
        ("[bold]not markup[/bold]", "[bold]not markup[/bold]"),
    ],
)
def test_escapes_say_what_was_there(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1 kB"), (999_499, "999 kB"), (999_500, "1 MB"), (2_500_000_000, "2.5 GB")],
)
def test_sizes_are_told_in_the_unit_that_suits_them(count: int, shown: str) -> None:
    assert size(count) == shown
