from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from docqa import DocQA
from docqa.tui.documents import whole
from docqa.tui.rows import lay_out, shown
from docqa.tui.screens.document import DocumentScreen
from docqa.tui.tables import Table, drawn, find, shared

if TYPE_CHECKING:
    from tests.tui.conftest import Driver

COSTS = """# Costs

Before the table.

| Item | Price | Where |
|:-----|------:|:-----:|
| Clutch kit, **heavy** duty | 120.50 | [Brae](http://brae.example) |
| | 9 | here |

After it.
"""


def screen_rows(text: str, tables: list[Table], width: int) -> list[str]:
    rows = lay_out(text, width, drawn(tables, text, 0, width))
    return [
        "".join(before + shown(text[low:high]) for before, low, high in rows.pieces[row])
        if row in rows.pieces
        else shown(text[slice(*rows.bounds(row))])
        for row in range(len(rows))
    ]


def test_the_tables_of_a_markdown_file_are_found_in_its_text(indexed: Callable[..., Path], tmp_path: Path) -> None:
    with DocQA(indexed(costs__md=COSTS)) as library:
        document = whole(library, str(tmp_path / "documents" / "costs.md"))
    (table,) = document.tables
    cells = [[document.text[slice(*cell)] for cell in line] for line in table.lines]
    assert cells == [["Item", "Price", "Where"], ["Clutch kit, heavy duty", "120.50", "Brae"], ["", "9", "here"]]
    assert table.alignments == "<>^"
    assert screen_rows(document.text, [table], 60)[4:8] == [
        "Item                   │  Price │ Where",
        "───────────────────────┼────────┼──────",
        "Clutch kit, heavy duty │ 120.50 │ Brae",
        "                       │      9 │ here",
    ]
    heads = [document.text[slice(*bounds)] for bounds in document.looks["strong"]]
    assert heads == ["Item", "Price", "Where", "heavy"]


def test_a_cell_that_is_too_long_goes_on_below() -> None:
    text = "what | much\nnew electrodes and their seals | 12 pounds a piece"
    table = find(text, 0, [line.split(" | ") for line in text.split("\n")], "<>")
    assert table is not None
    assert screen_rows(text, [table], 26) == [
        "what         │        much",
        "─────────────┼────────────",
        "new          │ 12 pounds a",
        "electrodes   │       piece",
        "and their    │            ",
        "seals        │            ",
    ]
    assert screen_rows(text, [table], 10)[0] == "what | "


CELLS = st.text(alphabet="ab 漢é|", max_size=12).map(lambda cell: " ".join(cell.split()))
TABLES = st.integers(1, 4).flatmap(
    lambda columns: st.tuples(
        st.text(alphabet="<^>", min_size=columns, max_size=columns),
        st.lists(st.lists(CELLS, min_size=columns, max_size=columns), min_size=1, max_size=4),
    )
)


@given(TABLES, st.integers(8, 60))
def test_every_character_of_a_table_is_shown_once_in_its_place_and_fits(
    made: tuple[str, list[list[str]]], width: int
) -> None:
    alignments, lines = made
    text = "\n".join(["above", *(" | ".join(line) for line in lines), "below"])
    table = find(text, 6, lines, alignments)
    assert table is not None
    by_line = drawn([table], text, 0, width)
    assert len(by_line) in (0, len(lines))
    rows = lay_out(text, width, by_line)
    for row, pieces in rows.pieces.items():
        shown_row = "".join(before + text[low:high] for before, low, high in pieces)
        assert cell_len(shown_row.rstrip()) <= width
        assert rows.begins_line(row) == (row == 0 or rows.starts[row - 1] != rows.starts[row])
    if by_line:
        for line in table.lines:
            for low, high in line:
                for position in range(low, high):
                    row = rows.row_at(position)
                    spans = [span for span in rows.pieces[row] if span[1] <= position < span[2]]
                    # A space at which a cell is cut is not shown.
                    assert len(spans) == 1 or (text[position] == " " and not spans)
    assert [rows.begins_line(row) for row in range(len(rows))].count(True) == text.count("\n") + 1


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6), st.integers(-5, 200))
def test_room_is_shared_among_columns(needed: list[int], room: int) -> None:
    widths = shared(needed, room)
    if widths:
        assert sum(widths) <= room
        assert all(width <= max(want, 1) for width, want in zip(widths, needed, strict=True))
    if sum(max(want, 1) for want in needed) <= room:
        assert widths == [max(want, 1) for want in needed]


@pytest.mark.parametrize("text", ["a | b\nc | d | e", "a | b\nc", "a | b", "a | b\nc | e"])
def test_what_is_not_written_as_a_table_is_none(text: str) -> None:
    assert find(text, 0, [["a", "b"], ["c", "d"]], "<<") is None


def test_bars_in_cells_empty_cells_and_bullets_are_no_columns(indexed: Callable[..., Path], tmp_path: Path) -> None:
    written = "- | Command | Does |\n  |---|---|\n  | `ls \\| wc` | counts \\| lists |\n  | `none` | |\n"
    with DocQA(indexed(bars__md=written)) as library:
        document = whole(library, str(tmp_path / "documents" / "bars.md"))
    assert screen_rows(document.text, [*document.tables], 60) == [
        "- Command │ Does",
        "──────────┼───────────────",
        "ls | wc   │ counts | lists",
        "none      │ ",
    ]


def test_a_quote_in_a_table_is_marked_where_it_is_shown(
    drive: Callable[..., None], indexed: Callable[..., Path]
) -> None:
    library = indexed(costs__md=COSTS)

    async def steps(driver: Driver) -> None:
        await driver.press(*"clutch")
        await driver.until(lambda: "Clutch kit, heavy duty │ 120.50 │ Brae" in driver.screen())
        assert "Item                   │  Price │ Where" in driver.screen()
        source = driver.ask_screen.source
        assert source is not None
        view = driver.view
        assert view.document is not None
        assert view._rows is not None
        start = view.document.start + view.document.text.index("120.50")
        driver.app.push_screen(DocumentScreen(source.path, quote=(start, start + 6), at=start))
        await driver.until(lambda: driver.app.screen.query("#document-text") and driver.view._rows)
        view = driver.view
        assert view._rows is not None
        background = view.get_component_rich_style("text-view--quote").bgcolor
        strip = view.render_line(view._rows.row_at(start))
        marked = "".join(segment.text for segment in strip if segment.style and segment.style.bgcolor == background)
        assert marked == "120.50"

    drive(library, steps)
