"""A thorough look at a library: whether it is sound, what it lacks, and what to do about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from docqa import files, roots
from docqa.display import counted
from docqa.extract.draft import NO_TEXT_LAYER
from docqa.extract.formats import reads_pictures
from docqa.records import Document, Finding, Health, Root
from docqa.retriever import SqliteRetriever
from docqa.store import SkippedRow, Store

Entries = tuple[tuple[str, str], ...]


def examine(store: Store) -> Health:
    """Read the whole library file, and look at every document's file on disk without opening those unchanged."""
    found = roots.listed(store)
    problems = tuple(("", problem) for problem in store.check() + SqliteRetriever(store).check())
    findings = (
        Finding("damaged", "The library file is damaged", _MOVE_AWAY, problems),
        *_of_roots(found),
        *_of_documents(store.documents(), found),
        *_of_skipped(store.skipped()),
        *_of_remarks(store.remarks()),
    )
    return Health(
        library=str(store.path),
        bytes=store.path.stat().st_size,
        parts=tuple(store.parts().items()),
        roots=tuple(found),
        findings=tuple(finding for finding in findings if finding.entries),
    )


_MOVE_AWAY = "Move it away and index your folders again; the documents themselves are untouched."


def _of_roots(found: Iterable[Root]) -> Iterator[Finding]:
    yield Finding(
        "root gone",
        "Folders that are not there",
        "Their documents are kept. Bring the disk back, or take them out: docqa index --prune",
        tuple((root.path, f"{counted(root.documents, 'document')} kept") for root in found if not root.present),
    )


def _of_documents(documents: Iterable[Document], found: Sequence[Root]) -> Iterator[Finding]:
    known = roots.by_path(found)
    states: defaultdict[str, list[str]] = defaultdict(list)
    same: defaultdict[str, list[str]] = defaultdict(list)
    for document in documents:
        same[document.sha256].append(document.path)
        root = roots.innermost(known, document.path)
        if root is None:
            states["rootless"].append(document.path)
        if root is None or root.present:
            states[files.state(document)].append(document.path)
    yield Finding(
        "changed",
        "Documents whose files have changed since they were indexed",
        "Bring the library up to date: docqa index",
        _alike(states["changed"], "changed"),
    )
    yield Finding(
        "gone",
        "Documents whose files have gone",
        "Take them out: docqa index",
        _alike(states["gone"], "no longer there"),
    )
    yield Finding(
        "rootless",
        "Documents that belong to none of the library's folders",
        "Nothing keeps them current. Name their folder (docqa index FOLDER) or take them out (docqa rm PATH).",
        _alike(states["rootless"], "in no folder of docqa roots"),
    )
    yield Finding(
        "duplicate",
        "Documents with the same bytes",
        "Answers name all places at once; to keep one only, docqa rm the others.",
        tuple((paths[0], f"the same as {', '.join(paths[1:])}") for paths in same.values() if len(paths) > 1),
    )


def _of_skipped(skipped: Mapping[str, SkippedRow]) -> Iterator[Finding]:
    yield Finding(
        "quarantined",
        "Files that broke the program that read them",
        "They are left alone until they change. To try again all the same: docqa index --retry",
        tuple((path, row.reason) for path, row in skipped.items() if row.quarantined),
    )
    yield Finding(
        "skipped",
        "Files that are not in the library",
        "What is not meant to be there can be left out for good: --exclude GLOB, or a .docqaignore file.",
        tuple((path, row.reason) for path, row in skipped.items() if not row.quarantined),
    )


def _of_remarks(remarks: Mapping[str, list[str]]) -> Iterator[Finding]:
    all_remarks = [(path, remark) for path, several in remarks.items() for remark in several]
    install = "" if reads_pictures() else "pip install 'docqa[ocr]', then "
    yield Finding(
        "textless",
        "Pages without text",
        f"They are pictures of text. To have it recognised: {install}docqa index --retry",
        tuple(entry for entry in all_remarks if NO_TEXT_LAYER in entry[1]),
    )
    yield Finding(
        "remark",
        "Documents that were read in part",
        "Look whether what is missing matters.",
        tuple(entry for entry in all_remarks if NO_TEXT_LAYER not in entry[1]),
    )


def _alike(paths: Iterable[str], what: str) -> Entries:
    return tuple((path, what) for path in paths)
