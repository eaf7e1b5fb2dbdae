"""Choosing a folder to index, by typing, by walking, or both."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from inspect import cleandoc
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.visual import VisualType
from textual.widgets import DirectoryTree, Input, Static, Tree
from textual.widgets.directory_tree import DirEntry

from docqa.display import one_line
from docqa.tui.widgets.keys import Keys
from docqa.tui.widgets.line import Line
from docqa.tui.widgets.notice import Notice

TYPING_DELAY_S = 0.05


class FolderTree(DirectoryTree):
    """The folders below the one that is typed.

    - **Up**, **Down**, **k**, **j** choose; **Enter** or **l** looks inside, **h** closes.
    - **i** indexes the chosen folder.
    """

    HELP = cleandoc(__doc__ or "")
    DEFAULT_CLASSES = "frame"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,l,right", "select_cursor", "Look inside"),
        Binding("i", "screen.take", "Index it"),
        Binding("h,left", "close_node", "Close", show=False),
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "up", "Up", show=False),
        Binding("up", "up", "Up", show=False),
        Binding("g", "scroll_home", "First", show=False),
        Binding("G", "scroll_end", "Last", show=False),
    ]
    ICON_NODE = "▸ "
    ICON_NODE_EXPANDED = "▾ "

    def process_label(self, label: VisualType) -> Text:
        """A name as text, whatever it holds."""
        return Text(one_line(str(label)) or os.sep)

    def filter_paths(self, paths: Iterable[Path]) -> Iterable[Path]:
        """Folders only, and none that is hidden."""
        return sorted(
            (path for path in paths if not path.name.startswith(".") and self._safe_is_dir(path)),
            key=lambda path: path.name.casefold(),
        )

    def action_close_node(self) -> None:
        """Close the folder, or go to the one it is in."""
        node = self.cursor_node
        if node is not None and node.is_expanded and node is not self.root:
            node.collapse()
        else:
            self.action_cursor_parent()

    def action_up(self) -> None:
        """Go up; from the top, to the line."""
        if self.cursor_line <= 0:
            self.screen.focus_previous()
        else:
            self.action_cursor_up()


class PathInput(Line):
    """The path of a folder or file. **Enter** indexes it, **Tab** completes, **Down** goes to the tree."""

    HELP = cleandoc(__doc__ or "")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "submit", "Index it")]


class AddFolderScreen(ModalScreen[str | None]):
    """Type a path, or choose in the tree below. **Tab** completes, **Enter** in the line indexes."""

    HELP = cleandoc(__doc__ or "")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "Complete", priority=True),
        Binding("down", "tree", "Choose", key_display="↓"),
        Binding("escape", "cancel", "Cancel"),
    ]

    def __init__(self, beginning: str | None = None) -> None:
        """The screen's result is the folder or file to index, or None."""
        super().__init__()
        self._beginning = _with_separator(beginning or os.path.expanduser("~"))
        self._chosen: str | None = None

    def compose(self) -> ComposeResult:
        """The path above the folders that it may become."""
        with Vertical(classes="box -high"):
            yield Static("Index a folder", id="add-title", markup=False)
            yield PathInput(self._beginning, id="path", placeholder="Path of a folder or file", select_on_focus=False)
            yield Notice()
            yield FolderTree(_existing(self._beginning), id="folders")
            yield Static("Files stay where they are; docqa remembers their text.", classes="hint", markup=False)
        yield Keys()

    def on_mount(self) -> None:
        """Start at the path's end."""
        self.set_focus(self.query_one(Input))

    @on(Input.Changed, "#path")
    def typed(self, event: Input.Changed) -> None:
        """Show the folders where the path leads to; a whole path may be typed or pasted behind the one that stands."""
        self.query_one(Notice).clear()
        self._chosen = None
        before, _, whole = event.value.rpartition(f"{os.sep}{os.sep}")
        if before:
            self._set(os.sep + whole)
        self._follow(self.query_one(Input).value)

    @work(exclusive=True, group="follow")
    async def _follow(self, value: str) -> None:
        await asyncio.sleep(TYPING_DELAY_S)
        folder = await asyncio.to_thread(_existing, value)
        # None when the box has been closed meanwhile.
        for tree in self.query(FolderTree):
            if Path(tree.path) != Path(folder):
                tree.path = folder

    @on(Tree.NodeHighlighted)
    def highlighted(self, event: Tree.NodeHighlighted[DirEntry]) -> None:
        """Write the chosen folder into the line."""
        if event.node.data is not None and self.focused is self.query_one(FolderTree):
            # A line of input cannot hold every name, so the folder is remembered beside it.
            self._chosen = os.fspath(event.node.data.path)
            self._set(one_line(_with_separator(self._chosen)))

    def action_take(self) -> None:
        """Take the path, if it is one."""
        value = self.query_one(Input).value
        path = self._chosen or os.path.abspath(_expanded(value))
        if not value.strip():
            self.query_one(Notice).tell("Type the path of a folder.", "warning")
        elif not os.path.exists(path):
            self.query_one(Notice).tell(f"There is no {one_line(path)}")
        else:
            self.dismiss(path)

    @on(Input.Submitted, "#path")
    def submitted(self) -> None:
        """As by key."""
        self.action_take()

    @work(exclusive=True, group="complete")
    async def action_complete(self) -> None:
        """Complete the path as far as it is certain; with nothing to add, go into the first folder."""
        line = self.query_one(Input)
        folders = await asyncio.to_thread(_folders, line.value)
        if not folders:
            return
        common = os.path.commonprefix(folders)  # noqa: RUF071 (of characters is meant)
        further = len(folders) > 1 and len(common) > len(_expanded(line.value))
        self._set(common if further else _with_separator(folders[0]), quietly=False)
        self.set_focus(line)

    def _set(self, path: str, *, quietly: bool = True) -> None:
        line = self.query_one(Input)
        with line.prevent(*([Input.Changed] if quietly else [])):
            line.value = path
        line.cursor_position = len(path)

    def action_tree(self) -> None:
        """Go from the line to the tree."""
        self.set_focus(self.query_one(FolderTree))

    def action_cancel(self) -> None:
        """Choose nothing."""
        self.dismiss(None)


def _existing(value: str) -> str:
    """The folder that a path lies in, as far as it exists."""
    path = os.path.abspath(_expanded(value) or os.sep)
    while not os.path.isdir(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


def _expanded(value: str) -> str:
    return os.path.expanduser(value.strip())


def _with_separator(folder: str) -> str:
    return folder if folder.endswith(os.sep) else folder + os.sep


def _folders(value: str) -> list[str]:
    """The folders that a path, as far as it is typed, may mean."""
    parent, start = os.path.split(_expanded(value))
    try:
        with os.scandir(parent or os.curdir) as entries:
            # Where a line of input cannot hold a name, the tree is the way.
            named = (entry.path for entry in entries if _may_be(entry, start) and entry.name.isprintable())
            return sorted(named, key=str.casefold)
    except (OSError, ValueError):
        return []


def _may_be(entry: os.DirEntry[str], start: str) -> bool:
    hidden = entry.name.startswith(".") and not start.startswith(".")
    if hidden or not entry.name.casefold().startswith(start.casefold()):
        return False
    try:
        return entry.is_dir()
    except OSError:
        return False
