"""E-books, put together by hand as publishers' programs do."""

from __future__ import annotations

import pytest
from office_files import book
from packing import packed

from docqa.errors import ExtractionError
from docqa.extract import extract


def encryption(uri: str) -> str:
    return f'<encryption xmlns:enc="x"><enc:CipherReference URI="{uri}"/></encryption>'


def test_chapters_come_in_reading_order_under_the_title() -> None:
    extraction = extract("a.epub", book())[1]
    assert extraction.text == "The Book\n\nOne\n\nfirst\n\nTwo\n\nsecond"
    assert [mark.value for mark in extraction.marks] == ["The Book", "The Book › One", "The Book › Two"]


def test_elements_that_close_themselves_do_not_swallow_a_chapter() -> None:
    page = (
        '<html xmlns="http://www.w3.org/1999/xhtml"><head><title/><script src="a.js"/></head>'
        '<body><h1>One</h1><audio src="a.mp3"/><p>fir<a id="p2"/>st<br/>line <svg><path d=""/></svg></p></body></html>'
    )
    for chapter in (page, f'<?xml version="1.0"?>\n<!DOCTYPE html>\n{page}'):
        extraction = extract("a.epub", book(**{"OEBPS/b b.xhtml": chapter}))[1]
        assert extraction.text.startswith("The Book\n\nOne\n\nfirst\nline\n\nTwo")


def test_a_locked_chapter_is_refused_and_a_locked_font_is_not() -> None:
    with pytest.raises(ExtractionError, match="copy protection"):
        extract("a.epub", book(**{"META-INF/encryption.xml": encryption("OEBPS/text/a.xhtml")}))
    assert extract("a.epub", book(**{"META-INF/encryption.xml": encryption("OEBPS/font.ttf")}))


def test_a_missing_chapter_is_remarked_on() -> None:
    listing = (
        '<package xmlns="http://www.idpf.org/2007/opf"><manifest>'
        '<item id="a" href="text/a.xhtml" media-type="text/html"/>'
        '<item id="b" href="../../etc/passwd" media-type="text/html"/></manifest>'
        '<spine><itemref idref="a"/><itemref idref="b"/><itemref/></spine></package>'
    )
    extraction = extract("a.epub", book(**{"OEBPS/book.opf": listing}))[1]
    assert extraction.text == "Two\n\nsecond"
    assert extraction.remarks == ("chapter ../etc/passwd is missing",)


def test_another_zip_file_is_no_book() -> None:
    with pytest.raises(ExtractionError, match="damaged e-book"):
        extract("a.epub", packed({"a.txt": "x"}))
    with pytest.raises(ExtractionError, match="not an e-book"):
        extract("a.epub", packed({"META-INF/container.xml": "<container/>"}))
