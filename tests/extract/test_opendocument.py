"""OpenDocument files, written by odfdo."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from office_files import open_sheet, open_slides, open_text
from packing import edited

from docqa.errors import ExtractionError
from docqa.extract import extract
from docqa.records import Extraction, Mark


def changed(data: bytes, old: str, new: str) -> bytes:
    def edit(name: str, content: bytes) -> bytes:
        if name != "content.xml":
            return content
        assert old.encode() in content
        return content.replace(old.encode(), new.encode(), 1)

    return edited(data, edit)


def read(name: str, made: Callable[[], bytes], old: str, new: str) -> Extraction:
    return extract(name, changed(made(), old, new))[1]


def test_headings_lists_tables_and_notes_keep_their_order() -> None:
    extraction = extract("a.odt", open_text())[1]
    assert extraction.text == (
        "Title\n\ntwo  spaces,\ta tab\nand a break\n\n- x\n- y\n\na | b\n1 | 2\n\nSub\n\nwith a note"
        "\n\nFootnote: the note"
    )
    assert extraction.marks == (
        Mark("heading", 0, "Title"),
        Mark("heading", extraction.text.index("Sub"), "Title › Sub"),
    )


def test_deleted_text_comments_and_contents_are_left_out_and_boxes_are_read() -> None:
    unseen = "".join(
        f"<{tag}><text:p>UNSEEN</text:p></{tag}>" for tag in ("text:tracked-changes", "text:table-of-content")
    )
    box = (
        "<text:p>outer<office:annotation><text:p>UNSEEN</text:p></office:annotation><draw:frame><draw:text-box>"
        "<text:p>boxed</text:p></draw:text-box></draw:frame> text</text:p>"
        "<text:section><text:p>in a section</text:p></text:section>"
    )
    text = read("a.odt", open_text, "<office:text>", f"<office:text>{unseen}{box}").text
    assert text.startswith("outer text\n\nboxed\n\nin a section\n\nTitle")
    assert "UNSEEN" not in text


def test_lists_in_lists_are_indented() -> None:
    inner = "<text:list><text:list-item><text:p>inner</text:p></text:list-item></text:list>"
    listed = f"<text:list><text:list-item><text:p>outer</text:p>{inner}</text:list-item></text:list>"
    assert read("a.odt", open_text, "<office:text>", f"<office:text>{listed}").text.startswith("- outer\n  - inner\n\n")


def test_sheets_are_headings_and_rows_name_their_columns() -> None:
    extraction = extract("a.ods", open_sheet())[1]
    assert extraction.text == "Name | Paid\n- Name: Ann; Paid: 12.5"
    assert extraction.marks == (Mark("heading", 0, "Costs"), Mark("cell", 0, "A1"), Mark("cell", 12, "A2"))


def test_repeated_cells_count_and_a_million_empty_rows_do_not() -> None:
    more = (
        '<table:table-row><table:table-cell table:number-columns-repeated="2"><text:p>x</text:p></table:table-cell>'
        '</table:table-row><table:table-row table:number-rows-repeated="1048570">'
        '<table:table-cell table:number-columns-repeated="16384"/></table:table-row></table:table>'
    )
    after = (
        "<table:table-row><table:table-cell/><table:table-cell><text:p>y</text:p></table:table-cell></table:table-row>"
    )
    extraction = read("a.ods", open_sheet, "</table:table>", more.replace("</table:table>", f"{after}</table:table>"))
    assert extraction.text.endswith("\n- Name: x; Paid: x\ny")
    assert extraction.marks[-1].value == "B1048574"


def test_repetition_without_end_is_bounded() -> None:
    more = (
        '<table:table-row table:number-rows-repeated="999999999">'
        '<table:table-cell table:number-columns-repeated="999999999"><text:p>x</text:p></table:table-cell>'
        "</table:table-row></table:table>"
    )
    begun = time.monotonic()
    assert len(read("a.ods", open_sheet, "</table:table>", more).text) < 10_000
    assert time.monotonic() - begun < 5


def test_slides_are_pages() -> None:
    extraction = extract("a.odp", open_slides())[1]
    assert extraction.text == "The plan\n\ndig\n\nplant"
    assert [(mark.kind, mark.value) for mark in extraction.marks] == [
        ("page", "1"),
        ("heading", "The plan"),
        ("page", "2"),
        ("heading", "Slide 2"),
    ]


def test_an_encrypted_document_says_so() -> None:
    def lock(name: str, content: bytes) -> bytes:
        if name == "META-INF/manifest.xml":
            assert b"</manifest:manifest>" in content
            return content.replace(b"</manifest:manifest>", b"<manifest:encryption-data/></manifest:manifest>")
        return content[::-1] if name == "content.xml" else content

    with pytest.raises(ExtractionError, match="encrypted; remove the password"):
        extract("a.odt", edited(open_text(), lock))
