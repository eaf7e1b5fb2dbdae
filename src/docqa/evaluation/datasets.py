"""Data sets to measure on: questions about paragraphs in SQuAD's format, and rankings in BEIR's layout."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from docqa.errors import UsageError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a paragraph with its gold answers; none means that the paragraph does not answer it."""

    id: str
    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph and the questions about it."""

    text: str
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Article:
    """Paragraphs under a title."""

    title: str
    paragraphs: tuple[Paragraph, ...]


@dataclass(frozen=True, slots=True)
class SquadSet:
    """The articles of one file in SQuAD's format; `name` is the file's, without its ending."""

    name: str
    articles: tuple[Article, ...]

    def questions(self) -> Iterator[tuple[Paragraph, Question]]:
        """All questions with their paragraphs, in the file's order."""
        for article in self.articles:
            for paragraph in article.paragraphs:
                for question in paragraph.questions:
                    yield paragraph, question


@dataclass(frozen=True, slots=True)
class BeirSet:
    """A ranking task: documents and queries as text by id, and the grades of the documents judged for a query.

    A document's text starts with its title, where it has one. Grades of 0 and below mean not relevant.
    """

    name: str
    documents: Mapping[str, str]
    queries: Mapping[str, str]
    judgements: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def sample(items: Sequence[T], count: int | None) -> list[T]:
    """Choose `count` items at even distances, the first among them; all of them for None, or if there are fewer."""
    if count is None or count >= len(items):
        return list(items)
    return [items[number * len(items) // count] for number in range(count)]


def read_squad(file: Path) -> SquadSet:
    """Read a file in the format of SQuAD 1.1 or 2.0; UsageError, naming the file, if it is not one.

    A question marked `is_impossible`, or without answers, has none.
    """
    try:
        articles = json.loads(_text(file))["data"]
        return SquadSet(file.stem, tuple(_article(article) for article in articles))
    except KeyError as error:
        raise UsageError(f"{file} is not in SQuAD's format: {error} is missing") from error
    except (TypeError, AttributeError, ValueError) as error:
        raise UsageError(f"{file} is not in SQuAD's format ({error})") from error


def _article(article: Mapping[str, Any]) -> Article:
    return Article(
        str(article.get("title", "")),
        tuple(
            Paragraph(str(paragraph["context"]), tuple(_question(entry) for entry in paragraph["qas"]))
            for paragraph in article["paragraphs"]
        ),
    )


def _question(entry: Mapping[str, Any]) -> Question:
    answers = () if entry.get("is_impossible", False) else entry["answers"]
    texts = dict.fromkeys(str(answer["text"]) for answer in answers)
    return Question(str(entry["id"]), str(entry["question"]), tuple(texts))


def read_beir(folder: Path) -> BeirSet:
    """Read `corpus.jsonl`, `queries.jsonl` and judgements of a folder; UsageError, naming the file, if it cannot be.

    The layout is that of BEIR (Thakur et al. 2021, arXiv 2104.08663), whose judgements are in `qrels/test.tsv`;
    a `qrels.tsv` beside the others goes before it.
    """
    documents = {
        str(entry["_id"]): "\n".join(filter(None, (str(entry.get("title", "")), str(entry["text"]))))
        for entry in _json_lines(folder / "corpus.jsonl", ("_id", "text"))
    }
    queries = {
        str(entry["_id"]): str(entry["text"]) for entry in _json_lines(folder / "queries.jsonl", ("_id", "text"))
    }
    return BeirSet(folder.name, documents, queries, _judgements(_judgements_file(folder)))


def _judgements_file(folder: Path) -> Path:
    original = folder / "qrels" / "test.tsv"
    own = folder / "qrels.tsv"
    return original if original.is_file() and not own.is_file() else own


def _json_lines(file: Path, needed: Sequence[str]) -> Iterator[dict[str, Any]]:
    # Not splitlines, which would also part lines at characters that JSON leaves as they are.
    for number, line in enumerate(_text(file).split("\n"), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise UsageError(f"{file}, line {number}: not JSON ({error})") from error
        if not isinstance(entry, dict) or any(name not in entry for name in needed):
            raise UsageError(f"{file}, line {number}: not an object with {', '.join(needed)}")
        yield entry


def _judgements(file: Path) -> dict[str, dict[str, float]]:
    grades: dict[str, dict[str, float]] = {}
    lines = csv.reader(_text(file).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    for number, row in enumerate(lines, 1):
        if number == 1 or not row:  # a heading comes first
            continue
        try:
            query, document, grade = row
            grades.setdefault(query, {})[document] = float(grade)
        except ValueError as error:
            raise UsageError(f"{file}, line {number}: not a query, a document and a grade between tabs") from error
    return grades


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 text ({error})") from error
