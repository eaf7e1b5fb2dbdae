"""The order in which a page is read, from nothing but boxes."""

from __future__ import annotations

from random import Random

from docqa.extract.layout import Box, columns, read_in_order

HEIGHT = 20


def box(text: str, left: float, line: float, *, width: float | None = None) -> Box:
    top = line * 1.2 * HEIGHT
    return Box(text, left, top, left + (width or 9 * len(text)), top + HEIGHT)


LEFT = [f"The left column, line {number} of it" for number in range(6)]
RIGHT = [f"The right column, line {number} of it" for number in range(6)]


def two_columns(first_line: float = 0) -> list[Box]:
    return [
        each
        for number in range(6)
        for each in (box(LEFT[number], 0, first_line + number), box(RIGHT[number], 400, first_line + number))
    ]


def texts(boxes: list[Box]) -> list[list[str]]:
    return [[line.text for line in column] for column in columns(boxes)]


def test_nothing_is_nothing() -> None:
    assert (columns([]), read_in_order([])) == ([], "")


def test_columns_are_read_one_after_the_other() -> None:
    assert texts(two_columns()) == [LEFT, RIGHT]


def test_what_stands_across_columns_is_read_before_and_after_them() -> None:
    page = [box("A heading that goes from one side of the page to the other side", 0, 0, width=700), *two_columns(2)]
    page.append(box("A last line that goes from one side of the page to the other side", 0, 9, width=700))
    assert [column[0] for column in texts(page)] == [page[0].text, LEFT[0], RIGHT[0], page[-1].text]


def test_three_columns() -> None:
    third = [box(f"And the third column, line {number}", 800, number) for number in range(6)]
    assert texts([*third, *two_columns()]) == [LEFT, RIGHT, [each.text for each in third]]


def test_the_rows_of_a_table_stay_together() -> None:
    rows = [("Rent", "1450", "May"), ("Water", "38", "June"), ("Heating", "97", "July")]
    page = [box(cell, 200 * column, number) for number, row in enumerate(rows) for column, cell in enumerate(row)]
    assert texts(page) == [["Rent 1450 May", "Water 38 June", "Heating 97 July"]]


def test_lines_become_paragraphs() -> None:
    page = [
        box("The excess for water damage is 150 pounds in every", 0, 0),
        box("case, and more where a window was open.", 0, 1),
        box("Claims are to be made within fourteen days.", 0, 3),
    ]
    assert read_in_order(page) == (
        "The excess for water damage is 150 pounds in every case, and more where a window was open.\n\n"
        "Claims are to be made within fourteen days."
    )


def test_the_order_of_the_boxes_makes_no_difference() -> None:
    page = [box("A heading that goes from one side of the page to the other side", 0, 0, width=700), *two_columns(2)]
    expected = texts(page)
    for seed in range(20):
        Random(seed).shuffle(page)
        assert texts(page) == expected
