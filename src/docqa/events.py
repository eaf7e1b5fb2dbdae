"""What happens while docqa works, as a stream of records; command line, TUI and tests consume the same."""

from __future__ import annotations

from dataclasses import dataclass

from docqa.records import Answer, Candidate, IndexReport, Result


@dataclass(frozen=True, slots=True)
class FilesFound:
    """The folders have been walked; so many files with so many bytes are to be looked at."""

    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class FileIndexed:
    """A new or changed file is in the library, committed."""

    path: str
    passages: int
    size: int
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FilesUnchanged:
    """So many files, with so many bytes, are in the library as they stand on disk."""

    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class FileSkipped:
    """A file is not in the library, and why."""

    path: str
    reason: str
    size: int


@dataclass(frozen=True, slots=True)
class FileRemoved:
    """A document has left the library, because its file is no longer there or can no longer be read."""

    path: str


@dataclass(frozen=True, slots=True)
class FileMoved:
    """A document's file has another path now, `old_path` before; its passages were kept."""

    path: str
    old_path: str


@dataclass(frozen=True, slots=True)
class RootGone:
    """A root is not there, like a disk that is not at hand; its documents are kept as they were indexed."""

    path: str
    documents: int


@dataclass(frozen=True, slots=True)
class IndexFinished:
    """The run is over."""

    report: IndexReport


IndexEvent = (
    FilesFound | FileIndexed | FilesUnchanged | FileSkipped | FileRemoved | FileMoved | RootGone | IndexFinished
)


@dataclass(frozen=True, slots=True)
class Watching:
    """The library is current with these folders and files, and what happens there from now on is seen."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Somebody else is writing to the library; it goes on when they have finished."""

    reason: str


WatchEvent = IndexEvent | Watching | Waiting


@dataclass(frozen=True, slots=True)
class CandidatesFound:
    """The passages that will be read, best first."""

    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class AnswersImproved:
    """The best answers so far, none if none is sure enough; `read` passages of `passages` have been read."""

    answers: tuple[Answer, ...]
    read: int
    passages: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The question has its result."""

    result: Result


AskEvent = CandidatesFound | AnswersImproved | Answered
