from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from docqa.errors import Unavailable
from docqa.evaluation.datasets import read_squad
from docqa.evaluation.reading import evaluate_reading
from docqa.evaluation.tuning import Asked, of_squad
from docqa.reader.lengths import LengthConfiguration
from docqa.reader.model import operations
from docqa.reader.reader import Reader
from docqa.training.search import Outcome, Tried
from docqa.training.trials import TYPICAL_TOKENS, Trial, plot

FULL, HALF = LengthConfiguration((1.0, 1.0)), LengthConfiguration((0.5, 0.25))


@pytest.fixture
def asked(rivers: Path) -> list[Asked]:
    return of_squad(read_squad(rivers))


def test_f1_is_that_of_the_evaluation(start: Path, rivers: Path, asked: list[Asked]) -> None:
    reader = Reader(start)
    for lengths in (FULL, HALF):
        outcome = Trial(reader, asked, "flops")(lengths)
        assert outcome.f1 == evaluate_reading(reader, read_squad(rivers), lengths=lengths).f1
        assert outcome.cost == operations(reader.shape, TYPICAL_TOKENS, lengths) / 1e6


def test_time_is_measured(start: Path, asked: list[Asked]) -> None:
    trial = Trial(Reader(start), asked, "time")
    assert trial(FULL).cost > 0
    assert trial(HALF).cost > 0


def some_trials() -> list[Tried]:
    return [Tried(FULL, Outcome(0.8, 10.0)), Tried(HALF, Outcome(0.7, 4.0)), Tried(HALF, Outcome(0.6, 7.0))]


def test_the_plot_is_the_same_twice(tmp_path: Path) -> None:
    first, second = tmp_path / "a.svg", tmp_path / "b.svg"
    for file in (first, second):
        plot(some_trials(), file, "milliseconds a question")
    assert first.read_bytes() == second.read_bytes()
    assert ElementTree.parse(first).getroot().tag.endswith("svg")


def test_a_plot_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="nowhere"):
        plot(some_trials(), tmp_path / "nowhere" / "a.svg", "ms")
