"""The dial: efforts, length configurations and deadlines, on a reader of random weights with a measured table."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tables

from docqa import DocQA, ReaderError, UsageError, asking
from docqa.evaluation.sample_library import read_questions
from docqa.reader.choices import Effort
from docqa.reader.lengths import PASSAGES, LengthConfiguration
from docqa.reader.reader import Reading
from docqa.records import Result, Source

QUESTION = "When does the lease end?"
QUESTIONS = Path(__file__).parents[1] / "data" / "questions.json"


@pytest.fixture
def reader(tiny_reader: Path, tmp_path: Path) -> Path:
    """The tiny reader with a table beside it."""
    folder = Path(shutil.copytree(tiny_reader, tmp_path / "tiny"))
    tables.write(folder)
    return folder


def filled(library: Path, folder: Path, reader: Path) -> DocQA:
    """An engine on a library in which 30 passages match."""
    folder.mkdir()
    for number in range(30):
        (folder / f"{number}.txt").write_text(
            f"The lease of house {number} ends in May. " + "The rent is due. " * number
        )
    engine = DocQA(library, reader=reader, precision="float32")
    engine.index([folder])
    return engine


@pytest.fixture
def engine(library: Path, tmp_path: Path, reader: Path) -> Iterator[DocQA]:
    with filled(library, tmp_path / "folder", reader) as made:
        yield made


@pytest.mark.parametrize(("effort", "shares"), [("fast", tables.FAST), ("balanced", tables.BALANCED)])
def test_an_effort_reads_so_many_passages_by_the_configuration_measured_for_it(
    engine: DocQA, effort: Effort, shares: tuple[float, ...]
) -> None:
    result = engine.ask(QUESTION, effort=effort)
    assert (result.effort, result.complete) == (effort, True)
    assert (result.reader.lengths, result.reader.passages) == (shares, PASSAGES[effort])
    given = engine.ask(QUESTION, passages=PASSAGES[effort], lengths=LengthConfiguration(shares))
    assert given.answers == result.answers
    assert given.effort is None


def test_thorough_keeps_all_tokens(engine: DocQA) -> None:
    result = engine.ask(QUESTION, effort="thorough")
    assert (result.reader.lengths, result.reader.passages) == (None, 20)
    assert result.reader.sieve == tables.FAST


def test_without_an_effort_it_is_balanced(engine: DocQA) -> None:
    assert engine.ask(QUESTION).answers == engine.ask(QUESTION, effort="balanced").answers
    assert engine.ask(QUESTION).effort == "balanced"


def test_what_is_asked_for_wins_over_the_effort(engine: DocQA) -> None:
    lengths = LengthConfiguration((0.9, 0.2))
    result = engine.ask(QUESTION, effort="fast", lengths=lengths, passages=7)
    assert (result.reader.lengths, result.reader.passages) == (lengths.shares, 7)


def test_a_reader_without_a_table_reads_in_full(library: Path, tmp_path: Path, tiny_reader: Path) -> None:
    with filled(library, tmp_path / "folder", tiny_reader) as engine:
        for effort in ("fast", "balanced", "thorough"):
            result = engine.ask(QUESTION, effort=effort)  # type: ignore[arg-type]
            assert (result.reader.lengths, result.reader.passages) == (None, PASSAGES[effort])  # type: ignore[index]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"effort": "heroic"}, "there is no effort 'heroic'; it is one of fast, balanced, thorough"),
        ({"within_ms": 0}, "within 0 milliseconds"),
        ({"within_ms": -5.0}, "within -5"),
        ({"within_ms": float("nan")}, "within nan"),
        ({"within_ms": float("inf")}, "within inf"),
    ],
)
def test_an_effort_or_deadline_that_makes_no_sense_is_refused(
    engine: DocQA, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        engine.ask(QUESTION, **options)


def test_a_table_for_another_number_of_layers_is_refused_by_folder(reader: Path, library: Path) -> None:
    (reader / "lengths.json").write_text(
        '{"rows": [{"shares": [1.0], "cost": 1, "time": 1, "f1": 0.8, "exact": 0.7,'
        ' "drift": 0}], "measured_on": "x", "questions": 1}'
    )
    with DocQA(library, reader=reader) as engine, pytest.raises(ReaderError, match="tiny are for 1 layers"):
        _ = engine.reader


# --- sifting ------------------------------------------------------------------------------------------------


def with_drift(reader: Path, drift: float, time: float = 0.45, shares: tuple[float, ...] = tables.FAST) -> None:
    sieve = replace(tables.TABLE.rows[2], shares=shares, drift=drift, time=time)
    rows = [sieve if row.shares == tables.FAST else row for row in tables.TABLE.rows]
    tables.write(reader, replace(tables.TABLE, rows=tuple(rows)))


def reads(engine: DocQA, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, LengthConfiguration | None]]:
    """The list of readings to come: how many passages, by which configuration."""
    read, real = [], engine.reader.read

    def noted(question: str, passages: list[str], **options: Any) -> Reading:
        read.append((len(passages), options["lengths"]))
        return real(question, passages, **options)

    monkeypatch.setattr(engine.reader, "read", noted)
    return read


def test_what_cannot_win_any_more_is_not_read_again(
    engine: DocQA, reader: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_drift(reader, 0.01, shares=(1.0, 0.99))
    read = reads(engine, monkeypatch)
    result = engine.ask(QUESTION, effort="thorough", explain=True)
    assert sum(count for count, lengths in read if lengths and lengths.shares == (1.0, 0.99)) == 20
    again = [count for count, lengths in read if lengths is None]
    assert 3 <= sum(again) < 20
    # The winner was read in full.
    assert result.answers[0].explanation is not None
    assert result.answers[0].explanation.kept == (result.answers[0].explanation.tokens,) * 2


def test_where_drift_is_great_enough_sifting_answers_what_reading_in_full_does(engine: DocQA, reader: Path) -> None:
    with_drift(reader, 1e6)
    sifted = engine.ask(QUESTION, effort="thorough", min_confidence=0.0)
    full = engine.ask(QUESTION, passages=20, lengths=LengthConfiguration((1.0, 1.0)), min_confidence=0.0)
    assert sifted.answers[0].text == full.answers[0].text
    assert [answer.confidence for answer in sifted.answers] == pytest.approx(
        [answer.confidence for answer in full.answers], abs=1e-4
    )


def test_a_sieve_that_is_hardly_faster_is_not_used(engine: DocQA, reader: Path) -> None:
    with_drift(reader, 0.5, time=0.9)
    result = engine.ask(QUESTION, effort="thorough")
    assert (result.reader.sieve, result.reader.lengths) == (None, None)


# --- deadlines ----------------------------------------------------------------------------------------------


class Clock:
    """A clock that stands still but while passages are read, each of which takes so many milliseconds in full."""

    def __init__(self, engine: DocQA, monkeypatch: pytest.MonkeyPatch, *, told_ms: float, takes_ms: float) -> None:
        self.now_ms = 0.0
        self.read: list[int] = []
        reader, real = engine.reader, engine.reader.read

        def slow(question: str, passages: list[str], **options: Any) -> Reading:
            self.read.append(len(passages))
            self.now_ms += takes_ms * len(passages) * share(options["lengths"])
            return real(question, passages, **options)

        def share(lengths: LengthConfiguration | None) -> float:
            return next(row.time for row in tables.TABLE.rows if row.shares == lengths.shares) if lengths else 1.0

        monkeypatch.setattr(reader, "read", slow)
        monkeypatch.setattr(reader, "cost_is_known", lambda: None)
        monkeypatch.setattr(
            reader, "costs_ms", lambda _question, texts, lengths: [told_ms * share(lengths)] * len(texts)
        )
        monkeypatch.setattr(asking, "time", SimpleNamespace(perf_counter=lambda: self.now_ms / 1000))


@pytest.mark.parametrize(
    ("within_ms", "shares", "passages"),
    [
        (10_000, tables.BALANCED, 10),
        (701, tables.BALANCED, 10),
        (600, tables.FAST, 10),
        (300, tables.FAST, 6),
        (100, tables.FAST, 2),
        (1, tables.FAST, 1),
    ],
)
def test_a_deadline_chooses_the_most_accurate_reading_that_fits_and_then_fewer_passages(
    engine: DocQA, monkeypatch: pytest.MonkeyPatch, within_ms: float, shares: tuple[float, ...], passages: int
) -> None:
    clock = Clock(engine, monkeypatch, told_ms=100, takes_ms=100)
    result = engine.ask(QUESTION, within_ms=within_ms, min_confidence=0.0)
    assert (result.reader.lengths, result.reader.passages) == (shares, passages)
    assert result.complete is (passages == 10)
    assert clock.now_ms <= within_ms or passages == 1
    assert result.answers
    if passages < 10:
        [notice] = result.notices
        assert f"the time was up: {passages} of 10 passages were read" in notice


def test_the_best_answer_of_those_that_were_read_is_given(engine: DocQA, monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(engine, monkeypatch, told_ms=100, takes_ms=100)
    cut_short = engine.ask(QUESTION, within_ms=300, min_confidence=0.0)
    fewer = engine.ask(QUESTION, passages=6, lengths=LengthConfiguration(tables.FAST), min_confidence=0.0)
    assert cut_short.answers == fewer.answers


@pytest.mark.parametrize("slower", [2, 5])
def test_reading_that_takes_longer_than_it_should_leaves_more_unread(
    engine: DocQA, monkeypatch: pytest.MonkeyPatch, slower: float
) -> None:
    clock = Clock(engine, monkeypatch, told_ms=100, takes_ms=100 * slower)
    result = engine.ask(QUESTION, within_ms=1_000)
    assert not result.complete
    assert 1 <= result.reader.passages < 10
    # Half of the time at most was meant for a round; that it takes so much longer shows after the first.
    assert clock.now_ms <= slower * 500 or result.reader.passages == 1


def test_a_deadline_for_a_reader_without_a_table(
    library: Path, tmp_path: Path, tiny_reader: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with filled(library, tmp_path / "folder", tiny_reader) as engine:
        Clock(engine, monkeypatch, told_ms=100, takes_ms=100)
        result = engine.ask(QUESTION, within_ms=501)
        assert (result.reader.lengths, result.reader.passages, result.complete) == (None, 5, False)


def test_a_deadline_on_the_real_clock(engine: DocQA) -> None:
    assert engine.ask(QUESTION, within_ms=60_000).complete
    hurried = engine.ask(QUESTION, within_ms=0.001, min_confidence=0.0)
    assert (hurried.complete, hurried.reader.passages, bool(hurried.answers)) == (False, 1, True)


def test_reading_ends_when_no_passage_that_is_left_can_win(sample: Path) -> None:
    questions = [each.question for each in read_questions(QUESTIONS)][::9]
    with DocQA(sample) as engine:
        early = [engine.ask(each, top=1, min_confidence=0.0) for each in questions]
        # Without knowing what calibration saw, nothing is out of the question.
        engine.set_ranking(replace(engine.ranking, ranges={}))
        whole = [engine.ask(each, top=1, min_confidence=0.0) for each in questions]
    assert [first(each) for each in early] == [first(each) for each in whole]
    assert all(each.complete and not each.notices for each in early)
    assert {each.reader.passages for each in whole} == {10}
    # Three, then three more are read, then the rest.
    assert {each.reader.passages for each in early} == {3, 6, 10}


def first(result: Result) -> tuple[str, Source] | None:
    """The first answer and where it stands."""
    return (result.answers[0].text, result.answers[0].sources[0]) if result.answers else None


def test_a_deadline_when_nothing_matches(engine: DocQA) -> None:
    result = engine.ask("zebra", within_ms=100)
    assert (result.answers, result.complete, result.reader.passages) == ((), True, 0)


def test_an_interrupted_question_leaves_a_library_that_answers(engine: DocQA, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> Reading:
        raise KeyboardInterrupt

    before = engine.ask(QUESTION).answers
    with monkeypatch.context() as patch:
        patch.setattr(engine.reader, "read", interrupt)
        with pytest.raises(KeyboardInterrupt):
            engine.ask(QUESTION)
    assert engine.ask(QUESTION).answers == before
