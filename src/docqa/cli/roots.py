"""The commands `docqa roots …`: the folders that a library is kept current with."""

from __future__ import annotations

import click

from docqa.cli import render
from docqa.cli.options import as_json_text, engine_for, option_color, option_json, option_library, options_patterns


@click.group(invoke_without_command=True)
@option_library
@option_json
@option_color
@click.pass_context
def roots(context: click.Context, library: str | None, as_json: bool) -> None:
    """List the folders that the library is kept current with, or add and forget some.

    docqa index without a path goes through them all; docqa watch does so whenever a file changes.
    """
    if context.invoked_subcommand is None:
        with engine_for(library) as engine:
            found = engine.roots()
        click.echo(as_json_text({"roots": found}) if as_json else render.roots(found))


@roots.command()
@click.argument("path")
@option_library
@options_patterns
def add(path: str, library: str | None, include: tuple[str, ...], exclude: tuple[str, ...]) -> None:
    """Keep the library current with PATH from now on, or give PATH these patterns instead of those it has.

    Patterns are those of .gitignore, from PATH on. Nothing is read before the next docqa index.
    """
    with engine_for(library) as engine:
        engine.add_root(path, include=include, exclude=exclude)


@roots.command()
@click.argument("path")
@click.option("--keep", is_flag=True, help="Leave its documents in the library, as they are.")
@option_library
@option_json
def rm(path: str, library: str | None, keep: bool, as_json: bool) -> None:
    """Forget the root PATH and take its documents out of the library; the files themselves stay."""
    with engine_for(library) as engine:
        removed = engine.remove_root(path, keep=keep)
    click.echo(as_json_text({"removed": removed}) if as_json else render.forgotten(path, removed, kept=keep))
