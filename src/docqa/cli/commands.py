"""The commands. Each calls the engine once and hands what comes back to a renderer."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import click

from docqa.cli import Exit, is_interactive, render
from docqa.cli.formats import formats
from docqa.cli.gold import calibrate, eval_, gold
from docqa.cli.options import (
    as_json_text,
    engine_for,
    option_color,
    option_json,
    option_library,
    option_reader,
    options_effort,
    options_filter,
    options_machine,
    options_patterns,
)
from docqa.cli.reader import narrate_reader
from docqa.cli.reader import reader as reader_commands
from docqa.cli.roots import roots
from docqa.cli.train import train
from docqa.cli.web import web
from docqa.errors import UsageError
from docqa.reader.choices import Device, Precision


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 answered, 1 no answer, 2 usage, 3 library or reader unavailable, 130 interrupted.",
)
@option_library
@click.version_option(package_name="docqa")
@click.pass_context
def docqa(context: click.Context, library: str | None) -> None:
    """Ask your own documents; get exact quotes with their sources, offline.

    For example: docqa index ~/Documents, then: docqa ask "When does the lease end?"

    On a terminal, docqa alone opens the application.
    """
    context.color = render.wants_color("auto")
    if context.invoked_subcommand is None:
        if is_interactive():
            _open_application(library)
        else:
            click.echo(context.get_help())


@docqa.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@options_patterns
@click.option("--prune", is_flag=True, help="Forget folders that are not there, and remove their documents.")
@click.option("--retry", is_flag=True, help="Try files again that could not be read, though they have not changed.")
@option_library
@option_json
@option_color
def index(paths: tuple[str, ...], library: str | None, as_json: bool, **options: Any) -> None:
    """Bring the library up to date with folders and files, and remember them.

    Without PATH, with all that it remembers; docqa roots lists them.

    New and changed files are read, unchanged ones left alone, documents whose files have gone removed.
    `.gitignore` and `.docqaignore` files say what to leave out, and so do the GLOBs, which are written alike.
    """
    from docqa.cli.progress import narrated

    if not paths and (options["include"] or options["exclude"]):
        raise click.UsageError("--include and --exclude need the PATH that they are meant for")
    with engine_for(library) as engine:
        report = narrated(engine.index_events(paths or None, **options))
    click.echo(as_json_text(report) if as_json else render.report(report))


@docqa.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@option_library
@option_color
def watch(paths: tuple[str, ...], library: str | None) -> None:
    """Keep the library current while files change, until Ctrl-C.

    It watches all folders that the library remembers, PATH among them from now on.
    """
    from docqa.cli.progress import told_while_watching

    with engine_for(library) as engine:
        told_while_watching(engine.watch_events(paths))


@docqa.command()
@click.argument("question", nargs=-1)
@option_library
@option_reader
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="How many answers to give.")
@options_effort
@click.option("--passages", type=click.IntRange(min=1), help="How many passages to read (default: by the effort).")
@click.option(
    "--min-confidence", type=click.FloatRange(0, 1), metavar="P", help="Only answers at least this likely to be right."
)
@click.option(
    "--precision",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Only answers of a confidence at which at least this share was right in calibration.",
)
@click.option("--explain", is_flag=True, help="Say why each answer stands where it does.")
@options_machine
@options_filter
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each question.")
@click.option("--jsonl", "as_jsonl", is_flag=True, help="Print each of them on a line.")
@option_color
@click.pass_context
def ask(
    context: click.Context,
    /,
    question: tuple[str, ...],
    library: str | None,
    reader: str | None,
    as_json: bool,
    as_jsonl: bool,
    precision: float | None,
    arithmetic: Precision,
    device: Device,
    **options: Any,
) -> None:
    """Answer QUESTION with quotes from the library.

    QUESTION may hold filters: in:notes/ type:pdf since:2024-05-01 "exact phrase" -word.

    Without QUESTION, questions are read from standard input, one a line.
    """
    answered, answerer = False, None
    with engine_for(library, reader, precision=arithmetic, device=device) as engine:
        for each in [" ".join(question)] if question else _questions_from_input():
            try:
                result = engine.ask(each, min_precision=precision, **options)
            except UsageError as error:
                if question:
                    raise
                # One bad line of many does not end the run.
                render.narrate(f"{each}: {error}")
                if as_json or as_jsonl:
                    click.echo(as_json_text({"question": each, "error": str(error)}, indent=None if as_jsonl else 1))
                continue
            answered = answered or bool(result.answers)
            for notice in result.notices:
                render.narrate(notice)
            if as_json or as_jsonl:
                click.echo(as_json_text(result, indent=None if as_jsonl else 1))
            else:
                click.echo(render.result(result, titled=not question))
                answerer = result.reader
    if answerer is not None:
        narrate_reader(answerer, named=reader is not None)
    context.exit(Exit.ANSWERED if answered else Exit.NO_ANSWER)


@docqa.command()
@click.argument("question", nargs=-1, required=True)
@option_library
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True, help="How many passages to give.")
@option_json
@option_color
@click.pass_context
def search(context: click.Context, question: tuple[str, ...], library: str | None, top: int, as_json: bool) -> None:
    """Find the passages that match QUESTION best, without reading them."""
    with engine_for(library) as engine:
        matches = engine.search(" ".join(question), top=top)
    if as_json:
        click.echo(as_json_text({"question": " ".join(question), "passages": matches, "library": str(engine.library)}))
    else:
        click.echo(render.matches(matches) if matches else "No passage matches.")
    context.exit(Exit.ANSWERED if matches else Exit.NO_ANSWER)


@docqa.command()
@click.argument("path")
@option_library
@option_json
def show(path: str, library: str | None, as_json: bool) -> None:
    """Print the text that the library holds of the document at PATH."""
    with engine_for(library) as engine:
        text = engine.text(path)
        document = engine.documents(path)[0]
    click.echo(as_json_text({"document": document, "text": text}) if as_json else render.text(text))


@docqa.command()
@option_library
@option_json
@option_color
def status(library: str | None, as_json: bool) -> None:
    """Tell what the library holds, what was skipped and why."""
    with engine_for(library) as engine:
        found = engine.status(check=False)
    click.echo(as_json_text(found) if as_json else render.status(found))


@docqa.command()
@option_library
@option_json
@option_color
@click.pass_context
def doctor(context: click.Context, library: str | None, as_json: bool) -> None:
    """Look whether the library file is sound, what the library lacks, and say what to do about it.

    The exit code is 0 if the file is sound, whatever else there is to say, and 3 if it is not.
    """
    with engine_for(library) as engine:
        found = engine.health()
    click.echo(as_json_text(found) if as_json else render.health(found))
    context.exit(Exit.ANSWERED if found.sound else Exit.UNAVAILABLE)


@docqa.command()
@click.argument("path", required=False)
@option_library
@option_json
@click.pass_context
def ls(context: click.Context, path: str | None, library: str | None, as_json: bool) -> None:
    """List the documents in the library, or those at or below PATH."""
    with engine_for(library) as engine:
        documents = engine.documents(path)
    nothing = path is not None and not documents
    if as_json:
        click.echo(as_json_text({"documents": documents}))
    else:
        click.echo("Nothing there is in the library.\n" if nothing else render.documents(documents), nl=False)
    context.exit(Exit.NO_ANSWER if nothing else Exit.ANSWERED)


@docqa.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@option_library
@option_json
@click.pass_context
def rm(context: click.Context, paths: tuple[str, ...], library: str | None, as_json: bool) -> None:
    """Take the documents at or below PATH out of the library; the files themselves stay."""
    with engine_for(library) as engine:
        removed = [gone for path in paths for gone in engine.remove(path)]
    click.echo(as_json_text({"removed": removed}) if as_json else render.removed(removed))
    context.exit(Exit.ANSWERED if removed else Exit.NO_ANSWER)


@docqa.command()
@option_library
@option_reader
@click.pass_context
def tui(context: click.Context, library: str | None, reader: str | None) -> None:
    """Open the application: ask, read on, and look after the library in the terminal."""
    if not is_interactive():
        raise click.UsageError("the application needs a terminal; docqa ask answers without one")
    _open_application(library or context.find_root().params.get("library"), reader)


def _open_application(library: str | None, reader: str | None = None) -> None:
    from docqa.tui import run

    run(library, reader)


def _questions_from_input() -> Iterable[str]:
    if sys.stdin.isatty():
        raise click.UsageError("no question; for example: docqa ask 'When does the lease end?'")
    return (line.strip() for line in sys.stdin if line.strip())


for command in (roots, gold, eval_, calibrate, reader_commands, train, formats, web):
    docqa.add_command(command)
