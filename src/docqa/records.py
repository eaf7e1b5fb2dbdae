"""The frozen records that pass between the steps; their names are the project's vocabulary.

All character positions count Unicode code points of a document's *extracted text*, from 0, with `end`
exclusive, so `text[start:end]` is the thing itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from docqa.reader.choices import Effort

MarkKind = Literal["page", "line", "heading", "cell"]
FileState = Literal["unchanged", "changed", "gone"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a document's text: it holds from `start` until the next mark of the same kind.

    `value` is what a person would look for. For a *page*, the number printed by a viewer, from 1. For a
    *line*, the line of the file at `start`, from 1; within the mark's reach every newline of the text
    counts one line further. For a *heading*, the path of headings down to here, joined by ` › `.
    For a *cell*, the number of a notebook's cell, from 1.
    """

    kind: MarkKind
    start: int
    value: str


@dataclass(frozen=True, slots=True)
class Extraction:
    """What an extractor makes of one file: its text, the marks in it (by start), and remarks for the user.

    A remark is a finding that does not stop the file from being indexed, such as pages without a text layer.
    """

    text: str
    marks: tuple[Mark, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """One indexed file.

    `path` is absolute, as `os.fsdecode` gives it (undecodable bytes become surrogates). `size` is in bytes,
    `mtime_ns` in nanoseconds, `sha256` the hex digest of the file's bytes, `characters` the length of its text.
    """

    path: str
    media_type: str
    size: int
    mtime_ns: int
    sha256: str
    characters: int
    passages: int


@dataclass(frozen=True, slots=True)
class Passage:
    """A contiguous stretch of a document's text, `start` to `end`: what is retrieved and read.

    `marks` are those that hold at its start or stand inside it, with positions in the document.
    """

    id: int
    document: Document
    start: int
    end: int
    text: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage with its BM25 score for a question."""

    passage: Passage
    score: float


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a passage that the reader proposes, in characters of the passage, with its logits.

    `null_logit` is what the reader gives to the passage holding no answer: the sum of both logits at [CLS],
    as in BERT's set-up for SQuAD 2.0. It says little if the reader was trained on answerable questions only.
    """

    start: int
    end: int
    start_logit: float
    end_logit: float
    null_logit: float

    @property
    def logit(self) -> float:
        """The sum of both logits: the unnormalised log-probability of the pair."""
        return self.start_logit + self.end_logit


@dataclass(frozen=True, slots=True)
class Source:
    """Where an answer stands, closely enough to open the file there and to tell whether it has changed.

    `context[start - context_start : end - context_start]` is the answer's text. `state` compares the file on
    disk with the `sha256` it was indexed with. `cell` is the number of a notebook's cell, or the first that is
    filled of a row in a sheet, such as A7.
    """

    path: str
    media_type: str
    page: int | None
    line: int | None
    heading: str | None
    start: int
    end: int
    sha256: str
    context: str
    context_start: int
    state: FileState = "unchanged"
    cell: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """One feature of a span, such as its logit or the passage's BM25 score, with its weight in the ranking.

    `contribution` is their product; a span's score is the sum of these.
    """

    feature: str
    value: float
    weight: float
    contribution: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an answer stands where it does, all of it at the answer's first source.

    `terms` are those of the question that BM25 found in the passage, in the analyser's form. The logits are the
    span's and that of no answer. `score` ranks the span by the `evidence`. Question and passage were `tokens` to
    the reader, and `kept` is how many of them went on after each of its layers.
    """

    terms: tuple[str, ...]
    start_logit: float
    end_logit: float
    null_logit: float
    score: float
    evidence: tuple[Evidence, ...]
    tokens: int
    kept: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A verbatim quote with a confidence from 0 to 1 and the places where it stands, best first.

    `retriever_score` and `reader_score` are the BM25 score and the span's logit at the first source.
    `explanation` is there if it was asked for.
    """

    text: str
    confidence: float
    sources: tuple[Source, ...]
    retriever_score: float
    reader_score: float
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class ReaderInfo:
    """Which reader answered: its name, its arithmetic, and the share of tokens each layer kept (None: all).

    `passages` is how many it read. If it sifted them first, reading again by `lengths` only those that could still
    win, `sieve` is what each layer kept in that first reading.
    """

    name: str
    precision: str
    lengths: tuple[float, ...] | None
    passages: int = 0
    sieve: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds spent on finding passages, on reading them, and in all."""

    retrieve: float
    read: float
    total: float


@dataclass(frozen=True, slots=True)
class Match:
    """A passage found by the retriever alone, with its BM25 score; the source's context is the whole passage."""

    source: Source
    score: float


@dataclass(frozen=True, slots=True)
class Result:
    """The answers to a question, best first; none means that the library does not hold one.

    Without answers, `passages` are the ones that match best, to read for oneself. `notices` tell the person
    who asked what was done differently than asked, such as a question that was shortened. `effort` is what the
    answers were read with, None where the length configuration was given. `complete` is False if reading was
    cut short by a deadline.
    """

    question: str
    answers: tuple[Answer, ...]
    passages: tuple[Match, ...]
    library: str
    reader: ReaderInfo
    timing_ms: Timing
    notices: tuple[str, ...] = ()
    effort: Effort | None = None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Root:
    """A folder or file that the library is kept current with.

    Below it, only files that one of the patterns `include` matches belong in the library, if there are any, and
    none that one of `exclude` matches. `present` is False if it has gone, like a disk that is not there at the
    moment. `documents` are those that the library holds by it, and by no other root further down.
    """

    path: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    present: bool
    documents: int


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What became of the files of one index run, and what the library holds after it.

    `indexed`, `unchanged`, `removed` and `moved` count documents, `bytes` those of the indexed files; `skipped`
    lists the files that were not indexed, with reasons, and `roots_gone` the roots that are not there, whose
    documents were kept.
    """

    library: str
    indexed: int
    unchanged: int
    removed: int
    skipped: tuple[tuple[str, str], ...]
    bytes: int
    documents: int
    passages: int
    seconds: float
    moved: int = 0
    roots_gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """What a library holds: its file and size in bytes, counts, and what a person should know.

    `skipped` pairs files with the reason they are not in the library, `remarks` documents with what was found
    in them, such as pages without text; `problems` says what is wrong with the library file, None if nobody looked.
    """

    library: str
    bytes: int
    documents: int
    passages: int
    characters: int
    skipped: tuple[tuple[str, str], ...]
    remarks: tuple[tuple[str, str], ...]
    problems: tuple[str, ...] | None


FindingKind = Literal[
    "damaged", "root gone", "changed", "gone", "rootless", "quarantined", "skipped", "textless", "remark", "duplicate"
]


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of thing that a person should know of a library, and what to do about it.

    `entries` pair a path with what is the matter there: why a file was skipped, which pages have no text, which
    other documents have the same bytes. The path is empty where the library file itself is meant.
    """

    kind: FindingKind
    title: str
    advice: str
    entries: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Health:
    """What a thorough look at a library found.

    `bytes` is the size of the library file, of which `parts` says what takes how many, the largest first.
    """

    library: str
    bytes: int
    parts: tuple[tuple[str, int], ...]
    roots: tuple[Root, ...]
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong with the library file itself."""
        return not any(finding.kind == "damaged" for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person said of an answer to a question: one entry of the library's gold set.

    `text` is the answer, None where the verdict is that the library holds none. A rejected answer is wrong.
    `path` is the document it was found in and `context` the text around it, which `text` starts at `start`
    of; they are empty where the person did not say. `id` is 0 until the entry is stored.
    """

    question: str
    text: str | None
    accepted: bool
    path: str = ""
    context: str = ""
    start: int = 0
    id: int = 0
