"""Everything that a library shows of itself, but for the numbers it gives its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from docqa import DocQA
from docqa.postings import decode, decode_numbers, without
from docqa.store import SegmentRow, Store

QUESTIONS = (
    "When does the lease end?",
    "rent boiler garden",
    "what is it",
    "river capital number",
    "word",
)


def portrait(library: Path, questions: Sequence[str] = QUESTIONS) -> dict[str, Any]:
    """Documents, texts, passages, marks, remarks, skipped files, and what questions find in which order."""
    shown: dict[str, Any] = {}
    store = Store(library)
    try:
        for path, known in store.known().items():
            passages = [asdict(passage) for passage in store.passages_of(known.document_id)]
            shown[path] = [{name: value for name, value in each.items() if name != "id"} for each in passages]
        shown["remarks"], shown["skipped"] = store.remarks(), store.skipped()
        segments = store.segments()
        shown["collection"] = [sum(each.live for each in segments), sum(each.terms for each in segments)]
        shown["passages with each term"] = sum((term_counts(store, each) for each in segments), Counter())
    finally:
        store.close()
    with DocQA(library) as opened:
        shown["documents"] = [asdict(document) for document in opened.documents()]
        shown["texts"] = [opened.text(document.path) for document in opened.documents()]
        for question in questions:
            shown[f"found by {question}"] = [asdict(match) for match in opened.search(question, top=20)]
        assert opened.status().problems == ()
    return shown


def term_counts(store: Store, segment: SegmentRow) -> Counter[str]:
    """In how many passages that have not been deleted each term of a segment occurs."""
    lengths = decode_numbers(store.lengths(segment.id)).astype(np.int32)
    postings = without(decode(store.blocks(segment.id), lengths), decode_numbers(segment.dead))
    return Counter(dict(zip(postings.terms, postings.counts.tolist(), strict=True)))
