"""Any BERT question-answering checkpoint, made once into a reader model folder of docqa's own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import save
from tokenizers import Tokenizer
from torch import Tensor

from docqa.errors import UsageError
from docqa.reader import catalogue, hub, weights
from docqa.reader.catalogue import LENGTHS, MANIFEST, RANKING, SOURCE, ReaderEntry, ReaderSource
from docqa.reader.model import BertShape
from docqa.reader.weights import ReaderModel

# What a folder of docqa's own holds besides the model stays with it.
_CARRIED = (RANKING, LENGTHS, "README.md")


def add(reader: str, *, revision: str | None = None, name: str | None = None, progress: bool = False) -> ReaderEntry:
    """Add a checkpoint, a folder or a hub name, to the readers of this machine and return its entry.

    `revision` is the hub's (a branch, tag, commit or `refs/pr/2`); `name` what the reader is to be called, by
    default like the folder or the checkpoint. UsageError if the name will not do or is taken, ReaderError if
    the checkpoint cannot be had, is no BERT question-answering model, or cannot be written.
    """
    is_folder = weights.is_path(reader)
    name = name or (Path(reader).resolve().name if is_folder else reader)
    catalogue.new_folder(name)
    if is_folder:
        if revision is not None:
            raise UsageError(f"{reader} is a folder; only a checkpoint on a hub has revisions")
        loaded, commit, origin = weights.load(Path(reader)), None, str(Path(reader).resolve())
    else:
        fetched = hub.fetch(reader, revision, progress=progress)
        loaded, commit, origin = weights.load_checkpoint(fetched, reader), fetched.name, reader
    source = ReaderSource(origin, revision, commit, datetime.now(UTC).isoformat(timespec="seconds"), version("docqa"))
    files = {**_carried(loaded.folder), **_files(name, loaded), SOURCE: json.dumps(asdict(source), indent=1).encode()}
    with catalogue.adding(name) as folder:
        for file, content in {**files, MANIFEST: manifest(files)}.items():
            (folder / file).write_bytes(content)
    return catalogue.entry(name)


def _carried(folder: Path | None) -> dict[str, bytes]:
    if folder is None:
        return {}
    return {name: (folder / name).read_bytes() for name in _CARRIED if (folder / name).is_file()}


def _files(name: str, loaded: ReaderModel) -> dict[str, bytes]:
    state = {key: _stored(value) for key, value in loaded.model.state_dict().items()}
    return model_files(name, loaded.model.shape, state, loaded.tokenizer)


def _stored(tensor: Tensor) -> Tensor:
    """Half as many bytes where not a bit is lost by it: a checkpoint in half precision stays one."""
    half = tensor.half()
    return half if torch.equal(half.float(), tensor) else tensor


def model_files(name: str, shape: BertShape, state: Mapping[str, Tensor], tokenizer: Tokenizer) -> dict[str, bytes]:
    """Return a reader model's files by name, the weights called as transformers does; `state` is SpanModel's."""
    tensors = weights.to_checkpoint(state, shape.num_hidden_layers)
    return {
        "config.json": json.dumps(_config(name, shape), indent=1).encode(),
        "model.safetensors": save(tensors, {"format": "pt"}),
        "tokenizer.json": tokenizer.to_str().encode(),
    }


def manifest(files: Mapping[str, bytes]) -> bytes:
    """Return the manifest of these files, in the format of `sha256sum`."""
    return "".join(f"{hashlib.sha256(content).hexdigest()}  {file}\n" for file, content in files.items()).encode()


def _config(name: str, shape: BertShape) -> dict[str, object]:
    return {
        "name": name,
        "architectures": ["BertForQuestionAnswering"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "pad_token_id": 0,
        **asdict(shape),
    }
