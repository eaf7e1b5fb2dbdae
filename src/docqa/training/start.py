"""What training starts from: a reader model, or a language encoder that gets a new span head."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from docqa.errors import UsageError
from docqa.reader import weights
from docqa.reader.model import SpanModel
from docqa.reader.weights import ReaderModel

# BERT's own spread of fresh weights (Devlin et al. 2019; `initializer_range` of its configuration).
FRESH_SPREAD = 0.02
HEAD = ("qa_outputs.weight", "qa_outputs.bias")


def load_start(start: str | os.PathLike[str], seed: int) -> ReaderModel:
    """Load a reader, or a BERT encoder's folder as transformers writes it (such as a sentence encoder's).

    An encoder's span head is drawn anew from the seed. ReaderError or UsageError if it is neither.
    """
    folder = Path(start)
    if not (folder / "config.json").is_file() or "BertModel" not in _architectures(folder):
        return weights.load(start)
    tensors = {f"bert.{name}": value.float() for name, value in load_file(folder / "model.safetensors").items()}
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    shape = weights.bert_shape({**config, "architectures": ["BertForQuestionAnswering"]}, folder)
    random = torch.Generator().manual_seed(seed)
    tensors[HEAD[0]] = torch.randn(2, shape.hidden_size, generator=random) * FRESH_SPREAD
    tensors[HEAD[1]] = torch.zeros(2)
    model = SpanModel(shape)
    try:
        model.load_state_dict(weights.from_checkpoint(tensors, shape.num_hidden_layers))
    except (KeyError, RuntimeError) as error:
        raise UsageError(f"{folder} does not hold the weights its config.json describes: {error}") from error
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return ReaderModel(folder.name, None, model.eval(), tokenizer)


def _architectures(folder: Path) -> list[str]:
    found = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("architectures")
    return list(found or ())
