"""Encodings: declared, marked, guessed and broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docqa.extract.decoding import clean, decode

WESTERN = "Die Größe der Tür wurde geändert — für 3 €."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be", "cp1252"])
def test_text_survives_its_encoding(encoding: str) -> None:
    assert decode(WESTERN.encode(encoding)) == WESTERN


@pytest.mark.parametrize("mark", [b"\xfe\xff", b"\x00\x00\xfe\xff"])
def test_big_endian_marks_are_known(mark: bytes) -> None:
    encoding = "utf-16-be" if len(mark) == 2 else "utf-32-be"
    assert decode(mark + "Größe".encode(encoding)) == "Größe"


@pytest.mark.parametrize(
    "text", ["café", "Où est passé le garçon? À côté.", "Vi åkte till Malmö för smörgås", "El niño comió"]
)
def test_short_western_texts_are_not_guessed_at(text: str) -> None:
    assert decode(text.encode("latin-1")) == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Привет, как дела? Сегодня хорошая погода в Москве.", "cp1251"),
        ("Привет, как дела? Сегодня хорошая погода в Москве.", "koi8-r"),
        ("これは日本語の文章です。図書館で本を読みました。", "shift_jis"),
        ("Zażółć gęślą jaźń, proszę bardzo. Wszystko będzie dobrze.", "cp1250"),
    ],
)
def test_other_encodings_are_guessed(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_a_declared_encoding_counts_where_utf8_does_not_fit() -> None:
    assert decode("čeština ťuk".encode("cp1250"), "windows-1250") == "čeština ťuk"
    assert decode("日本".encode("iso-2022-jp"), "ISO-2022-JP") == "日本"
    assert decode("“quoted”".encode("cp1252"), "iso-8859-1") == "“quoted”"
    assert decode("Größe".encode(), "iso-8859-1") == "Größe"


@pytest.mark.parametrize("declared", ["rot13", "unicode_escape", "idna", "base64", "utf-16", "no-such", "", "\0"])
def test_a_declaration_that_is_no_character_set_is_passed_over(declared: str) -> None:
    assert decode(b"a\\x41b", declared) == "a\\x41b"


def test_a_broken_place_does_not_turn_utf8_into_something_else() -> None:
    assert decode("Größe der Tür ".encode() + b"\xff") == "Größe der Tür \N{REPLACEMENT CHARACTER}"


def test_nuls_surrogates_and_line_ends_are_cleaned() -> None:
    assert decode(b"a\0b\r\nc\rd\n") == "a\N{REPLACEMENT CHARACTER}b\nc\nd\n"
    assert clean("a\ud800b") == "a\N{REPLACEMENT CHARACTER}b"


@given(st.binary(), st.none() | st.text(max_size=12))
def test_decoding_never_raises_and_is_always_clean(data: bytes, declared: str | None) -> None:
    text = decode(data, declared)
    text.encode("utf-8")
    assert "\0" not in text
    assert "\r" not in text


@given(st.text())
def test_utf8_comes_back_unchanged_but_for_cleaning(text: str) -> None:
    data = text.replace("\0", "").encode("utf-8", "replace")
    if not data.startswith((b"\xef\xbb\xbf",)):
        assert decode(data) == clean(data.decode())
