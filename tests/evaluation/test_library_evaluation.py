from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from docqa.errors import UsageError
from docqa.evaluation.datasets import Article, Paragraph, Question, SquadSet
from docqa.evaluation.library import PlacedQuestion, all_passages, evaluate_library, library_of, write_documents
from docqa.evaluation.metrics import calibration_error, risk_coverage_area


def test_articles_become_files_and_questions_know_their_place(tmp_path: Path, towns: SquadSet) -> None:
    placed = write_documents(towns, tmp_path / "set")
    assert sorted(file.name for file in (tmp_path / "set").iterdir()) == ["Castle Brae.txt", "Harn_mouth.txt"]
    text = (tmp_path / "set" / "Harn_mouth.txt").read_text(encoding="utf-8")
    assert text.startswith("Harn mouth\n\nThe harbour of Harnmouth")
    assert text.endswith("1777.\n\nHerring is smoked over beech wood.\n")
    assert [one.question.id for one in placed] == ["dug", "light", "wood", "owner"]
    for one in placed:
        content = Path(one.path).read_text(encoding="utf-8")
        assert content[one.start : one.start + len(one.paragraph)] == one.paragraph


def test_titles_that_are_no_file_names_or_the_same(tmp_path: Path) -> None:
    titles = ["", "..", ".env", "A/B", "a:b", "x" * 300, "tab\tand\0nul"]
    write_documents(SquadSet("odd", tuple(Article(title, ()) for title in titles)), tmp_path / "odd")
    names = {file.name for file in (tmp_path / "odd").iterdir()}
    assert names == {
        "untitled.txt",
        "untitled 2.txt",
        "env.txt",
        "A B.txt",
        "a b 2.txt",
        "x" * 100 + ".txt",
        "tab and\N{REPLACEMENT CHARACTER}nul.txt",
    }


def test_a_place_is_met_where_the_shared_part_holds_an_answer() -> None:
    placed = PlacedQuestion(Question("1", "?", ("two",)), "/file", 10, "one two three")  # `two` is 14 to 17
    assert placed.met_by("/file", 0, 17)
    assert placed.met_by("/file", 14, 40)
    assert not placed.met_by("/file", 0, 16)
    assert not placed.met_by("/file", 15, 40)
    assert not placed.met_by("/file", 0, 10)
    assert not placed.met_by("/file", 30, 40)
    assert not placed.met_by("/other", 0, 40)


def test_offsets_hold_in_the_indexed_library(words: Any, towns: SquadSet) -> None:
    with library_of(towns, distractors=[towns]) as library:
        assert library.documents == 4
        passages = all_passages(library.engine)
        assert len(passages) == library.passages
        for placed in library.questions:
            text = library.engine.text(placed.path)
            assert text[placed.start : placed.start + len(placed.paragraph)] == placed.paragraph
            if placed.question.answers:
                assert any(placed.met_by(one.document.path, one.start, one.end) for one in passages)


def test_evaluation_by_hand(words: Any, towns: SquadSet) -> None:
    words.known = {
        "When was the harbour dug?": ("1702", 1.0),
        "When did the lighthouse follow?": ("followed in 1777", 1.0),  # F1 4/5: right, not exact
        "Over which wood is herring smoked?": ("smoked", 1.0),
        "Who owns the castle above the river?": ("a rock", 1.0),
    }
    steps: list[tuple[int, int]] = []
    report = evaluate_library(towns, progress=lambda done, of: steps.append((done, of)))
    assert (report.documents, report.answerable, report.unanswerable) == (2, 3, 1)
    assert report.exact == pytest.approx(1 / 3)
    assert report.f1 == pytest.approx((1 + 0.8 + 0) / 3)
    assert report.right_first == report.right_among == pytest.approx(2 / 3)
    assert report.refused == 0
    assert report.recall_at_1 == report.recall_at_20 == report.reciprocal_rank == 1
    confidences = [outcome.confidence for outcome in report.outcomes]
    assert report.calibration_error == pytest.approx(calibration_error(confidences, [True, True, False, False]))
    assert report.risk_coverage_area == pytest.approx(risk_coverage_area(confidences, [True, True, False, False]))
    assert [outcome.gold_rank for outcome in report.outcomes] == [1, 1, 1, None]
    assert steps[-1] == (4, 4)
    assert (report.reader, report.precision) == ("words", "float32")


def test_no_answer_is_a_refusal_and_right_only_where_there_is_none(words: Any, towns: SquadSet) -> None:
    report = evaluate_library(towns)
    assert [outcome.answer for outcome in report.outcomes] == [None] * 4
    assert (report.exact, report.f1, report.refused) == (0, 0, 1)
    assert report.best_f1.score == report.best_exact.score == pytest.approx(1 / 4)
    assert report.calibration_error == report.risk_coverage_area == 0


def test_a_question_without_words_is_not_answered(words: Any) -> None:
    questions = (Question("1", "???", ("x",)), Question("2", "x?", ("x",)))
    squad = SquadSet("odd", (Article("t", (Paragraph("x y", questions),)),))
    words.known = {"x?": ("x", 1.0)}
    report = evaluate_library(squad)
    assert [outcome.f1 for outcome in report.outcomes] == [0, 1]


def test_a_set_without_answerable_questions_is_refused(words: Any, towns: SquadSet) -> None:
    with pytest.raises(UsageError, match="towns has no answerable question"):
        evaluate_library(SquadSet("towns", towns.articles[1:]))
