from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from tokenizers import Tokenizer

from docqa.cli.commands import docqa
from docqa.errors import UsageError
from docqa.reader import weights
from docqa.reader.model import BertShape, SpanModel
from docqa.training.averaging import average
from docqa.training.reader_folder import Stage, model_card, write_reader


def reader(folder: Path, seed: int, tokenizer: Tokenizer, shape: BertShape) -> Path:
    torch.manual_seed(seed)
    model = SpanModel(shape)
    stages = [Stage("start", "What all have in common."), Stage("trial", f"Seed {seed}.")]
    write_reader(folder, folder.name, model, tokenizer, model_card(folder.name, model, stages))
    return folder


def test_the_mean_of_three_is_the_mean(tmp_path: Path, tokenizer: Tokenizer, tiny_model: SpanModel) -> None:
    readers = [reader(tmp_path / f"r{seed}", seed, tokenizer, tiny_model.shape) for seed in range(3)]
    expected = {
        name: torch.stack([weights.load(each).model.state_dict()[name] for each in readers]).mean(dim=0)
        for name in weights.load(readers[0]).model.state_dict()
    }
    found = average(readers).model.state_dict()
    assert all(torch.allclose(found[name], value, atol=1e-6) for name, value in expected.items())


def test_what_differs_has_no_mean(tmp_path: Path, tokenizer: Tokenizer, tiny_model: SpanModel) -> None:
    one = reader(tmp_path / "one", 0, tokenizer, tiny_model.shape)
    narrow = reader(tmp_path / "narrow", 1, tokenizer, BertShape(64, 16, 2, 2, 64, max_position_embeddings=64))
    with pytest.raises(UsageError, match="narrow and one differ"):
        average([one, narrow])
    with pytest.raises(UsageError, match="at least two"):
        average([one])


def test_the_command_writes_a_reader_whose_card_tells_all(
    tmp_path: Path, tokenizer: Tokenizer, tiny_model: SpanModel
) -> None:
    one, two = (reader(tmp_path / name, seed, tokenizer, tiny_model.shape) for seed, name in enumerate(("one", "two")))
    arguments = ["train", "average", str(one), str(two), "--reader", str(tmp_path / "mean"), "--name", "mean"]
    result = CliRunner().invoke(docqa, arguments)
    assert result.exit_code == 0, result.output
    assert weights.load(tmp_path / "mean").name == "mean"
    card = (tmp_path / "mean" / "README.md").read_text()
    assert card.count("Stage 1: start\n\nWhat all have in common.") == card.count("in common") == 1
    assert "Stage 2: one, trial\n\nSeed 0." in card
    assert "Stage 3: two, trial\n\nSeed 1." in card
    assert "the mean of those of one and two" in card
