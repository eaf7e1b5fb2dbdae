"""Zip archives of documents: every member read in memory by the reader of its format, under its name."""

from __future__ import annotations

import zipfile

from docqa import extract as formats
from docqa.errors import ExtractionError
from docqa.extract.draft import Draft
from docqa.extract.nesting import Exhausted
from docqa.extract.package import Package, open_package
from docqa.files import is_ignored, is_secret
from docqa.records import Extraction

_MAX_REMARKS = 20


def extract(data: bytes) -> Extraction:
    """Return the text of all members that hold some; those that do not are remarked on.

    What a folder would leave out, an archive leaves out. Raises `ExtractionError` if the archive as a whole
    expands too far, is encrypted, or holds too many files.
    """
    draft = Draft()
    unread: list[str] = []
    with open_package(data) as package:
        for entry in package.entries:
            if is_ignored(entry.filename):
                continue
            try:
                content = _member(package, entry)
            except Exhausted:
                raise
            except ExtractionError as error:
                unread.append(f"{entry.filename}: {error}")
                continue
            draft.under(entry.filename, level=0)
            draft.embed(content)
    for remark in unread[:_MAX_REMARKS]:
        draft.remark(remark)
    if len(unread) > _MAX_REMARKS:
        draft.remark(f"{len(unread) - _MAX_REMARKS} more files in it were not read")
    extraction = draft.finish()
    if unread and not extraction.text:
        raise ExtractionError(f"nothing in it was read; {unread[0]}")
    return extraction


def _member(package: Package, entry: zipfile.ZipInfo) -> Extraction:
    if is_secret(entry.filename):
        raise ExtractionError("looks like a secret")
    try:
        data = package.read(entry)
    except ExtractionError:
        raise
    except Exception as error:
        raise ExtractionError(f"damaged ({type(error).__name__}: {error})") from error
    return formats.extract(entry.filename, data)[1]
