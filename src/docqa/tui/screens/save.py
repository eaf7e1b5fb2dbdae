"""Writing the session's questions and answers to a file."""

from __future__ import annotations

import os
from datetime import date
from inspect import cleandoc
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from docqa.citing import free_name
from docqa.display import one_line
from docqa.tui.widgets.keys import Keys
from docqa.tui.widgets.line import Line
from docqa.tui.widgets.notice import Notice


class FileInput(Line):
    """The name of a file."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "submit", "Write")]


class SaveScreen(ModalScreen[str | None]):
    """Say where to write this session as Markdown. **Enter** writes; no file is ever overwritten."""

    HELP = cleandoc(__doc__ or "")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel"),
    ]

    def __init__(self, markdown: str, *, folder: Path | None = None) -> None:
        """The screen's result is the file that was written, or None."""
        super().__init__()
        self._markdown = markdown
        self._proposed = free_name(folder or Path.cwd(), f"docqa {date.today().isoformat()}", ".md")

    def compose(self) -> ComposeResult:
        """A line for the file's name."""
        with Vertical(classes="box"):
            yield Static(Content.styled("Export this session as Markdown", "bold"), markup=False)
            yield FileInput(os.fspath(self._proposed), id="file", placeholder="Name of the file", select_on_focus=False)
            yield Notice()
            yield Static("Every question with its answers, quotes, sources and what you said of them.", classes="hint")
        yield Keys()

    @on(Input.Submitted)
    def write(self) -> None:
        """Write the file."""
        value = self.query_one(Input).value.strip()
        if not value:
            self.query_one(Notice).tell("Type the name of a file.", "warning")
            return
        path = os.path.abspath(os.path.expanduser(value))
        try:
            write_new(path, self._markdown)
        except FileExistsError:
            self.query_one(Notice).tell(f"{one_line(path)} is there already; choose another name")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            self.query_one(Notice).tell(f"{one_line(path)} cannot be written ({reason}); choose another folder")
        else:
            self.dismiss(path)

    def action_cancel(self) -> None:
        """Write nothing."""
        self.dismiss(None)


def write_new(path: str, text: str) -> None:
    """Write a file that nobody else can read, whole or not at all.

    FileExistsError if there is one, another OSError if it cannot be written, ValueError if the path can be none.
    """
    content = text.encode()
    # It holds what the documents hold: for its owner's eyes, like the library.
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)  # some file systems tell only now that they are full
    except OSError:
        # Otherwise the next try would find the name taken.
        os.unlink(path)
        raise
