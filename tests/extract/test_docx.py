"""Word documents, written by python-docx in the tests."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from docqa.errors import ExtractionError
from docqa.extract import extract
from docqa.records import Extraction, Mark


def saved(document: Any) -> bytes:
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def read(document: Any) -> Extraction:
    return extract("a.docx", saved(document))[1]


def edited(data: bytes, edit: Callable[[str, bytes], bytes], **added: bytes) -> bytes:
    """The same package with its parts passed through `edit`."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, edit(entry.filename, old.read(entry)))
    return target.getvalue()


def append(document: Any, xml: str) -> None:
    element = parse_xml(f"<w:body {nsdecls('w')}>{xml}</w:body>")
    for child in list(element):
        document.element.body.insert_element_before(child, "w:sectPr")


def run(text: str) -> str:
    return f"<w:r><w:t>{text}</w:t></w:r>"


def test_paragraphs_headings_and_tables_keep_their_order() -> None:
    document = docx.Document()
    document.add_heading("Title", 0)
    document.add_heading("One", 1)
    document.add_paragraph("a\tb\nc")
    table = document.add_table(2, 2)
    for cell, text in zip(table._cells, "1234", strict=True):
        cell.text = text
    document.add_heading("Deep", 3)
    document.add_heading("Two", 1)
    document.add_paragraph("end")
    extraction = read(document)
    assert extraction.text == "Title\n\nOne\n\na\tb\nc\n\n1 | 2\n3 | 4\n\nDeep\n\nTwo\n\nend"
    assert extraction.marks == (
        Mark("heading", 0, "Title"),
        Mark("heading", 7, "Title › One"),
        Mark("heading", extraction.text.index("Deep"), "Title › One › Deep"),
        Mark("heading", extraction.text.index("Two"), "Title › Two"),
    )


def test_a_style_based_on_a_heading_is_a_heading() -> None:
    document = docx.Document()
    style = document.styles.add_style("Kapitel", 1)
    style.base_style = document.styles["Heading 2"]
    document.add_paragraph("Anfang", "Kapitel")
    assert read(document).marks == (Mark("heading", 0, "Anfang"),)


def test_list_items_stand_one_per_line() -> None:
    document = docx.Document()
    document.add_paragraph("before")
    for text, style in (("a", "List Bullet"), ("b", "List Number 2")):
        document.add_paragraph(text, style)
    append(document, f'<w:p><w:pPr><w:numPr><w:numId w:val="3"/></w:numPr></w:pPr>{run("c")}</w:p>')
    append(document, f'<w:p><w:pPr><w:numPr><w:numId w:val="0"/></w:numPr></w:pPr>{run("d")}</w:p>')
    assert read(document).text == "before\n\n- a\n- b\n- c\n\nd"


def test_merged_cells_are_not_repeated() -> None:
    document = docx.Document()
    table = document.add_table(2, 3)
    table.cell(0, 0).merge(table.cell(1, 0)).text = "tall"
    table.cell(0, 1).merge(table.cell(0, 2)).text = "wide"
    table.cell(1, 1).text = "x"
    table.cell(1, 2).text = "y"
    assert read(document).text == "tall | wide\nx | y"


def test_insertions_controls_links_and_boxes_are_read_and_deletions_are_not() -> None:
    document = docx.Document()
    append(
        document,
        f'<w:p>{run("a")}<w:ins w:id="1">{run("b")}</w:ins><w:hyperlink>{run("c")}</w:hyperlink>'
        f'<w:del w:id="2"><w:r><w:delText>no</w:delText></w:r></w:del></w:p>'
        f"<w:sdt><w:sdtContent><w:p>{run('control')}</w:p></w:sdtContent></w:sdt>"
        f"<w:p>{run('outer')}<w:r><w:pict><w:txbxContent><w:p>{run('boxed')}</w:p></w:txbxContent></w:pict></w:r></w:p>"
        f"<w:tbl><w:tr><w:tc><w:tbl><w:tr><w:tc><w:p>{run('inner')}</w:p></w:tc></w:tr></w:tbl></w:tc></w:tr></w:tbl>",
    )
    assert read(document).text == "abc\n\ncontrol\n\nouter\n\nboxed\n\ninner"


def with_note(data: bytes, text: str) -> bytes:
    """The same document with a footnote of this text, whose id is 7."""
    notes = f'<w:footnotes {nsdecls("w")}><w:footnote w:id="7"><w:p>{run(text)}</w:p></w:footnote></w:footnotes>'
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"
    content_type = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"

    def edit(name: str, content: bytes) -> bytes:
        if name == "word/_rels/document.xml.rels":
            relation = f'<Relationship Id="rId99" Type="{kind}" Target="footnotes.xml"/>'.encode()
            return content.replace(b"</Relationships>", relation + b"</Relationships>")
        if name == "[Content_Types].xml":
            override = f'<Override PartName="/word/footnotes.xml" ContentType="{content_type}"/>'.encode()
            return content.replace(b"</Types>", override + b"</Types>")
        return content

    package = io.BytesIO(edited(data, edit))
    with zipfile.ZipFile(package, "a") as archive:
        archive.writestr("word/footnotes.xml", notes)
    return package.getvalue()


def test_notes_follow_their_paragraph_as_they_are_written() -> None:
    document = docx.Document()
    append(document, f'<w:p>{run("text")}<w:r><w:footnoteReference w:id="7"/></w:r></w:p><w:p>{run("next")}</w:p>')
    data = with_note(saved(document), "the VAT of Bern")
    assert extract("a.docx", data)[1].text == "text\n\nFootnote: the VAT of Bern\n\nnext"


def test_notes_and_text_boxes_of_a_table_follow_it() -> None:
    document = docx.Document()
    text_box = f"<w:txbxContent><w:p>{run('boxed')}</w:p></w:txbxContent>"
    drawn_twice = (
        '<mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">'
        f"<mc:Choice>{text_box}</mc:Choice><mc:Fallback>{text_box}</mc:Fallback></mc:AlternateContent>"
    )
    cells = (f"{run('rent')}<w:r>{drawn_twice}</w:r>", f'{run("900")}<w:r><w:footnoteReference w:id="7"/></w:r>')
    row = "".join(f"<w:tc><w:p>{cell}</w:p></w:tc>" for cell in cells)
    append(document, f"<w:tbl><w:tr>{row}</w:tr></w:tbl><w:p>{run('next')}</w:p>")
    data = with_note(saved(document), "without heating")
    assert extract("a.docx", data)[1].text == "rent | 900\n\nboxed\n\nFootnote: without heating\n\nnext"


def with_type(data: bytes, content_type: str) -> bytes:
    """The same document, whose main part is said to be of another type."""
    known = b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    return edited(data, lambda _, content: content.replace(known, content_type.encode()))


def test_a_document_that_may_hold_macros_is_read() -> None:
    document = docx.Document()
    document.add_heading("Lease", 1)
    data = with_type(saved(document), "application/vnd.ms-word.document.macroEnabled.main+xml")
    extraction = extract("a.docm", data)[1]
    assert extraction.text == "Lease"
    assert extraction.marks == (Mark("heading", 0, "Lease"),)


def test_each_header_and_footer_is_read_once_at_the_end() -> None:
    document = docx.Document()
    document.add_heading("Lease", 1)
    document.add_paragraph("The rent is due in May.")
    first = document.sections[0]
    first.header.paragraphs[0].text = "Bern"
    first.header.add_table(1, 2, 9)._cells[1].text = "Contract 7"
    first.footer.paragraphs[0].text = "- 1 -"
    second = document.add_section()
    second.different_first_page_header_footer = True
    second.header.is_linked_to_previous = False
    second.header.paragraphs[0].text = "Bern"
    second.header.add_table(1, 2, 9)._cells[1].text = "Contract 7"
    second.first_page_footer.paragraphs[0].text = "private"
    document.add_paragraph("The end.")
    extraction = read(document)
    assert extraction.text == (
        "Lease\n\nThe rent is due in May.\n\nThe end.\n\nHeader: Bern\n| Contract 7\n\nFooter: private"
    )
    assert extraction.marks == (
        Mark("heading", 0, "Lease"),
        Mark("heading", extraction.text.index("Header:"), "Headers and footers"),
    )


def test_a_header_that_is_not_there_does_no_harm() -> None:
    document = docx.Document()
    document.add_paragraph("text")
    reference = '<w:headerReference w:type="default" r:id="rId99"/>'
    document.element.body.sectPr.append(parse_xml(reference.replace(" w:", f" {nsdecls('w', 'r')} w:", 1)))
    assert read(document).text == "text"


def test_an_office_file_of_another_kind_is_no_word_document() -> None:
    data = with_type(saved(docx.Document()), "application/vnd.ms-excel.sheet.main+xml")
    with pytest.raises(ExtractionError, match=r"^not a Word document$"):
        extract("a.docx", data)


def test_external_entities_are_not_resolved(tmp_path: Any) -> None:
    private = tmp_path / "private.txt"
    private.write_text("stolen")
    document = docx.Document()
    document.add_paragraph("before PLACE after")

    def edit(name: str, content: bytes) -> bytes:
        if name != "word/document.xml":
            return content
        declaration, rest = content.split(b"?>", 1)
        entity = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{private.as_uri()}">]>'.encode()
        return declaration + b"?>" + entity + rest.replace(b"PLACE", b"&e;")

    data = edited(saved(document), edit)
    assert b"&e;" in zipfile.ZipFile(io.BytesIO(data)).read("word/document.xml")
    extraction = extract("a.docx", data)[1]
    assert extraction.text.startswith("before")
    assert "stolen" not in extraction.text


def bomb() -> bytes:
    document = docx.Document()
    padding = b"<!--" + b" " * 210_000_000 + b"-->"
    return edited(saved(document), lambda name, data: data + padding if name == "word/document.xml" else data)


def test_a_zip_bomb_is_refused() -> None:
    data = bomb()
    assert len(data) < 1_000_000
    with pytest.raises(ExtractionError, match="expands to more than 200 MB"):
        extract("a.docx", data)


def test_a_zip_bomb_that_lies_about_its_size_is_refused() -> None:
    data = bytearray(bomb())
    name = b"word/document.xml"
    entry = data.rindex(name) - 46  # its record in the central directory, where the size is at offset 24
    assert data[entry : entry + 4] == b"PK\x01\x02"
    assert struct.unpack_from("<I", data, entry + 24)[0] > 210_000_000
    struct.pack_into("<I", data, entry + 24, 1000)
    with pytest.raises(ExtractionError, match="damaged Word document"):
        extract("a.docx", bytes(data))


def test_an_encrypted_or_old_document_says_so() -> None:
    with pytest.raises(ExtractionError, match=r"encrypted, or in the old \.doc format"):
        extract("a.docx", bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600))


@pytest.mark.parametrize("cut", [0, 10, 5000, -30])
def test_a_damaged_document_says_so(cut: int) -> None:
    with pytest.raises(ExtractionError, match="damaged Word document"):
        extract("a.docx", saved(docx.Document())[:cut])


def test_an_empty_document_says_so() -> None:
    with pytest.raises(ExtractionError, match="no text in it"):
        read(docx.Document())
