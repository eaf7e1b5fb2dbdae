from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from docqa.engine import DocQA
from docqa.evaluation.datasets import Article, Paragraph, Question, SquadSet
from docqa.reader.reader import Reading
from docqa.records import Span


class WordReader:
    """A reader that knows one text to look for per question, with a logit, and finds it wherever it stands."""

    name = "words"
    precision = "float32"
    layers = 1
    folder = None
    lengths_table = None

    def __init__(self, known: Mapping[str, tuple[str, float]]) -> None:
        self.known = known

    def read(self, question: str, passages: Sequence[str], **_: object) -> Reading:
        text, logit = self.known.get(question, ("", 0.0))
        found = []
        for passage in passages:
            start = passage.find(text) if text else -1
            found.append((Span(start, start + len(text), logit, end_logit=0.0, null_logit=0.0),) if start >= 0 else ())
        return Reading(tuple(found), False, (len(question.split()),) * len(passages))


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> WordReader:
    """Let every DocQA read with a WordReader."""
    reader = WordReader({})
    monkeypatch.setattr(DocQA, "reader", property(lambda _: reader))
    return reader


@pytest.fixture
def towns() -> SquadSet:
    """Two articles; the last question cannot be answered from its paragraph."""
    return SquadSet(
        "towns",
        (
            Article(
                "Harn_mouth",
                (
                    Paragraph(
                        "The harbour of Harnmouth was dug in 1702. The lighthouse followed in 1777.",
                        (
                            Question("dug", "When was the harbour dug?", ("1702", "in 1702")),
                            Question("light", "When did the lighthouse follow?", ("in 1777",)),
                        ),
                    ),
                    Paragraph(
                        "Herring is smoked over beech wood.",
                        (Question("wood", "Over which wood is herring smoked?", ("beech wood",)),),
                    ),
                ),
            ),
            Article(
                "Castle/Brae",
                (
                    Paragraph(
                        "The castle stands on a rock above the river.",
                        (Question("owner", "Who owns the castle above the river?", ()),),
                    ),
                ),
            ),
        ),
    )
