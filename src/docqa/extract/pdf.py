"""PDF: the text of each page, with hard line breaks undone, and page numbers.

A PDF knows glyphs at places, not paragraphs. PDFium gives the lines; here they become paragraphs again,
from what typesetting leaves visible: gaps, indents, type sizes, and lines that end before they must.
PDFium is not thread-safe: extract in processes, not in threads.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from docqa.errors import ExtractionError
from docqa.extract.draft import NO_TEXT_LAYER, Draft
from docqa.extract.formats import reads_pictures
from docqa.records import Extraction

_HYPHEN_AT_LINE_END = "\x02"  # what PDFium puts where it takes a line break inside a word back
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff\N{SOFT HYPHEN}]+")
_ITEM = re.compile(r"([•◦▪‣·*–—-]|\(?(\d{1,3}|[a-zA-Z])[.)])\s")
_SENTENCE_END = re.compile(r"[.!?:;…][\"'”’»)\]]*$")
_NO_SPACES_BETWEEN = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")

_LARGER_GAP = 1.3  # times the page's usual distance between lines
_LOOSE_LEADING = 1.7  # times the type size
_OTHER_SIZE = 0.15  # relative difference of type sizes
_INDENT = 0.8  # times the type size
_SPACE_WIDTH = 0.2  # times the type size, on the narrow side

_POINTS_PER_INCH = 72
_RESOLUTION = 200  # dots per inch: type of eight points is still 22 dots high
_MAX_SIDE = 5_000  # dots, for a page as large as a poster


def extract(data: bytes) -> Extraction:
    """Return the text of all pages; on those without a text layer it is recognised, or they are remarked on.

    Raises `ExtractionError` if the file is encrypted, damaged, or has no text layer and nothing to recognise it by.
    """
    draft = Draft()
    number, silent = 0, []
    for number, text in enumerate(_pages(data), start=1):
        draft.mark("page", str(number))
        if draft.block(text) is None:
            silent.append(number)
    if len(silent) == number and not reads_pictures():
        raise ExtractionError(f"{NO_TEXT_LAYER}: install docqa[ocr]")
    if silent:
        noun, verb = ("page", "has") if len(silent) == 1 else ("pages", "have")
        missing = "no text that could be recognised" if reads_pictures() else NO_TEXT_LAYER
        draft.remark(f"{noun} {_ranges(silent)} {verb} {missing}")
    return draft.finish()


def _pages(data: bytes) -> Iterator[str]:
    try:
        document = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        if error.err_code == pdfium_c.FPDF_ERR_PASSWORD:
            raise ExtractionError("encrypted; remove the password and index again") from error
        yield from _pages_by_pypdf(data, error)
        return
    with document:
        for index in range(len(document)):
            yield _page_text(document, index)


def _pages_by_pypdf(data: bytes, error: Exception) -> Iterator[str]:
    """Try the more lenient parser, if it happens to be installed, on what PDFium does not open."""
    try:
        import pypdf
    except ImportError:
        raise ExtractionError("damaged PDF") from error
    pages = pypdf.PdfReader(io.BytesIO(data)).pages
    if not pages:
        raise ExtractionError("damaged PDF") from error
    for page in pages:
        yield page.extract_text()


def _page_text(document: Any, index: int) -> str:
    try:
        page = document[index]
    except pdfium.PdfiumError:
        return ""  # a damaged page does not take the others along; it is remarked on as one without text
    try:
        text_page = page.get_textpage()
        try:
            text = join_lines(_lines(text_page))
        finally:
            text_page.close()
        return text if text.strip() or not reads_pictures() else _recognised(page)
    finally:
        page.close()


def _recognised(page: Any) -> str:
    """Read a page as a picture; an empty one has nothing on it to be read."""
    from docqa.extract.recognition import recognised  # needs what is not installed everywhere

    if next(iter(page.get_objects(max_depth=1)), None) is None:
        return ""
    scale = min(_RESOLUTION / _POINTS_PER_INCH, _MAX_SIDE / max(page.get_size()))
    return recognised(page.render(scale=scale).to_pil())


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
    text = "".join(map(chr, codes))
    spans = (match.span() for match in re.finditer(r"[^\r\n]+", text))
    trimmed = (_trim(text, start, end) for start, end in spans)
    return [_measure(text_page, text, start, end) for start, end in trimmed if start < end]


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _measure(text_page: Any, text: str, start: int, end: int) -> PageLine:
    left, first_bottom, _, first_top = text_page.get_charbox(start, loose=True)
    _, last_bottom, right, _ = text_page.get_charbox(end - 1, loose=True)
    word_end = next((i for i in range(start, end) if text[i].isspace()), end)
    word_right = text_page.get_charbox(word_end - 1, loose=True)[2]
    size = max(first_top - first_bottom, 1.0)
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
