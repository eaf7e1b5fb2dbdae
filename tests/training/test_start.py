from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel

from docqa.errors import ReaderError, UsageError
from docqa.training.data import Example
from docqa.training.inputs import Encoder, collate
from docqa.training.start import FRESH_SPREAD, layer_map, load_start


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Path:
    """A sentence encoder as sentence-transformers lays it out: a BertModel, its tokenizer, and files about pooling."""
    folder = tmp_path_factory.mktemp("encoders") / "all-tiny"
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=64,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    truncating = Tokenizer.from_str(tokenizer.to_str())
    truncating.enable_truncation(16)
    truncating.enable_padding(length=16)
    truncating.save(str(folder / "tokenizer.json"))
    (folder / "modules.json").write_text('[{"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"}]')
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    return folder


def test_an_encoder_keeps_its_weights_and_gets_a_span_head(encoder_folder: Path) -> None:
    loaded = load_start(encoder_folder, seed=0)
    assert loaded.name == "all-tiny"
    reference = BertModel.from_pretrained(encoder_folder).eval()
    passage = Example("what river", "the big nile flows through cairo", ())
    batch = collate([Encoder(loaded.tokenizer, 64).encode_all([passage], Random(0))])
    with torch.inference_mode():
        hidden = reference(batch.tokens, batch.real.long(), batch.segments).last_hidden_state
        expected = loaded.model.span_head(hidden)
        logits = loaded.model(batch.tokens, batch.segments, batch.real)
    torch.testing.assert_close(logits[batch.real], expected[batch.real], atol=1e-5, rtol=1e-5)


def test_the_span_head_is_small_and_drawn_from_the_seed(encoder_folder: Path) -> None:
    heads = [load_start(encoder_folder, seed).model.span_head for seed in (0, 0, 1)]
    assert torch.equal(heads[0].weight, heads[1].weight)
    assert not torch.equal(heads[0].weight, heads[2].weight)
    assert float(heads[0].weight.detach().std()) == pytest.approx(FRESH_SPREAD, rel=0.3)
    assert not heads[0].bias.any()


def test_an_encoders_tokenizer_neither_cuts_nor_pads(encoder_folder: Path) -> None:
    tokenizer = load_start(encoder_folder, 0).tokenizer
    assert len(tokenizer.encode("nile " * 40, add_special_tokens=False).ids) == 40
    assert len(tokenizer.encode("nile", add_special_tokens=False).ids) == 1


def test_a_reader_is_loaded_as_it_is(start: Path) -> None:
    first, second = (load_start(start, seed).model.state_dict() for seed in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_an_encoder_without_some_weights_is_refused(encoder_folder: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(encoder_folder, tmp_path / "broken")
    tensors = load_file(broken / "model.safetensors")
    del tensors["embeddings.word_embeddings.weight"]
    save_file(tensors, broken / "model.safetensors")
    with pytest.raises(UsageError, match=r"broken does not hold the weights.*word_embeddings"):
        load_start(broken, 0)


@pytest.mark.parametrize("left_out", ["model.safetensors", "tokenizer.json"])
def test_an_encoder_without_a_file_is_refused(encoder_folder: Path, tmp_path: Path, left_out: str) -> None:
    broken = shutil.copytree(encoder_folder, tmp_path / "broken")
    (broken / left_out).unlink()
    with pytest.raises(UsageError, match=left_out):
        load_start(broken, 0)


def test_another_architecture_is_refused(encoder_folder: Path, tmp_path: Path) -> None:
    other = shutil.copytree(encoder_folder, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "model_type": "roberta"}))
    with pytest.raises(ReaderError, match="roberta"):
        load_start(other, 0)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="nowhere"):
        load_start(tmp_path / "nowhere", 0)


@pytest.mark.parametrize(
    ("student", "teacher", "expected"),
    [
        (4, 12, [3, 6, 9, 12]),
        (6, 6, [1, 2, 3, 4, 5, 6]),
        (3, 6, [2, 4, 6]),
        (1, 5, [5]),
        (4, 6, [2, 3, 4, 6]),
        (6, 2, [1, 1, 1, 1, 2, 2]),
    ],
)
def test_layers_are_mapped_at_even_distances(student: int, teacher: int, expected: list[int]) -> None:
    assert layer_map(student, teacher) == expected


def test_some_layers_may_be_taken(encoder_folder: Path) -> None:
    whole, half = load_start(encoder_folder, 0), load_start(encoder_folder, 0, layers=1)
    assert half.name == "all-tiny, 1 of its 2 layers"
    assert half.model.shape.num_hidden_layers == len(half.model.layers) == 1
    taken, left = half.model.state_dict(), whole.model.state_dict()
    assert all(torch.equal(value, left[name.replace("layers.0", "layers.1")]) for name, value in taken.items())
    with pytest.raises(UsageError, match="has 2 layers; take 1 to 2 of them, not 3"):
        load_start(encoder_folder, 0, layers=3)
