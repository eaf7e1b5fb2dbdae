"""The command `docqa web`: the application in a browser."""

from __future__ import annotations

import click

from docqa.cli import render
from docqa.cli.options import option_library, option_reader


@click.command()
@option_library
@option_reader
@click.option("--host", default="127.0.0.1", show_default=True, help="A loopback address; no other is served.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port (default: a free one).")
@click.option("--open", "open_", is_flag=True, help="Open the page in your browser.")
@click.pass_context
def web(context: click.Context, library: str | None, reader: str | None, host: str, port: int, open_: bool) -> None:
    """Open the application in a browser on this machine.

    The address that is printed holds a token, without which nobody gets in. Needs docqa[web].
    """
    from docqa.tui.web import serve

    def announce(address: str) -> None:
        click.echo(address)
        render.narrate("ctrl+c ends it")

    serve(
        library or context.find_root().params.get("library"),
        reader,
        host=host,
        port=port,
        announce=announce,
        launch=click.launch if open_ else None,
    )
