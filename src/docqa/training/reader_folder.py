"""Writing a reader model folder: what `docqa.reader.weights` loads, with a model card and a manifest."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path

import torch
from tokenizers import Tokenizer

from docqa.ranking import Ranking
from docqa.reader import catalogue, convert, weights
from docqa.reader.catalogue import MANIFEST, RANKING
from docqa.reader.lengths import LengthTable
from docqa.reader.model import SpanModel
from docqa.training.checkpoint import write_whole
from docqa.training.data import Collection, Mix, Source
from docqa.training.run import AVERAGE_EVERY, MAY_DIFFER, Settings, Trained
from docqa.training.search import SearchSettings

CARD = "README.md"
_WRITTEN_BY = "reader for docqa"
_STAGE = re.compile(r"Stage \d+: (.+)\n")
# Settings that say where and how a run went on, not what it did.
_UNTOLD = set(MAY_DIFFER) - {"steps"}


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
    _replace(folder, RANKING, f"{ranking.to_json()}\n".encode())


def _replace(folder: Path, name: str, content: bytes) -> None:
    """Write one file of a reader model's folder, and its digest into the manifest if there is one."""
    manifest = catalogue.manifest_with(folder, name, content)
    write_whole(folder / name, content)
    if manifest is not None:
        write_whole(folder / MANIFEST, manifest)


@dataclass(frozen=True, slots=True)
class Stage:
    """One thing that was done to make a reader, and what there is to know of it, in Markdown."""

    title: str
    text: str


def earlier_stages(start: str | os.PathLike[str]) -> list[Stage]:
    """The stages that a start's own card tells of: none for what docqa has not trained."""
    folder = catalogue.find(start) or Path(start)
    card = folder / CARD
    told = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    if _WRITTEN_BY not in told:
        return []
    sections = re.split(r"^## ", told, flags=re.MULTILINE)[1:]
    stages = [_STAGE.match(section) for section in sections]
    found = [
        Stage(stage[1], section[stage.end() :].strip())
        for stage, section in zip(stages, sections, strict=True)
        if stage
    ]
    # The cards of earlier versions tell of one training, in sections of their own.
    return found or [Stage("as the start's own card tells", "### " + "### ".join(sections).strip())]


def model_card(name: str, model: SpanModel, stages: Sequence[Stage], figures: Sequence[str] = ()) -> str:
    """The model's README, from what was done to it; `figures` are measured results, one sentence each."""
    parts = [
        f"# {name}\n\nAn extractive question-answering {_WRITTEN_BY}, written by `docqa train`.",
        f"## Model\n\n{_architecture(model)}",
        *(f"## Stage {number}: {stage.title}\n\n{stage.text}" for number, stage in enumerate(stages, 1)),
        "## Figures\n\n" + ("\n".join(f"- {figure}" for figure in figures) or "None were measured."),
    ]
    return "\n\n".join(parts) + "\n"


def add_stage(folder: Path, stage: Stage) -> None:
    """Write one more stage into the card of a reader model's folder, and the card's digest into the manifest.

    It takes the place of the last stage if that was the same thing.
    """
    card = folder / CARD
    told = card.read_text(encoding="utf-8") if card.is_file() else f"# {folder.name}\n"
    before, heading, figures = told.partition("\n## Figures\n")
    head, has_stages, _ = before.partition("\n## Stage ")
    stages = earlier_stages(folder) if has_stages else []
    if stages and stages[-1].title == stage.title:
        stages.pop()
    sections = [f"## Stage {number}: {each.title}\n\n{each.text}" for number, each in enumerate([*stages, stage], 1)]
    content = "\n\n".join([head.rstrip(), *sections]) + f"\n{heading}{figures}"
    _replace(folder, CARD, content.encode())


def training_stage(
    title: str,
    trained: Trained,
    mix: Mix,
    settings: Settings,
    *,
    also: Mapping[str, object] | None = None,
    remarks: Sequence[str] = (),
) -> Stage:
    """A run as a stage of the card.

    `also` holds settings beside the run's; `remarks` is what else one must know, one sentence each.
    """
    parts = [
        f"Start: {trained.start}.",
        f"### Data\n\n{_data_table(mix)}\n\n{_data_notes()}",
        f"### Training\n\n{_training(settings, trained, also or {})}",
        *remarks,
    ]
    return Stage(title, "\n\n".join(parts))


def averaging_stages(readers: Sequence[str | os.PathLike[str]]) -> list[Stage]:
    """The stages of several readers, what some have in common once, and that they were averaged."""
    names = [weights.load(reader).name for reader in readers]
    went_through: dict[Stage, list[str]] = {}
    for name, reader in zip(names, readers, strict=True):
        for stage in earlier_stages(reader):
            went_through.setdefault(stage, []).append(name)
    stages = [
        stage if len(some) == len(names) else Stage(f"{' and '.join(some)}, {stage.title}", stage.text)
        for stage, some in went_through.items()
    ]
    told = f"The weights are the mean of those of {', '.join(names[:-1])} and {names[-1]} (arXiv 2203.05482)."
    return [*stages, Stage("averaging", told)]


def search_stage(table: LengthTable, settings: SearchSettings, trials: int, cost: str) -> Stage:
    """A search for length configurations as a stage of the card."""
    rows = [
        "| tokens kept by each layer | operations | time | EM | F1 |",
        "|---|---|---|---|---|",
        *(
            f"| {', '.join(f'{share:.2f}' for share in row.shares)} | {row.cost:.2f} | {row.time:.2f} "
            f"| {100 * row.exact:.2f} | {100 * row.f1:.2f} |"
            for row in sorted(table.rows, key=lambda row: row.cost, reverse=True)
        ),
    ]
    told = (
        f"{trials} configurations were tried for F1 against {'operations' if cost == 'flops' else 'time'} "
        f"({settings.sampler}, seed {settings.seed}, each layer keeping at least {settings.least:g} of what reaches "
        f"it). The best were measured on {table.questions} {table.measured_on}; operations and time are shares of "
        "those of keeping all tokens. F1 of that by arithmetic: "
        + ", ".join(f"{name} {100 * reached:.2f}" for name, reached in table.precisions.items())
        + "."
    )
    return Stage("search of length configurations", told + "\n\n" + "\n".join(rows))


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
        "| file | source, licence | SHA-256 | questions | used a pass | distractors a question | held out |",
        "|---|---|---|---|---|---|---|",
    ]
    for source, collection in zip(mix.sources, mix.collections, strict=True):
        rows.append(_data_row(source, collection, held.get(collection.name)))
    return "\n".join(rows)


def _data_row(source: Source, trained: Collection, held: Collection | None) -> str:
    left_out = "none"
    if held:
        count = len(set(held.titles if source.documents == "article" else held.paragraphs))
        left_out = f"{count} {source.documents}s, {len(held.questions)} questions"
    name = f"{source.file.name}, with more questions" if source.more else source.file.name
    return (
        f"| {name} | {source.origin} | {source.digest[:12]}… | {len(trained.questions)} | {source.share:.0%} "
        f"| {source.distractors:g} | {left_out} |"
    )


def _data_notes() -> str:
    return (
        "A distractor is one of the ten passages of the same file that rank highest by BM25 and hold none of "
        "the answers, drawn at random; its target, and that of unanswerable questions, is [CLS] for both start "
        "and end. What is held out was not trained on in this run; the start may have seen it."
    )


def _training(settings: Settings, trained: Trained, also: Mapping[str, object]) -> str:
    told = {each.name: getattr(settings, each.name) for each in fields(settings) if each.name not in _UNTOLD}
    values = "\n".join(f"| {name} | {value} |" for name, value in {**told, **also}.items())
    chosen = ""
    if trained.f1 is not None:
        chosen = (
            f" The weights are those that were best by F1 on {settings.validate_on} held-out questions with their "
            f"passages given: {100 * trained.f1:.2f} after {trained.best_step} steps."
        )
    return (
        f"AdamW, linear warm-up and decay to 0, a random one of each question's answers as target, inputs padded to "
        f"a multiple of 32 tokens; the weights are the mean of every {AVERAGE_EVERY}th step's over the share "
        f"`averaged` at the end.{chosen} {trained.seconds / 60:.0f} minutes of steps (not always undisturbed); "
        f"docqa {version('docqa')}, Python {platform.python_version()}, torch {torch.__version__}, "
        f"tokenizers {version('tokenizers')}.\n\n| setting | value |\n|---|---|\n{values}"
    )
