"""From a file to what the library needs of it: its text with marks, its passages, its record."""

from __future__ import annotations

from dataclasses import dataclass

from docqa import files
from docqa.errors import ExtractionError
from docqa.extract import extract
from docqa.packing import pack
from docqa.passages import Bounds, cut_passages, headings, line_marks
from docqa.postings import Postings
from docqa.records import Document, Mark
from docqa.terms import passage_postings


@dataclass(frozen=True, slots=True)
class Task:
    """A file to prepare, unless its SHA-256 is still `known_sha256`."""

    file: files.FoundFile
    known_sha256: str | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file ready to be written into the library: its packed text, and its passages with their postings."""

    document: Document
    remarks: tuple[str, ...]
    marks: list[Mark]
    text: list[bytes]
    bounds: list[Bounds]
    postings: Postings


@dataclass(frozen=True, slots=True)
class Same:
    """A file whose bytes are those in the library; `size` and `mtime_ns` as they are now."""

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A file that yields nothing, and why; `size` as it was found."""

    path: str
    reason: str
    size: int


Outcome = Prepared | Same | Failed


def prepare(task: Task) -> Outcome:
    """Read a file and, if its bytes are new, extract its text and cut it into passages."""
    file = task.file
    try:
        content = files.read(file.path, max_bytes=files.MAX_BYTES)
        if content.sha256 == task.known_sha256:
            return Same(file.path, content.size, content.mtime_ns)
        media_type, extraction = extract(file.path, content.data)
    except ExtractionError as error:
        return Failed(file.path, str(error), file.size)
    bounds = cut_passages(extraction.text, extraction.marks)
    document = Document(
        path=file.path,
        media_type=media_type,
        size=content.size,
        mtime_ns=content.mtime_ns,
        sha256=content.sha256,
        characters=len(extraction.text),
        passages=len(bounds),
    )
    return Prepared(
        document,
        extraction.remarks,
        [*extraction.marks, *line_marks(extraction.text, extraction.marks, bounds)],
        pack(extraction.text),
        bounds,
        passage_postings(file.path, headings(extraction.marks, bounds), extraction.text, bounds),
    )


def failed(task: Task, reason: str) -> Failed:
    """The outcome of a file that could not be prepared at all."""
    return Failed(task.file.path, reason, task.file.size)
