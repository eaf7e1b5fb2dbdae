from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from docqa.errors import UsageError
from docqa.evaluation.sample_library import SampleQuestion, evaluate_sample_library, read_questions


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "lease.txt").write_text("The rent is €1,380\na month.", encoding="utf-8")
    (tmp_path / "diary.txt").write_text("The frost came in April.", encoding="utf-8")
    return tmp_path


def test_evaluation_by_hand(words: Any, folder: Path) -> None:
    questions = [
        SampleQuestion("How much is the rent?", ("€1,380 a month",), ("home/lease.txt",)),
        SampleQuestion("When did the frost come?", ("in April", "April"), ("home/lease.txt",)),
        SampleQuestion("What does the rent include?", ("water",), ("home/lease.txt",)),
        SampleQuestion("Who is the frost?", (), ()),
        SampleQuestion("Who pays the rent?", (), ()),
    ]
    words.known = {
        "How much is the rent?": ("€1,380\na month", 1.0),
        "When did the frost come?": ("April", 1.0),  # right, but not in the file that is named
        "Who is the frost?": ("April", 1.0),
    }
    report = evaluate_sample_library(folder, questions)
    assert (report.answerable, report.unanswerable) == (3, 2)
    assert report.file_first == pytest.approx(1 / 3)
    assert report.exact == report.f1 == report.right == pytest.approx(2 / 3)
    assert report.refused == 0.5
    assert [outcome.file for outcome in report.outcomes] == ["home/lease.txt", "diary.txt", None, "diary.txt", None]


def test_questions_are_read(tmp_path: Path) -> None:
    file = tmp_path / "questions.json"
    file.write_text(json.dumps([{"question": "?", "answers": ["x"], "files": ["a.txt"]}]), encoding="utf-8")
    assert read_questions(file) == [SampleQuestion("?", ("x",), ("a.txt",))]


@pytest.mark.parametrize("content", ["{", "[3]", '[{"question": "?"}]', "null"])
def test_what_is_no_list_of_questions_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "questions.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=r"questions\.json is not a list of questions"):
        read_questions(file)


def test_the_shipped_questions_name_files_of_the_shipped_library() -> None:
    data = Path(__file__).parents[2] / "data"
    questions = read_questions(data / "questions.json")
    assert all((data / "library" / file).is_file() for question in questions for file in question.files)
    assert all(bool(question.answers) == bool(question.files) for question in questions)
