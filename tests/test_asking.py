"""The dial: efforts, length configurations and deadlines, on a reader of random weights with a measured table."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tables

from docqa import DocQA, ReaderError, UsageError
from docqa.reader.lengths import PASSAGES, Effort, LengthConfiguration

QUESTION = "When does the lease end?"


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
