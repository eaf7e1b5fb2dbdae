"""What one can do with a source, on whichever screen it is shown."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass

from textual.app import App, SuspendNotSupported
from textual.notifications import SeverityLevel

from docqa.display import one_line, printable
from docqa.records import Source
from docqa.tui.content import citation


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an action, to be told to the person."""

    message: str
    severity: SeverityLevel = "information"


def tell(app: App[None], outcome: Outcome) -> None:
    """Say what came of an action; text from documents stays text."""
    app.notify(one_line(outcome.message), severity=outcome.severity, markup=False)


def copy_quote(app: App[None], text: str) -> Outcome:
    """Copy a quote, made printable: what is pasted into a terminal must not be able to command it."""
    app.copy_to_clipboard(printable(text))
    return Outcome("Quote copied")


def copy_citation(app: App[None], text: str, source: Source) -> Outcome:
    """Copy a quote with its source."""
    app.copy_to_clipboard(citation(text, source))
    return Outcome("Citation copied")


def edit(app: App[None], source: Source, line: int | None, remark: str) -> Outcome | None:
    """Open a source's file in the person's editor at a line; None if there is nothing to tell afterwards."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        return Outcome("No editor: set EDITOR, for example EDITOR=vim, and start docqa again", "warning")
    if not os.path.isfile(source.path):
        return Outcome(f"The file is gone: {source.path}", "error")
    if line is None:
        return Outcome(f"Only text files open in an editor; this one is at {source.path}", "warning")
    try:
        with app.suspend():
            done = subprocess.run([*shlex.split(editor), f"+{line}", source.path], check=False)  # noqa: S603 (theirs)
    except SuspendNotSupported:
        return Outcome("An editor cannot be opened from here", "error")
    except (OSError, ValueError) as error:
        return Outcome(f"{editor} could not be started: {error}", "error")
    if done.returncode:
        return Outcome(f"{editor} ended with code {done.returncode}", "warning")
    return Outcome(f"Note: {remark}; the line may have moved", "warning") if remark else None
