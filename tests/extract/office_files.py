"""Small office files of every kind, written by the libraries that people's programs use, too."""

from __future__ import annotations

import io
from datetime import date, datetime
from typing import Any

import odfdo
import pptx
import xlsxwriter
import xlwt
from packing import packed

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)


def saved(document: Any) -> bytes:
    """What a library's document writes."""
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def presentation() -> bytes:
    """Two slides: a title with points and notes; a text box, a table and a group without a title."""
    made = pptx.Presentation()
    first = made.slides.add_slide(made.slide_layouts[1])
    first.shapes.title.text = "The plan"
    first.placeholders[1].text = "dig\nplant"
    first.notes_slide.notes_text_frame.text = "Mention the well."
    second = made.slides.add_slide(made.slide_layouts[6])
    second.shapes.add_textbox(0, 0, 9, 9).text_frame.text = "alone\vhere"
    table = second.shapes.add_table(2, 2, 0, 0, 9, 9).table
    for row, column, text in ((0, 0, "bed"), (0, 1, "crop"), (1, 0, "1"), (1, 1, "kale")):
        table.cell(row, column).text = text
    second.shapes.add_group_shape().shapes.add_textbox(0, 0, 9, 9).text_frame.text = "grouped"
    return saved(made)


def workbook() -> bytes:
    """Three sheets: a titled table with all kinds of values, nothing, and one cell at the far corner."""
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, {"in_memory": True}) as made:
        day, share, length, money = (
            made.add_format({"num_format": code}) for code in ("yyyy-mm-dd hh:mm", "0.0%", "[h]:mm", '#,##0.00 "days"')
        )
        costs = made.add_worksheet("Costs")
        costs.write(0, 0, "My costs")
        costs.write_row(2, 0, ["Name", "Paid", "On", "Share", "Done"])
        costs.write_row(3, 0, ["Ann", 0.1 + 0.2, None, None, True])
        costs.write_datetime(3, 2, datetime(2024, 5, 3, 8, 30), day)
        costs.write(3, 3, 0.125, share)
        costs.write_rich_string(4, 0, "B", made.add_format({"bold": True}), "o", "b")
        costs.write_formula(4, 1, "=1+1", money, 2)
        costs.write_datetime(4, 2, date(2024, 5, 4), day)
        costs.write(4, 3, 1.25, length)
        made.add_worksheet("Empty")
        made.add_worksheet("Far").write(1_048_575, 16_383, "corner")
    return target.getvalue()


def old_workbook() -> bytes:
    """The same kind of table in the old format."""
    made = xlwt.Workbook()
    sheet = made.add_sheet("Costs")
    for column, label in enumerate(("Name", "Paid", "On", "At")):
        sheet.write(0, column, label)
    sheet.write(1, 0, "Ann")
    sheet.write(1, 1, 1450)
    sheet.write(1, 2, date(2024, 5, 3), xlwt.easyxf(num_format_str="YYYY-MM-DD"))
    sheet.write(1, 3, datetime(2024, 5, 3, 8, 30), xlwt.easyxf(num_format_str="YYYY-MM-DD HH:MM"))
    sheet.write(2, 1, True)
    return saved(made)


def open_text() -> bytes:
    """A text with headings, a list, a table and a note."""
    made = odfdo.Document("text")
    made.body.clear()
    noted = odfdo.Paragraph("with a note")
    noted.insert_note(after="with", note_id="n1", citation="1", body="the note")
    table = odfdo.Table("T")
    table.set_values([["a", "b"], [1, 2]])
    for element in (
        odfdo.Header(1, "Title"),
        odfdo.Paragraph("two  spaces,\ta tab\nand a break"),
        odfdo.List(["x", "y"]),
        table,
        odfdo.Header(2, "Sub"),
        noted,
    ):
        made.body.append(element)
    return saved(made)


def open_sheet() -> bytes:
    """A spreadsheet of one table."""
    made = odfdo.Document("spreadsheet")
    made.body.clear()
    table = odfdo.Table("Costs")
    table.set_values([["Name", "Paid"], ["Ann", 12.5]])
    made.body.append(table)
    return saved(made)


def open_slides() -> bytes:
    """A presentation: a slide with a title, and one without."""
    made = odfdo.Document("presentation")
    made.body.clear()
    for number, (title, text) in enumerate((("The plan", "dig"), ("", "plant")), start=1):
        page = odfdo.DrawPage(f"p{number}")
        if title:
            page.append(odfdo.Frame.text_frame(title, presentation_class="title"))
        page.append(odfdo.Frame.text_frame(text))
        made.body.append(page)
    return saved(made)


def book(**changes: bytes | str) -> bytes:
    """An e-book of two chapters, listed against the order of their files."""
    listing = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        '<dc:title>The Book</dc:title></metadata><manifest><item id="b" href="b%20b.xhtml"'
        ' media-type="application/xhtml+xml"/><item id="a" href="text/a.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="c" href="cover.png" media-type="image/png"/></manifest>'
        '<spine><itemref idref="c"/><itemref idref="b"/><itemref idref="a"/></spine></package>'
    )
    page = "<html xmlns='http://www.w3.org/1999/xhtml'><head><title>The Book</title></head><body>{}</body></html>"
    parts = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": listing,
        "OEBPS/text/a.xhtml": page.format("<h1>Two</h1><p>second</p>"),
        "OEBPS/b b.xhtml": page.format("<h1>One</h1><p>first</p>"),
    }
    return packed({**parts, **changes})


OFFICE_FILES = {
    ".pptx": presentation,
    ".xlsx": workbook,
    ".xls": old_workbook,
    ".odt": open_text,
    ".ods": open_sheet,
    ".odp": open_slides,
    ".epub": book,
}
