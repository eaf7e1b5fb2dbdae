from __future__ import annotations

from typing import Any, cast

import pytest

from docqa.errors import UsageError
from docqa.evaluation.datasets import Article, Paragraph, Question, SquadSet
from docqa.evaluation.reading import ReadingRow, answerable, best_text, evaluate_reading, question_kind


def test_reading_by_hand(words: Any, towns: SquadSet) -> None:
    words.known = {
        "When was the harbour dug?": ("1702", 1.0),
        "When did the lighthouse follow?": ("followed in 1777", 1.0),  # F1 4/5
        "Over which wood is herring smoked?": ("Herring", 1.0),
    }
    steps: list[tuple[int, int]] = []
    report = evaluate_reading(words, towns, progress=lambda done, of: steps.append((done, of)))
    assert report.questions == 3
    assert report.exact == pytest.approx(1 / 3)
    assert report.f1 == pytest.approx((1 + 0.8 + 0) / 3)
    assert (report.reader, report.precision, report.lengths) == ("words", "float32", None)
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_only_answerable_questions_are_asked(towns: SquadSet) -> None:
    assert [question.id for _, question in answerable(towns)] == ["dug", "light", "wood"]
    assert [question.id for _, question in answerable(towns, 2)] == ["dug", "light"]
    with pytest.raises(UsageError, match="towns has no answerable question"):
        answerable(SquadSet("towns", towns.articles[1:]))


def test_a_reader_that_finds_nothing_answers_nothing(words: Any) -> None:
    assert best_text(cast("Any", words), "Who?", "Nobody.") == ""


def test_by_kind_and_by_words(words: Any, towns: SquadSet) -> None:
    words.known = {"When was the harbour dug?": ("1702", 1.0), "When did the lighthouse follow?": ("followed", 1.0)}
    report = evaluate_reading(words, towns)
    assert report.by_kind == (ReadingRow("when", 2, 0.5, 0.5), ReadingRow("which", 1, 0.0, 0.0))
    assert report.by_words == (ReadingRow("1 to 75 words", 3, 1 / 3, 1 / 3),)
    assert report.unanswerable is None


def test_unanswerable_questions_by_hand(words: Any, towns: SquadSet) -> None:
    """Margins 1, -0.5 and 2 for the answerable ones, 0.5 for the unanswerable; the second answer is right."""
    words.known = {
        "When was the harbour dug?": ("1702", 1.0),
        "When did the lighthouse follow?": ("in 1702", -0.5),
        "Over which wood is herring smoked?": ("beech", 2.0),
        "Who owns the castle above the river?": ("rock", 0.5),
    }
    found = evaluate_reading(words, towns, unanswerable=True)
    report = found.unanswerable
    assert report is not None
    assert (found.questions, report.questions, report.unanswerable) == (3, 4, 1)
    # Given: 1702, nothing, beech (F1 2/3), rock.
    assert report.exact == pytest.approx(1 / 4)
    assert report.f1 == pytest.approx((1 + 0 + 2 / 3 + 0) / 4)
    assert report.answerable_exact == pytest.approx(1 / 3)
    assert report.answerable_f1 == pytest.approx((1 + 2 / 3) / 3)
    assert report.refused == 0.0
    # The best threshold answers the first and the third only, and refuses the fourth: as good as can be.
    assert report.best_exact.score == pytest.approx(2 / 4)
    assert report.best_f1.score == pytest.approx((1 + 2 / 3 + 1) / 4)
    # The probability of no answer at a margin of 1.
    assert report.best_f1.threshold == pytest.approx(1 / (1 + 2.718281828))


def test_only_unanswerable_questions_are_refused(words: Any, towns: SquadSet) -> None:
    with pytest.raises(UsageError, match="towns has no answerable question"):
        evaluate_reading(words, SquadSet("towns", towns.articles[1:]), unanswerable=True)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("What is it?", "what"),
        ("In WHICH year?", "which"),
        ("To whom?", "who"),
        ("Whose is it?", "who"),
        ("How many are there?", "how many"),
        ("How did it end?", "how"),
        ("Name the river.", "other"),
        ("Somewhat odd", "other"),
    ],
)
def test_the_kind_of_a_question_is_its_first_question_word(question: str, kind: str) -> None:
    assert question_kind(question) == kind


def test_passages_are_told_of_from_short_to_long(words: Any) -> None:
    paragraphs = [
        Paragraph("word " * count, (Question(f"{count}/{each}", "Who?", ("word",)),))
        for count in (250, 201, 200, 76, 75, 10)
        for each in range(2)
    ]
    report = evaluate_reading(words, SquadSet("long", (Article("t", tuple(paragraphs)),)))
    assert [(row.name, row.questions) for row in report.by_words] == [
        ("1 to 75 words", 4),
        ("76 to 100 words", 2),
        ("151 to 200 words", 2),
        ("more than 200 words", 4),
    ]
