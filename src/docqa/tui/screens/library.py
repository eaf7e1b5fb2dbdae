"""What the library holds, what it does not and why; adding to it and removing from it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from inspect import cleandoc
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import ContentSwitcher, DataTable, Footer, Input, Static

from docqa.display import counted, one_line, size
from docqa.errors import DocqaError
from docqa.records import Document, Status
from docqa.tui.content import cut_left, folder, format_name, shortened_path
from docqa.tui.messages import LibraryChanged
from docqa.tui.widgets.notice import Notice

if TYPE_CHECKING:
    from docqa.tui.app import DocqaApp

# More rows than anybody reads; the filter finds the others.
SHOWN_ROWS = 2_000


class DocumentTable(DataTable[Text]):
    """A table that also obeys j, k, g and G."""

    HELP = cleandoc(__doc__ or "")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "Read"),
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "cursor_up", "Up", show=False),
        Binding("g", "scroll_top", "First", show=False),
        Binding("G", "scroll_bottom", "Last", show=False),
    ]

    def show(self, columns: Mapping[str, int], rows: Iterable[Sequence[Text]]) -> None:
        """Show rows under columns of so many cells, and keep the cursor where it is."""
        row = self.cursor_row
        self.clear(columns=True)
        for label, cells in columns.items():
            self.add_column(label, width=max(4, cells), key=label)
        self.add_rows(rows)
        self.move_cursor(row=min(row, max(0, self.row_count - 1)))


class LibraryScreen(Screen[None]):
    """The documents in the library.

    **/** filters, **Enter** reads a document, **a** adds a folder, **u** looks for changes in a document's
    folder, **Delete** removes a document from the library, **s** shows the files that were skipped and why.
    """

    app: DocqaApp

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back"),
        Binding("slash", "filter", "Filter"),
        Binding("a", "add", "Add"),
        Binding("u", "update", "Update"),
        Binding("delete,d", "remove", "Remove", key_display="del"),
        Binding("s", "skipped", "Skipped"),
        Binding("r", "refresh", "Refresh", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._documents: Sequence[Document] = ()
        self._shown: Sequence[Document] = ()
        self._status: Status | None = None
        self._settling: Timer | None = None

    def compose(self) -> ComposeResult:
        """A filter above the table."""
        yield Static(id="title", markup=False)
        yield Input(placeholder="Filter by name or folder…", id="filter")
        yield Notice()
        with ContentSwitcher(initial="documents", id="tables"):
            yield DocumentTable(id="documents", cursor_type="row")
            yield DocumentTable(id="skipped", cursor_type="row")
        yield Static(id="status", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Fetch what the library holds."""
        self.query_one("#documents", DocumentTable).focus()
        self.refresh_library()

    # --- what is there

    def on_resize(self) -> None:
        """Share out the width among the columns, when it has come to rest."""
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(0.05, self._fill)

    @on(LibraryChanged)
    def refresh_library(self) -> None:
        """Read the library anew."""
        self._load()

    @work(exclusive=True, group="load")
    async def _load(self) -> None:
        self.query_one(Notice).clear()
        self.query_one("#status", Static).update("Reading the library…")
        try:
            self._documents = await self.app.shelf.call(lambda engine: engine.documents())
            self._fill()
            # Looking the whole file through takes its time, so the documents do not wait for it.
            self._status = await self.app.writer.call(lambda engine: engine.status())
            self._fill()
            if self._status.problems:
                self.query_one(Notice).tell("; ".join(self._status.problems))
        except DocqaError as error:
            self._documents = ()
            self._fill()
            self.query_one(Notice).tell(str(error))
        self._tell()

    @on(Input.Changed, "#filter")
    def filter_changed(self) -> None:
        """Filter as one types."""
        self._fill()
        self._tell()

    @on(Input.Submitted, "#filter")
    def filter_done(self) -> None:
        """Go to what was found."""
        self.query_one("#documents", DocumentTable).focus()

    def _fill(self) -> None:
        wanted = self.query_one("#filter", Input).value.casefold().split()
        self._shown = [each for each in self._documents if all(word in each.path.casefold() for word in wanted)]
        skipped = self._status.skipped if self._status is not None else ()
        columns = _columns(self.size.width)
        rows = ([_cell(each, label, cells) for label, cells in columns.items()] for each in self._shown[:SHOWN_ROWS])
        self.query_one("#documents", DocumentTable).show(columns, rows)
        half = (self.size.width - 3 - 2 * 2) // 2
        self.query_one("#skipped", DocumentTable).show(
            {"File": half, "Why it was skipped": half},
            ((_text(cut_left(shortened_path(path), half)), _text(one_line(why))) for path, why in skipped[:SHOWN_ROWS]),
        )
        self.refresh_bindings()

    def _tell(self) -> None:
        held = sum(document.size for document in self._documents)
        parts = [counted(len(self._documents), "document"), size(held)]
        if len(self._shown) < len(self._documents):
            parts.insert(0, f"{len(self._shown):,} match the filter")
        if len(self._shown) > SHOWN_ROWS:
            parts.append(f"the first {SHOWN_ROWS:,} are listed")
        if self._status is not None:
            parts.append(f"{counted(len(self._status.skipped), 'file')} skipped")
        self.query_one("#status", Static).update("  ·  ".join(parts))
        where = shortened_path(self._status.library) if self._status is not None else ""
        self.query_one("#title", Static).update(Content.assemble(("Library", "bold"), (f"  {where}", "dim")))

    @property
    def chosen(self) -> Document | None:
        """The document under the cursor."""
        row = self.query_one("#documents", DocumentTable).cursor_row
        return self._shown[row] if row < min(len(self._shown), SHOWN_ROWS) else None

    # --- actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Offer what makes sense for the row under the cursor."""
        if action in ("remove", "update"):
            return self.is_mounted and self.query_one(ContentSwitcher).current == "documents" and bool(self.chosen)
        return True

    @on(DataTable.RowSelected, "#documents")
    def read(self) -> None:
        """Read the document under the cursor."""
        from docqa.tui.screens.document import DocumentScreen

        if self.chosen is not None:
            self.app.push_screen(DocumentScreen(self.chosen.path))

    def action_back(self) -> None:
        """Leave the filter, else the screen."""
        table = self.query_one(f"#{self.query_one(ContentSwitcher).current}", DocumentTable)
        if isinstance(self.focused, Input):
            self.query_one("#filter", Input).value = ""
            table.focus()
        elif self.query_one(ContentSwitcher).current == "skipped":
            self.action_skipped()
        else:
            self.dismiss()

    def action_filter(self) -> None:
        """Go to the filter."""
        self.query_one(ContentSwitcher).current = "documents"
        self.query_one("#filter", Input).focus()

    def action_skipped(self) -> None:
        """Show the files that were skipped, or the documents again."""
        switcher = self.query_one(ContentSwitcher)
        switcher.current = "documents" if switcher.current == "skipped" else "skipped"
        self.query_one(f"#{switcher.current}", DocumentTable).focus()

    def action_refresh(self) -> None:
        """Read the library anew, for another program may have written to it."""
        self.refresh_library()

    def action_add(self) -> None:
        """Add a folder."""
        self.app.action_add_folder()

    def action_update(self) -> None:
        """Look for changes in the folder of the document under the cursor."""
        if self.chosen is not None:
            self.app.action_add_folder(os.path.dirname(self.chosen.path))

    @work
    async def action_remove(self) -> None:
        """Remove the document under the cursor, when that is confirmed."""
        from docqa.tui.screens.confirm import ConfirmScreen

        document = self.chosen
        if document is None:
            return
        question = f"Remove {shortened_path(os.path.basename(document.path))} from the library?"
        if await self.app.push_screen_wait(ConfirmScreen(question, "The file itself stays where it is.")):
            try:
                await self.app.writer.call(lambda engine: engine.remove(document.path))
            except DocqaError as error:
                self.query_one(Notice).tell(str(error))
            else:
                self.app.library_changed()


def _columns(width: int) -> dict[str, int]:
    """The columns for a screen of so many cells, and how wide each is."""
    fixed = {"Format": 9, "Size": 7, "Passages": 8} if width >= 80 else {"Size": 7}
    # Two for the frame, one for the scroll bar, and one on either side of every cell.
    rest = width - 3 - 2 * (len(fixed) + 2) - sum(fixed.values())
    name = rest * 6 // 11
    return {"Name": name, **fixed, "Folder": rest - name}


def _cell(document: Document, column: str, cells: int) -> Text:
    match column:
        case "Name":
            return _text(one_line(os.path.basename(document.path)))
        case "Format":
            return _text(format_name(document))
        case "Size":
            return _text(f"{size(document.size):>{cells}}")
        case "Passages":
            return _text(f"{document.passages:>{cells},}")
        case _:
            return _text(cut_left(folder(document.path), cells))


def _text(cell: str) -> Text:
    """A cell on one line, which is never taken for markup."""
    return Text(cell, overflow="ellipsis", no_wrap=True)
