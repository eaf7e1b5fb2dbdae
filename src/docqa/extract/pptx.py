"""PowerPoint presentations: slide by slide, titles as headings, tables, and the speaker's notes.

Read as XML and not through python-pptx, which would bring two libraries for writing pictures and charts
along and does not count what it unpacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from docqa.extract import open_xml
from docqa.extract.draft import Draft
from docqa.extract.package import local_name, open_package
from docqa.records import Extraction

_TITLES = ("title", "ctrTitle")
_FURNITURE = ("sldNum", "dt", "ftr", "hdr", "sldImg")
_CHARACTERS = {"br": "\n", "tab": "\t"}


def extract(data: bytes) -> Extraction:
    """Return the text of all slides with their numbers as pages, in the order in which they are shown."""
    draft = Draft()
    with open_package(data) as package:
        main = open_xml.main_part(package)
        listed = list(package.xml(main).iter("{*}sldId"))
        for number, (_, part) in enumerate(open_xml.referred(package, main, listed), start=1):
            draft.mark("page", str(number))
            _write_slide(draft, package.xml(part), number)
            for notes in open_xml.related(package, part, "notesSlide"):
                _write_notes(draft, package.xml(notes))
    return draft.finish()


def _write_slide(draft: Draft, slide: Any, number: int) -> None:
    shapes = list(_shapes(slide))
    titles = [shape for shape in shapes if _role(shape) in _TITLES]
    title = " ".join(" ".join(_paragraphs(shape)) for shape in titles)
    if title.strip():
        draft.heading(title, level=1)
    else:
        draft.under(f"Slide {number}", level=1)  # not under the title of the slide before
    for shape in shapes:
        if local_name(shape) == "tbl":
            _write_table(draft, shape)
        elif shape not in titles and _role(shape) not in _FURNITURE:
            _write_paragraphs(draft, _paragraphs(shape))


def _write_paragraphs(draft: Draft, paragraphs: list[str]) -> None:
    marker = "- " if len(paragraphs) > 1 else ""
    for index, text in enumerate(paragraphs):
        draft.block(marker + text, tight=index > 0)


def _write_table(draft: Draft, table: Any) -> None:
    begun = False
    for row in table.iter("{*}tr"):
        cells = [" ".join(" ".join(_paragraphs(cell)).split()) for cell in row.iterchildren("{*}tc")]
        if any(cells):
            draft.block(" | ".join(cells), tight=begun)
            begun = True


def _write_notes(draft: Draft, notes: Any) -> None:
    for shape in _shapes(notes):
        if _role(shape) == "body":
            draft.block("\n".join(["Notes:", *_paragraphs(shape)]) if _paragraphs(shape) else "")


def _shapes(container: Any) -> Iterator[Any]:
    """Yield shapes with text, and tables, in their order, also those in groups."""
    for child in container:
        match local_name(child):
            case "sp" | "tbl":
                yield child
            case "Fallback" | "":
                pass
            case _:
                yield from _shapes(child)


def _role(shape: Any) -> str:
    """Return what a shape is for according to the layout, such as `title`; empty if it is nothing special."""
    placeholder = next(shape.iter("{*}ph"), None)
    return "" if placeholder is None else placeholder.get("type", "")


def _paragraphs(shape: Any) -> list[str]:
    """Return the paragraphs of a shape or cell that hold text."""
    texts = ("".join(_pieces(paragraph)).strip() for paragraph in shape.iter("{*}p"))
    return [text for text in texts if text]


def _pieces(paragraph: Any) -> Iterator[str]:
    for element in paragraph.iter():
        name = local_name(element)
        if name == "t":
            yield element.text or ""
        else:
            yield _CHARACTERS.get(name, "")
