"""The commands around the readers of this machine: `docqa reader`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from docqa.cli import render
from docqa.cli.options import as_json_text, engine_for, option_color, option_json

if TYPE_CHECKING:
    from docqa.ranking import Ranking
    from docqa.records import ReaderInfo


@click.group()
def reader() -> None:
    """Add other reader models, and choose which one answers."""


@reader.command()
@click.argument("source", metavar="NAME_OR_FOLDER")
@click.option("--revision", metavar="REVISION", help="A branch, tag, commit or pull request (refs/pr/2) of the hub's.")
@click.option("--name", metavar="NAME", help="What to call it (default: like the checkpoint or the folder).")
@option_json
def add(source: str, revision: str | None, name: str | None, as_json: bool) -> None:
    """Add a BERT question-answering checkpoint: a folder, or a name on the Hugging Face hub.

    For example: docqa reader add Intel/dynamic_tinybert

    It is converted once, and fetched first if its name is no folder's; nothing else of docqa uses the network.
    """
    from docqa.reader.convert import add as add_reader

    added = add_reader(source, revision=revision, name=name, progress=render.is_terminal() and not as_json)
    click.echo(
        as_json_text(added) if as_json else render.added_reader(added, ranked=_ranking(added.folder) is not None)
    )


@reader.command("ls")
@option_json
@option_color
def list_(as_json: bool) -> None:
    """List the readers of this machine; the one in use is marked."""
    from docqa.reader.catalogue import entries

    found = entries()
    click.echo(as_json_text({"readers": found}) if as_json else render.readers(found))


@reader.command()
@click.argument("name")
def use(name: str) -> None:
    """Let the reader called NAME answer from now on; `shipped` is the one that comes with docqa."""
    from docqa.reader import catalogue

    catalogue.use(name)
    render.narrate(f"{name} answers from now on")


@reader.command()
@click.argument("name")
@option_json
def show(name: str, as_json: bool) -> None:
    """Tell what is known of the reader called NAME."""
    from docqa.reader.catalogue import entry, lengths_table

    found, lengths = entry(name), lengths_table(name)
    ranking = _ranking(found.folder)
    if as_json:
        click.echo(as_json_text({**asdict(found), "ranking": ranking, "lengths": lengths}))
    else:
        click.echo(render.reader(found, ranking, lengths))


@reader.command()
@click.argument("name")
def rm(name: str) -> None:
    """Delete the added reader called NAME."""
    from docqa.reader import catalogue

    catalogue.remove(name)
    render.narrate(f"{name} is gone; {catalogue.in_use()} answers")


@reader.command()
@click.argument("reader_name", metavar="[READER]", required=False)
@click.option(
    "--questions",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Measure on the answerable questions of FILE (SQuAD's format) instead of those about the sample library.",
)
@click.option("--library", metavar="FILE", help="Measure on the gold set of this library.")
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Ask N questions at even distances, not all.")
@option_json
def tune(
    reader_name: str | None, questions: Path | None, library: str | None, sample: int | None, as_json: bool
) -> None:
    """Measure what reading fewer tokens costs and brings, so that --effort and --within can choose.

    READER is the one in use, or a name or a folder. The table becomes lengths.json in the folder of a reader that
    was added or named by its folder; that of the shipped one is kept in your data folder. A run that was stopped
    goes on where it was.
    """
    from docqa.evaluation import datasets, tuning
    from docqa.reader import catalogue

    if questions and library:
        raise click.UsageError("name either --questions or --library")
    if questions:
        asked, title = tuning.of_squad(datasets.read_squad(questions)), questions.name
    elif library:
        with engine_for(library) as engine:
            asked, title = tuning.of_gold_set(engine.verdicts()), "a gold set"
    else:
        asked, title = tuning.of_sample_library(), "the questions about the sample library"
    with render.counting("measuring") as progress:
        table = tuning.tune(reader_name, datasets.sample(asked, sample), title, progress=progress)
    file = catalogue.keep_lengths(reader_name, table)
    click.echo(as_json_text({"file": str(file), **asdict(table)}) if as_json else render.lengths_table(table, file))


def narrate_reader(info: ReaderInfo, *, named: bool) -> None:
    """Say on a terminal which reader has answered if there is a choice of them; else, once, how to get it.

    `named` is whether the command said which reader to take: who did needs no hint.
    """
    from docqa.reader import catalogue

    if not render.is_terminal():
        return
    if catalogue.has_added():
        render.narrate(f"read by {info.name}")
    elif not named and catalogue.hint_due():
        render.narrate(
            f"read by {info.name}, which ships with docqa; for a larger reader, fetched once from the Hugging Face "
            f"hub: docqa reader add {catalogue.PREFERRED} (this is said only once)"
        )


def _ranking(folder: str) -> Ranking | None:
    from docqa.ranking import FILE, Ranking

    return Ranking.load(Path(folder)) if (Path(folder) / FILE).is_file() else None
