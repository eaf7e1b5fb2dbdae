from __future__ import annotations

import itertools
from pathlib import Path
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from docqa.reader.lengths import LengthConfiguration
from docqa.reader.model import SpanModel
from docqa.training.data import Mix, Source
from docqa.training.fine_tune import Settings, Trained, fine_tune
from docqa.training.inputs import Encoder, collate
from docqa.training.length_drop import LengthDrop
from docqa.training.losses import span_logits, span_loss


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


@pytest.mark.parametrize("bound", [0.0, 1.0, -0.2, 3.0])
def test_a_bound_that_is_no_share_is_refused(bound: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        LengthDrop(bound)


def mean_loss(model: SpanModel, file: Path, tokenizer: Tokenizer, lengths: LengthConfiguration) -> float:
    encoder = Encoder(tokenizer, 64)
    examples = Mix([Source(file, "toy")]).examples(Random(0))
    batch = collate([encoder.encode_all(each, Random(0)) for each in examples])
    with torch.inference_mode():
        return float(span_loss(span_logits(model.eval(), batch, lengths), batch))


def trained(start: Path, file: Path, folder: Path, length_drop: LengthDrop | None) -> SpanModel:
    settings = Settings(steps=120, rate=5e-3, window_tokens=64, batch_tokens=512, length_drop=length_drop)
    *_, end = fine_tune(start, [Source(file, "toy")], folder, settings)
    assert isinstance(end, Trained)
    return end.model


def test_a_reader_trained_with_it_loses_less_by_dropping(
    start: Path, rivers: Path, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    lengths = LengthConfiguration((0.5, 0.25))
    without = trained(start, rivers, tmp_path / "without", None)
    adaptive = trained(start, rivers, tmp_path / "with", LengthDrop(bound=0.5, random=1))
    full = LengthConfiguration((1.0, 1.0))
    assert mean_loss(without, rivers, tokenizer, full) < 0.5
    assert mean_loss(adaptive, rivers, tokenizer, full) < 0.5
    assert mean_loss(adaptive, rivers, tokenizer, lengths) < 0.5 * mean_loss(without, rivers, tokenizer, lengths)
