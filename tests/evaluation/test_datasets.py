from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from docqa.errors import UsageError
from docqa.evaluation.datasets import read_beir, read_squad, sample


def written(file: Path, content: Any) -> Path:
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


def test_squad_1_and_2_are_read(tmp_path: Path) -> None:
    answers = [{"text": "Seine", "answer_start": 0}, {"text": "Seine", "answer_start": 9}, {"text": "the Seine"}]
    entries = [
        {"id": "1", "question": "Which river?", "answers": answers},
        {"id": "2", "question": "Which sea?", "answers": answers, "is_impossible": True, "plausible_answers": answers},
        {"id": "3", "question": "Which lake?", "answers": []},
    ]
    data = {"data": [{"title": "Rivers", "paragraphs": [{"context": "Seine.", "qas": entries}]}]}
    squad = read_squad(written(tmp_path / "toy.json", data))
    assert squad.name == "toy"
    assert squad.articles[0].title == "Rivers"
    assert [(paragraph.text, question.id, question.answers) for paragraph, question in squad.questions()] == [
        ("Seine.", "1", ("Seine", "the Seine")),
        ("Seine.", "2", ()),
        ("Seine.", "3", ()),
    ]


@pytest.mark.parametrize(
    "content",
    [
        "not json",
        [],
        {"data": [{"title": "x"}]},
        {"data": [{"paragraphs": [{"context": "x", "qas": [{"question": "?"}]}]}]},
        {"data": 3},
    ],
)
def test_what_is_not_squad_is_named(tmp_path: Path, content: Any) -> None:
    with pytest.raises(UsageError, match=r"broken\.json is not in SQuAD's format"):
        read_squad(written(tmp_path / "broken.json", content))


def test_a_missing_or_binary_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.json cannot be read"):
        read_squad(tmp_path / "none.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"binary\.json is not UTF-8"):
        read_squad(tmp_path / "binary.json")


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    documents = [
        {"_id": "d1", "title": "Lift", "text": "wings\u2028and flow"},
        {"_id": "d2", "title": "", "text": "heat"},
        {"_id": "d3", "text": "shock"},
    ]
    lines = [json.dumps(each, ensure_ascii=False) for each in documents]
    written(tmp_path / "corpus.jsonl", "\n".join(lines) + "\n\n")
    written(tmp_path / "queries.jsonl", json.dumps({"_id": "q1", "text": "what is lift"}))
    written(tmp_path / "qrels.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td3\t0\n")
    return tmp_path


def test_beir_is_read(beir: Path) -> None:
    task = read_beir(beir)
    assert task.documents == {"d1": "Lift\nwings\u2028and flow", "d2": "heat", "d3": "shock"}
    assert task.queries == {"q1": "what is lift"}
    assert task.judgements == {"q1": {"d1": 2.0, "d3": 0.0}}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("corpus.jsonl", '{"_id": "1", "text": "x"}\n{"_id": "2"}\n', r"corpus\.jsonl, line 2"),
        ("queries.jsonl", "{", r"queries\.jsonl, line 1: not JSON"),
        ("qrels.tsv", "head\nq1\td1\n", r"qrels\.tsv, line 2"),
        ("qrels.tsv", "head\nq1\td1\thigh\n", r"qrels\.tsv, line 2"),
    ],
)
def test_what_is_not_beir_is_named(beir: Path, name: str, content: str, message: str) -> None:
    written(beir / name, content)
    with pytest.raises(UsageError, match=message):
        read_beir(beir)


def test_a_sample_is_even_and_always_the_same() -> None:
    assert sample(range(10), 4) == [0, 2, 5, 7]
    assert sample(range(3), 5) == sample(range(3), None) == [0, 1, 2]
    assert len(set(sample(range(1000), 999))) == 999
