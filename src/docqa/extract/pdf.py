"""PDF: the text of each page, with hard line breaks undone, and page numbers.

A PDF knows glyphs at places, not paragraphs. PDFium gives the lines; here they become paragraphs again,
from what typesetting leaves visible: gaps, indents, type sizes, and lines that end before they must.
PDFium is not thread-safe: extract in processes, not in threads.
"""

from __future__ import annotations

import ctypes
import io
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from docqa.errors import ExtractionError
from docqa.extract.draft import NO_TEXT_LAYER, Draft
from docqa.extract.formats import reads_pictures
from docqa.records import Extraction

# It warns of forms by XFA, which it cannot fill in, but whose values are read all the same.
logging.getLogger("pypdfium2").setLevel(logging.ERROR)

_HYPHEN_AT_LINE_END = "\x02"  # what PDFium puts where it takes a line break inside a word back
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff\N{SOFT HYPHEN}]+")
_ITEM = re.compile(r"([•◦▪‣·*–—-]|\(?(\d{1,3}|[a-zA-Z])[.)])\s")
_SYMBOL_BULLET = re.compile("^[\uf020-\uf0ff](?=\\s)", re.MULTILINE)  # as word processors draw bullets, by symbol fonts
_SENTENCE_END = re.compile(r"[.!?:;…][\"'”’»)\]]*$")
_NO_SPACES_BETWEEN = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")

_LARGER_GAP = 1.3  # times the page's usual distance between lines
_LOOSE_LEADING = 1.7  # times the type size
_OTHER_SIZE = 0.15  # relative difference of type sizes
_INDENT = 0.8  # times the type size
_SPACE_WIDTH = 0.2  # times the type size, on the narrow side
_SAMPLED = 8  # characters of a line, of which the median tells its type size

_PASSWORD_FLAG = 1 << 13  # of a text field (ISO 32000-1, table 228)
_INDEX = re.compile(r"\[\d+\]")

_POINTS_PER_INCH = 72
_RESOLUTION = 200  # dots per inch: type of eight points is still 22 dots high
_MAX_SIDE = 5_000  # dots, for a page as large as a poster


def extract(data: bytes) -> Extraction:
    """Return the text of all pages; on those without a text layer it is recognised, or they are remarked on.

    What is filled in on a form follows the text of its page. Raises `ExtractionError` if the file is encrypted,
    damaged, or has no text layer and nothing to recognise it by.
    """
    draft = Draft()
    number, silent, has_fields = 0, [], False
    for number, (text, fields) in enumerate(_pages(data), start=1):
        draft.mark("page", str(number))
        if draft.block(text) is None:
            silent.append(number)
        has_fields = draft.block(fields) is not None or has_fields
    if len(silent) == number and not has_fields and not reads_pictures():
        raise ExtractionError(f"{NO_TEXT_LAYER}: install docqa[ocr]")
    if silent:
        noun, verb = ("page", "has") if len(silent) == 1 else ("pages", "have")
        missing = "no text that could be recognised" if reads_pictures() else NO_TEXT_LAYER
        draft.remark(f"{noun} {_ranges(silent)} {verb} {missing}")
    return draft.finish()


def _pages(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield each page's text, and the names and values of the form fields that are filled in there."""
    try:
        document = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        if error.err_code == pdfium_c.FPDF_ERR_PASSWORD:
            raise ExtractionError("encrypted; remove the password and index again") from error
        yield from _pages_by_pypdf(data, error)
        return
    with document:
        with suppress(pdfium.PdfiumError):  # a form that is damaged does not take the pages along
            document.init_forms()
        for index in range(len(document)):
            yield _page(document, index)


def _pages_by_pypdf(data: bytes, error: Exception) -> Iterator[tuple[str, str]]:
    """Try the more lenient parser, if it happens to be installed, on what PDFium does not open."""
    try:
        import pypdf
    except ImportError:
        raise ExtractionError("damaged PDF") from error
    pages = pypdf.PdfReader(io.BytesIO(data)).pages
    if not pages:
        raise ExtractionError("damaged PDF") from error
    for page in pages:
        yield page.extract_text(), ""


def _page(document: Any, index: int) -> tuple[str, str]:
    try:
        page = document[index]
    except pdfium.PdfiumError:
        return "", ""  # a damaged page does not take the others along; it is remarked on as one without text
    try:
        text_page = page.get_textpage()
        try:
            text = join_lines(_lines(text_page))
        finally:
            text_page.close()
        if not text.strip() and reads_pictures():
            text = _recognised(page)
        return text, "\n".join(_fields(page)) if document.formenv else ""
    finally:
        page.close()


def _recognised(page: Any) -> str:
    """Read a page as a picture; an empty one has nothing on it to be read."""
    from docqa.extract.recognition import recognised  # needs what is not installed everywhere

    if next(iter(page.get_objects(max_depth=1)), None) is None:
        return ""
    scale = min(_RESOLUTION / _POINTS_PER_INCH, _MAX_SIDE / max(page.get_size()))
    return recognised(page.render(scale=scale, may_draw_forms=False).to_pil())


def _fields(page: Any) -> Iterator[str]:
    """Yield what is filled in on a page's form, a field once, whose widgets may be several."""
    seen = set()
    for number in range(pdfium_c.FPDFPage_GetAnnotCount(page)):
        widget = pdfium_c.FPDFPage_GetAnnot(page, number)
        if not widget:
            continue
        try:
            field = _field(page.formenv, widget)
        finally:
            pdfium_c.FPDFPage_CloseAnnot(widget)
        if field is not None and field not in seen:
            seen.add(field)
            yield field


def _field(form: Any, widget: Any) -> str | None:
    """Return a field as its name and value; None if it is empty, or not for everybody to read."""
    if pdfium_c.FPDFAnnot_GetFlags(widget) & pdfium_c.FPDF_ANNOT_FLAG_HIDDEN:
        return None
    match pdfium_c.FPDFAnnot_GetFormFieldType(form, widget):
        case pdfium_c.FPDF_FORMFIELD_TEXTFIELD:
            is_password = pdfium_c.FPDFAnnot_GetFormFieldFlags(form, widget) & _PASSWORD_FLAG
            value = "" if is_password else _string(pdfium_c.FPDFAnnot_GetFormFieldValue, form, widget)
        case pdfium_c.FPDF_FORMFIELD_COMBOBOX | pdfium_c.FPDF_FORMFIELD_LISTBOX:
            value = _string(pdfium_c.FPDFAnnot_GetFormFieldValue, form, widget)
        case pdfium_c.FPDF_FORMFIELD_CHECKBOX if pdfium_c.FPDFAnnot_IsChecked(form, widget):
            value = "yes"
        case pdfium_c.FPDF_FORMFIELD_RADIOBUTTON if pdfium_c.FPDFAnnot_IsChecked(form, widget):
            value = _string(pdfium_c.FPDFAnnot_GetFormFieldExportValue, form, widget)
        case _:
            value = ""
    return ": ".join(filter(None, (_name(form, widget), value))) if value else None


def _name(form: Any, widget: Any) -> str:
    """Return what a person calls the field, else its path in the form, such as `form[0].#page[1].Tenant[0]`."""
    if label := _string(pdfium_c.FPDFAnnot_GetFormFieldAlternateName, form, widget):
        return label
    parts = _string(pdfium_c.FPDFAnnot_GetFormFieldName, form, widget).split(".")
    return " ".join(_INDEX.sub("", part) for part in parts if not part.startswith("#"))


def _string(get: Callable[..., int], form: Any, widget: Any) -> str:
    """Return one of a widget's strings, on one line."""
    buffer = ctypes.create_string_buffer(get(form, widget, None, 0))
    get(form, widget, ctypes.cast(buffer, ctypes.POINTER(pdfium_c.FPDF_WCHAR)), len(buffer))
    return " ".join(_CONTROLS.sub(" ", buffer.raw.decode("utf-16-le", "replace")).split())


@dataclass(frozen=True, slots=True)
class PageLine:
    """One line of a page as PDFium sees it, in points; y grows upwards.

    Where PDFium has undone hyphenation, several printed lines make one: `top_y` is the descender line of
    the first and `bottom_y` of the last. `first_word_width` is what a preceding line would have needed.
    """

    text: str
    left: float
    right: float
    top_y: float
    bottom_y: float
    size: float
    first_word_width: float


def _lines(text_page: Any) -> list[PageLine]:
    # Character by character: PDFium's own text skips characters now and then, and then indices do not match.
    codes = [pdfium_c.FPDFText_GetUnicode(text_page, i) for i in range(text_page.count_chars())]
    text = _SYMBOL_BULLET.sub("•", "".join(map(chr, codes)))
    spans = (match.span() for match in re.finditer(r"[^\r\n]+", text))
    trimmed = (_trim(text, start, end) for start, end in spans)
    box = partial(_box, text_page, text_page.page.get_rotation(), text_page.page.get_width())
    return [_measure(box, text, start, end) for start, end in trimmed if start < end]


def _box(text_page: Any, rotation: int, width: float, index: int) -> tuple[float, float, float, float]:
    """Return a character's left, bottom, right and top on the page as it is shown, which is `width` points wide.

    PDFium measures before a page is turned clockwise by its `rotation`, and orders lines as they are after it.
    """
    left, bottom, right, top = text_page.get_charbox(index, loose=True)
    match rotation:
        case 90:
            return bottom, -right, top, -left
        case 180:
            return width - right, -top, width - left, -bottom
        case 270:
            return width - top, left, width - bottom, right
        case _:
            return left, bottom, right, top


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _measure(box: Callable[[int], tuple[float, float, float, float]], text: str, start: int, end: int) -> PageLine:
    left, first_bottom, _, _ = box(start)
    _, last_bottom, right, _ = box(end - 1)
    word_end = next((i for i in range(start, end) if text[i].isspace()), end)
    word_right = box(word_end - 1)[2]
    # A bullet or a word in bold at the beginning, often of another font, does not tell the size of the line.
    sample = [i for i in range(start, end, max(1, (end - start) // _SAMPLED)) if text[i].isalnum()] or [start]
    size = max(median(top - bottom for _, bottom, _, top in map(box, sample)), 1.0)
    # The halves of surrogate pairs come as two characters.
    content = text[start:end].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return PageLine(_tidy(content), left, right, first_bottom, last_bottom, size, word_right - left)


def _tidy(text: str) -> str:
    """Undo hyphenation inside a line of PDFium's, and drop control characters."""
    parts = text.split(_HYPHEN_AT_LINE_END)
    joined = parts[0]
    for part in parts[1:]:
        joined += part if part[:1].islower() else f"-{part}"
    return _CONTROLS.sub("", joined)


def join_lines(lines: Sequence[PageLine]) -> str:
    """Join a page's lines: by spaces inside a paragraph, by blank lines between paragraphs.

    Lines that end early without ending a paragraph, such as those of an address or a table, stay lines.
    """
    joined = ""
    above: PageLine | None = None
    for block in _blocks(lines, _usual_pitch(lines)):
        if above is not None:
            joined = _attach(joined, _joint_of_blocks(above, block[0]), block[0].text)
        else:
            joined = block[0].text
        margin = _margin(block, lines)
        for index in range(1, len(block)):
            joined = _attach(joined, _joint(block, index, margin), block[index].text)
        above = block[-1]
    return joined


def _margin(block: Sequence[PageLine], page: Sequence[PageLine]) -> float:
    """Return how far to the right the lines of a block could have gone.

    On a page with one column that is as far as most of its lines go; among columns only the block can tell.
    """
    right = max(line.right for line in block)
    if any(line.left > right for line in page):
        return right
    return max(right, sorted(line.right for line in page)[len(page) * 3 // 4])


def _usual_pitch(lines: Sequence[PageLine]) -> float:
    """Return the usual distance between two lines below each other, in points."""
    pitches = [above.bottom_y - below.top_y for above, below in pairwise(lines)]
    return median([pitch for pitch in pitches if pitch > 0] or [0.0])


def _blocks(lines: Iterable[PageLine], usual_pitch: float) -> Iterator[list[PageLine]]:
    """Group lines that follow each other in one column, in one size, without a larger gap."""
    block: list[PageLine] = []
    for line in lines:
        if block and _is_apart(block[-1], line, usual_pitch):
            yield block
            block = []
        block.append(line)
    if block:
        yield block


def _is_apart(above: PageLine, below: PageLine, usual_pitch: float) -> bool:
    if abs(above.size - below.size) > _OTHER_SIZE * max(above.size, below.size):
        return True
    pitch = above.bottom_y - below.top_y
    if _is_in_next_column(above, below) or pitch > _LARGER_GAP * usual_pitch:
        return True
    return pitch > _LOOSE_LEADING * above.size and not _runs_on(above, below)


def _is_in_next_column(above: PageLine, below: PageLine) -> bool:
    return below.top_y > above.bottom_y + above.size


def _joint_of_blocks(above: PageLine, below: PageLine) -> str:
    return " " if _is_in_next_column(above, below) and _runs_on(above, below) else "\n\n"


def _runs_on(above: PageLine, below: PageLine) -> bool:
    """Whether a sentence goes on in the line below."""
    return below.text[:1].islower() and not _SENTENCE_END.search(above.text)


def _joint(block: Sequence[PageLine], index: int, margin: float) -> str:
    """What stands between a line of a block and the one before it."""
    above, below = block[index - 1], block[index]
    if _ITEM.match(below.text):
        return "\n"
    if not _ends_early(above, below, margin):
        return "\n\n" if _begins_indented(block, index) else " "
    if _runs_on(above, below) and above.right > 0.8 * margin:
        return " "
    return "\n\n" if _SENTENCE_END.search(above.text) or _is_full(block, index, margin) else "\n"


def _is_full(block: Sequence[PageLine], index: int, margin: float) -> bool:
    """Whether a line goes to the margin because it had to: then it begins running text."""
    line = block[index]
    if line.top_y - line.bottom_y > line.size / 2:  # several printed lines
        return True
    return index + 1 < len(block) and not _ends_early(line, block[index + 1], margin)


def _ends_early(above: PageLine, below: PageLine, margin: float) -> bool:
    """Whether the first word of the line below would have found room: then the break is meant."""
    return above.right + _SPACE_WIDTH * above.size + below.first_word_width < margin


def _begins_indented(block: Sequence[PageLine], index: int) -> bool:
    """Whether a line starts a paragraph by its indent: after a sentence's end, and alone with it."""
    above, below = block[index - 1], block[index]
    indent = _INDENT * below.size
    if below.left < above.left + indent or not _SENTENCE_END.search(above.text):
        return False
    return index + 1 == len(block) or block[index + 1].left < below.left - indent / 2


def _attach(text: str, joint: str, line: str) -> str:
    if joint != " ":
        return text + joint + line
    if text.endswith("-") and text[-2:-1].isalpha() and line[:1].islower():
        return text[:-1] + line
    if _NO_SPACES_BETWEEN.match(text[-1:]) and _NO_SPACES_BETWEEN.match(line[:1]):
        return text + line
    return f"{text} {line}"


def _ranges(numbers: Sequence[int]) -> str:
    """Write page numbers for people: 3, 7–9."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in runs)
