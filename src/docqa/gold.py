"""The gold set in SQuAD's format: how a person's verdicts leave a library and come back.

An accepted answer is an answer of SQuAD, and a question that the library does not answer is `is_impossible`.
SQuAD has no rejected answers; they are kept under `rejected_answers`, in the same form, with null for a text where
the verdict was that the library does hold an answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from docqa.errors import UsageError
from docqa.records import Verdict


def to_squad(verdicts: Sequence[Verdict]) -> str:
    """Write verdicts as SQuAD 2.0 JSON: an article for each document, a paragraph for each context."""

    def place(verdict: Verdict) -> tuple[str, str]:
        return verdict.path, verdict.context

    articles = [
        {"title": path, "paragraphs": [_paragraph(context, list(group))]}
        for (path, context), group in groupby(sorted(verdicts, key=place), key=place)
    ]
    return json.dumps({"version": "v2.0", "data": articles}, indent=1)


def from_squad(file: Path) -> list[Verdict]:
    """Read verdicts from a file in the format of SQuAD 1.1 or 2.0; UsageError, naming the file, if it is not one."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return list(_verdicts(content["data"]))
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror or error})") from error
    except KeyError as error:
        raise UsageError(f"{file} is not in SQuAD's format: {error} is missing") from error
    except (TypeError, AttributeError, ValueError, RecursionError) as error:
        raise UsageError(f"{file} is not in SQuAD's format ({error})") from error


def _paragraph(context: str, verdicts: Iterable[Verdict]) -> dict[str, Any]:
    entries: dict[str, dict[str, Any]] = {}
    for verdict in verdicts:
        entry = entries.setdefault(
            verdict.question,
            {
                "id": str(verdict.id),
                "question": verdict.question,
                "answers": [],
                "rejected_answers": [],
                "is_impossible": False,
            },
        )
        if verdict.text is None and verdict.accepted:
            entry["is_impossible"] = True
        else:
            answers = entry["answers" if verdict.accepted else "rejected_answers"]
            answers.append({"text": verdict.text, "answer_start": verdict.start})
    return {"context": context, "qas": list(entries.values())}


def _verdicts(articles: Iterable[dict[str, Any]]) -> Iterator[Verdict]:
    for article in articles:
        for paragraph in article["paragraphs"]:
            for entry in paragraph["qas"]:
                yield from _of_entry(str(article.get("title", "")), str(paragraph["context"]), entry)


def _of_entry(path: str, context: str, entry: dict[str, Any]) -> Iterator[Verdict]:
    question = str(entry["question"])
    if entry.get("is_impossible", False):
        yield Verdict(question, None, accepted=True, path=path, context=context)
    for kind, accepted in (("answers", True), ("rejected_answers", False)):
        for answer in entry.get(kind, []):
            text, start = answer["text"], int(answer["answer_start"])
            said = None if text is None else str(text)
            yield Verdict(question, said, accepted=accepted, path=path, context=context, start=start)
