"""The command line: parse, call the engine, render."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from enum import IntEnum
from typing import NoReturn

from docqa.errors import DocqaError, Unavailable


class Exit(IntEnum):
    """What the exit code says."""

    ANSWERED = 0
    NO_ANSWER = 1
    USAGE = 2
    UNAVAILABLE = 3
    INTERRUPTED = 130


# What opens the application with the library and the reader that are meant unless others are named.
_OPEN_APPLICATION: tuple[list[str], ...] = ([], ["tui"])


def is_interactive() -> bool:
    """Whether there is somebody to open the application for."""
    # In a browser's page there is no terminal, and textual says so to the application.
    if os.environ.get("TEXTUAL_DRIVER", "").startswith("textual.drivers.web_driver:"):
        return True
    # The application draws on standard error.
    terminals = all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
    return terminals and os.environ.get("TERM") != "dumb"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program and exit; the one place where errors become messages and exit codes."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # whoever started this program has closed it
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 (for as long as the program runs)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows no more than ASCII gets escapes instead of an error.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        given = sys.argv[1:] if arguments is None else [*arguments]
        code = _application() if given in _OPEN_APPLICATION and is_interactive() else _command(given)
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        _drop_output()
        code = Exit.ANSWERED
    except OSError as error:
        # The output's disk is full, or a folder is not what it was; 1 would say that there is no answer.
        from docqa.display import printable

        _drop_output()
        about = f"{error.filename}: " if error.filename else ""
        print(f"docqa: {printable(about)}{error.strerror or error}", file=sys.stderr)  # noqa: T201
        code = Exit.UNAVAILABLE
    except DocqaError as error:
        from docqa.display import printable

        print(f"docqa: {printable(str(error))}", file=sys.stderr)  # noqa: T201 (click may not be at fault)
        code = Exit.UNAVAILABLE if isinstance(error, Unavailable) else Exit.USAGE
    sys.exit(code)


def _drop_output() -> None:
    """Forget what has not been written: the interpreter must not try to flush it again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _application() -> int:
    """Open the application: there is nothing to parse, and what parses takes half as long to import as that."""
    from docqa.tui import run

    run()
    return Exit.ANSWERED


def _command(arguments: Sequence[str]) -> int:
    """Run what the arguments ask for."""
    import click

    from docqa.cli.commands import docqa
    from docqa.display import printable

    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="replace")
    try:
        code = docqa.main(arguments, prog_name="docqa", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        message = io.StringIO()
        error.show(message)
        sys.stderr.write(printable(message.getvalue()))  # it may name a file that the shell found
        return Exit.USAGE
    except click.Abort:
        return Exit.INTERRUPTED
    return code or Exit.ANSWERED
