"""The commands around the gold set: `docqa gold`, `docqa eval`, `docqa calibrate`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docqa.cli import render
from docqa.cli.options import as_json_text, engine_for, option_json, option_library, option_reader, options_machine
from docqa.errors import UsageError
from docqa.reader.choices import DEFAULT_EFFORT, EFFORTS, Effort

if TYPE_CHECKING:
    from docqa.engine import DocQA
    from docqa.evaluation.gold import GoldReport
    from docqa.ranking import Ranking
    from docqa.reader.choices import Device, Precision
    from docqa.records import Verdict

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def gold() -> None:
    """Keep questions with answers you accept or reject, to measure and calibrate by."""


def _worded(_context: click.Context, _parameter: click.Parameter, value: str | tuple[str, ...]) -> Any:
    """Refuse what no library can hold: nothing at all, and bytes that are no text."""
    for text in (value,) if isinstance(value, str) else value:
        if not text.strip():
            raise click.BadParameter("it is empty")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise click.BadParameter(f"{text!r} is not UTF-8") from None
    return value


@gold.command()
@click.argument("question", callback=_worded)
@click.option(
    "--answer",
    "answers",
    multiple=True,
    callback=_worded,
    metavar="TEXT",
    help="An answer that is right; may be repeated.",
)
@click.option(
    "--wrong",
    "wrong",
    multiple=True,
    callback=_worded,
    metavar="TEXT",
    help="An answer that is wrong; may be repeated.",
)
@click.option("--none", "none", is_flag=True, help="The library holds no answer.")
@click.option("--file", "path", metavar="PATH", help="The document that the right answers stand in.")
@option_library
def add(
    question: str, answers: tuple[str, ...], wrong: tuple[str, ...], none: bool, path: str | None, library: str | None
) -> None:
    """Add QUESTION with its answers to the gold set."""
    from docqa.questions import parse_question
    from docqa.records import Verdict

    if none == bool(answers or wrong):
        raise click.UsageError(
            "say either what is right or wrong (--answer, --wrong) or that there is no answer (--none)"
        )
    if path is not None and not answers:
        raise click.UsageError("--file says where right answers stand; name one with --answer")
    parse_question(question)  # what cannot be asked would keep the gold set from being measured
    with engine_for(library) as engine:
        verdicts = [_placed(engine, Verdict(question, text, accepted=True), path) for text in answers]
        verdicts += [Verdict(question, text, accepted=False) for text in wrong]
        verdicts += [Verdict(question, None, accepted=True)] * none
        engine.add_verdicts(verdicts)
    render.narrate(f"{len(verdicts)} added")


def _placed(engine: DocQA, verdict: Verdict, path: str | None) -> Verdict:
    """Add where an answer stands in a document, and the text around it."""
    from dataclasses import replace

    from docqa.answers import context_bounds

    if path is None or verdict.text is None:
        return verdict
    text = engine.text(path)
    start = text.find(verdict.text)
    if start < 0:
        raise UsageError(f"{path} does not hold the text {verdict.text!r}; quote it as it stands there")
    low, high = context_bounds(text, start, start + len(verdict.text))
    return replace(verdict, path=os.path.realpath(path), context=text[low:high], start=start - low)


@gold.command("ls")
@option_library
@option_json
def list_(library: str | None, as_json: bool) -> None:
    """List the gold set."""
    with engine_for(library) as engine:
        verdicts = engine.verdicts()
    click.echo(as_json_text({"verdicts": verdicts}) if as_json else render.verdicts(verdicts))


@gold.command()
@click.argument("number", type=int)
@option_library
def rm(number: int, library: str | None) -> None:
    """Remove the entry with this NUMBER, as `docqa gold ls` shows it."""
    with engine_for(library) as engine:
        engine.remove_verdict(number)


@gold.command("import")
@click.argument("file", type=_FILE)
@option_library
def import_(file: Path, library: str | None) -> None:
    """Add the questions of FILE, in SQuAD's format, to the gold set."""
    from docqa.gold import from_squad

    verdicts = from_squad(file)
    with engine_for(library) as engine:
        engine.add_verdicts(verdicts)
    render.narrate(f"{len(verdicts)} added")


@gold.command()
@option_library
def export(library: str | None) -> None:
    """Print the gold set in SQuAD's format."""
    from docqa.gold import to_squad

    with engine_for(library) as engine:
        click.echo(to_squad(engine.verdicts()))


@click.group("eval")
def eval_() -> None:
    """Measure how good the answers are."""


@eval_.command("gold")
@option_library
@option_reader
@option_json
def eval_gold(library: str | None, reader: str | None, as_json: bool) -> None:
    """Ask the questions of the gold set and count right answers."""
    with engine_for(library, reader) as engine:
        report = _measured(engine, "asking")
    click.echo(as_json_text(report) if as_json else render.gold_report(report))


@eval_.command("library")
@click.argument("file", type=_FILE)
@click.option("--beside", multiple=True, type=_FILE, help="Another file whose articles are indexed beside it.")
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Ask N questions at even distances, not all.")
@click.option(
    "--effort", type=click.Choice(EFFORTS), default=DEFAULT_EFFORT, show_default=True, help="How hard to try."
)
@option_reader
@option_json
def eval_library(
    file: Path, beside: tuple[Path, ...], sample: int | None, effort: Effort, reader: str | None, as_json: bool
) -> None:
    """Make a library of FILE's articles (SQuAD's format), ask its questions, and judge answers and confidences."""
    from docqa.evaluation.datasets import read_squad
    from docqa.evaluation.library import evaluate_library

    with render.counting("asking") as progress:
        report = evaluate_library(
            read_squad(file),
            distractors=[read_squad(other) for other in beside],
            count=sample,
            reader=reader,
            effort=effort,
            progress=progress,
        )
    click.echo(as_json_text(report) if as_json else render.library_report(report))


@eval_.command("reading")
@click.argument("file", type=_FILE)
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Ask N questions at even distances, not all.")
@click.option(
    "--lengths", metavar="SHARES", help="The share of tokens that each layer keeps: 1,1,0.7,0.5,0.3,0.2 (default: all)."
)
@option_reader
@options_machine
@option_json
def eval_reading(
    file: Path,
    sample: int | None,
    lengths: str | None,
    reader: str | None,
    arithmetic: Precision,
    device: Device,
    as_json: bool,
) -> None:
    """Ask the questions of FILE (SQuAD 1.1 or 2.0) with the right paragraph given; EM and F1 by the official rules."""
    from docqa.evaluation.datasets import read_squad
    from docqa.evaluation.reading import evaluate_reading
    from docqa.reader.lengths import LengthConfiguration
    from docqa.reader.reader import Reader

    squad = read_squad(file)
    loaded = Reader(reader, precision=arithmetic, device=device)
    try:
        configuration = LengthConfiguration.parse(lengths) if lengths else None
    except ValueError as error:
        raise click.UsageError(f"--lengths: {error}") from error
    if configuration and len(configuration.shares) != loaded.layers:
        raise click.UsageError(f"--lengths: the reader has {loaded.layers} layers, not {len(configuration.shares)}")
    with render.counting("asking") as progress:
        report = evaluate_reading(
            loaded, squad, count=sample, lengths=configuration, unanswerable=True, progress=progress
        )
    click.echo(as_json_text(report) if as_json else render.reading_report(report))


@eval_.command("retrieval")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@option_json
def eval_retrieval(folder: Path, as_json: bool) -> None:
    """Rank the documents of a task in BEIR's layout (corpus.jsonl, queries.jsonl, qrels) as docqa ranks passages."""
    from docqa.evaluation.datasets import read_beir
    from docqa.evaluation.retrieval import judge, rank_documents

    task = read_beir(folder)
    report = judge(task, rank_documents(task))
    click.echo(as_json_text(report) if as_json else render.retrieval_report(report))


@click.command()
@click.option("--reset", is_flag=True, help="Forget the library's own calibration.")
@option_library
@option_reader
@option_json
def calibrate(reset: bool, library: str | None, reader: str | None, as_json: bool) -> None:
    """Refit ranking and confidence of this library with its gold set; tell how good they were and are."""
    with engine_for(library, reader) as engine:
        # What was fitted to a gold set must be able to go after that has gone.
        measured = bool(engine.verdicts()) or not reset
        before = _measured(engine, "asking") if measured else None
        engine.set_ranking(None if reset else _fitted(engine))
        after = _measured(engine, "asking again") if measured else None
    if as_json:
        click.echo(as_json_text({"before": before, "after": after}))
    elif before is None or after is None:
        render.narrate("the library's own calibration is forgotten; its gold set is empty")
    else:
        click.echo(f"before: {render.gold_report(before)}\nafter:  {render.gold_report(after)}")


def _measured(engine: DocQA, doing: str) -> GoldReport:
    """Ask the gold set, and show how far that is."""
    from docqa.evaluation.gold import evaluate_gold

    with render.counting(doing) as progress:
        return evaluate_gold(engine, progress=progress)


def _fitted(engine: DocQA) -> Ranking:
    """Fit a ranking to the gold set, and show how far that is."""
    from docqa.evaluation.gold import gold_questions
    from docqa.training.ranking import fit_ranking, judge_gold

    total = sum(question.answerable is not None for question in gold_questions(engine.verdicts()))
    judged = []
    with render.counting("learning") as progress:
        for done, each in enumerate(judge_gold(engine), 1):
            judged.append(each)
            progress(done, total)
        progress(total, total)  # what finds nothing is not judged
    return fit_ranking(judged, engine.ranking)
