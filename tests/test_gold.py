"""The gold set: into SQuAD's format and back, judged, calibrated by."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from docqa import DocQA
from docqa.errors import UsageError
from docqa.evaluation.gold import evaluate_gold, gold_questions
from docqa.gold import from_squad, to_squad
from docqa.ranking import Ranking
from docqa.records import Verdict
from docqa.training.ranking import judge_gold

LEASE = {"path": "/a/lease.pdf", "context": "By the third working day.", "start": 3}
VERDICTS = (
    Verdict("When is rent due?", "the third working day", accepted=True, **LEASE),  # type: ignore[arg-type]
    Verdict("When is rent due?", "Monday", accepted=False),
    Verdict("Who is the mayor?", None, accepted=True),
)


def bare(verdicts: list[Verdict]) -> set[tuple[object, ...]]:
    return {(each.question, each.text, each.accepted, each.path, each.context, each.start) for each in verdicts}


def test_verdicts_survive_squads_format(tmp_path: Path) -> None:
    file = tmp_path / "gold.json"
    file.write_text(to_squad(VERDICTS))
    assert bare(from_squad(file)) == bare(list(VERDICTS))


def test_all_that_was_said_of_one_question_survives(tmp_path: Path) -> None:
    said = [
        Verdict("Who is the mayor?", None, accepted=True),
        Verdict("Who is the mayor?", "Anne", accepted=False),
        Verdict("When is rent due?", None, accepted=False),
    ]
    file = tmp_path / "gold.json"
    file.write_text(to_squad(said))
    assert bare(from_squad(file)) == bare(said)


def test_the_export_is_what_other_tools_read() -> None:
    (first, second) = json.loads(to_squad(VERDICTS))["data"]
    (paragraph,) = second["paragraphs"]
    (question,) = paragraph["qas"]
    (answer,) = question["answers"]
    assert first["title"] == ""
    assert paragraph["context"][answer["answer_start"] :].startswith(answer["text"])


@pytest.mark.parametrize(
    "content",
    ["", "{}", '{"data": 3}', '{"data": [{"paragraphs": [{"qas": [{"question": "x"}]}]}]}', "[1]", "[" * 100_000],
)
def test_another_file_is_refused_by_name(tmp_path: Path, content: str) -> None:
    file = tmp_path / "gold.json"
    file.write_text(content)
    with pytest.raises(UsageError, match=r"gold\.json"):
        from_squad(file)


def test_the_library_keeps_verdicts(sample: Path) -> None:
    with DocQA(sample) as engine:
        engine.add_verdicts(VERDICTS)
        engine.add_verdicts(VERDICTS[:1])
        kept = engine.verdicts()
        assert bare(kept) == bare(list(VERDICTS))
        engine.remove_verdict(kept[0].id)
        assert len(engine.verdicts()) == 2
        with pytest.raises(UsageError, match="no entry"):
            engine.remove_verdict(kept[0].id)


@pytest.mark.parametrize("field", ["question", "text", "path", "context"])
def test_what_is_no_text_is_refused_and_nothing_kept(sample: Path, field: str) -> None:
    odd = replace(VERDICTS[0], **{field: "caf\ud800"})  # type: ignore[arg-type]
    with DocQA(sample) as engine:
        with pytest.raises(UsageError, match="UTF-8"):
            engine.add_verdicts([VERDICTS[0], odd])
        assert engine.verdicts() == []


def test_answers_are_judged_by_what_was_said() -> None:
    due, mayor = gold_questions(VERDICTS)
    assert due.judge("the third working day.") is True
    assert due.judge("MONDAY") is False
    assert due.judge(None) is False
    assert mayor.judge(None) is True
    assert mayor.judge("Anne") is False


@pytest.mark.parametrize(
    ("said", "answerable", "refusing", "another"),
    [
        ([(None, True)], False, True, False),
        ([(None, False)], None, False, None),
        ([("wrong", False)], None, None, None),
        ([("wrong", False), (None, True)], False, True, False),
        ([("right", True), (None, False)], True, False, False),
        ([(None, True), (None, False)], None, False, None),
    ],
)
def test_what_was_said_of_there_being_no_answer_counts(
    said: list[tuple[str | None, bool]], answerable: bool | None, refusing: bool | None, another: bool | None
) -> None:
    (question,) = gold_questions([Verdict("x", text, accepted=accepted) for text, accepted in said])
    assert (question.answerable, question.judge(None), question.judge("other")) == (answerable, refusing, another)


def test_a_gold_set_whose_files_have_gone_still_measures(sample: Path, tiny_reader: Path) -> None:
    with DocQA(sample, reader=tiny_reader) as engine:
        engine.add_verdicts(VERDICTS)
        report = evaluate_gold(engine)
        assert (report.questions, report.answerable, report.unanswerable) == (2, 1, 1)
        assert {bool(each.right) for each in judge_gold(engine)} == {True}


def test_an_empty_gold_set_says_how_to_fill_it(sample: Path, tiny_reader: Path) -> None:
    with DocQA(sample, reader=tiny_reader) as engine, pytest.raises(UsageError, match="docqa gold add"):
        evaluate_gold(engine)


def test_a_librarys_own_ranking_is_used_and_forgotten(sample: Path, tiny_reader: Path) -> None:
    own = Ranking({"rank": -1.0}, {"odds": 1.0}, 0.25)
    with DocQA(sample, reader=tiny_reader) as engine:
        before = engine.ranking
        engine.set_ranking(own)
        assert engine.ranking == own
        with DocQA(sample, reader=tiny_reader) as another:
            assert another.ranking == own
        engine.set_ranking(None)
        assert engine.ranking == before
