from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from docqa.errors import Unavailable
from docqa.reader import weights
from docqa.reader.lengths import LengthConfiguration, LengthTable
from docqa.reader.model import BertShape, SpanModel
from docqa.records import Span
from docqa.training.data import read_squad
from docqa.training.length_table import LengthMeasure, _drift, operations, plot
from docqa.training.search import Outcome, Tried
from docqa.training.validation import Slice

FULL, HALF = LengthConfiguration((1.0, 1.0)), LengthConfiguration((0.5, 0.25))


def test_operations_by_hand() -> None:
    shape = BertShape(hidden_size=2, num_hidden_layers=1, num_attention_heads=1, intermediate_size=3)
    # Four projections of 10 tokens (2 x 2), two products with 10 x 10 attention, two of 10 tokens (2 x 3).
    assert operations(shape, 10) == 2 * (4 * 10 * 4 + 2 * 10 * 10 * 2 + 2 * 10 * 6)
    assert operations(shape, 10, LengthConfiguration((0.5,))) == 2 * (4 * 10 * 4 + 2 * 10 * 10 * 2 + 2 * 5 * 6)


def test_operations_are_those_torch_counts(tiny_model: SpanModel) -> None:
    tokens = torch.arange(48)[None]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        tiny_model(tokens, torch.zeros_like(tokens), torch.ones_like(tokens, dtype=torch.bool))
    span_head = 2 * 48 * tiny_model.shape.hidden_size * 2
    # The fused attention of processors is not counted by torch.
    attention = 2 * 2 * 2 * 48 * 48 * tiny_model.shape.hidden_size
    assert counter.get_total_flops() - span_head in {
        operations(tiny_model.shape, 48),
        operations(tiny_model.shape, 48) - attention,
    }


@pytest.fixture
def questions(start: Path, rivers: Path) -> Slice:
    return Slice.of(weights.load(start).tokenizer, [read_squad(rivers)])


def test_a_table_has_what_a_reader_needs(start: Path, questions: Slice, tmp_path: Path) -> None:
    measure = LengthMeasure(weights.load(start), questions)
    table = measure.table([HALF], "rivers")
    assert (table.questions, table.layers) == (6, 2)
    full, half = table.rows
    assert (full.shares, full.cost, full.time, full.drift) == ((1.0, 1.0), 1.0, 1.0, 0.0)
    assert half.shares == (0.5, 0.25)
    assert half.cost == pytest.approx(measure.operations(HALF) / measure.operations(), abs=1e-4)
    assert half.cost < 1
    assert half.time > 0
    assert table.precisions == {measure.precision: full.f1}
    assert LengthTable.from_json(table.to_json(), tmp_path) == table


def test_the_f1_is_that_of_the_model(start: Path, questions: Slice) -> None:
    measure = LengthMeasure(weights.load(start), questions, "flops")
    model = weights.load(start).model.to(getattr(torch, measure.precision))
    outcome = measure(HALF)
    assert outcome.f1 == questions.score(model, HALF).f1
    assert outcome.cost == pytest.approx(measure.operations(HALF) / 6 / 1e6)
    assert measure(FULL).cost > outcome.cost


def test_time_is_measured(start: Path, questions: Slice) -> None:
    assert LengthMeasure(weights.load(start), questions, "time")(FULL).cost > 0


def span(logit: float) -> Span:
    return Span(0, 1, logit, 0.0, 0.0)


def test_drift_is_what_logits_lose_by_dropping() -> None:
    full = [span(5.0)] * 200
    assert _drift(full, [span(4.0)] * 199 + [span(-95.0)]) == 1.0
    assert _drift(full, [span(7.0)] * 200) == 0.0
    assert _drift([None], [None]) == 0.0


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
