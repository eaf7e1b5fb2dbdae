"""From a file to what the library needs of it: its text with marks, its passages, its record."""

from __future__ import annotations

from dataclasses import dataclass, replace

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
    """A file to prepare, unless its SHA-256 is still `known_sha256`, or that of an earlier `failure`."""

    file: files.FoundFile
    known_sha256: str | None = None
    failure: Failed | None = None


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
class Moved:
    """A file whose bytes the library holds under another path, where they no longer are."""

    path: str
    old_path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A file that yields nothing, and why.

    `sha256` is there if it is the bytes that are at fault: then there is no use in trying again. What harmed
    the program that read it is `quarantined`.
    """

    path: str
    reason: str
    size: int
    mtime_ns: int
    sha256: str | None
    quarantined: bool = False


Outcome = Prepared | Same | Moved | Failed


def prepare(task: Task) -> Outcome:
    """Read a file and, if its bytes are new, extract its text and cut it into passages."""
    file = task.file
    try:
        content = files.read(file.path, max_bytes=files.MAX_BYTES)
    except ExtractionError as error:
        return Failed(file.path, str(error), file.size, file.mtime_ns, None)
    if content.sha256 == task.known_sha256:
        return Same(file.path, content.size, content.mtime_ns)
    if task.failure is not None and task.failure.sha256 == content.sha256:
        return replace(task.failure, mtime_ns=content.mtime_ns)
    try:
        media_type, extraction = extract(file.path, content.data)
    except ExtractionError as error:
        return Failed(file.path, str(error), content.size, content.mtime_ns, content.sha256)
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
    """The outcome of a file that harms whatever reads it: it is known by its bytes, so as to leave it alone."""
    file = task.file
    try:
        content = files.read(file.path, max_bytes=files.MAX_BYTES)
    except ExtractionError:
        return Failed(file.path, reason, file.size, file.mtime_ns, None)
    return Failed(file.path, reason, content.size, content.mtime_ns, content.sha256, quarantined=True)
