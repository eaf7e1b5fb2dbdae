"""Command line of the training: `python -m docqa.training --help`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from docqa.errors import DocqaError
from docqa.training import recipe
from docqa.training.checkpoint import write_whole
from docqa.training.data import Mix, as_squad, read_squad
from docqa.training.fine_tune import Event, Progress, Resumed, Saved, Settings, Trained, fine_tune
from docqa.training.length_drop import LengthDrop
from docqa.training.ranking import Judged, fit_ranking, held_out_library, judge
from docqa.training.reader_folder import add_ranking, model_card, write_reader
from docqa.training.start import load_start
from docqa.training.validation import validate

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_EVERYDAY = "The file of everyday documents; with it the second stage's mix."


@click.group()
def main() -> None:
    """Make reader models."""


@main.command("fine-tune")
@click.option("--data", type=_FOLDER, required=True, help="Folder with the training files.")
@click.option("--start", type=_FOLDER, required=True, help="Reader model to start from.")
@click.option("--run", "run_folder", type=_FOLDER, required=True, help="Folder for checkpoints; resumes what is there.")
@click.option("--reader", "reader_folder", type=_FOLDER, required=True, help="Folder for the finished reader model.")
@click.option("--name", required=True, help="The reader model's name.")
@click.option("--steps", type=int, required=True, help="Steps in all; may differ when a run is resumed.")
@click.option("--rate", type=float, default=Settings(1).rate, show_default=True, help="The highest learning rate.")
@click.option("--everyday", type=_FILE, help=_EVERYDAY)
@click.option("--length-drop", "bound", type=float, help="Train with LengthDrop; the most a layer drops.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the order and choice of examples.")
@click.option("--remark", "remarks", multiple=True, help="A sentence on the run for the card; may be repeated.")
@click.option("--figure", "figures", multiple=True, help="A measured result for the model card; may be repeated.")
def fine_tune_command(
    data: Path,
    start: Path,
    run_folder: Path,
    reader_folder: Path,
    name: str,
    steps: int,
    rate: float,
    everyday: Path | None,
    bound: float | None,
    seed: int,
    remarks: tuple[str, ...],
    figures: tuple[str, ...],
) -> None:
    """Fine-tune a reader. Run it again to resume, or, when done, to write the folder anew."""
    sources = recipe.sources(data, everyday)
    length_drop = None if bound is None else LengthDrop(bound)
    settings = Settings(steps=steps, rate=rate, seed=seed, length_drop=length_drop)
    for event in fine_tune(start, sources, run_folder, settings):
        click.echo(_line(event), err=True)
        if isinstance(event, Trained):
            card = model_card(
                name,
                event.model,
                start.name,
                Mix(sources),
                settings,
                event.seconds,
                remarks=remarks,
                figures=figures,
            )
            write_reader(reader_folder, name, event.model, load_start(start, seed).tokenizer, card)


def _line(event: Event) -> str:
    match event:
        case Resumed(step):
            return f"resumed after step {step}"
        case Progress(step, steps, loss, rate, tokens_per_s, left_s):
            pace = f"{tokens_per_s:,.0f} tokens/s, {left_s / 60:.0f} min left"
            return f"step {step}/{steps}, loss {loss:.3f}, rate {rate:.1e}, {pace}"
        case Saved(step, file):
            return f"saved step {step} in {file}"
        case Trained(step, seconds, _):
            return f"trained {step} steps in {seconds / 60:.0f} min"


@main.command("held-out")
@click.option("--data", type=_FOLDER, required=True, help="Folder with the training files.")
@click.option("--everyday", type=_FILE, help=_EVERYDAY)
@click.argument("file", type=_FILE)
def held_out_command(data: Path, everyday: Path | None, file: Path) -> None:
    """Write the held-out documents and their questions to FILE, in SQuAD 2.0's format."""
    held_out = Mix(recipe.sources(data, everyday)).held_out
    write_whole(file, json.dumps(as_squad(held_out), ensure_ascii=False).encode())


@main.command("validate")
@click.option("--every", type=int, default=1, show_default=True, help="Take only every n-th question.")
@click.argument("reader", type=_FOLDER)
@click.argument("file", type=_FILE)
def validate_command(every: int, reader: Path, file: Path) -> None:
    """Measure READER on the questions of FILE, with the right passage given and among distractors."""
    click.echo(json.dumps(asdict(validate(reader, [read_squad(file)], every=every)), indent=1))


@main.command("fit-ranking")
@click.option("--data", type=_FOLDER, required=True, help="Folder with the training files.")
@click.option("--everyday", type=_FILE, help=_EVERYDAY)
@click.argument("reader", type=_FOLDER)
def fit_ranking_command(data: Path, everyday: Path | None, reader: Path) -> None:
    """Fit how READER's answers are ranked, and their confidence, on held-out documents; write it into its folder."""
    with held_out_library(Mix(recipe.sources(data, everyday)), reader) as (engine, questions):
        judged: list[Judged] = []
        for number, question in enumerate(questions, 1):
            judged += judge(engine, [question])
            if number % 100 == 0:
                click.echo(f"{number} of {len(questions)} questions asked", err=True)
    add_ranking(reader, fit_ranking(judged))


if __name__ == "__main__":
    try:
        main()
    except DocqaError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
