"""`docqa eval` on data sets, with the reader that ships."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

CONTEXT = "The harbour of Harnmouth was dug in 1702 by Ansel Brook. The lighthouse followed in 1777."


@pytest.fixture
def squad(tmp_path: Path) -> Path:
    def entry(question: str, answer: str | None) -> dict[str, object]:
        answers = [] if answer is None else [{"text": answer, "answer_start": CONTEXT.index(answer)}]
        return {"id": question, "question": question, "answers": answers, "is_impossible": answer is None}

    questions = [
        entry("Who dug the harbour of Harnmouth?", "Ansel Brook"),
        entry("When was the lighthouse built?", "1777"),
        entry("How many ships sank in the storm of 1850?", None),
    ]
    file = tmp_path / "towns.json"
    file.write_text(json.dumps({"data": [{"title": "t", "paragraphs": [{"context": CONTEXT, "qas": questions}]}]}))
    return file


def test_reading_is_told_in_all_and_by_kind(cli: Cli, squad: Path) -> None:
    found = cli("eval", "reading", "--reader", "shipped", "--json", squad)
    assert found.code == 0
    report = found.json
    assert report["questions"] == 2
    assert report["unanswerable"]["questions"] == 3
    assert {row["name"] for row in report["by_kind"]} == {"who", "when"}
    assert report["lengths"] is None
    shown = cli("eval", "reading", "--reader", "shipped", squad).out
    for told in ("answerable questions", "who", "1 to 75 words", "at the best threshold", "thresholds on the"):
        assert told in shown
    assert f"{100 * report['f1']:.2f}" in shown.splitlines()[2]


def test_reading_by_a_length_configuration(cli: Cli, squad: Path) -> None:
    shares = "1,0.9,0.8,0.7,0.6,0.5"
    found = cli("eval", "reading", "--reader", "shipped", "--json", "--sample", 2, "--lengths", shares, squad)
    assert found.json["lengths"] == [1.0, 0.9, 0.8, 0.7, 0.6, 0.5]
    assert f"lengths {shares}" in cli("eval", "reading", "--reader", "shipped", "--lengths", shares, squad).out


@pytest.mark.parametrize(("lengths", "problem"), [("1,0.5", "has 6 layers"), ("0.5,1", "must not"), ("x", "float")])
def test_lengths_without_sense_are_refused(cli: Cli, squad: Path, lengths: str, problem: str) -> None:
    found = cli("eval", "reading", "--reader", "shipped", "--lengths", lengths, squad)
    assert found.code == 2
    assert problem in found.err


@pytest.mark.parametrize("judgements", ["qrels.tsv", "qrels/test.tsv"])
def test_retrieval_is_judged(cli: Cli, tmp_path: Path, judgements: str) -> None:
    task = tmp_path / "task"
    (task / "qrels").mkdir(parents=True)
    documents = {"d1": "wings and lift", "d2": "heat in slabs"}
    (task / "corpus.jsonl").write_text(
        "".join(json.dumps({"_id": name, "text": text}) + "\n" for name, text in documents.items())
    )
    (task / "queries.jsonl").write_text('{"_id": "q1", "text": "What are wings?"}\n')
    (task / judgements).write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\n")
    report = cli("eval", "retrieval", "--json", task).json
    assert (report["queries"], report["ndcg_at_10"], report["recall_at_1"], report["recall_at_100"]) == (1, 1, 1, 1)
    assert "nDCG@10           1.000" in cli("eval", "retrieval", task).out


def test_a_task_that_is_not_there_is_named(cli: Cli, tmp_path: Path) -> None:
    found = cli("eval", "retrieval", tmp_path / "nowhere")
    assert found.code == 2
    assert "nowhere" in found.err
