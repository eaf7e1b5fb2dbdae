"""Writing a reader model folder: what `docqa.reader.weights` loads, with a model card and a manifest."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path

import torch
from tokenizers import Tokenizer

from docqa.ranking import Ranking
from docqa.reader import convert
from docqa.reader.catalogue import MANIFEST, RANKING
from docqa.reader.model import SpanModel
from docqa.training.checkpoint import write_whole
from docqa.training.data import Collection, Mix, Source
from docqa.training.fine_tune import AVERAGE_EVERY, Settings

CARD = "README.md"


def write_reader(folder: Path, name: str, model: SpanModel, tokenizer: Tokenizer, card: str) -> None:
    """Write a reader model: weights in float16 under transformers' names, the manifest last.

    A folder that was only half written has an older manifest or none, and a file that does not match it is
    refused by the reader. Unavailable if a file cannot be written.
    """
    half = {key: value.detach().half() for key, value in model.state_dict().items()}
    files = {CARD: card.encode(), **convert.model_files(name, model.shape, half, tokenizer)}
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        write_whole(folder / file, content)
    write_whole(folder / MANIFEST, convert.manifest(files))


def add_ranking(folder: Path, ranking: Ranking) -> None:
    """Write a ranking into a reader model's folder, and its digest into the manifest."""
    content = f"{ranking.to_json()}\n".encode()
    manifest = folder / MANIFEST
    others = [line for line in manifest.read_text().splitlines(keepends=True) if not line.endswith(f"  {RANKING}\n")]
    write_whole(folder / RANKING, content)
    write_whole(manifest, "".join(others).encode() + convert.manifest({RANKING: content}))


def model_card(
    name: str,
    model: SpanModel,
    start: str,
    mix: Mix,
    settings: Settings,
    seconds: float,
    *,
    remarks: Sequence[str] = (),
    figures: Sequence[str] = (),
) -> str:
    """The model's README, from what was run.

    `remarks` is what else one must know about the run, `figures` the measured results, one sentence each.
    """
    parts = [
        f"# {name}\n\nAn extractive question-answering reader for docqa, written by `docqa.training`.",
        f"## Model\n\n{_architecture(model)}\n\nStart: {start}.",
        f"## Data\n\n{_data_table(mix)}\n\n{_data_notes()}",
        f"## Training\n\n{_training(settings, seconds)}" + "".join(f"\n\n{remark}" for remark in remarks),
        "## Figures\n\n" + ("\n".join(f"- {figure}" for figure in figures) or "None were measured."),
    ]
    return "\n\n".join(parts) + "\n"


def _architecture(model: SpanModel) -> str:
    shape = model.shape
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    return (
        f"BERT for question answering: {shape.num_hidden_layers} layers, hidden {shape.hidden_size}, "
        f"feed-forward {shape.intermediate_size}, {shape.num_attention_heads} heads, vocabulary of "
        f"{shape.vocab_size}; {millions:.1f} M parameters, stored in float16."
    )


def _data_table(mix: Mix) -> str:
    held = {collection.name: collection for collection in mix.held_out}
    rows = [
        "| file | source, licence | questions | used a pass | distractors a question | held out |",
        "|---|---|---|---|---|---|",
    ]
    for source, collection in zip(mix.sources, mix.collections, strict=True):
        rows.append(_data_row(source, collection, held.get(collection.name)))
    return "\n".join(rows)


def _data_row(source: Source, trained: Collection, held: Collection | None) -> str:
    left_out = "none"
    if held:
        count = len(set(held.titles if source.documents == "article" else held.paragraphs))
        left_out = f"{count} {source.documents}s, {len(held.questions)} questions"
    return (
        f"| {source.file.name} | {source.origin} | {len(trained.questions)} | {source.share:.0%} "
        f"| {source.distractors:g} | {left_out} |"
    )


def _data_notes() -> str:
    return (
        "A distractor is one of the ten passages of the same file that rank highest by BM25 and hold none of "
        "the answers, drawn at random; its target, and that of unanswerable questions, is [CLS] for both start "
        "and end. What is held out was not trained on in this run; the start may have seen it."
    )


def _training(settings: Settings, seconds: float) -> str:
    names = [field.name for field in fields(settings) if field.name != "checkpoint_every"]
    values = "\n".join(f"| {name} | {getattr(settings, name)} |" for name in names)
    return (
        f"AdamW, linear warm-up and decay to 0, no dropout, bf16 autocast, a random one of each question's "
        f"answers as target, inputs padded to a multiple of 32 tokens; the weights are the mean of every "
        f"{AVERAGE_EVERY}th step's over the share `averaged` at the end. {seconds / 60:.0f} minutes of steps on "
        f"{torch.get_num_threads()} CPU threads (not always undisturbed); Python {platform.python_version()}, torch "
        f"{torch.__version__}, tokenizers {version('tokenizers')}.\n\n| setting | value |\n|---|---|\n{values}"
    )
