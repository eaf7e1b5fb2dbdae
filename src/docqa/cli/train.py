"""The commands that make readers: `docqa train`."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docqa.cli import render
from docqa.cli.options import Command, as_json_text
from docqa.reader.choices import DEVICES

if TYPE_CHECKING:
    from docqa.training.data import Mix
    from docqa.training.length_drop import Passes
    from docqa.training.reader_folder import Stage
    from docqa.training.run import Settings, Trained

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_COUNT = click.IntRange(min=1)
_SHARE = click.FloatRange(0, 1, max_open=True)


@click.group()
def train() -> None:
    """Make readers: fine-tune, distil, make length-adaptive, search length configurations.

    A run may be stopped at any moment; the same command goes on from its last checkpoint.
    """


def _options_data(command: Command) -> Command:
    """Add what is trained on; the command gets a Mix."""

    @click.option(
        "--data",
        required=True,
        multiple=True,
        metavar="FILE[:SHARE]",
        help="A file in SQuAD's format, and the share of it used in each pass (default 1); or a folder"
        " of docqa's own recipe. May be repeated.",
    )
    @click.option(
        "--distractors",
        type=click.FloatRange(min=0),
        default=1.0,
        show_default=True,
        metavar="N",
        help="How many passages that only look right each question comes with, on average (the recipe has its own).",
    )
    @click.option(
        "--held-out",
        type=_SHARE,
        default=0.1,
        show_default=True,
        metavar="SHARE",
        help="The share of each file's articles that is never trained on (the recipe has its own).",
    )
    @functools.wraps(command)
    def with_data(*args: Any, data: tuple[str, ...], distractors: float, held_out: float, **options: Any) -> Any:
        return command(*args, mix=_mix(data, distractors, held_out), **options)

    return with_data


def _mix(data: Sequence[str], distractors: float, held_out: float) -> Mix:
    from docqa.training.data import Mix
    from docqa.training.recipe import named

    mix = Mix(named(data, distractors, held_out))
    for name, count in mix.dropped.items():
        if count:
            render.narrate(f"{name}: {count} questions left out, whose answers do not stand in their paragraphs")
    return mix


@dataclass(frozen=True, slots=True)
class _Output:
    """Where a run is kept, and what becomes of it."""

    run: Path
    reader: Path
    name: str
    remarks: tuple[str, ...]
    figures: tuple[str, ...]


def _options_run(command: Command) -> Command:
    """Add what every run has in common; the command gets Settings and an _Output."""
    options = [
        click.option("--run", type=_FOLDER, required=True, help="The folder for checkpoints; resumes what is there."),
        click.option("--reader", type=_FOLDER, required=True, help="The folder for the finished reader."),
        click.option("--name", required=True, help="What the finished reader is called."),
        click.option("--remark", "remarks", multiple=True, help="A sentence on the run for its card. May be repeated."),
        click.option("--figure", "figures", multiple=True, help="A measured result for its card. May be repeated."),
        click.option(
            "--steps",
            type=_COUNT,
            default=4000,
            show_default=True,
            help="Steps in all; may differ when a run is resumed, which bends the rest of the schedule.",
        ),
        click.option("--rate", type=float, default=5e-5, show_default=True, help="The highest learning rate."),
        click.option("--batch-tokens", type=_COUNT, default=3072, show_default=True, help="Tokens in a batch, about."),
        click.option("--accumulate", type=_COUNT, default=1, show_default=True, help="Batches in a step."),
        click.option(
            "--window-tokens", type=_COUNT, default=320, show_default=True, help="Tokens in an input at most."
        ),
        click.option(
            "--all-windows",
            is_flag=True,
            help="Train on all windows of a passage that is longer, not on a stretch around its answer alone.",
        ),
        click.option("--averaged", type=_SHARE, default=0.1, show_default=True, help="Average over so last a share."),
        click.option(
            "--dropout",
            type=_SHARE,
            default=0.0,
            show_default=True,
            help="The share of hidden values dropped in training; costs little, and more passes can use it.",
        ),
        click.option(
            "--validate-every",
            type=click.IntRange(min=0),
            default=0,
            show_default=True,
            help="Measure the F1 on held-out questions every so many steps, and keep what is best (0: never).",
        ),
        click.option("--validate-on", type=_COUNT, default=300, show_default=True, help="On so many questions."),
        click.option("--checkpoint-every", type=_COUNT, default=200, show_default=True, help="Steps to a checkpoint."),
        click.option(
            "--arithmetic",
            "precision",
            type=click.Choice(["auto", "float32", "bfloat16"]),
            default="auto",
            show_default=True,
            help="The arithmetic of matrix products; auto is bfloat16 where the hardware has it.",
        ),
        click.option(
            "--device", type=click.Choice(DEVICES), default="auto", help="Where to train; auto is a GPU if any."
        ),
        click.option("--seed", type=int, default=0, show_default=True, help="Seed of order, choice and dropout."),
    ]

    @functools.wraps(command)
    def with_run(
        *args: Any,
        run: Path,
        reader: Path,
        name: str,
        remarks: tuple[str, ...],
        figures: tuple[str, ...],
        **given: Any,
    ) -> Any:
        from dataclasses import fields

        from docqa.training.run import Settings

        settings = Settings(**{each.name: given.pop(each.name) for each in fields(Settings) if each.name in given})
        return command(*args, settings=settings, output=_Output(run, reader, name, remarks, figures), **given)

    decorated: Command = with_run
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


_option_start = click.option(
    "--start",
    required=True,
    metavar="READER",
    help="What to start from: a reader's name or folder, or the folder of a BERT encoder.",
)


@train.command("fine-tune")
@_option_start
@click.option("--layers", type=_COUNT, help="How many of its layers to take, at even distances (default: all).")
@_options_data
@_options_run
def fine_tune_command(start: str, layers: int | None, mix: Mix, settings: Settings, output: _Output) -> None:
    """Train a reader on questions with their passages, and with passages that do not answer."""
    from docqa.cli.train_progress import trained
    from docqa.training.fine_tune import fine_tune

    end = trained(fine_tune(start, mix, output.run, settings, layers), output.run)
    _write(end, "fine-tuning", start, mix, settings, output)


@train.command("significance")
@_option_start
@_options_data
@_options_run
def significance_command(start: str, mix: Mix, settings: Settings, output: _Output) -> None:
    """Teach a reader which tokens it may drop, all else of it left as it is."""
    from docqa.cli.train_progress import trained
    from docqa.training.significance import learn_significance

    end = trained(learn_significance(start, mix, output.run, settings), output.run)
    _write(end, "significance", start, mix, settings, output)


@train.command("length-drop")
@_option_start
@click.option("--bound", type=_SHARE, default=0.35, show_default=True, help="The most that a layer may drop.")
@click.option(
    "--random", type=click.IntRange(min=0), default=1, show_default=True, help="Random configurations in a step."
)
@click.option(
    "--layer-dropout", type=_SHARE, default=0.0, show_default=True, help="The chance of a layer to be left out of them."
)
@click.option(
    "--passes",
    type=click.Choice(("all", "two", "one")),
    default="all",
    show_default=True,
    help="A step's passes: in full and all configurations; in full and one of them; or one only, in full every other"
    " time.",
)
@_options_data
@_options_run
def length_drop_command(
    start: str,
    bound: float,
    random: int,
    layer_dropout: float,
    passes: Passes,
    mix: Mix,
    settings: Settings,
    output: _Output,
) -> None:
    """Train a reader to lose little when its layers drop tokens (LengthDrop, arXiv 2010.07003)."""
    from dataclasses import asdict

    from docqa.cli.train_progress import trained
    from docqa.training.length_drop import LengthDrop, length_drop

    drop = LengthDrop(bound, random, layer_dropout, passes)
    end = trained(length_drop(start, mix, output.run, settings, drop), output.run)
    told = {"validated by": f"mean F1 in full and with layers dropping {bound / 2:g}"} if end.f1 is not None else {}
    _write(end, "LengthDrop", start, mix, settings, output, also={**asdict(drop), **told})


@train.command("distil")
@click.option(
    "--teacher",
    "teachers",
    required=True,
    multiple=True,
    metavar="READER",
    help="The reader to learn from. Of several the mean prediction is learnt, and the layers of the first.",
)
@click.option("--start", metavar="READER", help="What the student starts from (default: its teacher's layers).")
@click.option("--layers", type=_COUNT, help="How many layers to take from the teacher (default: every other).")
@click.option(
    "--intermediate-steps",
    type=click.IntRange(min=0),
    default=4000,
    show_default=True,
    help="Steps of learning the teacher's embeddings, attention and hidden states (0: none).",
)
@click.option("--intermediate-rate", type=float, default=5e-5, show_default=True, help="Their highest learning rate.")
@click.option(
    "--temperature",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Softens the predictions that are learnt.",
)
@click.option(
    "--gold",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="The weight of the right answers beside the teacher's predictions.",
)
@_options_data
@_options_run
def distil_command(
    teachers: tuple[str, ...],
    start: str | None,
    layers: int | None,
    intermediate_steps: int,
    intermediate_rate: float,
    temperature: float,
    gold: float,
    mix: Mix,
    settings: Settings,
    output: _Output,
) -> None:
    """Train a small reader to compute and answer as a larger one does (TinyBERT, arXiv 1909.10351)."""
    from dataclasses import replace

    from docqa.cli.train_progress import trained
    from docqa.training.distil import Distillation, distil
    from docqa.training.start import load_start

    if start is not None and layers is not None:
        raise click.UsageError("a student either starts from a reader (--start) or from its teacher's --layers")
    teacher = load_start(teachers[0], settings.seed)
    taken = layers or max(1, len(teacher.model.layers) // 2)
    first = None
    if intermediate_steps:
        first = replace(settings, steps=intermediate_steps, rate=intermediate_rate, validate_every=0)
    how = Distillation(first, settings, temperature, gold)
    end = trained(distil(teachers, start or taken, mix, output.run, how), output.run)
    also = {
        "teachers": ", ".join(load_start(each, settings.seed).name for each in teachers),
        "intermediate steps": intermediate_steps,
        "intermediate rate": intermediate_rate,
        "temperature": temperature,
        "weight of gold answers": gold,
    }
    _write(end, "distillation", start or teachers[0], mix, settings, output, also=also)


def _write(
    end: Trained,
    title: str,
    start: str,
    mix: Mix,
    settings: Settings,
    output: _Output,
    *,
    also: Mapping[str, object] | None = None,
) -> None:
    """Write the finished reader with its card."""
    from docqa.training.reader_folder import earlier_stages, model_card, training_stage, write_reader

    stage: Stage = training_stage(title, end, mix, settings, also=also, remarks=output.remarks)
    card = model_card(output.name, end.model, [*earlier_stages(start), stage], output.figures)
    write_reader(output.reader, output.name, end.model, end.tokenizer, card)
    render.narrate(f"{output.name} is in {output.reader}")


@train.command("average")
@click.argument("readers", nargs=-1, required=True)
@click.option("--reader", type=_FOLDER, required=True, help="The folder for the mean.")
@click.option("--name", required=True, help="Its name.")
@click.option("--figure", "figures", multiple=True, help="A measured result for the card; may be repeated.")
def average_command(readers: tuple[str, ...], reader: Path, name: str, figures: tuple[str, ...]) -> None:
    """Take the mean of several READERS' weights, which were trained from one start (arXiv 2203.05482)."""
    from docqa.training.averaging import average
    from docqa.training.reader_folder import averaging_stages, model_card, write_reader

    mean = average(readers)
    card = model_card(name, mean.model, averaging_stages(readers), figures)
    write_reader(reader, name, mean.model, mean.tokenizer, card)
    render.narrate(f"{name} is in {reader}")


@train.command("search")
@click.argument("reader", type=_FOLDER)
@_options_data
@click.option("--run", type=_FOLDER, required=True, help="The folder for the study and the plot; goes on with it.")
@click.option("--trials", type=_COUNT, default=150, show_default=True, help="Configurations to try in all.")
@click.option(
    "--sampler",
    type=click.Choice(["nsga2", "tpe"]),
    default="nsga2",
    show_default=True,
    help="What proposes them: evolution, or Bayesian optimisation.",
)
@click.option(
    "--cost",
    type=click.Choice(["time", "flops"]),
    default="time",
    show_default=True,
    help="What they cost: measured time, or the operations of matrix products.",
)
@click.option(
    "--least", type=_SHARE, default=0.5, show_default=True, help="The least a layer keeps of what reaches it."
)
@click.option("--questions", type=_COUNT, default=300, show_default=True, help="Held-out questions to try them on.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the proposals.")
def search_command(
    reader: Path,
    mix: Mix,
    run: Path,
    trials: int,
    sampler: Any,
    cost: Any,
    least: float,
    questions: int,
    seed: int,
) -> None:
    """Search READER's length configurations for F1 at little cost; write the best into its folder.

    They become the reader's lengths.json, which --effort goes by; the run's folder gets a plot of all trials.
    """
    from docqa.cli.train_progress import searched
    from docqa.evaluation.datasets import SquadSet
    from docqa.evaluation.tuning import of_squad, tune
    from docqa.reader import catalogue
    from docqa.reader.reader import Reader
    from docqa.training.ranking import as_set
    from docqa.training.reader_folder import add_stage, search_stage
    from docqa.training.search import SearchSettings, frontier, search
    from docqa.training.trials import Trial, plot

    settings = SearchSettings(trials=trials, sampler=sampler, least=least, seed=seed)
    held_out = SquadSet("what is held out", tuple(one for each in mix.held_out for one in as_set(each).articles))
    asked = of_squad(held_out, questions)
    loaded = Reader(reader)
    subject = f"{loaded.name} ({catalogue.weights_digest(reader)[:12]}) on {len(asked)} questions by {cost}"
    tried = searched(search(loaded.layers, Trial(loaded, asked, cost), run, settings, subject), trials, run)
    plot(tried, run / "trials.svg", "milliseconds a question" if cost == "time" else "million operations a passage")
    best = [each.lengths for each in frontier(tried)]
    with render.counting("measuring the best") as progress:
        measured_on = f"held-out questions of {', '.join(each.name for each in mix.held_out)}"
        table = tune(reader, asked, measured_on, wanted=best, progress=progress)
    catalogue.write_lengths(reader, table)
    add_stage(reader, search_stage(table, settings, len(tried), cost))
    render.narrate(f"{len(table.rows)} configurations are in {reader / catalogue.LENGTHS}, all trials in {run}")


@train.command("held-out")
@click.argument("file", type=_FILE)
@_options_data
def held_out_command(file: Path, mix: Mix) -> None:
    """Write the documents that no run trains on, with their questions, to FILE in SQuAD 2.0's format."""
    import json

    from docqa.training.checkpoint import write_whole
    from docqa.training.data import as_squad

    write_whole(file, json.dumps(as_squad(mix.held_out), ensure_ascii=False).encode())


@train.command("validate")
@click.argument("reader")
@click.argument("file", type=_FILE)
@click.option("--every", type=_COUNT, default=1, show_default=True, help="Take only every n-th question.")
def validate_command(reader: str, file: Path, every: int) -> None:
    """Measure READER on the questions of FILE, with the right passage given and among distractors; as JSON."""
    from docqa.training.data import read_squad
    from docqa.training.validation import validate

    click.echo(as_json_text(validate(reader, [read_squad(file)], every=every)))


@train.command("fit-ranking")
@click.argument("reader", type=_FOLDER)
@_options_data
def fit_ranking_command(reader: Path, mix: Mix) -> None:
    """Fit how READER's answers are ranked, and their confidence, on held-out documents; write it into its folder."""
    from docqa.training.ranking import fit_ranking, held_out_library, judge
    from docqa.training.reader_folder import add_ranking

    with held_out_library(mix, reader) as (engine, questions), render.counting("asking") as progress:
        judged = list(judge(engine, questions, progress=progress))
    add_ranking(reader, fit_ranking(judged))
