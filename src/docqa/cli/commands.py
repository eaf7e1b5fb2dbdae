"""The commands. Each calls the engine once and hands what comes back to a renderer."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click

from docqa.cli import Exit, render

if TYPE_CHECKING:
    from docqa.engine import DocQA

Command = Callable[..., Any]


def _option_library(command: Command) -> Command:
    return click.option(
        "--library", metavar="FILE", help="The library file (default: DOCQA_LIBRARY, else your data folder)."
    )(command)


def _option_json(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


def _option_color(command: Command) -> Command:
    """Add --color, which decides whether click lets colours through."""

    @click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="Use colours.")
    @functools.wraps(command)
    def coloured(*args: Any, color: str, **options: Any) -> Any:
        click.get_current_context().color = render.wants_color(color)
        return command(*args, **options)

    return coloured


def _options_filter(command: Command) -> Command:
    """Add the filters, which a question may also hold inline; several of a kind are alternatives."""

    @click.option("--in", "in_", multiple=True, metavar="GLOB", help="Only files or folders that match GLOB.")
    @click.option("--type", "type_", multiple=True, metavar="TYPE", help="Only files of this type, such as pdf.")
    @click.option("--since", multiple=True, metavar="DATE", help="Only files changed on or after DATE (2024-05-01).")
    @functools.wraps(command)
    def filtered(
        *args: Any, in_: tuple[str, ...], type_: tuple[str, ...], since: tuple[str, ...], **options: Any
    ) -> Any:
        from docqa.questions import Filters, make_filter

        filters = Filters()
        for kind, values in (("in", in_), ("type", type_), ("since", since)):
            for value in values:
                filters = filters.combined(make_filter(kind, value))
        return command(*args, filters=filters, **options)

    return filtered


def _engine(library: str | None, reader: str | None = None) -> DocQA:
    from docqa.engine import DocQA

    return DocQA(library or click.get_current_context().find_root().params.get("library"), reader=reader)


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 answered, 1 no answer, 2 usage, 3 library or reader unavailable, 130 interrupted.",
)
@_option_library
@click.version_option(package_name="docqa")
@click.pass_context
def docqa(context: click.Context, library: str | None) -> None:  # noqa: ARG001 (read by _engine)
    """Ask your own documents; get exact quotes with their sources, offline.

    For example: docqa index ~/Documents, then: docqa ask "When does the lease end?"
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@docqa.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@_option_library
@_option_json
@_option_color
def index(paths: tuple[str, ...], library: str | None, as_json: bool) -> None:
    """Bring the library up to date with folders and files.

    New and changed files are read, unchanged ones left alone, documents whose files have gone removed.
    `.gitignore` and `.docqaignore` files say what to leave out.
    """
    from docqa.cli.progress import narrated

    with _engine(library) as engine:
        report = narrated(engine.index_events(paths))
    click.echo(_json(report) if as_json else render.report(report))


@docqa.command()
@click.argument("question", nargs=-1)
@_option_library
@click.option("--reader", metavar="PATH_OR_NAME", help="The reader model: a folder, or a checkpoint's hub name.")
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="How many answers to give.")
@click.option(
    "--passages", type=click.IntRange(min=1), default=10, show_default=True, help="How many passages to read."
)
@click.option(
    "--min-confidence", type=click.FloatRange(0, 1), metavar="P", help="Only answers at least this likely to be right."
)
@click.option(
    "--precision",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Only answers of a confidence at which at least this share was right in calibration.",
)
@_options_filter
@_option_json
@click.option("--jsonl", "as_jsonl", is_flag=True, help="Print one JSON object a line.")
@_option_color
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
    **options: Any,
) -> None:
    """Answer QUESTION with quotes from the library.

    QUESTION may hold filters: in:notes/ type:pdf since:2024-05-01 "exact phrase" -word.

    Without QUESTION, questions are read from standard input, one a line.
    """
    answered = False
    with _engine(library, reader) as engine:
        for each in [" ".join(question)] if question else _questions_from_input():
            result = engine.ask(each, min_precision=precision, **options)
            answered = answered or bool(result.answers)
            for notice in result.notices:
                render.narrate(notice)
            if as_json or as_jsonl:
                click.echo(_json(result, indent=None if as_jsonl else 1))
            else:
                click.echo(render.result(result, titled=not question))
    context.exit(Exit.ANSWERED if answered else Exit.NO_ANSWER)


@docqa.command()
@click.argument("question", nargs=-1, required=True)
@_option_library
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True, help="How many passages to give.")
@_option_json
@_option_color
@click.pass_context
def search(context: click.Context, question: tuple[str, ...], library: str | None, top: int, as_json: bool) -> None:
    """Find the passages that match QUESTION best, without reading them."""
    with _engine(library) as engine:
        matches = engine.search(" ".join(question), top=top)
    if as_json:
        click.echo(_json({"question": " ".join(question), "passages": matches, "library": str(engine.library)}))
    else:
        click.echo(render.matches(matches) if matches else "No passage matches.")
    context.exit(Exit.ANSWERED if matches else Exit.NO_ANSWER)


@docqa.command()
@click.argument("path")
@_option_library
@_option_json
def show(path: str, library: str | None, as_json: bool) -> None:
    """Print the text that the library holds of the document at PATH."""
    with _engine(library) as engine:
        text = engine.text(path)
        document = engine.documents(path)[0]
    click.echo(_json({"document": document, "text": text}) if as_json else render.text(text))


@docqa.command()
@_option_library
@_option_json
@_option_color
def status(library: str | None, as_json: bool) -> None:
    """Tell what the library holds, what was skipped and why, and whether the file is sound."""
    with _engine(library) as engine:
        found = engine.status()
    click.echo(_json(found) if as_json else render.status(found))


@docqa.command()
@click.argument("path", required=False)
@_option_library
@_option_json
def ls(path: str | None, library: str | None, as_json: bool) -> None:
    """List the documents in the library, or those at or below PATH."""
    with _engine(library) as engine:
        documents = engine.documents(path)
    click.echo(_json({"documents": documents}) if as_json else render.documents(documents), nl=as_json)


@docqa.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@_option_library
@_option_json
@click.pass_context
def rm(context: click.Context, paths: tuple[str, ...], library: str | None, as_json: bool) -> None:
    """Take the documents at or below PATH out of the library; the files themselves stay."""
    with _engine(library) as engine:
        removed = [gone for path in paths for gone in engine.remove(path)]
    click.echo(_json({"removed": removed}) if as_json else render.removed(removed))
    context.exit(Exit.ANSWERED if removed else Exit.NO_ANSWER)


def _questions_from_input() -> Iterable[str]:
    if sys.stdin.isatty():
        raise click.UsageError("no question; for example: docqa ask 'When does the lease end?'")
    return (line.strip() for line in sys.stdin if line.strip())


def _json(value: Any, indent: int | None = 1) -> str:
    """Write records as JSON in ASCII: a script reads back every character, a terminal obeys none."""
    from dataclasses import asdict, is_dataclass

    def plain(record: Any) -> Any:
        if is_dataclass(record) and not isinstance(record, type):
            return asdict(record)
        raise TypeError(f"{type(record).__name__} has no JSON form")

    return json.dumps(value, default=plain, indent=indent)
