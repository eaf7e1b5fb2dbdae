"""Excel workbooks, new and old, written by XlsxWriter and xlwt."""

from __future__ import annotations

import io
import struct
import sys
import zipfile
from datetime import datetime

import pytest
import xlsxwriter
from office_files import old_workbook, workbook
from packing import edited

from docqa.errors import ExtractionError
from docqa.extract import extract
from docqa.extract.xlsx import as_date, kind_of
from docqa.records import Extraction, Mark


def cells(extraction: Extraction) -> dict[str, str]:
    """The rows by the first cell that is filled."""
    return {
        mark.value: extraction.text[mark.start :].split("\n")[0] for mark in extraction.marks if mark.kind == "cell"
    }


def test_rows_name_their_columns_and_values_look_as_in_the_sheet() -> None:
    extraction = extract("a.xlsx", workbook())[1]
    assert extraction.text == (
        "My costs\nName | Paid | On | Share | Done\n"
        "- Name: Ann; Paid: 0.3; On: 2024-05-03 08:30; Share: 12.5 %; Done: yes\n"
        "- Name: Bob; Paid: 2; On: 2024-05-04; Share: 30:00\n\ncorner"
    )
    assert [mark for mark in extraction.marks if mark.kind == "heading"] == [
        Mark("heading", 0, "Costs"),
        Mark("heading", extraction.text.index("corner"), "Far"),
    ]
    assert cells(extraction) == {
        "A1": "My costs",
        "A3": "Name | Paid | On | Share | Done",
        "A4": "- Name: Ann; Paid: 0.3; On: 2024-05-03 08:30; Share: 12.5 %; Done: yes",
        "A5": "- Name: Bob; Paid: 2; On: 2024-05-04; Share: 30:00",
        "XFD1048576": "corner",
    }


def test_an_empty_row_separates_two_tables() -> None:
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True}) as made:
        sheet = made.add_worksheet("Costs")
        for number, row in enumerate((["Name", "Paid"], ["Ann", 5], [], ["Out"], ["Shop", "Cost"], ["Mill", 7])):
            sheet.write_row(number, 0, row)
    text = extract("a.xlsx", target.getvalue())[1].text
    assert text == "Name | Paid\n- Name: Ann; Paid: 5\nOut\nShop | Cost\n- Shop: Mill; Cost: 7"


def test_what_xml_cannot_hold_is_not_shown_escaped() -> None:
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True}) as made:
        sheet = made.add_worksheet("Addresses")
        sheet.write_string(0, 0, "12 Elm\r\nTown")
        sheet.write_formula(1, 0, "=A1", None, "12 Elm_x000D_\nTown")
        sheet.write_string(2, 0, "a_x000D_b")
    assert "_x000D_" in zipfile.ZipFile(target).read("xl/sharedStrings.xml").decode()
    assert extract("a.xlsx", target.getvalue())[1].text == "12 Elm Town\n12 Elm Town\na_x000D_b"


def test_cells_without_a_place_follow_the_one_before() -> None:
    def without_places(name: str, content: bytes) -> bytes:
        return content.replace(b' r="B4"', b"") if name == "xl/worksheets/sheet1.xml" else content

    assert "Name: Ann; Paid: 0.3;" in extract("a.xlsx", edited(workbook(), without_places))[1].text


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("General", "number"),
        ('0.00 "days"', "number"),
        ("[Red]0.00", "number"),
        ("[$-409]d mmm yyyy", "date"),
        ("mmm yy hh:mm", "date"),
        ("mmm", "date"),
        ("hh:mm", "time"),
        ("[$-409]h:mm:ss AM/PM", "time"),
        ("[h]:mm", "duration"),
        ("0%", "percent"),
        ('"' * 10_000, "number"),
        ("[" * 10_000, "number"),
    ],
)
def test_number_formats_tell_dates_from_numbers(code: str, kind: str) -> None:
    assert kind_of(code) == kind


def test_day_numbers_become_dates_and_times() -> None:
    assert as_date(45415) == "2024-05-03"
    assert as_date(0.5) == "12:00"
    assert as_date(0.0, datetime(1904, 1, 1)) == "00:00"
    assert as_date(1.000011574) == "1899-12-31 00:00:01"


@pytest.mark.parametrize("code", ["h:mm", "h:mm AM/PM", 20])
def test_a_time_of_day_has_no_date(code: str | int) -> None:
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True}) as made:
        made.add_worksheet("Hours").write_row(0, 0, [0.375, 1.0, 1.5], made.add_format({"num_format": code}))
    assert extract("a.xlsx", target.getvalue())[1].text == "- 09:00 | 00:00 | 12:00"


def test_dates_that_are_none_are_left_as_they_are() -> None:
    def far(name: str, content: bytes) -> bytes:
        return content.replace(b"45415", b"9e99999") if name == "xl/worksheets/sheet1.xml" else content

    assert "9e99999" in extract("a.xlsx", edited(workbook(), far))[1].text


def test_a_long_text_shared_by_many_cells_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docqa.extract.draft._MAX_CHARACTERS", 2_000_000)
    cells = b'<c t="s"><v>0</v></c>' * 3000

    def amplified(name: str, content: bytes) -> bytes:
        if name == "xl/sharedStrings.xml":
            return b"<sst><si><t>" + b"x" * 1000 + b"</t></si></sst>"
        return b"<worksheet><row>" + cells + b"</row></worksheet>" if name.endswith("sheet1.xml") else content

    with pytest.raises(ExtractionError, match="million characters"):
        extract("a.xlsx", edited(workbook(), amplified))


def test_an_old_workbook_is_read_alike() -> None:
    extraction = extract("a.xls", old_workbook())[1]
    assert extraction.text == (
        "Name | Paid | On | At\n- Name: Ann; Paid: 1450; On: 2024-05-03; At: 2024-05-03 08:30\n- Paid: yes"
    )
    assert extraction.marks[0] == Mark("heading", 0, "Costs")
    assert cells(extraction)["A2"].startswith("- Name: Ann;")
    assert cells(extraction)["B3"] == "- Paid: yes"


def test_a_new_workbook_named_as_an_old_one_says_so() -> None:
    with pytest.raises(ExtractionError, match=r"name it \.xlsx"):
        extract("a.xls", workbook())


def test_what_takes_its_reader_down_takes_nothing_else_along() -> None:
    data = old_workbook()
    cell = struct.pack("<HHHH", 0x203, 14, 1, 3)  # the number in the last column of the second row
    assert data.count(cell) == 1
    far = data.replace(cell, struct.pack("<HHHH", 0x203, 14, 0xFFFF, 0xFFFF))
    with pytest.raises(ExtractionError, match="crashes the program that reads it"):
        extract("a.xls", far)


def test_without_its_library_an_old_workbook_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    monkeypatch.delitem(sys.modules, "docqa.extract.xls", raising=False)
    with pytest.raises(ExtractionError) as caught:
        extract("a.xls", old_workbook())
    assert str(caught.value) == "needs docqa[office]: pip install 'docqa[office]'"
