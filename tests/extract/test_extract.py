"""What holds for every format: the choice of the extractor, the invariants of the text, and every failure."""

from __future__ import annotations

import gzip
import io
import json
import re
import subprocess
import sys
import zipfile
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from office_files import OFFICE_FILES
from packing import edited, packed
from pdf_writer import column, write_pdf

from docqa.errors import ExtractionError
from docqa.extract import extract, media_type_of
from docqa.extract.formats import FORMATS
from docqa.records import Extraction

SUFFIXES = [
    *sorted({each.suffixes[0] for each in FORMATS if not each.is_plain}),
    *(".txt", ".py", ".tsv", ".srt", ".rst.gz", ".unknown", ""),
]
PDF = write_pdf([column(["Some text."]), column(["More of it."])])
NOTEBOOK = json.dumps({"cells": [{"cell_type": "markdown", "source": ["# A\n", "- b"]}]}).encode()
RICH_TEXT = (
    rb"{\rtf1\ansi\deff0{\fonttbl{\f0\fcharset204 A;}}{\stylesheet{\s1 heading 1;}}\pard\s1{\listtext 1.\tab}\'cf\par"
    rb"\pard\intbl a\cell b{\footnote c}\cell\row\pard{\header d}\u-10179?\u-8704?{\pict\bin2 }}} e\par}"
)
MARKUP = [
    *"<>/ab\n\r \0#-*|`[]()!&;:=,.{}_\\\"'\t\ud800é01",
    *("h1", "li", "td", "pre", "table", "ul", "===\n", ".. x::", "#+title:", ":END:", "\n\nFrom a 10:00\n"),
    *("00:01.000 --> 00:02.000\n", "Subject: ", '{\n "a": ', "\n[a]\n"),
    *("{\\rtf1 ", "\\par ", "\\intbl\\cell", "\\row", "{\\footnote ", "\\u-8704?", "\\'83", "{\\*\\", "\\bin9"),
]


def message() -> bytes:
    mail = EmailMessage()
    mail["Subject"] = "Grüße"
    mail.set_content("Body")
    mail.add_attachment("# Notes\n\ntext", subtype="markdown", filename="n.md")
    return mail.as_bytes()


def check(extraction: Extraction) -> None:
    text = extraction.text
    assert text.strip()
    assert "\0" not in text
    assert "\r" not in text
    text.encode("utf-8")  # raises if there is a lone surrogate
    starts = [mark.start for mark in extraction.marks]
    assert starts == sorted(starts)
    assert all(0 <= start <= len(text) for start in starts)
    for mark in extraction.marks:
        assert mark.value
        if mark.kind == "cell":
            # Of a notebook its number, of a sheet its column and row.
            assert re.fullmatch("[A-Z]*[1-9][0-9]*", mark.value)
        elif mark.kind != "heading":
            assert int(mark.value) >= 1


def extract_or_refuse(name: str, data: bytes) -> None:
    try:
        _, extraction = extract(name, data)
    except ExtractionError as error:
        assert str(error)  # noqa: PT017 (either outcome is right)
    else:
        check(extraction)


@settings(max_examples=300, deadline=None)
@given(suffix=st.sampled_from(SUFFIXES), data=st.binary(max_size=400))
def test_any_bytes_give_clean_text_or_a_reason(suffix: str, data: bytes) -> None:
    extract_or_refuse(f"file{suffix}", data)


@settings(max_examples=300, deadline=None)
@given(suffix=st.sampled_from(SUFFIXES), text=st.lists(st.sampled_from(MARKUP), max_size=200).map("".join))
def test_any_markup_gives_clean_text_or_a_reason(suffix: str, text: str) -> None:
    extract_or_refuse(f"file{suffix}", text.encode("utf-8", "surrogatepass"))


@settings(max_examples=200, deadline=None)
@given(
    case=st.sampled_from(
        [
            *((".pdf", PDF), (".ipynb", NOTEBOOK), (".eml", message())),
            *((suffix, make()) for suffix, make in OFFICE_FILES.items()),
            (".zip", packed({"a.md": "# A", "b.zip": packed({"c.txt": "c"})})),
            (".txt.gz", gzip.compress(b"text")),
            (".mbox", b"From a 10:00\n" + message()),
            (".rtf", RICH_TEXT),
        ]
    ),
    position=st.floats(0, 1, exclude_max=True),
    damage=st.binary(max_size=8),
    length=st.integers(0, 30),
)
def test_damaged_files_give_clean_text_or_a_reason(
    case: tuple[str, bytes], position: float, damage: bytes, length: int
) -> None:
    suffix, data = case
    at = int(position * len(data))
    extract_or_refuse(f"file{suffix}", data[:at] + damage + data[at + length :])


NOTEBOOK_KEYS = "cells worksheets cell_type source outputs text data text/plain level"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NOTEBOOK_KEYS.split()),
            inner | st.just("markdown"),
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(value=json_values)
def test_any_json_named_a_notebook_gives_clean_text_or_a_reason(value: object) -> None:
    extract_or_refuse("a.ipynb", json.dumps(value).encode())


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("/a/b.TXT", "text/plain"),
        ("x.tar.md", "text/markdown"),
        ("x.htm", "text/html"),
        ("x.PDF", "application/pdf"),
        ("main.rs", "text/x-rust"),
        ("data.csv", "text/csv"),
        ("a.tar.gz", "application/gzip"),
        ("README", "text/plain"),
        ("a/Makefile", "text/plain"),
        ("x.xyz", None),
        ("x", None),
        (".pdf", None),
        ("", None),
    ],
)
def test_the_name_tells_the_media_type(name: str, media_type: str | None) -> None:
    assert media_type_of(name) == media_type


def test_an_unknown_suffix_is_read_if_it_looks_like_text() -> None:
    assert extract("a.xyz", "Grüße".encode())[0] == "text/plain"
    assert extract("a.xyz", "Grüße".encode("utf-16"))[1].text == "Grüße"
    with pytest.raises(ExtractionError, match=r"unknown format '\.xyz'"):
        extract("a.xyz", b"\x7fELF\0\0")
    with pytest.raises(ExtractionError, match="not text"):
        extract("program", b"\xff\xfe\xfd"[1:] * 9)


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.eml"])
@pytest.mark.parametrize("data", [b"", b" \n\n\t "])
def test_a_file_without_text_says_so(name: str, data: bytes) -> None:
    with pytest.raises(ExtractionError, match="no text in it"):
        extract(name, data)


def test_failures_of_libraries_come_out_with_a_reason() -> None:
    with pytest.raises(ExtractionError, match="damaged Word document") as caught:
        extract("a.docx", b"garbage")
    assert caught.value.__cause__ is not None
    with pytest.raises(ExtractionError, match="Jupyter notebook nested too deeply"):
        extract("a.ipynb", b"[" * 200_000)


def test_extracting_text_imports_no_library_of_another_format() -> None:
    script = (
        "import sys; from docqa.extract import extract; extract('a.txt', b'x'); "
        "heavy = {'docx', 'lxml', 'pypdfium2', 'python_calamine', 'selectolax', 'markdown_it', 'charset_normalizer'}; "
        "print(*heavy & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


@settings(max_examples=200, deadline=None)
@given(
    suffix=st.sampled_from(sorted(OFFICE_FILES)),
    number=st.integers(0, 50),
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=6), st.integers(0, 20)), max_size=3),
)
def test_office_files_with_damaged_parts_give_clean_text_or_a_reason(
    suffix: str, number: int, edits: list[tuple[float, bytes, int]]
) -> None:
    data = OFFICE_FILES[suffix]()
    if suffix == ".xls":
        return
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        chosen = archive.namelist()[number % len(archive.namelist())]

    def damage(name: str, content: bytes) -> bytes:
        for position, inserted, length in edits if name == chosen else []:
            at = int(position * len(content))
            content = content[:at] + inserted + content[at + length :]
        return content

    extract_or_refuse(f"file{suffix}", edited(data, damage))
