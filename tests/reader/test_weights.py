"""Reader model folders, whole and broken, of docqa's layout and of others."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from docqa.errors import ReaderError
from docqa.reader import catalogue, weights
from docqa.reader.catalogue import FILES, MANIFEST, shipped_folder
from docqa.reader.model import SpanModel

TOKENS = torch.tensor([[2, 9, 8, 3, 20, 30, 40, 3]])
SEGMENTS = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1]])


def logits(model: SpanModel) -> torch.Tensor:
    return model(TOKENS, SEGMENTS, torch.ones_like(TOKENS, dtype=torch.bool))


def with_manifest(folder: Path) -> Path:
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in FILES]
    (folder / MANIFEST).write_text("".join(lines))
    return folder


@pytest.fixture
def folder(tiny_reader: Path, tmp_path: Path) -> Path:
    """A reader folder of this test's own, with a manifest."""
    return with_manifest(Path(shutil.copytree(tiny_reader, tmp_path / "reader")))


def reconfigure(folder: Path, **changes: Any) -> None:
    (folder / MANIFEST).unlink(missing_ok=True)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


# --- what loads ---------------------------------------------------------------------------------------------


def test_renaming_a_checkpoint_and_back_changes_nothing(tiny_reader: Path) -> None:
    tensors = load_file(tiny_reader / "model.safetensors")
    renamed = weights.from_checkpoint(tensors, layers=2)
    again = weights.to_checkpoint(renamed, layers=2)
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)


def test_the_names_are_those_of_the_model(tiny_reader: Path) -> None:
    loaded = weights.load(tiny_reader)
    renamed = weights.from_checkpoint(load_file(tiny_reader / "model.safetensors"), layers=2)
    assert renamed.keys() == loaded.model.state_dict().keys()


def test_a_loaded_model_is_ready_to_read(folder: Path) -> None:
    loaded = weights.load(folder)
    assert loaded.name == "reader"
    assert not loaded.model.training
    assert not any(parameter.requires_grad or parameter.is_meta for parameter in loaded.model.parameters())
    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.float32}


def test_the_tokenizer_neither_truncates_nor_pads(folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(5)
    tokenizer.enable_padding(length=9)
    tokenizer.save(str(folder / "tokenizer.json"))
    loaded = weights.load(with_manifest(folder)).tokenizer
    assert [len(each.ids) for each in loaded.encode_batch(["rent " * 20, "rent"], add_special_tokens=False)] == [20, 1]


def test_half_precision_weights_load(folder: Path) -> None:
    exact = logits(weights.load(folder).model)
    halved = {name: tensor.half() for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(halved, folder / "model.safetensors")
    assert torch.allclose(logits(weights.load(with_manifest(folder)).model), exact, atol=0.05)


def test_the_shipped_reader_loads_and_its_manifest_holds() -> None:
    shipped = shipped_folder()
    listed = dict(reversed(line.split("  ")) for line in (shipped / MANIFEST).read_text().splitlines())
    assert set(FILES) <= set(listed)
    assert set(listed) == {path.name for path in shipped.iterdir()} - {MANIFEST}
    for name, digest in listed.items():
        assert hashlib.sha256((shipped / name).read_bytes()).hexdigest() == digest
    assert torch.isfinite(logits(weights.load().model)).all()


def test_a_folder_without_a_manifest_loads(tiny_reader: Path) -> None:
    assert weights.load(tiny_reader).name == "tiny"


# --- what does not ------------------------------------------------------------------------------------------


def flip_a_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-100] ^= 1
    file.write_bytes(data)


def cut_in_half(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def write(content: str) -> Callable[[Path], object]:
    return lambda file: file.write_text(content)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [Path.unlink, flip_a_bit, cut_in_half])
def test_a_file_that_is_not_what_the_manifest_says_is_named(
    folder: Path, name: str, damage: Callable[[Path], object]
) -> None:
    damage(folder / name)
    with pytest.raises(ReaderError, match=name.replace(".", r"\.")):
        weights.load(folder)


@pytest.mark.parametrize(
    "manifest", ["", "0" * 64 + "  config.json\n", "garbage\n", "\xff\x00", "0  ../../etc/passwd\n"]
)
def test_only_a_manifest_that_agrees_is_accepted(folder: Path, manifest: str) -> None:
    (folder / MANIFEST).write_bytes(manifest.encode("latin-1"))
    if not manifest:
        assert weights.load(folder).name == "reader"
        return
    with pytest.raises(ReaderError, match="copy the reader again"):
        weights.load(folder)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("model.safetensors", cut_in_half),
        ("model.safetensors", write("")),
        ("model.safetensors", write("not a tensor in sight")),
        ("config.json", write("")),
        ("config.json", write("{")),
        ("config.json", write("[1]")),
        ("config.json", lambda file: file.write_bytes(b"\xff\xfe\x00")),
        ("tokenizer.json", write("")),
        ("tokenizer.json", write('{"model": {}}')),
    ],
)
def test_a_damaged_file_is_named_even_without_a_manifest(
    folder: Path, name: str, damage: Callable[[Path], object]
) -> None:
    (folder / MANIFEST).unlink()
    damage(folder / name)
    with pytest.raises(ReaderError, match=name.replace(".", r"\.")):
        weights.load(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "roberta"},
        {"hidden_act": "relu"},
        {"position_embedding_type": "relative_key"},
        {"architectures": ["BertForMaskedLM"]},
        {"auto_map": {"AutoModel": "evil.Model"}},
    ],
)
def test_another_architecture_is_refused_by_name(folder: Path, changes: dict[str, Any]) -> None:
    reconfigure(folder, **changes)
    with pytest.raises(ReaderError, match=f"can run: {next(iter(changes))}"):
        weights.load(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_size": "32"},
        {"hidden_size": None},
        {"num_hidden_layers": -1},
        {"num_hidden_layers": 0},
        {"num_attention_heads": 0},
        {"num_attention_heads": 5},
        {"vocab_size": True},
        {"layer_norm_eps": "small"},
    ],
)
def test_sizes_that_make_no_model_are_refused(folder: Path, changes: dict[str, Any]) -> None:
    reconfigure(folder, **changes)
    with pytest.raises(ReaderError, match="no model that can be built"):
        weights.load(folder)


@pytest.mark.parametrize("changes", [{"hidden_size": 64}, {"num_hidden_layers": 3}, {"vocab_size": 7}])
def test_sizes_that_the_weights_do_not_have_are_refused(folder: Path, changes: dict[str, Any]) -> None:
    reconfigure(folder, **changes)
    with pytest.raises(ReaderError, match="does not hold the weights"):
        weights.load(folder)


def test_a_file_is_no_reader(folder: Path) -> None:
    with pytest.raises(ReaderError, match="is a file"):
        weights.load(folder / "config.json")


def test_an_empty_folder_is_no_reader(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="no reader"):
        weights.load(tmp_path)


def test_a_missing_shipped_reader_says_to_install_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(catalogue, "shipped_folder", lambda: tmp_path / "gone")
    with pytest.raises(ReaderError, match="install docqa again"):
        weights.load()


# --- other layouts and the hub ------------------------------------------------------------------------------


def test_a_checkpoint_in_the_hubs_layout_reads_like_its_safetensors(tiny_reader: Path, foreign: Path) -> None:
    ours, theirs = weights.load(tiny_reader), weights.load(foreign)
    assert torch.equal(logits(ours.model), logits(theirs.model))
    text = "The Lease’s rent: naïve 日本 ends\x00 in [May]"
    for pair in zip(ours.tokenizer.encode(text).ids, theirs.tokenizer.encode(text).ids, strict=True):
        assert pair[0] == pair[1]


def test_a_checkpoint_without_a_span_head_is_refused_rather_than_made_up(foreign: Path) -> None:
    tensors = torch.load(foreign / "pytorch_model.bin", weights_only=True)
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith("qa_outputs")}
    torch.save(kept, foreign / "pytorch_model.bin")
    with pytest.raises(ReaderError, match="qa_outputs"):
        weights.load(foreign)


def test_pickled_code_is_not_run(foreign: Path, tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"bert.embeddings.LayerNorm.bias": Payload()}, foreign / "pytorch_model.bin")
    with pytest.raises(ReaderError):
        weights.load(foreign)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("beside", ["safetensors", "pickle"])
def test_a_pickle_is_no_way_out_where_the_safetensors_are_damaged(
    tiny_reader: Path, foreign: Path, beside: str
) -> None:
    shutil.copy(tiny_reader / "model.safetensors", foreign)
    damaged = foreign / {"safetensors": "model.safetensors", "pickle": "pytorch_model.bin"}[beside]
    cut_in_half(damaged)
    if beside == "pickle":  # which is not even looked at
        assert torch.equal(logits(weights.load(foreign).model), logits(weights.load(tiny_reader).model))
        return
    with pytest.raises(ReaderError, match="no reader"):
        weights.load(foreign)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_code_that_a_checkpoint_brings_is_refused(foreign: Path, file: str) -> None:
    config = json.loads((foreign / file).read_text())
    (foreign / file).write_text(json.dumps({**config, "auto_map": {"AutoTokenizer": "evil.Tokenizer"}}))
    (foreign / "evil.py").write_text("raise SystemExit")
    with pytest.raises(ReaderError, match="auto_map"):
        weights.load(foreign)


def test_a_name_on_a_hub_that_does_not_answer_fails_within_seconds(
    python: str, guarded_environment: dict[str, str]
) -> None:
    code = (
        "from docqa.errors import ReaderError\n"
        "from docqa.reader import weights\n"
        "try:\n    weights.load('nobody/no-such-reader')\n"
        "except ReaderError as error:\n    print(error)"
    )
    done = subprocess.run([python, "-c", code], env=guarded_environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("no reader 'nobody/no-such-reader'")
    # The hub was asked, since it was named: an import error, say, would look the same.
    assert "huggingface" in Path(guarded_environment["DOCQA_TEST_NETWORK_LOG"]).read_text()


@pytest.mark.slow
def test_a_model_of_dynamic_tinyberts_architecture_loads_from_the_hubs_layout(
    tmp_path: Path, in_the_hubs_layout: Callable[[Path], Path]
) -> None:
    from transformers import BertConfig, BertForQuestionAnswering

    torch.manual_seed(0)
    config = BertConfig(num_hidden_layers=6, hidden_size=768, intermediate_size=3072, num_attention_heads=12)
    assert config.vocab_size == 30522
    original = BertForQuestionAnswering(config).eval()
    original.save_pretrained(tmp_path)
    shutil.copy(shipped_folder() / "tokenizer.json", tmp_path)
    loaded = weights.load(in_the_hubs_layout(tmp_path))
    assert sum(parameter.numel() for parameter in loaded.model.parameters()) == original.num_parameters()
    with torch.inference_mode():
        expected = original(input_ids=TOKENS, token_type_ids=SEGMENTS)
        found = logits(loaded.model)
    assert (found[..., 0] - expected.start_logits).abs().max() <= 1e-4
    assert (found[..., 1] - expected.end_logits).abs().max() <= 1e-4
