"""The documents and questions that were written for docqa, in `data/training`.

The public sets, about whose paragraphs there are more questions, are not part of docqa, so no answer can be looked up.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from docqa.training.data import Collection, read_squad

FOLDER = Path(__file__).parents[2] / "data" / "training"
FILES = sorted(FOLDER.glob("*.json"))
HELD_OUT = "-held-out"


@pytest.fixture(scope="module")
def collections() -> dict[str, Collection]:
    return {file.stem: read_squad(file) for file in FILES}


def test_each_is_there_to_train_on_and_held_out(collections: dict[str, Collection]) -> None:
    trained = {name for name in collections if not name.endswith(HELD_OUT)}
    assert trained
    assert collections.keys() == trained | {f"{name}{HELD_OUT}" for name in trained}


def test_every_answer_stands_in_its_document(collections: dict[str, Collection]) -> None:
    assert {name: each.dropped for name, each in collections.items()} == dict.fromkeys(collections, 0)


def test_no_question_is_asked_twice_of_a_document(collections: dict[str, Collection]) -> None:
    for each in collections.values():
        asked = [(question.paragraph, question.text.casefold()) for question in each.questions]
        assert len(asked) == len(set(asked)), each.name


def test_no_document_is_in_two_places(collections: dict[str, Collection]) -> None:
    texts = [text for each in collections.values() for text in each.paragraphs]
    assert len(texts) == len(set(texts))


def test_what_is_told_of_them_is_true(collections: dict[str, Collection]) -> None:
    told = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name, each in collections.items():
        unanswered = sum(not question.answers for question in each.questions)
        counts = (len(set(each.titles)), len(each.paragraphs), len(each.questions), unanswered)
        assert told_of(name, told) == counts, name


def told_of(name: str, told: str) -> tuple[int, ...]:
    """The numbers in a file's row of the README's table."""
    row = re.search(rf"^\| `{name}\.json` \| ([\d, |]+) \| ", told, re.MULTILINE)
    assert row, name
    return tuple(int(cell.replace(",", "")) for cell in row[1].split(" | "))


@pytest.mark.parametrize("file", sorted((FOLDER / "questions").glob("*.json")), ids=lambda file: file.stem)
def test_more_questions_are_whole_and_told_of(file: Path) -> None:
    articles = json.loads(file.read_text(encoding="utf-8"))["data"]
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    assert len({paragraph["context_sha256"] for paragraph in paragraphs}) == len(paragraphs)
    entries = [entry for paragraph in paragraphs for entry in paragraph["qas"]]
    assert len({entry["id"] for entry in entries}) == len(entries)
    assert all(entry["question"].strip() for entry in entries)
    unanswered = sum(entry["is_impossible"] for entry in entries)
    assert unanswered == sum(not entry["answers"] for entry in entries)
    told = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert told_of(f"questions/{file.stem}", told) == (len(articles), len(paragraphs), len(entries), unanswered)
