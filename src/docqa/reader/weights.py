"""Reader models: checked, mapped onto the forward pass, loaded.

A reader model is a folder with `config.json`, `model.safetensors` and `tokenizer.json` in the layout that
transformers writes for `BertForQuestionAnswering`. A `MANIFEST.sha256` beside them, in the format of
`sha256sum`, is checked before anything is loaded: a flipped bit in a safetensors file would load silently.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer
from torch import Tensor
from torch.overrides import TorchFunctionMode

from docqa.errors import ReaderError
from docqa.reader import catalogue, hub
from docqa.reader.catalogue import FILES, MANIFEST, no_reader
from docqa.reader.model import BertShape, SpanModel


@dataclass(frozen=True, slots=True)
class ReaderModel:
    """A loaded reader: the model in evaluation mode, its tokenizer, and the name it is reported by.

    `folder` is where it was loaded from, None for a checkpoint that is no reader model folder.
    """

    name: str
    folder: Path | None
    model: SpanModel
    tokenizer: Tokenizer


def load(reader: str | os.PathLike[str] | None = None, *, as_stored: bool = False) -> ReaderModel:
    """Load a reader model: the one in use, or one by its name, its folder or its name on a hub, tried in this order.

    A folder with all of docqa's files loads directly, anything else through transformers. The weights are in
    float32, or with `as_stored` in the precision of their file, and then still on the disk until they are used.
    ReaderError if there is no such reader, or it is incomplete, altered, or no BERT question-answering model.
    """
    found = catalogue.find(reader)
    if reader is not None and found is None and not is_path(reader):
        return load_checkpoint(hub.fetch(str(reader)), str(reader))
    folder = found or Path(reader or "")
    if folder.is_file():
        raise ReaderError(f"{folder} is a file; a reader is a folder with {', '.join(FILES)}")
    if found and not folder.is_dir():
        raise ReaderError(f"the reader that ships with docqa is not at {folder}; install docqa again")
    if not folder.is_dir():
        raise no_reader(str(folder), "there is no such folder")
    _verify(folder)
    if all((folder / name).is_file() for name in FILES):
        return _load_folder(folder, as_stored=as_stored)
    return load_checkpoint(folder, str(folder))


def is_path(reader: str | os.PathLike[str]) -> bool:
    """Whether this names something on the disk, there or not, rather than a checkpoint on a hub."""
    return Path(reader).exists() or not isinstance(reader, str) or reader.startswith((".", "/", "~"))


def _verify(folder: Path) -> None:
    """Compare every file that the folder's manifest lists with its digest; a folder may have no manifest."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return
    for entry in manifest.read_text(encoding="utf-8", errors="replace").splitlines():
        digest, _, name = entry.partition("  ")
        file = folder / name
        if not file.is_file():
            raise ReaderError(f"{file} is missing from the reader; install or copy the reader again")
        with file.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
                raise ReaderError(f"{file} is not what {MANIFEST} says; install or copy the reader again")


def _load_folder(folder: Path, *, as_stored: bool) -> ReaderModel:
    config = catalogue.read_object(folder / "config.json")
    weights_file = folder / "model.safetensors"
    try:
        with safe_open(weights_file, framework="pt") as weights:
            tensors = {name: weights.get_tensor(name) for name in weights.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError) as error:
        raise ReaderError(f"{weights_file} cannot be loaded ({error}); copy the reader again") from error
    try:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # the library raises plain Exception
        raise ReaderError(f"{folder / 'tokenizer.json'} cannot be loaded ({error})") from error
    name = config.get("name") or folder.resolve().name
    loaded = _assemble(str(name), config, tensors, tokenizer, weights_file, folder)
    return loaded if as_stored else replace(loaded, model=loaded.model.float())


def load_checkpoint(folder: Path, name: str) -> ReaderModel:
    """Load any BERT question-answering checkpoint through transformers, never running code of its own.

    `name` is what it is reported by. A pickle is loaded only where there are no safetensors, and then by
    torch's loader of bare tensors. ReaderError if it cannot be loaded.
    """
    _check_kind(folder, name)
    from transformers import AutoTokenizer, BertForQuestionAnswering
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    try:
        model, report = BertForQuestionAnswering.from_pretrained(
            folder,
            output_loading_info=True,
            use_safetensors=any(folder.glob("*.safetensors")),
            weights_only=True,
            **options,
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, **options).backend_tokenizer
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise no_reader(name, reason) from error
    if missing := sorted(report["missing_keys"]):
        # What a checkpoint lacks, transformers fills with random numbers.
        raise ReaderError(f"{name} is not a BERT question-answering model: it has no {', '.join(missing[:3])}")
    config = {**model.config.to_dict(), "architectures": ["BertForQuestionAnswering"]}
    loaded = _assemble(name, config, model.state_dict(), tokenizer, Path(name))
    return replace(loaded, model=loaded.model.float())


def _check_kind(folder: Path, name: str) -> None:
    """Refuse what docqa cannot or will not run before any of it is loaded; names a checkpoint's missing config."""
    if not (folder / "config.json").is_file():
        raise no_reader(name, "it has no config.json")
    # Missing weights tell better than the architecture's name whether it answers questions.
    _check_supported(
        {**catalogue.read_object(folder / "config.json"), "architectures": ["BertForQuestionAnswering"]}, name
    )
    tokenizer = folder / "tokenizer_config.json"
    if tokenizer.is_file() and "auto_map" in catalogue.read_object(tokenizer):
        raise ReaderError(
            f"{name} wants code of its own to be run for its tokenizer (auto_map), which docqa never does"
        )


def _assemble(
    name: str,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    tokenizer: Tokenizer,
    origin: Path,
    folder: Path | None = None,
) -> ReaderModel:
    shape = bert_shape(config, origin)
    # Parameters without storage take the checkpoint's tensors over as they are: no second copy in memory.
    with torch.device("meta"), _Uninitialised():
        model = SpanModel(shape)
        if _FIRST_HEAD in tensors:
            model.learn_significance()
    try:
        model.load_state_dict(from_checkpoint(tensors, shape.num_hidden_layers), assign=True)
    except (KeyError, RuntimeError) as error:
        raise ReaderError(f"{origin} does not hold the weights its config.json describes: {error}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    model.requires_grad_(requires_grad=False)
    return ReaderModel(name, folder, model.eval(), tokenizer)


class _Uninitialised(TorchFunctionMode):
    """Leaves out what torch fills new parameters with: without storage it would load half a compiler to do nothing."""

    def __torch_function__(
        self, func: Callable[..., Any], _types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if getattr(func, "__module__", None) == torch.nn.init.__name__:
            return kwargs["tensor"] if kwargs and "tensor" in kwargs else args[0]
        return func(*args, **(kwargs or {}))


def bert_shape(config: Mapping[str, Any], origin: Path) -> BertShape:
    """The architecture that a checkpoint's config describes; ReaderError if it is not one docqa can run."""
    _check_supported(config, str(origin))
    shape = BertShape(**{field.name: config[field.name] for field in fields(BertShape) if field.name in config})
    # As the sizes' defaults are: whole numbers but for layer_norm_eps.
    sizes, usual_sizes = asdict(shape).values(), asdict(BertShape()).values()
    sound = all(type(size) is type(usual) and size > 0 for size, usual in zip(sizes, usual_sizes, strict=True))
    if not sound or shape.hidden_size % shape.num_attention_heads:
        raise ReaderError(f"{origin} describes no model that can be built: {shape}")
    return shape


def _check_supported(config: Mapping[str, Any], origin: str) -> None:
    unsupported = [
        f"{key} {config[key]!r}"
        for key, supported in (
            ("model_type", "bert"),
            ("hidden_act", "gelu"),
            ("position_embedding_type", "absolute"),
            ("auto_map", None),
        )
        if config.get(key, supported) != supported
    ]
    if config.get("architectures", ["BertForQuestionAnswering"]) != ["BertForQuestionAnswering"]:
        unsupported.append(f"architectures {config['architectures']!r}")
    if unsupported:
        raise ReaderError(
            f"{origin} is not a BERT question-answering model that docqa can run: {', '.join(unsupported)}"
        )


# What a checkpoint of docqa's may hold beside those of `BertForQuestionAnswering`: a head for each layer.
SIGNIFICANCE = "significance"
_HEAD_PARTS = ("own", "likeness", "weights", "sharpness", "units", "gates", "units_say")
_FIRST_HEAD = f"{SIGNIFICANCE}.0.own.weight"


def from_checkpoint(tensors: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    """Rename a `BertForQuestionAnswering` state dict to SpanModel's; KeyError names a missing tensor."""
    return {
        ours: torch.cat([tensors[name] for name in theirs]) if len(theirs) > 1 else tensors[theirs[0]]
        for ours, theirs in _names(layers, learnt=_FIRST_HEAD in tensors)
    }


def to_checkpoint(state: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    """The inverse of `from_checkpoint`: SpanModel's state under the names that transformers expects."""
    return {
        name: part.contiguous()
        for ours, theirs in _names(layers, learnt="layers.0.significance_head.own.weight" in state)
        for name, part in zip(theirs, state[ours].chunk(len(theirs)), strict=True)
    }


def _names(layers: int, *, learnt: bool) -> Iterable[tuple[str, tuple[str, ...]]]:
    """Pairs of a SpanModel parameter and the checkpoint's tensors that make it up, in order."""
    for ours, theirs in (
        ("words", "word_embeddings"),
        ("positions", "position_embeddings"),
        ("segments", "token_type_embeddings"),
    ):
        yield f"embeddings.{ours}.weight", (f"bert.embeddings.{theirs}.weight",)
    modules: list[tuple[str, tuple[str, ...]]] = [
        ("embeddings.norm", ("bert.embeddings.LayerNorm",)),
        ("span_head", ("qa_outputs",)),
    ]
    for number in range(layers):
        ours, theirs = f"layers.{number}", f"bert.encoder.layer.{number}"
        self_attention = f"{theirs}.attention.self"
        modules += [
            (
                f"{ours}.queries_keys_values",
                (f"{self_attention}.query", f"{self_attention}.key", f"{self_attention}.value"),
            ),
            (f"{ours}.attention_output", (f"{theirs}.attention.output.dense",)),
            (f"{ours}.attention_norm", (f"{theirs}.attention.output.LayerNorm",)),
            (f"{ours}.up", (f"{theirs}.intermediate.dense",)),
            (f"{ours}.down", (f"{theirs}.output.dense",)),
            (f"{ours}.output_norm", (f"{theirs}.output.LayerNorm",)),
        ]
        if learnt:
            modules += [
                (f"{ours}.significance_head.{part}", (f"{SIGNIFICANCE}.{number}.{part}",)) for part in _HEAD_PARTS
            ]
    for our_module, their_modules in modules:
        for parameter in ("weight", "bias"):
            yield f"{our_module}.{parameter}", tuple(f"{module}.{parameter}" for module in their_modules)
