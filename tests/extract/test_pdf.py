"""PDF files, written by hand in the tests."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pypdf
import pytest
from pdf_writer import Line, column, write_pdf
from pypdf.generic import (
    ArrayObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    StreamObject,
    TextStringObject,
)

from docqa.errors import ExtractionError
from docqa.extract import extract
from docqa.records import Extraction, Mark


def pdf(*pages: list[Line]) -> Extraction:
    return extract("a.pdf", write_pdf(pages))[1]


def lines(*texts: str) -> str:
    """The text of one page with these lines, one below the other."""
    return pdf(column(texts)).text


def test_pages_are_marked_and_separated() -> None:
    extraction = pdf(column(["First page."]), column(["Second page."]))
    assert extraction.text == "First page.\n\nSecond page."
    assert extraction.marks == (Mark("page", 0, "1"), Mark("page", 13, "2"))
    assert extraction.remarks == ()


def test_the_lines_of_a_paragraph_are_joined() -> None:
    text = lines(
        "The reader proposes spans inside each of the passages that were found,",
        "and the answers are ranked by what it thinks of them together with the",
        "score of the passage.",
    )
    assert text.count("\n") == 0
    assert "found, and the" in text
    assert "with the score of" in text


def test_words_split_at_line_ends_are_whole_again() -> None:
    assert lines("A line about the infor-", "mation it holds.") == "A line about the information it holds."


def test_hyphens_before_a_capital_stay() -> None:
    assert "Franco-German" in lines("The long history of the Franco-", "German border.").replace("- ", "-")


def test_a_gap_separates_paragraphs() -> None:
    text = lines(
        "One paragraph that goes to the", "margin and ends here", "", "another begins without a capital", "here."
    )
    assert text.split("\n\n") == [
        "One paragraph that goes to the margin and ends here",
        "another begins without a capital here.",
    ]


def test_a_short_last_line_separates_paragraphs() -> None:
    text = lines(
        "This paragraph fills the first of its lines to the margin and",
        "ends early.",
        "The next one follows without any gap, and fills its own first",
        "line as well.",
    )
    assert [paragraph.split()[0] for paragraph in text.split("\n\n")] == ["This", "The"]
    assert text.count("\n") == 2


def test_an_indent_separates_paragraphs() -> None:
    first = column(["This paragraph fills each of its lines up to the margin, even this."], top=720)
    second = column(["The next one is told by its indent and nothing else at all"], top=706, x=92)
    third = column(["and so it goes on here to the end of it, back at the left margin."], top=692)
    assert pdf(first + second + third).text.count("\n\n") == 1


def test_a_hanging_indent_does_not() -> None:
    first = column(["[1] A reference that fills its line to the margin and beyond. Then"], top=720)
    rest = column(["its title stands here, in a line that is indented as well. And its", "year."], top=706, x=92)
    assert "\n" not in pdf(first + rest).text


def test_a_heading_is_a_paragraph_by_its_place_or_its_size() -> None:
    body = ["The body of the section begins here and fills its line, as it", "must, and then it ends."]
    assert lines("Introduction", *body).split("\n\n")[0] == "Introduction"
    large = [Line(72, 734, "A Title of the Same Length as the Text Below", 18)]
    assert pdf(large + column(body, top=718)).text.split("\n\n")[0] == large[0].text


def test_short_lines_and_list_items_stay_lines() -> None:
    address = ["Jane Doe", "12 Long Street", "Springfield"]
    letter = ["Dear all, this is the body of a letter whose lines reach the margin", "as they should."] * 4
    assert lines(*address, "", *letter).split("\n\n")[0] == "\n".join(address)
    items = ["Bring these things along on the day of the great excursion:", "• a hat", "• water for two days"]
    assert lines(*items) == "\n".join(items)


def test_a_sentence_runs_on_in_the_next_column() -> None:
    left = column(["The left column ends in the", "middle of a sentence that is"], x=72, top=100)
    right = column(["continued at the top of the", "right one."], x=320, top=720)
    assert pdf(left + right).text == (
        "The left column ends in the middle of a sentence that is continued at the top of the right one."
    )


def test_double_spacing_does_not_tear_paragraphs() -> None:
    body = ["A manuscript with wide spacing between its lines, where", "every sentence goes on for", "long."]
    assert "\n\n" not in pdf(column(body, pitch=28)).text


def test_bullets_of_symbol_fonts_are_bullets() -> None:
    texts = ["• The first item is long, and goes up to the", "• second item begins with a small letter."]
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(write_pdf([column(texts)])))
    mapping = StreamObject()
    mapping.set_data(
        b"begincmap 1 begincodespacerange <00> <FF> endcodespacerange 1 beginbfchar <95> <F0B7> endbfchar endcmap"
    )
    font = writer.pages[0]["/Resources"]["/Font"]["/F1"]
    font[NameObject("/ToUnicode")] = writer._add_object(mapping)
    target = io.BytesIO()
    writer.write(target)
    assert extract("a.pdf", target.getvalue())[1].text == "\n".join(texts)


def test_a_bullet_of_another_size_does_not_tear_its_item() -> None:
    text = column(["The valve opens at three bars and lets water out into the", "drain, which must stay open."], x=82)
    assert pdf([Line(72, 720, "•", size=8), *text]).text == (
        "• The valve opens at three bars and lets water out into the drain, which must stay open."
    )


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_page_that_is_shown_turned_reads_like_an_upright_one(rotation: int) -> None:
    texts = ["The valve opens at three bars and lets water out", "into the drain, which must stay open.", "", "Next."]
    upright = write_pdf([column(texts)])
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(upright))
    writer.pages[0].rotate(-rotation).transfer_rotation_to_content()
    writer.pages[0].rotate(rotation)
    target = io.BytesIO()
    writer.write(target)
    expected = extract("a.pdf", upright)[1]
    assert expected.text.count("\n\n") == 1
    assert extract("a.pdf", target.getvalue())[1] == expected


@pytest.fixture
def _without_recognition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docqa.extract.pdf.reads_pictures", lambda: False)


@pytest.mark.usefixtures("_without_recognition")
def test_pages_without_text_are_remarked_on() -> None:
    text, blank = column(["text"]), []
    extraction = pdf(text, blank, text, blank, blank, blank)
    assert extraction.remarks == ("pages 2, 4–6 have no text layer",)
    assert [mark.value for mark in extraction.marks] == ["1", "3"]
    assert pdf(text, blank).remarks == ("page 2 has no text layer",)


@pytest.mark.usefixtures("_without_recognition")
def test_a_file_without_any_text_layer_says_so() -> None:
    with pytest.raises(ExtractionError, match=r"^no text layer: install docqa\[ocr\]$"):
        pdf([], [])


def encrypted(user_password: str) -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(write_pdf([column(["private"])])))
    writer.encrypt(user_password, "owner", algorithm="RC4-128")
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def test_an_encrypted_file_says_so() -> None:
    with pytest.raises(ExtractionError, match="encrypted; remove the password and index again"):
        extract("a.pdf", encrypted("secret"))


def test_a_file_that_opens_without_a_password_is_read() -> None:
    assert extract("a.pdf", encrypted(""))[1].text == "private"


@pytest.mark.parametrize("data", [b"", b"garbage", b"%PDF-1.4\n", write_pdf([column(["text"])])[:300]])
def test_a_damaged_file_says_so(data: bytes) -> None:
    with pytest.raises(ExtractionError, match="damaged PDF"):
        extract("a.pdf", data)


def test_a_file_without_its_cross_references_is_still_read() -> None:
    data = write_pdf([column(["text"])])
    assert extract("a.pdf", data[: data.index(b"xref")] + b"trailer << /Root 1 0 R >>")[1].text == "text"


def form(
    *fields: dict[str, str | int | tuple[str, ...]], pages: Sequence[Sequence[str]] = (["First."], ["Application"])
) -> bytes:
    """Pages with these lines, the last of which has the fields."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(write_pdf([column(texts) for texts in pages])))
    widgets = ArrayObject()
    for field in fields:
        box = ArrayObject(map(NumberObject, (72, 500, 300, 520)))
        widget = DictionaryObject({NameObject("/Subtype"): NameObject("/Widget"), NameObject("/Rect"): box})
        for key, value in field.items():
            if isinstance(value, tuple):  # the states of a box to be ticked, all of which look like nothing
                states = {NameObject(state): writer._add_object(StreamObject()) for state in value}
                widget[NameObject(key)] = DictionaryObject({NameObject("/N"): DictionaryObject(states)})
            elif isinstance(value, int):
                widget[NameObject(key)] = NumberObject(value)
            else:
                widget[NameObject(key)] = NameObject(value) if value.startswith("/") else TextStringObject(value)
        widgets.append(writer._add_object(widget))
    writer.pages[-1][NameObject("/Annots")] = widgets
    writer.root_object[NameObject("/AcroForm")] = DictionaryObject({NameObject("/Fields"): widgets})
    target = io.BytesIO()
    writer.write(target)
    return target.getvalue()


def test_what_is_filled_in_on_a_form_follows_its_page() -> None:
    data = form(
        {"/FT": "/Tx", "/T": "form[0].#page[1].Tenant[0]", "/V": "Ann\r\nFarrow"},
        {"/FT": "/Tx", "/T": "f7", "/TU": "Date of birth", "/V": "3 May 1980 \N{GRINNING FACE}"},
        {"/FT": "/Tx", "/T": "f7", "/TU": "Date of birth", "/V": "3 May 1980 \N{GRINNING FACE}"},
        {"/FT": "/Tx", "/T": "empty", "/V": ""},
        {"/FT": "/Tx", "/T": "secret", "/V": "hunter2", "/Ff": 1 << 13},
        {"/FT": "/Tx", "/T": "hidden", "/V": "x", "/F": 2},
        {"/FT": "/Ch", "/T": "canton", "/V": "Bern", "/Ff": 1 << 17},
        {"/FT": "/Btn", "/T": "pets", "/V": "/On", "/AS": "/On", "/AP": ("/On", "/Off")},
        {"/FT": "/Btn", "/T": "piano", "/V": "/Off", "/AS": "/Off", "/AP": ("/On", "/Off")},
        {"/FT": "/Btn", "/T": "floor", "/V": "/Second", "/AS": "/Second", "/Ff": 1 << 15, "/AP": ("/Second", "/Off")},
        {"/FT": "/Btn", "/T": "print", "/Ff": 1 << 16},
    )
    extraction = extract("a.pdf", data)[1]
    assert extraction.text == (
        "First.\n\nApplication\n\nform Tenant: Ann Farrow\nDate of birth: 3 May 1980 \N{GRINNING FACE}\n"
        "canton: Bern\npets: yes\nfloor: Second"
    )
    assert extraction.marks == (Mark("page", 0, "1"), Mark("page", 8, "2"))
    assert extraction.remarks == ()


@pytest.mark.usefixtures("_without_recognition")
def test_a_scanned_form_that_was_filled_in_holds_its_values() -> None:
    extraction = extract("a.pdf", form({"/FT": "/Tx", "/T": "Tenant", "/V": "Ann"}, pages=[[], []]))[1]
    assert extraction.text == "Tenant: Ann"
    assert [mark.value for mark in extraction.marks] == ["2"]
    assert extraction.remarks == ("pages 1–2 have no text layer",)
    with pytest.raises(ExtractionError, match="no text layer"):
        extract("a.pdf", form({"/FT": "/Tx", "/T": "Tenant", "/V": ""}, pages=[[]]))
