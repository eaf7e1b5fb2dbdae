"""Comma- and tab-separated values."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docqa.extract import extract
from docqa.records import Extraction, Mark


def read(text: str, name: str = "a.csv") -> Extraction:
    return extract(name, text.encode())[1]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_rows_name_their_columns_whatever_the_delimiter(delimiter: str) -> None:
    rows = [["Name", "City", "Age"], ["Ann", "Bern, CH", "5"], ["Bob", "", "7"]]
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter).writerows(rows)
    extraction = read(written.getvalue())
    assert extraction.text == "Name | City | Age\n- Name: Ann; City: Bern, CH; Age: 5\n- Name: Bob; Age: 7"
    assert extraction.marks == (Mark("line", 0, "1"),)


def test_cells_of_several_lines_do_not_move_the_lines_of_the_file() -> None:
    extraction = read('Name,Note\nAnn,"one\ntwo"\n\nBob,three\n')
    assert extraction.text == "Name | Note\n- Name: Ann; Note: one two\n- Name: Bob; Note: three"
    assert extraction.marks == (Mark("line", 0, "1"), Mark("line", extraction.text.index("- Name: Bob"), "5"))


def test_values_without_names_stand_beside_each_other() -> None:
    assert read("1\t2\n3\t4\n", "a.tsv").text == "- 1 | 2\n- 3 | 4"


def test_years_are_names_of_columns() -> None:
    assert read("City,2020,2021\nBern,1,2\n").text.endswith("- City: Bern; 2020: 1; 2021: 2")


def test_a_title_above_the_names_is_a_line_of_its_own() -> None:
    assert read("My costs,\n,\nName,Paid\nAnn,5\n").text == "My costs\nName | Paid\n- Name: Ann; Paid: 5"


def test_another_table_below_has_its_own_names() -> None:
    text = read("In,\nName,Paid\nAnn,5\n,\nOut,\nShop,Cost\nMill,7\n").text
    assert text.endswith("\nOut\nShop | Cost\n- Shop: Mill; Cost: 7")


@pytest.mark.parametrize("account", ["Account,Current", "Account,123456"])
def test_names_below_the_particulars_of_an_account_are_names_of_columns(account: str) -> None:
    text = read(f"{account}\n\nDay,Purpose,Amount\n2024-05-02,Rent,900\n\n2024-05-03,Gas,40\n").text
    assert text.endswith(
        "\nDay | Purpose | Amount\n- Day: 2024-05-02; Purpose: Rent; Amount: 900"
        "\n- Day: 2024-05-03; Purpose: Gas; Amount: 40"
    )


def test_a_part_of_a_table_with_a_title_of_its_own_keeps_the_names() -> None:
    text = read("Item,Pieces,Price\n\nBath\nTiles,20,35\n\nTotal\nSum,35\n").text
    assert text.endswith("\nBath\n- Item: Tiles; Pieces: 20; Price: 35\nTotal\n- Sum | 35")


def test_words_below_a_gap_that_fit_the_names_are_values() -> None:
    assert read("Name,City\nAnn,Bern\n\nBob,Chur\n").text.endswith("- Name: Bob; City: Chur")


def test_what_is_no_table_is_read_as_text() -> None:
    assert read("one\ntwo\n").text == "one\ntwo\n"
    unclosed = 'a,b\nc,"' + "d" * 200_000
    assert read(unclosed).text == unclosed


def test_a_long_name_of_a_column_is_not_repeated_in_full() -> None:
    assert len(read("n" * 10_000 + ",b\n" + "x,y\n" * 1000).text) < 120_000


@given(st.lists(st.lists(st.text("ab 1\n\",;'", max_size=5), min_size=2, max_size=4), min_size=1, max_size=8))
def test_every_value_is_in_the_text_on_its_line(rows: list[list[str]]) -> None:
    rows.insert(0, ["first", "second", "third"])
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    text = " ".join(read(written.getvalue()).text.split())
    for row in rows:
        for value in row:
            # Where the sample fits another delimiter better, quotation marks and delimiters remain.
            for word in value.replace(",", " ").replace(";", " ").replace('"', " ").split():
                assert word in text
