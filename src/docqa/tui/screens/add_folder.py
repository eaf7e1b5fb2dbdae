"""Choosing a folder to index, by typing, by walking, or both."""

from __future__ import annotations

import asyncio
import os
from inspect import cleandoc
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, OptionList, Static
from textual.widgets.option_list import Option

from docqa.display import one_line
from docqa.tui.widgets.notice import Notice

LISTED_FOLDERS = 500


class AddFolderScreen(ModalScreen[str | None]):
    """Type a path, or choose below with **Down** and **Enter**; **Tab** completes. **Enter** in the line adds.

    The screen's result is the folder or file to index, or None.
    """

    HELP = cleandoc(__doc__ or "")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "Complete", priority=True),
        Binding("down", "folders", "Choose", show=False),
        Binding("escape", "cancel", "Cancel"),
    ]

    def __init__(self, beginning: str | None = None) -> None:
        super().__init__()
        self._beginning = _with_separator(beginning or os.path.expanduser("~"))
        self._folders: list[str] = []

    def compose(self) -> ComposeResult:
        """The path above the folders that it may become."""
        with Vertical(classes="box"):
            yield Static("Index a folder", id="add-title", markup=False)
            yield Input(self._beginning, id="path", placeholder="Path of a folder or file", select_on_focus=False)
            yield Notice()
            yield OptionList(id="folders", markup=False)
            yield Static("Enter indexes it. Files stay where they are; docqa remembers their text.", id="add-hint")
        yield Footer()

    def on_mount(self) -> None:
        """Start at the path's end."""
        self.query_one(Input).focus()
        self.query_one(OptionList).border_title = "Folders"

    @on(Input.Changed, "#path")
    def typed(self, event: Input.Changed) -> None:
        """Show where the path could go on."""
        self.query_one(Notice).clear()
        self._list(event.value)

    @work(exclusive=True)
    async def _list(self, value: str) -> None:
        await asyncio.sleep(0.03)
        self._folders = await asyncio.to_thread(_folders, value)
        options = self.query_one(OptionList)
        options.set_options(Option(Content(one_line(os.path.basename(each)) + os.sep)) for each in self._folders)

    @on(Input.Submitted, "#path")
    def submitted(self, event: Input.Submitted) -> None:
        """Take the path, if it is one."""
        path = os.path.abspath(_expanded(event.value))
        if not event.value.strip():
            self.query_one(Notice).tell("Type the path of a folder.", "warning")
        elif not os.path.exists(path):
            self.query_one(Notice).tell(f"There is no {one_line(path)}")
        else:
            self.dismiss(path)

    @on(OptionList.OptionSelected)
    def chosen(self, event: OptionList.OptionSelected) -> None:
        """Go into a folder."""
        self._go_to(self._folders[event.option_index])

    def action_complete(self) -> None:
        """Complete the path as far as it is certain; with nothing to add, go into the first folder."""
        value = self.query_one(Input).value
        if not self._folders:
            return
        common = os.path.commonprefix(self._folders)  # noqa: RUF071 (of characters is meant)
        if len(self._folders) > 1 and len(common) > len(_expanded(value)):
            self._set(common)
        else:
            self._go_to(self._folders[0])

    def _go_to(self, folder: str) -> None:
        if not folder.isprintable():
            # A line of input cannot hold such a name, so it is taken as chosen.
            self.dismiss(folder)
        else:
            self._set(_with_separator(folder))

    def _set(self, path: str) -> None:
        line = self.query_one(Input)
        line.value = path
        line.cursor_position = len(path)
        line.focus()

    def action_folders(self) -> None:
        """Go from the line to the list."""
        if self.focused is self.query_one(Input) and self._folders:
            self.query_one(OptionList).focus()
            self.query_one(OptionList).highlighted = 0

    def action_cancel(self) -> None:
        """Choose nothing."""
        self.dismiss(None)


def _expanded(value: str) -> str:
    return os.path.expanduser(value.strip())


def _with_separator(folder: str) -> str:
    return folder if folder.endswith(os.sep) else folder + os.sep


def _folders(value: str) -> list[str]:
    """The folders that a path, as far as it is typed, may mean."""
    parent, start = os.path.split(_expanded(value))
    try:
        with os.scandir(parent or os.curdir) as entries:
            found = sorted(
                (entry.path for entry in entries if _may_be(entry, start)),
                key=str.casefold,
            )
    except (OSError, ValueError):
        return []
    return found[:LISTED_FOLDERS]


def _may_be(entry: os.DirEntry[str], start: str) -> bool:
    hidden = entry.name.startswith(".") and not start.startswith(".")
    if hidden or not entry.name.casefold().startswith(start.casefold()):
        return False
    try:
        return entry.is_dir()
    except OSError:
        return False
