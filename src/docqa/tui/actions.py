"""What one can do with a source, on whichever screen it is shown."""

from __future__ import annotations

import asyncio
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import App, SuspendNotSupported

from docqa.display import one_line, printable

if TYPE_CHECKING:
    from textual.notifications import SeverityLevel

    from docqa.records import Source


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an action, to be told to the person."""

    message: str
    severity: SeverityLevel = "information"


def tell(app: App[None], outcome: Outcome | None) -> None:
    """Say what came of an action, if there is anything to say; text from documents stays text."""
    if outcome is not None:
        app.notify(one_line(outcome.message), severity=outcome.severity, markup=False)


def copy_quote(app: App[None], source: Source) -> None:
    """Copy a quote, made printable: what is pasted into a terminal must not be able to command it."""
    from docqa.citing import quoted

    _copy(app, printable(quoted(source)), "Quote")


def copy_citation(app: App[None], source: Source) -> None:
    """Copy a quote with its source."""
    from docqa.citing import citation, quoted

    _copy(app, citation(quoted(source), source), "Citation")


def _copy(app: App[None], text: str, what: str) -> None:
    """Copy through the terminal, which works over SSH, and through the desktop, which works in every terminal."""
    app.copy_to_clipboard(text)
    app.run_worker(_copy_natively(app, text, what), group="clipboard", exclusive=True)


async def _copy_natively(app: App[None], text: str, what: str) -> None:
    from docqa import desktop

    taken = await asyncio.to_thread(desktop.copy, text)
    how = "" if taken else " through the terminal; nothing arrives where it does not pass it on (OSC 52)"
    tell(app, Outcome(f"{what} copied{how}"))


def edit(app: App[None], source: Source, line: int | None, remark: str) -> Outcome | None:
    """Open a source's file in the person's editor at a line; None if there is nothing to tell afterwards."""
    from docqa import desktop

    if not os.path.isfile(source.path):
        return _gone(source)
    if line is None:
        return Outcome("Only text files open in an editor; o opens this one in the system's viewer", "warning")
    try:
        command = desktop.edit_command(source.path, line)
        if command is None:
            return Outcome("No editor: set EDITOR, for example EDITOR=vim, and start docqa again", "warning")
        with app.suspend():
            done = subprocess.run(command, check=False)  # noqa: S603 (the person's own editor)
    except SuspendNotSupported:
        return Outcome("An editor cannot be opened from here; o opens the file in the system's viewer", "error")
    except (OSError, ValueError) as error:
        return Outcome(f"The editor could not be started ({error}); look at EDITOR", "error")
    if done.returncode:
        return Outcome(f"{command[0]} ended with code {done.returncode}", "warning")
    return Outcome(f"Note: {remark}; the line may have moved", "warning") if remark else None


def view(source: Source, page: int | None, remark: str) -> Outcome:
    """Open a source's file in the system's viewer, at a page where it can."""
    from docqa import desktop

    if not os.path.isfile(source.path):
        return _gone(source)
    command = desktop.view_command(source.path, page)
    if command is None:
        return Outcome(f"No viewer: this machine has no desktop to open {source.path} on", "warning")
    try:
        desktop.start(command)
    except OSError as error:
        return Outcome(f"{command[0]} could not be started ({error.strerror or error})", "error")
    note = f"; note: {remark}" if remark else ""
    return Outcome(f"Opened in {os.path.basename(command[0])}{note}")


def _gone(source: Source) -> Outcome:
    return Outcome(f"The file is gone: {source.path}; its text is still here, Enter shows it", "error")
