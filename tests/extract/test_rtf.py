r"""Rich Text Format, written by hand as Word, LibreOffice, TextEdit and WordPad do."""

from __future__ import annotations

import pytest

from docqa.errors import ExtractionError
from docqa.extract import extract
from docqa.records import Extraction

FONTS = r"{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204{\*\falt A}B;}{\f2\fcharset128 MS Mincho;}{\f3\fcharset2 S;}}"
STYLES = (
    r"{\stylesheet{\ql Normal;}{\s1\outlinelevel0 \b chapter;}{\s2 heading 2{\*\soutlvl};}{\s3 Title;}{\*\cs9 Emph;}}"
)


def read(body: str | bytes, head: str = r"\ansi\ansicpg1252\deff0") -> Extraction:
    content = body if isinstance(body, bytes) else body.encode("latin-1")
    media_type, extraction = extract("a.rtf", rb"{\rtf1" + f"{head}{FONTS}{STYLES}".encode() + b"\n" + content + b"}")
    assert media_type == "application/rtf"
    return extraction


def headings(extraction: Extraction) -> list[tuple[str, str]]:
    return [(mark.value, extraction.text[mark.start :].split("\n")[0]) for mark in extraction.marks]


def test_paragraphs_lines_and_characters() -> None:
    body = (
        "\\pard\\plain The {\\b boi}ler\r\n is \\{old\\}, \\ldblquote ok\\rdblquote\\endash\\~so.\\line Next\\tab\n"
        "line\\par\\pard pre\\-view co\\_op\\page new page\\\nlast"
    )
    assert read(body).text == (
        "The boiler is {old}, “ok”–\N{NO-BREAK SPACE}so.\nNext\tline\n\npreview co\N{NON-BREAKING HYPHEN}op\n\n"
        "new page\n\nlast"
    )


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (r"caf\'e9 \'80", "café €"),
        (b"caf\xe9", "café"),
        (r"{\f1 \'cf\'f0\'e8}\'e9", "Приé"),
        (r"\f2 \'83e\'83X\'83g\'93\'fa", "テスト日"),
        (r"\f2\'83\par\f0 e", "\N{REPLACEMENT CHARACTER}\n\ne"),
        (r"\u1055?\u1088\'f0\uc2\u8211\'96-\uc0\u1080{\uc1\u228a}.", "Пр–иä."),
        (r"\u-10179?\u-8704? \u8364\endash !", "😀 €!"),
        (r"{\upr{caf\'e9}{\*\ud{caf\u233?}}}", "café"),
    ],
)
def test_characters_come_in_many_ways(body: str | bytes, text: str) -> None:
    assert read(body).text == text


@pytest.mark.parametrize(
    ("head", "body", "text"),
    [
        (r"\ansi\ansicpg1250\deff9", r"\'9duk", "ťuk"),
        (r"\mac\deff9", r"caf\'8e", "café"),
        (r"\ansi\ansicpg10000\deff9", r"caf\'8e", "café"),
        (r"\pc\deff9", r"caf\'82", "café"),
        (r"\ansi\ansicpg65001\deff9", r"caf\'c3\'a9", "café"),
        (r"\ansi\ansicpg99\deff9", r"caf\'e9", "café"),
        (r"\ansi\deff1", r"\'cf{\f0\'e9\plain\'f0}", "Пéр"),
    ],
)
def test_the_document_and_its_default_font_have_code_pages(head: str, body: str, text: str) -> None:
    assert read(body, head).text == text


def test_headings_are_told_by_outline_and_by_style() -> None:
    body = (
        r"\pard\s3 Lease\par\pard\s1 One\par\pard text\par\pard\s2{\listtext 1.1\tab}Rent\par\pard\outlinelevel9 b\par"
        r"\pard\outlinelevel0{\listtext\f3\'b7\tab}Two\par\pard c"
    )
    extraction = read(body)
    assert extraction.text == "Lease\n\nOne\n\ntext\n\n1.1 Rent\n\nb\n\nTwo\n\nc"
    assert headings(extraction) == [
        ("Lease", "Lease"),
        ("Lease › One", "One"),
        ("Lease › One › 1.1 Rent", "1.1 Rent"),
        ("Lease › Two", "Two"),
    ]


def test_list_items_stand_one_per_line() -> None:
    body = (
        r"before\par{\listtext\f3\'b7\tab}a\par{\pntext o\tab}b\par{\listtext (iv)\tab}c\par"
        r"{\*\pn\pnlvlblt{\pntxtb *}}after"
    )
    assert read(body).text == "before\n\n- a\n- b\n(iv) c\n\nafter"


def test_table_rows_stand_one_per_line() -> None:
    body = (
        r"before\par\trowd\cellx9\cellx99\pard\intbl Name\cell Paid\cell\row"
        r"\trowd\cellx9\cellx99\pard\intbl Ann\par Farrow\cell 14{\b 50}\cell{\trowd\cellx9\row}"
        r"\pard\intbl\cell\cell\row\pard after"
    )
    assert read(body).text == "before\n\nName | Paid\nAnn Farrow | 1450\n\nafter"


def test_nothing_is_lost_where_cells_and_rows_do_not_end() -> None:
    body = r"\pard\intbl a\cell stray\row\pard\intbl b\cell c\cell\pard next\par\pard\intbl d\cell e"
    assert read(body).text == "a | stray\nb | c\n\nnext\n\nd\n\ne"


def test_items_of_a_list_in_a_cell_stay_in_it() -> None:
    body = r"\pard\intbl{\listtext\'b7\tab}a\par{\listtext\'b7\tab}b\cell c\cell\row\pard d"
    assert read(body).text == "- a - b | c\n\nd"


def test_a_table_in_a_cell_is_part_of_it() -> None:
    body = (
        r"\trowd\pard\intbl\itap2 a\nestcell{\nonesttables\par}b\nestcell{\*\nesttableprops\trowd\nestrow}"
        r"\pard\intbl\itap1 c\cell d\cell\row"
    )
    assert read(body).text == "a b c | d"


def test_notes_and_text_boxes_follow_their_paragraph_and_those_of_a_table_follow_it() -> None:
    body = (
        r"The rent{\super\chftn{\footnote\pard\plain\chftn  without\par{\listtext\'b7\tab}heating}} is due."
        r"{\*\footnote\ftnalt Late.}\par"
        r"{\shp{\*\shpinst\shpleft1{\sp{\sn pib}{\sv 12}}{\shptxt\pard boxed\par \u-10179?\u-8704?\par}}"
        r"{\shprslt{\*\do boxed}}}next\par\pard\intbl x{\footnote y}\cell\row\pard\intbl z\cell\row\pard last"
    )
    assert read(body).text == (
        "The rent is due.\n\nFootnote: without - heating\n\nEndnote: Late.\n\nnext\n\nboxed\n\n😀\n\nx\nz\n\n"
        "Footnote: y\n\nlast"
    )


def test_each_header_and_footer_is_read_once_at_the_end() -> None:
    header = r"{\header\pard Bern \cell Contract 7\cell\row}{\footer{\field{\*\fldinst PAGE}{\fldrslt 1}}}"
    extraction = read(rf"{header}\pard\s1 One\par\pard text\par\sect{header}{{\footerf\pard private\par}}more")
    assert extraction.text == "One\n\ntext\n\nmore\n\nHeader: Bern | Contract 7\n\nFooter: private"
    assert headings(extraction)[-1] == ("Headers and footers", "Header: Bern | Contract 7")


def test_links_show_their_text_and_what_is_hidden_or_deleted_is_not_read() -> None:
    body = (
        r'{\field{\*\fldinst{HYPERLINK "http://example.org" }}{\fldrslt{\ul our page}}}{\v no}\v x'
        r"\plain, \deleted y\deleted0 z{\*\annotation remark}{\xe index}{\info{\author A}}{\*\new{x}}{\bkmkstart b}"
    )
    assert read(body).text == "our page, z"


@pytest.mark.parametrize(
    "picture",
    [
        b"{\\pict\\pngblip 89504e470d0a\n1a0a}",
        b"{\\*\\shppict{\\pict{\\*\\blipuid 0011}\\pngblip 8950}}{\\nonshppict{\\pict\\wmetafile8 ffff}}",
        b"{\\pict\\bin11 \x00}}{{\\'41}}}",
        b"{\\object\\objemb{\\*\\objclass X}{\\*\\objdata 01050000}{\\result {\\pict 4e47}}}",
        b"{{\\NeXTGraphic a.png \\width1}}",
    ],
)
def test_the_data_of_pictures_and_objects_is_not_read(picture: bytes) -> None:
    assert read(b"before " + picture + b"after").text == "before after"


@pytest.mark.parametrize("cut", [1, 40, 300])
def test_what_is_cut_off_says_so(cut: int) -> None:
    whole = rb"{\rtf1\ansi " + rb"{\b The rent is 20 a year.}\par " * 40 + rb"{\pict\bin90 " + bytes(90) + b"}}"
    assert extract("a.rtf", whole + b"\0\0")[1].text.startswith("The rent")
    with pytest.raises(ExtractionError, match="its end is missing"):
        extract("a.rtf", whole[:-cut])


def test_groups_nested_without_end_are_refused() -> None:
    assert read(b"{" * 1000 + b"text" + b"}" * 1000).text == "text"
    with pytest.raises(ExtractionError, match="nested too deeply"):
        read(b"{" * 100_000)


def test_what_stands_behind_the_end_is_remarked_on() -> None:
    data = rb"{\rtf1 The rent.}"
    assert extract("a.rtf", data + b"\r\n\0")[1].remarks == ()
    extraction = extract("a.rtf", data + rb"\par Lost.}")[1]
    assert extraction.text == "The rent."
    assert extraction.remarks == ("what stands behind its end is not read",)


def test_what_is_full_of_binary_data_says_so() -> None:
    with pytest.raises(ExtractionError, match="binary data in its text"):
        read(b"text " + bytes(range(1, 32)) * 9)
    assert read(b"a stray\x01 character " + b"in a long text " * 20).text.startswith("a stray character in")


@pytest.mark.parametrize("data", [b"PK\3\4", b"plain text", b"\xd0\xcf\x11\xe0", b"{\\ur"])
def test_what_is_no_rtf_says_so(data: bytes) -> None:
    with pytest.raises(ExtractionError, match=r"^not an RTF document$"):
        extract("a.rtf", data)
