"""From files to what the library needs of them: their texts with marks, their passages, their records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from docqa import files
from docqa.errors import ExtractionError
from docqa.extract import extract
from docqa.packing import pack
from docqa.passages import cut_passages, headings, line_marks
from docqa.postings import Postings
from docqa.records import Document, Extraction
from docqa.store import NewDocument
from docqa.terms import passage_postings

# The terms of so much text are counted together: enough to make the steps of it cheap, little enough to hold.
COUNTED_CHARACTERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Task:
    """A file to prepare, unless its SHA-256 is still `known_sha256`, or that of an earlier `failure`."""

    file: files.FoundFile
    known_sha256: str | None = None
    failure: Failed | None = None


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


Outcome = NewDocument | Same | Moved | Failed


@dataclass(slots=True)
class Prepared:
    """What became of some files, and the postings of the passages of all that are new, one part after the other."""

    outcomes: list[Outcome] = field(default_factory=list)
    postings: list[Postings] = field(default_factory=list)


def prepare(tasks: Iterable[Task]) -> Prepared:
    """Read files; extract the texts of those whose bytes are new, cut them into passages and count their terms."""
    prepared = Prepared()
    passages: list[tuple[str, str, str]] = []
    characters = 0
    for task in tasks:
        outcome = _read(task)
        if isinstance(outcome, _Extracted):
            for passage in outcome.passages():
                passages.append(passage)
                characters += len(passage[-1])
                if characters >= COUNTED_CHARACTERS:
                    prepared.postings.append(passage_postings(passages))
                    passages, characters = [], 0
            outcome = outcome.document
        prepared.outcomes.append(outcome)
    if passages:
        prepared.postings.append(passage_postings(passages))
    return prepared


@dataclass(frozen=True, slots=True)
class _Extracted:
    """A document and what was extracted from its file."""

    document: NewDocument
    extraction: Extraction

    def passages(self) -> Iterable[tuple[str, str, str]]:
        path, text, bounds = self.document.document.path, self.extraction.text, self.document.bounds
        for heading, (start, end) in zip(headings(self.extraction.marks, bounds), bounds, strict=True):
            yield path, heading, text[start:end]


def _read(task: Task) -> Outcome | _Extracted:
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
    return _extracted(file.path, media_type, content, extraction)


def _extracted(path: str, media_type: str, content: files.FileContent, extraction: Extraction) -> _Extracted:
    text, marks = extraction.text, extraction.marks
    bounds = cut_passages(text, marks)
    document = Document(
        path=path,
        media_type=media_type,
        size=content.size,
        mtime_ns=content.mtime_ns,
        sha256=content.sha256,
        characters=len(text),
        passages=len(bounds),
    )
    rows = [(mark.kind, mark.start, mark.value) for mark in (*marks, *line_marks(text, marks, bounds))]
    return _Extracted(NewDocument(document, extraction.remarks, rows, pack(text), bounds), extraction)


def failed(task: Task, reason: str) -> Prepared:
    """The outcome of a file that harms whatever reads it: it is known by its bytes, so as to leave it alone."""
    file = task.file
    try:
        content = files.read(file.path, max_bytes=files.MAX_BYTES)
    except ExtractionError:
        return Prepared([Failed(file.path, reason, file.size, file.mtime_ns, None)])
    return Prepared([Failed(file.path, reason, content.size, content.mtime_ns, content.sha256, quarantined=True)])
