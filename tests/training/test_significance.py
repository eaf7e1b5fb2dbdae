"""Learning which tokens may be dropped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch
from tokenizers import Tokenizer

from docqa.reader import weights
from docqa.reader.lengths import LengthConfiguration
from docqa.reader.model import SpanModel
from docqa.reader.weights import ReaderModel
from docqa.training.averaging import average
from docqa.training.data import Mix, Source
from docqa.training.fine_tune import fine_tune
from docqa.training.inputs import Encoder, collate
from docqa.training.length_drop import LengthDrop, length_drop
from docqa.training.losses import scored_logits, significance_loss
from docqa.training.reader_folder import write_reader
from docqa.training.run import Settings, Trained
from docqa.training.significance import SignificanceObjective, learn_significance
from docqa.training.start import load_start
from docqa.training.validation import Slice

SETTINGS = Settings(steps=60, rate=3e-2, window_tokens=64, batch_tokens=512, device="cpu")


def learnt(start: Path, file: Path, folder: Path) -> SpanModel:
    *_, end = learn_significance(start, Mix([Source(file, "toy")]), folder, SETTINGS)
    assert isinstance(end, Trained)
    return end.model


def heads_loss(model: SpanModel, file: Path, tokenizer: Tokenizer) -> float:
    encoder = Encoder(tokenizer, 64)
    batch = collate([encoder.encode_all(each, Random(0)) for each in Mix([Source(file, "toy")]).examples(Random(0))])
    with torch.inference_mode():
        logits, scores = scored_logits(model, batch)
        return float(significance_loss(scores, logits, batch))


def test_heads_learn_and_all_else_stays_as_it_is(
    start: Path, rivers: Path, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    before = load_start(start, 0).model
    fresh = load_start(start, 0).model
    fresh.learn_significance()
    model = learnt(start, rivers, tmp_path)
    # What is wanted is spread over several tokens, so most of the loss stays.
    assert heads_loss(model, rivers, tokenizer) < 0.96 * heads_loss(fresh, rivers, tokenizer)
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.state_dict().items())


def test_heads_are_validated_by_what_they_have_a_say_in(
    start: Path, rivers: Path, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    mix = Mix([Source(rivers, "toy", held_out=1 / 3)])
    settings = replace(SETTINGS, steps=4, validate_every=4, averaged=0.0)
    *_, end = learn_significance(start, mix, tmp_path, settings)
    assert isinstance(end, Trained)
    dropping = LengthConfiguration((0.7, 0.49))
    assert end.f1 == pytest.approx(Slice.of(tokenizer, mix.held_out).score(end.model, dropping).f1)
    assert SignificanceObjective(end.model).validated_by == (dropping,)


def test_a_reader_keeps_its_heads_in_its_folder(
    start: Path, rivers: Path, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    model = learnt(start, rivers, tmp_path / "run")
    write_reader(tmp_path / "reader", "rivers", model, tokenizer, "A card.\n")
    loaded = weights.load(tmp_path / "reader").model
    assert loaded.learns_significance
    tokens = torch.arange(12)[None]
    inputs = tokens, (tokens > 4).long(), torch.ones_like(tokens, dtype=torch.bool), LengthConfiguration((0.7, 0.4))
    with torch.inference_mode():
        # Weights are stored in half the precision.
        assert torch.allclose(loaded(*inputs), model(*inputs), atol=0.05)


def test_length_drop_teaches_them_fine_tuning_forgets_them(
    start: Path, rivers: Path, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    mix = Mix([Source(rivers, "toy")])
    *_, adaptive = length_drop(start, mix, tmp_path / "drop", SETTINGS, LengthDrop(bound=0.4))
    assert isinstance(adaptive, Trained)
    assert adaptive.model.learns_significance
    write_reader(tmp_path / "reader", "adaptive", adaptive.model, tokenizer, "A card.\n")
    assert not load_start(tmp_path / "reader", 0, layers=1).model.learns_significance
    *_, tuned = fine_tune(tmp_path / "reader", mix, tmp_path / "tune", Settings(steps=1, device="cpu"))
    assert isinstance(tuned, Trained)
    assert not tuned.model.learns_significance


def test_a_mean_has_heads_if_all_have(start: Path, rivers: Path, tokenizer: Tokenizer, tmp_path: Path) -> None:
    adaptive = tmp_path / "adaptive"
    write_reader(adaptive, "adaptive", learnt(start, rivers, tmp_path / "run"), tokenizer, "A card.\n")
    assert average([adaptive, adaptive]).model.learns_significance
    mean: ReaderModel = average([adaptive, start])
    assert not mean.model.learns_significance
