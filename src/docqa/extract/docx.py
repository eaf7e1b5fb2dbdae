"""Word documents: paragraphs, lists, tables and notes in document order, with the path of headings.

python-docx opens the package and knows its styles. The body is walked as XML, because python-docx passes
over what stands in tracked insertions, content controls and text boxes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from docx.opc.part import PartFactory
from docx.oxml.ns import qn
from docx.oxml.parser import parse_xml
from docx.package import Package
from docx.parts.document import DocumentPart

from docqa.errors import ExtractionError
from docqa.extract.draft import Draft
from docqa.extract.package import open_package
from docqa.extract.word import heading_level, write_headers
from docqa.records import Extraction

_OLE_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # the container of old .doc files and of encrypted ones

_PARAGRAPH, _TABLE, _ROW, _CELL = qn("w:p"), qn("w:tbl"), qn("w:tr"), qn("w:tc")
_PARAGRAPH_PROPERTIES, _NUMBERING = qn("w:pPr"), qn("w:numPr")
_TEXT, _TEXT_BOX, _VALUE, _ID = qn("w:t"), qn("w:txbxContent"), qn("w:val"), qn("w:id")
_DELETED = frozenset((qn("w:del"), qn("w:moveFrom")))
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_NOTE_KINDS = {qn("w:footnoteReference"): "footnote", qn("w:endnoteReference"): "endnote"}
_HEADER_KINDS = {qn("w:headerReference"): "Header", qn("w:footerReference"): "Footer"}
_RELATION = qn("r:id")
_CHARACTERS = {
    qn("w:tab"): "\t",
    qn("w:br"): "\n",
    qn("w:cr"): "\n",
    qn("w:noBreakHyphen"): "\N{NON-BREAKING HYPHEN}",
}

_LIST_STYLE = re.compile(r"list (bullet|number)", re.IGNORECASE)
_MAX_STYLE_DEPTH = 20

# To python-docx, what may hold macros is no Word document; apart from them it is one like any other.
PartFactory.part_type_for["application/vnd.ms-word.document.macroEnabled.main+xml"] = DocumentPart


def extract(data: bytes) -> Extraction:
    """Return a document's text.

    Raises `ExtractionError` if it is encrypted, in the old format, or expands to more than 200 MB.
    """
    if data.startswith(_OLE_SIGNATURE):
        raise ExtractionError("encrypted, or in the old .doc format; save it as .docx without a password")
    with open_package(data) as package:
        package.vouch()
    main = Package.open(io.BytesIO(data)).main_document_part
    if not isinstance(main, DocumentPart):
        raise ExtractionError("not a Word document")
    document = main.document
    styles = _Styles(document)
    writer = _Writer(styles, _notes(document))
    writer.write(document.element.body)
    write_headers(writer.draft, _headers(document, styles))
    return writer.draft.finish()


class _Styles:
    """What a paragraph's style says about it, by the style's id: looked up once, not for each paragraph."""

    def __init__(self, document: Any) -> None:
        self.heading_levels: dict[str, int] = {}
        self.lists: set[str] = set()
        for style in document.styles:
            lineage = list(_lineage(style))
            level = next(filter(None, (heading_level(ancestor.name or "") for ancestor in lineage)), None)
            if level is not None:
                self.heading_levels[style.style_id] = level
            elif any(_LIST_STYLE.match(ancestor.name or "") for ancestor in lineage):
                self.lists.add(style.style_id)


def _lineage(style: Any) -> Iterator[Any]:
    """Yield the style and those it is based on, which may run in a circle in a damaged file."""
    for _ in range(_MAX_STYLE_DEPTH):
        if style is None:
            return
        yield style
        style = getattr(style, "base_style", None)


def _notes(document: Any) -> dict[tuple[str, str], Any]:
    """Map a note's kind and id to its XML element."""
    notes = {}
    for relation in document.part.rels.values():
        kind = relation.reltype.rsplit("/", 1)[-1].removesuffix("s")
        if kind in _NOTE_KINDS.values() and not relation.is_external:
            for note in parse_xml(relation.target_part.blob):
                notes[kind, note.get(_ID, "")] = note
    return notes


def _headers(document: Any, styles: _Styles) -> Iterator[tuple[str, str]]:
    """Yield the kind and text of the headers and footers, section by section."""
    for reference in document.element.body.iter(*_HEADER_KINDS):
        relation = document.part.rels.get(reference.get(_RELATION, ""))
        if relation is not None and not relation.is_external:
            writer = _Writer(styles, {})
            writer.write(parse_xml(relation.target_part.blob))
            yield _HEADER_KINDS[reference.tag], writer.draft.finish().text


class _Writer:
    """Turns the body's elements into blocks of a draft."""

    def __init__(self, styles: _Styles, notes: dict[tuple[str, str], Any]) -> None:
        self.draft = Draft()
        self._styles = styles
        self._notes = notes
        self._in_list = False

    def write(self, container: Any) -> None:
        """Append the paragraphs and tables of a body or a text box."""
        for element in _blocks(container):
            if element.tag == _PARAGRAPH:
                self._paragraph(element)
            else:
                self._table(element)

    def _paragraph(self, paragraph: Any) -> None:
        text = "".join(_pieces(paragraph)).strip()
        style, numbering = _properties(paragraph)
        level = self._styles.heading_levels.get(style)
        if level is not None:
            self.draft.heading(text, level)
        elif text and (style in self._styles.lists if numbering is None else numbering):
            self.draft.block(f"- {text}", tight=self._in_list)
            self._in_list = True
            self._asides(paragraph)
            return
        else:
            self.draft.block(text)
        self._in_list = False
        self._asides(paragraph)

    def _asides(self, paragraph: Any) -> None:
        """Append what hangs on the paragraph: its notes and text boxes."""
        for element in _visible(paragraph):
            kind = _NOTE_KINDS.get(element.tag)
            note = self._notes.get((kind, element.get(_ID, ""))) if kind else None
            if kind and note is not None:
                self.draft.block(f"{kind.capitalize()}: {_flat_text(note)}")
                self._in_list = False
            elif element.tag == _TEXT_BOX:
                self.write(element)

    def _table(self, table: Any) -> None:
        self._in_list = False
        begun = False
        for row in _children(table, _ROW):
            cells = [_flat_text(cell) for cell in _children(row, _CELL) if not _continues_above(cell)]
            if any(cells):
                self.draft.block(" | ".join(cells), tight=begun)
                begun = True
        for paragraph in _children(table, _PARAGRAPH):
            self._asides(paragraph)


def _blocks(container: Any) -> Iterator[Any]:
    """Yield paragraphs and tables in order, also those inside content controls and tracked changes."""
    for child in container:
        if child.tag in (_PARAGRAPH, _TABLE):
            yield child
        elif isinstance(child.tag, str) and child.tag not in _DELETED:
            yield from _blocks(child)


def _children(container: Any, tag: str) -> Iterator[Any]:
    """Yield the nearest descendants of that tag: rows and cells can stand in content controls, too.

    So the paragraphs of a cell are those of tables inside it as well, but not those of text boxes.
    """
    for child in container:
        if child.tag == tag:
            yield child
        elif isinstance(child.tag, str) and child.tag not in _DELETED:
            yield from _children(child, tag)


def _visible(element: Any) -> Iterator[Any]:
    """Yield the elements inside a paragraph that a reader sees, but not those inside its text boxes."""
    for child in element:
        if not isinstance(child.tag, str) or child.tag in _DELETED or child.tag == _FALLBACK:
            continue
        yield child
        if child.tag not in (_TEXT_BOX, _PARAGRAPH_PROPERTIES):
            yield from _visible(child)


def _pieces(paragraph: Any) -> Iterator[str]:
    for element in _visible(paragraph):
        if element.tag == _TEXT:
            yield element.text or ""
        elif element.tag in _CHARACTERS:
            yield _CHARACTERS[element.tag]


def _flat_text(container: Any) -> str:
    """Join all text of a cell or note on one line, without what hangs on its paragraphs."""
    paragraphs = ("".join(_pieces(paragraph)) for paragraph in _children(container, _PARAGRAPH))
    return " ".join(" ".join(paragraphs).split())


def _continues_above(cell: Any) -> bool:
    """Whether the cell is the continuation of one in the row above, merged with it."""
    return bool(cell.vMerge == "continue")


def _properties(paragraph: Any) -> tuple[str, bool | None]:
    """Return the style's id, and whether the paragraph is numbered or bulleted; None leaves it to the style."""
    properties = paragraph.pPr
    if properties is None:
        return "", None
    style = properties.style or ""
    numbering = properties.numPr
    if numbering is None:
        return style, None
    number = numbering.numId
    return style, number is not None and number.val != 0  # 0 takes the style's numbering away
