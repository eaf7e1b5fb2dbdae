from __future__ import annotations

import itertools
from pathlib import Path
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from docqa.errors import UsageError
from docqa.reader.lengths import LengthConfiguration
from docqa.reader.model import SpanModel
from docqa.training.data import Mix, Source
from docqa.training.fine_tune import fine_tune
from docqa.training.inputs import Encoder, collate
from docqa.training.length_drop import LengthDrop, length_drop, only_layers
from docqa.training.losses import span_logits, span_loss
from docqa.training.run import Settings, Trained
from docqa.training.validation import Slice

pytestmark = pytest.mark.usefixtures("short_inputs_drop")


@given(st.floats(0.01, 0.9), st.integers(0, 4), st.integers(1, 12), st.integers())
def test_no_layer_drops_more_than_the_bound(bound: float, drawn: int, layers: int, seed: int) -> None:
    configurations = list(LengthDrop(bound, drawn).configurations(layers, Random(seed)))
    assert len(configurations) == 1 + drawn
    for configuration in configurations:
        shares = (1.0, *configuration.shares)
        assert len(shares) == layers + 1
        for before, after in itertools.pairwise(shares):
            assert before * (1 - bound) * (1 - 1e-9) <= after <= before


def test_the_smallest_configuration_comes_first() -> None:
    smallest, *drawn = LengthDrop(0.2, 20).configurations(3, Random(0))
    assert smallest.shares == pytest.approx((0.8, 0.64, 0.512))
    for configuration in drawn:
        assert all(low <= share for low, share in zip(smallest.shares, configuration.shares, strict=True))
    assert len(set(drawn)) == 20


@pytest.mark.parametrize(
    "changes", [{"bound": 0.0}, {"bound": 1.0}, {"bound": -0.2}, {"layer_dropout": 1.0}, {"layer_dropout": -0.1}]
)
def test_what_is_no_share_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="0"):
        LengthDrop(**changes)


def test_layers_are_left_out_by_chance_but_never_all() -> None:
    random = Random(0)
    drawn = [LengthDrop(layer_dropout=0.5).layers(4, random) for _ in range(400)]
    assert all(layers and layers == sorted(set(layers)) for layers in drawn)
    assert sum(map(len, drawn)) / 400 == pytest.approx(2, abs=0.2)
    assert LengthDrop().layers(4, random) == [0, 1, 2, 3]


def test_a_model_is_whole_again_after_leaving_out_layers(tiny_model: SpanModel) -> None:
    tokens = torch.arange(8)[None]
    inputs = tokens, torch.zeros_like(tokens), torch.ones_like(tokens, dtype=torch.bool)
    with torch.inference_mode():
        whole = tiny_model(*inputs)
        with only_layers(tiny_model, [1]):
            assert len(tiny_model.layers) == 1
            assert not torch.equal(tiny_model(*inputs), whole)
        with only_layers(tiny_model, [0, 1]):
            assert torch.equal(tiny_model(*inputs), whole)
        assert torch.equal(tiny_model(*inputs), whole)


def mean_loss(model: SpanModel, file: Path, tokenizer: Tokenizer, lengths: LengthConfiguration) -> float:
    encoder = Encoder(tokenizer, 64)
    examples = Mix([Source(file, "toy")]).examples(Random(0))
    batch = collate([encoder.encode_all(each, Random(0)) for each in examples])
    with torch.inference_mode():
        return float(span_loss(span_logits(model.eval(), batch, lengths), batch))


def trained(start: Path, file: Path, folder: Path, drop: LengthDrop | None) -> SpanModel:
    settings = Settings(steps=200, rate=5e-3, window_tokens=64, batch_tokens=512, device="cpu")
    mix = Mix([Source(file, "toy")])
    run = length_drop(start, mix, folder, settings, drop) if drop else fine_tune(start, mix, folder, settings)
    *_, end = run
    assert isinstance(end, Trained)
    return end.model


@pytest.mark.parametrize(
    "drop",
    [LengthDrop(bound=0.5), LengthDrop(bound=0.5, layer_dropout=0.2), LengthDrop(bound=0.5, passes="one")],
    ids=["all passes", "layers left out", "one pass"],
)
def test_a_reader_trained_with_it_loses_less_by_dropping(
    start: Path, rivers: Path, tokenizer: Tokenizer, tmp_path: Path, drop: LengthDrop
) -> None:
    lengths = LengthConfiguration((0.5, 0.25))
    without = trained(start, rivers, tmp_path / "without", None)
    adaptive = trained(start, rivers, tmp_path / "with", drop)
    full = LengthConfiguration((1.0, 1.0))
    assert mean_loss(without, rivers, tokenizer, full) < 0.5
    assert mean_loss(adaptive, rivers, tokenizer, full) < 0.5
    assert mean_loss(adaptive, rivers, tokenizer, lengths) < 0.5 * mean_loss(without, rivers, tokenizer, lengths)


def test_it_is_validated_in_full_and_shortened(start: Path, rivers: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    mix = Mix([Source(rivers, "toy", held_out=1 / 3)])
    settings = Settings(steps=4, window_tokens=64, validate_every=4, averaged=0.0, device="cpu")
    *_, end = length_drop(start, mix, tmp_path, settings, LengthDrop(bound=0.4))
    assert isinstance(end, Trained)
    validation = Slice.of(tokenizer, mix.held_out)
    shortened = LengthConfiguration((0.8, 0.64))
    scores = [validation.score(end.model, lengths).f1 for lengths in (None, shortened)]
    assert end.f1 == pytest.approx(sum(scores) / 2)


def test_with_two_passes_a_step_draws_one_configuration() -> None:
    drop, random = LengthDrop(0.2, passes="two"), Random(0)
    steps = [list(drop.configurations(3, random)) for _ in range(400)]
    assert {len(step) for step in steps} == {1}
    assert 150 < sum(step == [drop.smallest(3)] for step in steps) < 250


def test_with_one_pass_every_other_step_is_a_full_one() -> None:
    drop, random = LengthDrop(0.2, passes="one"), Random(0)
    steps = [list(drop.configurations(3, random)) for _ in range(400)]
    assert 150 < sum(not step for step in steps) < 250
    assert 70 < sum(step == [drop.smallest(3)] for step in steps) < 130
    assert max(map(len, steps)) == 1
