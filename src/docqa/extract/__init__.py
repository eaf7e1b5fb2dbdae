"""From the bytes of one file to its text with marks: one module per format, imported at first need.

Whatever the format, the text holds no NUL, no carriage return and no lone surrogate, and a blank line
stands between its blocks. What goes wrong, however strangely, comes out as an `ExtractionError`.
"""

from __future__ import annotations

import codecs
import os
from itertools import pairwise

from docqa.errors import ExtractionError
from docqa.extract.decoding import clean
from docqa.extract.formats import PLAIN_TEXT, Format, format_of, is_picture
from docqa.records import Extraction

_NO_TEXT = "no text in it"

_SNIFFED_BYTES = 8192
_WIDE_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)  # UTF-32 LE begins as UTF-16 LE


def media_type_of(name: str) -> str | None:
    """Tell the media type from a file's name or path alone; None if its suffix is not known."""
    known = format_of(name)
    return known.media_type if known else None


def is_plain_text(name: str) -> bool:
    """Whether a file of this name is read as it stands, without any parser."""
    known = format_of(name)
    return known is None or known.is_plain


def extract(name: str, data: bytes) -> tuple[str, Extraction]:
    """Return the media type and the extraction of a file from its name and bytes.

    A file whose suffix is not known is read as plain text if it looks like text.
    Raises `ExtractionError` if the file cannot be read or holds no text.
    """
    known = format_of(name) or _sniff(name, data)
    extraction = _run(known, name, data)
    if not extraction.text.strip():
        raise ExtractionError(_NO_TEXT)
    return known.media_type, extraction


def _sniff(name: str, data: bytes) -> Format:
    if data.startswith(_WIDE_BOMS) or (b"\0" not in data[:_SNIFFED_BYTES] and _is_utf8(data)):
        return PLAIN_TEXT
    suffix = os.path.splitext(os.path.basename(name))[1]
    raise ExtractionError(f"unknown format {suffix!r}" if suffix else "unknown format, and not text")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _run(known: Format, name: str, data: bytes) -> Extraction:
    """Run one format's extractor; the only place where every kind of failure is caught.

    Libraries that parse hostile files raise whatever they stumble over, from `KeyError` to `struct.error`;
    none of it may end a run over many files.
    """
    try:
        extractor = known.load()
        extraction = extractor(data, name) if known.named else extractor(data)
        if known.foreign:
            _check(extraction)
    except ExtractionError:
        raise
    except RecursionError as error:
        raise ExtractionError(f"{known.name} nested too deeply") from error
    except MemoryError as error:
        raise ExtractionError(f"{known.name} needs more memory than there is") from error
    except BaseException as error:
        if isinstance(error, ImportError) and known.needs is not None and error.name == known.needs:
            raise ExtractionError(known.remedy) from error
        # A library in Rust that gives up raises what is no `Exception`, so that nobody goes on with it.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ExtractionError(f"damaged {known.name} ({type(error).__name__}: {error})") from error
    return extraction


def is_worth_a_remark(name: str, error: ExtractionError) -> bool:
    """Whether it says something that an attachment of this name cannot be read: most pictures hold no text."""
    return not (is_picture(name) and str(error) == _NO_TEXT)


def _check(extraction: object) -> None:
    """Hold the extractor of another package to what every other part relies on."""
    if not isinstance(extraction, Extraction) or clean(extraction.text) != extraction.text:
        raise ExtractionError("its extractor returned no Extraction of clean text")
    bounds = [0, *(mark.start for mark in extraction.marks), len(extraction.text)]
    if any(low > high for low, high in pairwise(bounds)) or not all(mark.value for mark in extraction.marks):
        raise ExtractionError("its extractor returned marks out of order or without a value")
    if not all(str(mark.value).isdecimal() for mark in extraction.marks if mark.kind in ("page", "line")):
        raise ExtractionError("its extractor returned a page or a line that is no number")
