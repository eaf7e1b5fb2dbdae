"""What commands share: options, the engine they name, JSON."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from docqa.cli import render
from docqa.reader.choices import DEFAULT_EFFORT, DEVICES, EFFORTS, PRECISIONS, Device, Precision

if TYPE_CHECKING:
    from docqa.engine import DocQA

Command = Callable[..., Any]


def option_library(command: Command) -> Command:
    """Add --library."""
    return click.option(
        "--library", metavar="FILE", help="The library file (default: DOCQA_LIBRARY, else your data folder)."
    )(command)


def option_json(command: Command) -> Command:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


def option_reader(command: Command) -> Command:
    """Add --reader."""
    return click.option(
        "--reader", metavar="PATH_OR_NAME", help="The reader: a name `docqa reader ls` lists, a folder, or a hub name."
    )(command)


def option_color(command: Command) -> Command:
    """Add --color, which decides whether click lets colours through."""

    @click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="Use colours.")
    @functools.wraps(command)
    def coloured(*args: Any, color: str, **options: Any) -> Any:
        click.get_current_context().color = render.wants_color(color)
        return command(*args, **options)

    return coloured


class Duration(click.ParamType[float]):
    """A stretch of time with its unit, such as 300ms or 1.5s; converted to milliseconds."""

    name = "duration"
    _FORM = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(ms|s)")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Milliseconds, more than none; anything else fails with what would do."""
        match = self._FORM.fullmatch(str(value).strip())
        milliseconds = float(match[1]) * (1000 if match[2] == "s" else 1) if match else 0.0
        if not 0 < milliseconds < math.inf:
            self.fail(f"{str(value)!r} is no stretch of time; write it like 300ms or 1.5s", param, ctx)
        return milliseconds


def options_effort(command: Command) -> Command:
    """Add the dial between time and accuracy, and the deadline."""
    effort = click.option(
        "--effort",
        type=click.Choice(EFFORTS),
        default=DEFAULT_EFFORT,
        envvar="DOCQA_EFFORT",
        show_default=True,
        show_envvar=True,
        help="How hard to try: fewer passages, read by fewer tokens where that was measured to do, or all in full.",
    )
    within = click.option(
        "--within",
        "within_ms",
        type=Duration(),
        metavar="TIME",
        help="Give the best answer found within TIME (300ms, 1.5s); loading the reader does not count.",
    )
    return effort(within(command))


def options_patterns(command: Command) -> Command:
    """Add the patterns of a root."""
    include = click.option("--include", multiple=True, metavar="GLOB", help="Only files that match GLOB.")
    exclude = click.option("--exclude", multiple=True, metavar="GLOB", help="No files or folders that match GLOB.")
    return include(exclude(command))


def options_filter(command: Command) -> Command:
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


def options_machine(command: Command) -> Command:
    """Add --arithmetic and --device."""
    precision = click.option(
        "--arithmetic",
        type=click.Choice(PRECISIONS),
        default="auto",
        help="What the reader computes in; auto is the fastest that was measured to answer as well.",
    )
    device = click.option(
        "--device", type=click.Choice(DEVICES), default="auto", help="Where the reader computes; auto is a GPU if any."
    )
    return precision(device(command))


def engine_for(
    library: str | None, reader: str | None = None, *, precision: Precision = "auto", device: Device = "auto"
) -> DocQA:
    """Return the engine on the library that the command names, else the one named before the command."""
    from docqa.engine import DocQA

    context: click.Context | None = click.get_current_context()
    while context is not None and library is None:
        library, context = context.params.get("library"), context.parent
    return DocQA(library, reader=reader, precision=precision, device=device)


def as_json_text(value: Any, indent: int | None = 1) -> str:
    """Write records as JSON in ASCII: a script reads back every character, a terminal obeys none."""
    from dataclasses import asdict, is_dataclass

    def plain(record: Any) -> Any:
        if is_dataclass(record) and not isinstance(record, type):
            return asdict(record)
        raise TypeError(f"{type(record).__name__} has no JSON form")

    return json.dumps(value, default=plain, indent=indent)
