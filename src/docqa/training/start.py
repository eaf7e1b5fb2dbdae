"""What training starts from: a reader model, or a language encoder that gets a new span head."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from docqa.errors import UsageError
from docqa.reader import catalogue, weights
from docqa.reader.model import SpanModel
from docqa.reader.weights import ReaderModel

# BERT's own spread of fresh weights (Devlin et al. 2019; `initializer_range` of its configuration).
FRESH_SPREAD = 0.02
HEAD = ("qa_outputs.weight", "qa_outputs.bias")


def load_start(
    start: str | os.PathLike[str], seed: int, layers: int | None = None, *, significance: bool = False
) -> ReaderModel:
    """Load a reader, or a BERT encoder's folder as transformers writes it (such as a sentence encoder's).

    An encoder's span head is drawn anew from the seed. `layers` is how many of its layers to take, at even
    distances, None for all. With `significance` it has significance heads, new ones if it had none; otherwise those
    it has are taken away, because they would no longer fit what it becomes. ReaderError or UsageError if it is
    neither, or has not so many.
    """
    folder = Path(start)
    loaded = _load_encoder(folder, seed) if is_encoder(folder) else weights.load(start)
    if significance:
        loaded.model.learn_significance()
    else:
        loaded.model.forget_significance()
    return loaded if layers is None else _with_layers(loaded, layers)


def layer_map(student: int, teacher: int) -> list[int]:
    """For each of a student's layers, counted from 1, one of its teacher's, at even distances; the last meets the last.

    Where the depths divide it is TinyBERT's uniform g(m) = m N / M (arXiv 1909.10351, section 4.2).
    """
    return [max(1, round(layer * teacher / student)) for layer in range(1, student + 1)]


def _with_layers(whole: ReaderModel, layers: int) -> ReaderModel:
    """A model with some of another's layers, at even distances, and all else like it."""
    depth = len(whole.model.layers)
    if not 1 <= layers <= depth:
        raise UsageError(f"{whole.name} has {depth} layers; take 1 to {depth} of them, not {layers}")
    model = SpanModel(replace(whole.model.shape, num_hidden_layers=layers))
    for name in ("embeddings", "span_head"):
        getattr(model, name).load_state_dict(getattr(whole.model, name).state_dict())
    theirs = list(whole.model.layers)
    for own, number in zip(model.layers, layer_map(layers, depth), strict=True):
        own.load_state_dict(theirs[number - 1].state_dict())
    return replace(whole, name=f"{whole.name}, {layers} of its {depth} layers", folder=None, model=model.eval())


def _load_encoder(folder: Path, seed: int) -> ReaderModel:
    config = catalogue.read_object(folder / "config.json")
    shape = weights.bert_shape({**config, "architectures": ["BertForQuestionAnswering"]}, folder)
    tensors, tokenizer = _encoder_files(folder)
    random = torch.Generator().manual_seed(seed)
    tensors[HEAD[0]] = torch.randn(2, shape.hidden_size, generator=random) * FRESH_SPREAD
    tensors[HEAD[1]] = torch.zeros(2)
    model = SpanModel(shape)
    try:
        model.load_state_dict(weights.from_checkpoint(tensors, shape.num_hidden_layers))
    except (KeyError, RuntimeError) as error:
        raise UsageError(f"{folder} does not hold the weights its config.json describes: {error}") from error
    return ReaderModel(folder.name, None, model.eval(), tokenizer)


def is_encoder(folder: Path) -> bool:
    """Whether a folder holds a bare BERT encoder."""
    config = folder / "config.json"
    return config.is_file() and "BertModel" in (catalogue.read_object(config).get("architectures") or ())


def _encoder_files(folder: Path) -> tuple[dict[str, Tensor], Tokenizer]:
    """An encoder's weights, under the names they have within a reader, and its tokenizer."""
    for name in ("model.safetensors", "tokenizer.json"):
        if not (folder / name).is_file():
            raise UsageError(f"{folder} is an encoder without its {name}; copy it again")
    try:
        tensors = load_file(folder / "model.safetensors")
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # the tokenizers library raises plain Exception
        raise UsageError(f"{folder} cannot be loaded ({error}); copy it again") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return {f"bert.{name}": value.float() for name, value in tensors.items()}, tokenizer
