"""OpenDocument texts, spreadsheets and presentations, as LibreOffice writes them.

All three are one XML part in a zip file, and cells hold their text as the sheet shows it. Read as XML and not
through odfdo, which unpacks without counting and parses without limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from docqa.errors import ExtractionError
from docqa.extract.draft import Draft
from docqa.extract.package import Package, attribute, local_name, open_package
from docqa.extract.table import TableWriter
from docqa.records import Extraction

_MANIFEST = "META-INF/manifest.xml"
_CONTENT = "content.xml"
_UNSEEN = frozenset(("tracked-changes", "table-of-content", "annotation", "forms", "sequence-decls", "notes"))
_CHARACTERS = {"s": " ", "tab": "\t", "line-break": "\n"}
_ASIDES = frozenset(("note", "text-box", "table"))  # stand inside a paragraph, and are read after it
_INDENT = "  "
_MAX_INDENTS = 20
_MAX_COPIES = 1000


def extract(data: bytes) -> Extraction:
    """Return the text of a document of any of the three kinds; slides are pages, sheets are headings.

    Raises `ExtractionError` if it is encrypted.
    """
    draft = Draft()
    with open_package(data) as package:
        _refuse_encrypted(package)
        content = package.xml(_CONTENT)
    for kind in content.iterchildren("{*}body"):
        for body in kind:
            match local_name(body):
                case "spreadsheet":
                    _write_sheets(draft, body)
                case "presentation":
                    _write_slides(draft, body)
                case _:
                    _Writer(draft).write(body)
    return draft.finish()


def _refuse_encrypted(package: Package) -> None:
    if _MANIFEST in package and next(package.xml(_MANIFEST).iter("{*}encryption-data"), None) is not None:
        raise ExtractionError("encrypted; remove the password and index again")


class _Writer:
    """Turns elements into blocks of a draft; it knows how deep in lists it is."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._list_depth = 0
        self._marker = ""
        self._begun = False  # whether the list at hand has a line already

    def write(self, container: Any) -> None:
        """Append what a container holds."""
        for child in container:
            match local_name(child):
                case "h":
                    self._draft.heading(_text(child), int(attribute(child, "outline-level") or 1))
                    self._asides(child)
                case "p":
                    self._paragraph(child)
                case "list":
                    self._list(child)
                case "table":
                    self._table(child)
                case name if name and name not in _UNSEEN:
                    self.write(child)

    def _paragraph(self, paragraph: Any) -> None:
        text = _text(paragraph).strip()
        if text:
            self._draft.block(self._marker + text, tight=self._begun and self._list_depth > 0)
            self._marker, self._begun = "", True
        self._asides(paragraph)

    def _list(self, listing: Any) -> None:
        self._begun = self._begun and self._list_depth > 0
        self._list_depth += 1
        for item in listing:
            self._marker = _INDENT * min(self._list_depth - 1, _MAX_INDENTS) + "- "
            self.write(item)
        self._list_depth -= 1
        self._marker = ""

    def _table(self, table: Any) -> None:
        begun = False
        for row in _rows(table):
            cells = [_flat_text(cell) for cell in row if local_name(cell) in ("table-cell", "covered-table-cell")]
            if any(cells):
                self._draft.block(" | ".join(cells), tight=begun)
                begun = True

    def _asides(self, paragraph: Any) -> None:
        """Append what hangs on the paragraph: its notes, text boxes, and the tables in frames."""
        for aside in _nearest(paragraph, _ASIDES):
            match local_name(aside):
                case "note":
                    kind = (attribute(aside, "note-class") or "note").capitalize()
                    bodies = aside.iterchildren("{*}note-body")
                    self._draft.block(f"{kind}: {' '.join(map(_flat_text, bodies))}")
                case "table":
                    self._table(aside)
                case _:
                    self.write(aside)


def _write_sheets(draft: Draft, body: Any) -> None:
    for sheet in body.iterchildren("{*}table"):
        draft.under(attribute(sheet, "name") or "sheet", level=1)
        table = TableWriter(draft)
        number = 1
        for row in _rows(sheet):
            # A row that is repeated says nothing new; the end of a sheet is often one empty row a million times.
            table.write(_cells(row), number=number)
            number += int(attribute(row, "number-rows-repeated") or 1)


def _cells(row: Any) -> dict[int, str]:
    """Return the texts of a row's cells by column."""
    texts: dict[int, str] = {}
    column = 0
    for cell in row:
        if local_name(cell) not in ("table-cell", "covered-table-cell"):
            continue
        copies = int(attribute(cell, "number-columns-repeated") or 1)
        if text := _flat_text(cell) or attribute(cell, "value"):
            texts.update(dict.fromkeys(range(column, column + min(copies, _MAX_COPIES)), text))
        column += copies
    return texts


def _write_slides(draft: Draft, body: Any) -> None:
    for number, slide in enumerate(body.iterchildren("{*}page"), start=1):
        draft.mark("page", str(number))
        frames = list(slide.iterchildren("{*}frame"))
        titles = [frame for frame in frames if attribute(frame, "class") == "title"]
        title = " ".join(map(_flat_text, titles))
        if title.strip():
            draft.heading(title, level=1)
        else:
            draft.under(f"Slide {number}", level=1)  # not under the title of the slide before
        for shape in slide:
            if shape not in titles and local_name(shape) not in _UNSEEN:
                _Writer(draft).write([shape])
        for notes in slide.iterchildren("{*}notes"):
            if text := _flat_text(notes):
                draft.block(f"Notes: {text}")


def _rows(table: Any) -> Iterator[Any]:
    """Yield a table's rows, also those in groups, but not those of tables in its cells."""
    return _nearest(table, frozenset(("table-row",)))


def _nearest(container: Any, names: frozenset[str]) -> Iterator[Any]:
    for child in container:
        name = local_name(child)
        if name in names:
            yield child
        elif name and name not in _UNSEEN:
            yield from _nearest(child, names)


def _text(element: Any) -> str:
    return "".join(_pieces(element))


def _pieces(element: Any) -> Iterator[str]:
    """Yield what a reader sees of a paragraph, without what is read after it."""
    yield element.text or ""
    for child in element:
        name = local_name(child)
        if name in _CHARACTERS:
            yield _CHARACTERS[name]
        elif name and name not in _UNSEEN and name not in _ASIDES:
            yield from _pieces(child)
        yield child.tail or ""


def _flat_text(container: Any) -> str:
    """Join all paragraphs of a cell, a frame or a note on one line."""
    paragraphs = (_text(each) for each in container.iter("{*}p", "{*}h") if not _is_annotated(each))
    return " ".join(" ".join(paragraphs).split())


def _is_annotated(paragraph: Any) -> bool:
    return next(paragraph.iterancestors("{*}annotation"), None) is not None
