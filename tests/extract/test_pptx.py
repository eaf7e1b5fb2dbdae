"""PowerPoint presentations, written by python-pptx."""

from __future__ import annotations

import pptx
from office_files import presentation, saved
from packing import edited

from docqa.extract import extract
from docqa.records import Mark


def test_slides_are_pages_with_points_tables_groups_and_notes() -> None:
    extraction = extract("a.pptx", presentation())[1]
    assert extraction.text == (
        "The plan\n\n- dig\n- plant\n\nNotes:\nMention the well.\n\nalone\nhere\n\nbed | crop\n1 | kale\n\ngrouped"
    )
    second = extraction.text.index("alone")
    assert extraction.marks == (
        Mark("page", 0, "1"),
        Mark("heading", 0, "The plan"),
        Mark("page", second, "2"),
        Mark("heading", second, "Slide 2"),
    )


def test_the_order_is_that_of_the_presentation_and_empty_slides_count() -> None:
    made = pptx.Presentation()
    for title in ("b", "", "a"):
        made.slides.add_slide(made.slide_layouts[5]).shapes.title.text = title
    order = made.slides._sldIdLst
    order.append(order[0])
    extraction = extract("a.pptx", saved(made))[1]
    assert extraction.text == "a\n\nb"
    assert [mark.value for mark in extraction.marks if mark.kind == "page"] == ["2", "3"]


def test_furniture_and_fallbacks_are_left_out() -> None:
    made = pptx.Presentation()
    shapes = made.slides.add_slide(made.slide_layouts[6]).shapes
    shapes.add_textbox(0, 0, 9, 9).text_frame.text = "kept"

    def with_more(name: str, content: bytes) -> bytes:
        if name != "ppt/slides/slide1.xml":
            return content
        text = "<p:txBody><a:bodyPr/><a:p><a:r><a:t>%s</a:t></a:r></a:p></p:txBody>"
        number = f'<p:sp><p:nvSpPr><p:nvPr><p:ph type="sldNum"/></p:nvPr></p:nvSpPr>{text % "9"}</p:sp>'
        choice = (
            '<mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">'
            f"<mc:Choice><p:sp>{text % 'chosen'}</p:sp></mc:Choice>"
            f"<mc:Fallback><p:sp>{text % 'fallback'}</p:sp></mc:Fallback></mc:AlternateContent>"
        )
        return content.replace(b"</p:spTree>", f"{number}{choice}</p:spTree>".encode())

    assert extract("a.pptx", edited(saved(made), with_more))[1].text == "kept\n\nchosen"
