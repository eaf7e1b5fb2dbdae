"""Training data: SQuAD-format files, a held-out slice of whole documents, and distractor passages.

A distractor is a passage of the same collection that ranks high for a question and does not hold its answer.
A reader that has learnt to say "not here" to such passages gives logits that can be compared between passages
(Clark and Gardner 2018, arXiv 1710.10723, train on retrieved passages for the same reason).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from docqa.errors import UsageError
from docqa.evaluation.metrics import normalise
from docqa.terms import document_terms, question_terms

# Okapi BM25's customary parameters, those of rank_bm25.
BM25_K1 = 1.5
BM25_B = 0.75

DISTRACTOR_RANKS = 10

DocumentKind = Literal["article", "paragraph"]

Place = tuple[int, int]
"""Where a question of a mix stands: the number of its source, and its own among the source's questions."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question about a paragraph, given by its place in the collection.

    `answers` are characters (start, end) of the paragraph, each pair once; none if the paragraph does not
    answer the question.
    """

    id: str
    text: str
    paragraph: int
    answers: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Collection:
    """The paragraphs of one file, with the title of each one's article, and the questions about them.

    `dropped` counts the questions that came with answers of which the paragraph holds none.
    """

    name: str
    paragraphs: tuple[str, ...]
    titles: tuple[str, ...]
    questions: tuple[Question, ...]
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Example:
    """A question with one passage to read; `answers` as in Question, none meaning "not here"."""

    question: str
    passage: str
    answers: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Source:
    """How one file takes part in training.

    `share` of its questions are used in each pass (above 1 some more than once), `distractors` is the expected
    number of distractor passages a question, and `held_out` the share of its documents that is never trained on.
    What a document is, `documents` says: in collections of posts each paragraph is its own. The documents with the
    titles `also_held_out` are held out besides. `calibration` is how many of the questions about what was held out are
    asked to fit a ranking. `origin` is where the data comes from and under which licence, for the model card.
    `more` is a file of further questions about the paragraphs of the first; see `add_questions`.
    """

    file: Path
    origin: str
    share: float = 1.0
    distractors: float = 0.0
    held_out: float = 0.0
    documents: DocumentKind = "article"
    calibration: int = 0
    also_held_out: tuple[str, ...] = ()
    more: Path | None = None

    @property
    def digest(self) -> str:
        """The SHA-256 of all that it is read from."""
        files = (self.file, self.more) if self.more else (self.file,)
        return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def read_source(source: Source) -> Collection:
    """All paragraphs and questions of a source. UsageError, naming the file, if one is not in SQuAD's format."""
    collection = read_squad(source.file)
    return add_questions(collection, source.more) if source.more else collection


def read_squad(file: Path) -> Collection:
    """Read a file in the format of SQuAD 1.1 or 2.0.

    An answer that does not stand at its `answer_start` is looked for nearby; a question none of whose answers
    occurs in the paragraph is dropped and counted. UsageError, naming the file, if it is not such a file.
    """
    with _named_if_broken(file):
        articles = json.loads(file.read_text(encoding="utf-8"))["data"]
        collection = _collection(file.stem, articles)
    return collection  # noqa: RET504 (returning inside a context manager that may swallow is no return)


def add_questions(collection: Collection, file: Path) -> Collection:
    """A collection with further questions about its paragraphs, which the file names by their digests.

    It is in SQuAD's format, save that a paragraph has its text's `context_sha256` instead of its `context`. So
    questions can be kept apart from texts that somebody else wrote. UsageError, naming the file, if it is no such
    file or asks about other paragraphs.
    """
    places = {_digest(text): place for place, text in reversed(list(enumerate(collection.paragraphs)))}
    questions, dropped = list(collection.questions), collection.dropped
    with _named_if_broken(file):
        for article in json.loads(file.read_text(encoding="utf-8"))["data"]:
            for paragraph in article["paragraphs"]:
                place = places.get(paragraph["context_sha256"])
                if place is None:
                    raise UsageError(
                        f"{file} asks about a paragraph that {collection.name} does not hold"
                        f" ({paragraph['context_sha256'][:12]}…); both have to be of one version"
                    )
                found, lost = _questions(collection.paragraphs[place], place, paragraph["qas"])
                questions += found
                dropped += lost
    return replace(collection, questions=tuple(questions), dropped=dropped)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


@contextmanager
def _named_if_broken(file: Path) -> Iterator[None]:
    """Turn what goes wrong in reading a file in SQuAD's format into an error that names it."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UsageError(f"{file} is not a JSON file ({error}); copy it again") from error
    except KeyError as error:
        raise UsageError(f"{file} is not in SQuAD's format: {error} is missing") from error
    except (TypeError, AttributeError) as error:
        raise UsageError(f"{file} is not in SQuAD's format ({error})") from error


def _collection(name: str, articles: Iterable[dict[str, Any]]) -> Collection:
    paragraphs: list[str] = []
    titles: list[str] = []
    questions: list[Question] = []
    dropped = 0
    for article in articles:
        for paragraph in article["paragraphs"]:
            context = str(paragraph["context"])
            found, lost = _questions(context, len(paragraphs), paragraph["qas"])
            questions += found
            dropped += lost
            paragraphs.append(context)
            titles.append(str(article.get("title", "")))
    return Collection(name, tuple(paragraphs), tuple(titles), tuple(questions), dropped)


def _questions(context: str, place: int, entries: Iterable[dict[str, Any]]) -> tuple[list[Question], int]:
    """The questions about one paragraph, and how many are dropped because it lacks their answers."""
    found: list[Question] = []
    dropped = 0
    for entry in entries:
        answers = _answers(context, entry)
        if answers is None:
            dropped += 1
        else:
            found.append(Question(str(entry["id"]), str(entry["question"]), place, answers))
    return found, dropped


def _answers(context: str, entry: dict[str, Any]) -> tuple[tuple[int, int], ...] | None:
    """Where a question's answers stand; none for an unanswerable one, None if they cannot be found."""
    if entry.get("is_impossible", False) or not entry["answers"]:
        return ()
    found: dict[tuple[int, int], None] = {}
    for answer in entry["answers"]:
        text = str(answer["text"])
        start = _nearest(context, text, int(answer["answer_start"]))
        if start is not None:
            found[start, start + len(text)] = None
    return tuple(found) or None


def _nearest(context: str, text: str, expected: int) -> int | None:
    """The start of the occurrence of `text` that is nearest to where it is expected; None without one."""
    if not text.strip():
        return None
    starts = (match.start() for match in re.finditer(f"(?={re.escape(text)})", context))
    return min(starts, key=lambda start: abs(start - expected), default=None)


def hold_out(
    collection: Collection, share: float, kind: DocumentKind, also: Sequence[str] = ()
) -> tuple[Collection, Collection]:
    """Split a collection into what is trained on and what is held out: whole documents, never questions.

    The documents with the smallest hashes of their title (or, where each paragraph is a document, of its
    text) are held out, so that neither the order of the file nor a seed matters, and those titled as in `also`.
    """
    keys = collection.titles if kind == "article" else collection.paragraphs
    ranked = sorted(set(keys), key=_digest)
    held = set(ranked[: round(share * len(ranked))]) | set(also)
    inside = [number for number, key in enumerate(keys) if key in held]
    outside = [number for number, key in enumerate(keys) if key not in held]
    return _subset(collection, outside), _subset(collection, inside)


def _subset(collection: Collection, numbers: Sequence[int]) -> Collection:
    places = {number: place for place, number in enumerate(numbers)}
    return Collection(
        collection.name,
        tuple(collection.paragraphs[number] for number in numbers),
        tuple(collection.titles[number] for number in numbers),
        tuple(
            Question(question.id, question.text, places[question.paragraph], question.answers)
            for question in collection.questions
            if question.paragraph in places
        ),
    )


def as_squad(collections: Sequence[Collection]) -> dict[str, Any]:
    """Collections as one object in SQuAD 2.0's format; each article also names its `collection`."""
    return {"version": "v2.0", "data": [article for one in collections for article in _articles(one)]}


def _articles(collection: Collection) -> list[dict[str, Any]]:
    paragraphs: list[dict[str, Any]] = [{"context": context, "qas": []} for context in collection.paragraphs]
    articles: dict[str, list[dict[str, Any]]] = {}
    for title, paragraph in zip(collection.titles, paragraphs, strict=True):
        articles.setdefault(title, []).append(paragraph)
    for question in collection.questions:
        context = collection.paragraphs[question.paragraph]
        answers = [{"text": context[start:end], "answer_start": start} for start, end in question.answers]
        paragraphs[question.paragraph]["qas"].append(
            {"id": question.id, "question": question.text, "answers": answers, "is_impossible": not answers}
        )
    return [
        {"title": title, "collection": collection.name, "paragraphs": of_article}
        for title, of_article in articles.items()
    ]


class Distractors:
    """BM25 over a collection's paragraphs, for finding passages that look right and are not."""

    def __init__(self, paragraphs: Sequence[str]) -> None:
        self._words = [f" {normalise(paragraph)} " for paragraph in paragraphs]
        self._texts = list(paragraphs)
        self._weights = _bm25_weights([document_terms(paragraph) for paragraph in paragraphs])

    def find(self, question: str, answers: Sequence[str], own: str, count: int) -> list[int]:
        """Up to `count` paragraphs by falling score, without `own` text and without any of the answers.

        A paragraph that shares no term with the question is no distractor. Answers are compared as the SQuAD
        metric does; where nothing is left of one after that, no paragraph can be known to lack it.
        """
        needles = [f" {normalise(answer)} " for answer in answers]
        if not all(needle.strip() for needle in needles):
            return []
        scores = np.zeros(len(self._texts))
        for term in question_terms(question):
            if term in self._weights:
                places, weights = self._weights[term]
                scores[places] += weights
        found: list[int] = []
        for place in np.argsort(-scores, kind="stable"):
            if len(found) == count or scores[place] <= 0:
                break
            if self._texts[place] != own and not any(needle in self._words[place] for needle in needles):
                found.append(int(place))
        return found


def _bm25_weights(
    documents: Sequence[Sequence[str]],
) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """For each term the documents that hold it and what it adds to their scores.

    Robertson's BM25 with the non-negative IDF ln(1 + (N - n + 0.5) / (n + 0.5)).
    """
    counts: dict[str, dict[int, int]] = {}
    for number, terms in enumerate(documents):
        for term in terms:
            of_term = counts.setdefault(term, {})
            of_term[number] = of_term.get(number, 0) + 1
    lengths = np.array([len(terms) for terms in documents], dtype=np.float64)
    norms = BM25_K1 * (1 - BM25_B + BM25_B * lengths / max(lengths.mean(), 1.0)) if len(documents) else lengths
    weights = {}
    for term, of_term in counts.items():
        places = np.fromiter(of_term, dtype=np.int64)
        frequencies = np.fromiter(of_term.values(), dtype=np.float64)
        idf = np.log1p((len(documents) - len(of_term) + 0.5) / (len(of_term) + 0.5))
        weights[term] = places, idf * frequencies * (BM25_K1 + 1) / (frequencies + norms[places])
    return weights


def _times(expected: float, random: Random) -> int:
    """A whole number that is `expected` in the mean and never off by one or more."""
    return int(expected) + (random.random() < expected % 1)


class Mix:
    """The examples of several sources, a new selection in each pass.

    `held_out` are the sources' documents that no pass contains. UsageError if a file is not SQuAD's format.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)
        splits = []
        self.dropped = {}
        for source in sources:
            collection = read_source(source)
            self.dropped[collection.name] = collection.dropped
            splits.append(hold_out(collection, source.held_out, source.documents, source.also_held_out))
        self.collections = tuple(trained for trained, _ in splits)
        self.held_out = tuple(held for _, held in splits if held.paragraphs)
        self._distractors = tuple(
            Distractors(collection.paragraphs) if source.distractors else None
            for source, collection in zip(self.sources, self.collections, strict=True)
        )

    def selection(self, random: Random) -> list[Place]:
        """The questions of one pass, in random order."""
        places = [
            (source, question)
            for source, collection in enumerate(self.collections)
            for question in range(len(collection.questions))
            for _ in range(_times(self.sources[source].share, random))
        ]
        random.shuffle(places)
        return places

    def passages(self, place: Place, random: Random) -> tuple[Example, ...]:
        """A question with its own paragraph first, then its distractors."""
        source, collection = self.sources[place[0]], self.collections[place[0]]
        question = collection.questions[place[1]]
        distractors = self._distractors[place[0]]
        context = collection.paragraphs[question.paragraph]
        own = Example(question.text, context, question.answers)
        count = _times(source.distractors, random)
        if distractors is None or not question.answers or not count:
            return (own,)
        texts = [context[start:end] for start, end in question.answers]
        found = distractors.find(question.text, texts, context, DISTRACTOR_RANKS)
        chosen = random.sample(found, min(count, len(found)))
        return (own, *(Example(question.text, collection.paragraphs[place], ()) for place in chosen))

    def examples(self, random: Random) -> Iterator[tuple[Example, ...]]:
        """One pass: each selected question's passages."""
        for place in self.selection(random):
            yield self.passages(place, random)
