"""What the library holds, what it does not and why; adding to it, keeping it current, removing from it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Input, Static

from docqa.display import counted, made_by_docqa, one_line, size
from docqa.errors import DocqaError
from docqa.records import Document, FileState, Health, Root
from docqa.tui.content import cut_left, folder, format_name, shortened_path
from docqa.tui.messages import LibraryChanged
from docqa.tui.widgets.choice_line import ChoiceLine
from docqa.tui.widgets.keys import Keys
from docqa.tui.widgets.line import Line
from docqa.tui.widgets.notice import Notice
from docqa.tui.widgets.row_list import Cell, RowList, Tone, fit

if TYPE_CHECKING:
    from docqa.tui.app import DocqaApp

# Files looked at between two pictures of the screen.
STATES_AT_ONCE = 400
FILTER_DELAY_S = 0.05
# What of a library file takes most; the rest is small change.
PARTS = 4

_STATES: dict[FileState, Cell] = {
    "unchanged": ("indexed", "good"),
    "changed": ("changed", "warning"),
    "gone": ("gone", "error"),
}
STATE_CELLS = 8


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the doctor's report: what is the matter, where, and whether it heads a kind of finding."""

    text: str
    path: str = ""
    tone: Tone = "plain"
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Listed:
    """A row with the text that the filter looks in."""

    item: Document | Root | tuple[str, str] | Entry
    text: str


class LibraryScreen(Screen[None]):
    """What the library holds: **1** documents, **2** folders, **3** what was skipped and why, **4** its health.

    **Left** and **Right** change between them. **/** filters, **Enter** reads a document or lists a folder's.

    **a** adds a folder, **u** looks for changes (in the folder under the cursor, else everywhere), **Delete** takes
    what is under the cursor out of the library. Files themselves are never touched.
    """

    app: DocqaApp

    HELP = cleandoc(__doc__ or "")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "Back", key_display="esc"),
        Binding("slash", "filter", "Filter", priority=True),
        Binding("a", "add", "Add"),
        Binding("u", "update", "Update"),
        Binding("delete,d", "remove", "Remove", key_display="del"),
        Binding("left,h", "view(-1)", "View", show=False),
        Binding("right,l", "view(1)", "View", key_display="←→"),
        *(Binding(str(number), f"views({number})", f"View {number}", show=False) for number in range(1, 5)),
        Binding("ctrl+r", "refresh", "Refresh", show=False),
    ]

    VIEWS: ClassVar[dict[str, str]] = {
        "documents": "Documents",
        "folders": "Folders",
        "skipped": "Skipped",
        "health": "Health",
    }

    def __init__(self) -> None:
        super().__init__()
        self._rows: dict[str, list[Listed]] = {view: [] for view in self.VIEWS}
        self._states: dict[str, FileState] = {}
        self._health: Health | None = None
        self._settling: Timer | None = None
        self._bytes = 0
        self._listed = False

    def compose(self) -> ComposeResult:
        """A filter above the list."""
        yield Static(id="title", markup=False)
        yield Line(placeholder="Filter by name or folder…", id="filter")
        yield ChoiceLine(self.VIEWS, "documents", id="views")
        yield Notice()
        yield RowList[Listed](id="rows")
        with Horizontal(id="bar"):
            yield Static(id="status", markup=False)
        yield Keys()

    def on_mount(self) -> None:
        """Fetch what the library holds."""
        self.set_focus(self.rows)
        self.refresh_library()

    @property
    def rows(self) -> RowList[Listed]:
        """The list."""
        return self.query_one("#rows", RowList)

    @property
    def view(self) -> str:
        """Which of the four is shown."""
        return self.query_one("#views", ChoiceLine).chosen

    # --- what is there

    @on(LibraryChanged)
    def refresh_library(self) -> None:
        """Read the library anew."""
        self._load()

    @work(exclusive=True, group="load")
    async def _load(self) -> None:
        self.query_one(Notice).clear()
        self.query_one("#status", Static).update("Reading the library…")
        try:
            documents = await self.app.shelf.call(lambda engine: engine.documents())
            self._rows["documents"] = await asyncio.to_thread(_listed, documents, _document_text)
            self._bytes = sum(document.size for document in documents)
            roots = await self.app.shelf.call(lambda engine: engine.roots())
            self._rows["folders"] = _listed(roots, _root_text)
            self._listed = True
            self._fill()
            self._look_at_files(documents)
            # Looking the whole file through takes its time, so the documents do not wait for it.
            self._health = await self.app.writer.call(lambda engine: engine.health())
            self._rows["skipped"] = _listed(_skipped(self._health), " ".join)
            self._rows["health"] = _listed(_report(self._health), _entry_text)
        except DocqaError as error:
            self._rows = {view: [] for view in self.VIEWS}
            self.query_one(Notice).tell(str(error))
        self._fill()

    @work(exclusive=True, group="states")
    async def _look_at_files(self, documents: Sequence[Document]) -> None:
        """Find out which files are still as they were indexed, those at the top first."""
        self._states = {}
        for start in range(0, len(documents), STATES_AT_ONCE):
            self._states |= await asyncio.to_thread(_file_states, documents[start : start + STATES_AT_ONCE])
            if self.view == "documents":
                self.rows.refresh()
        self._tell()

    def _fill(self) -> None:
        """List what suits the filter in the chosen view."""
        wanted = self.query_one("#filter", Input).value.casefold().split()
        rows = self._rows[self.view]
        found = [row for row in rows if all(word in row.text for word in wanted)] if wanted else rows
        draw, header = self._drawing()
        self.rows.show(found, draw, header, empty="Nothing matches the filter." if rows else self._nothing())
        counts = {
            view: f"{name} {len(rows):,}"
            for (view, name), rows in zip(self.VIEWS.items(), self._rows.values(), strict=True)
        }
        counts["health"] = "Health" if self._health is None else f"Health {_verdict(self._health)}"
        self.query_one("#views", ChoiceLine).show(self.view, counts)
        self._tell()
        self.refresh_bindings()

    def _nothing(self) -> str:
        """What an empty view means."""
        if self.query_one(Notice).display:
            return ""
        if not self._listed or (self._health is None and self.view in ("skipped", "health")):
            return "Reading the library…"
        return {
            "documents": "No document yet; a adds a folder.",
            "folders": "No folder is kept current; a adds one.",
            "skipped": "No file was skipped.",
        }.get(self.view, "")

    def _drawing(self) -> tuple[Callable[[Listed, int], Sequence[Cell]], Callable[[int], str]]:
        match self.view:
            case "documents":
                return partial(_document_row, states=self._states), _document_header
            case "folders":
                return _root_row, _root_header
            case "skipped":
                return _skipped_row, _skipped_header
            case _:
                return _entry_row, lambda _width: " Findings, and what to do"

    def _tell(self) -> None:
        parts = [counted(len(self._rows["documents"]), "document"), size(self._bytes)]
        if len(self.rows.items) < len(self._rows[self.view]):
            parts.insert(0, f"{len(self.rows.items):,} match the filter")
        stale = sum(state != "unchanged" for state in self._states.values())
        if stale:
            parts.append(f"{stale:,} changed or gone: u updates")
        if self._health is not None:
            parts.append(f"{counted(len(self._rows['skipped']), 'file')} skipped")
        self.query_one("#status", Static).update("  ·  ".join(parts))
        where = shortened_path(self.app.library) if self.app.library else ""
        self.query_one("#title", Static).update(Content.assemble(("Library", "bold"), (f"  {where}", "dim")))

    # --- filter and views

    @on(Input.Changed, "#filter")
    def filter_changed(self) -> None:
        """Filter as one types; a hundred thousand rows take a moment, which no key waits for."""
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(FILTER_DELAY_S, self._fill)

    @on(Input.Submitted, "#filter")
    def filter_done(self) -> None:
        """Go to what was found."""
        self._fill()
        self.set_focus(self.rows)

    @on(ChoiceLine.Chosen, "#views")
    def view_chosen(self) -> None:
        """Show another view from its beginning."""
        self.rows.cursor = 0
        self._fill()
        self.set_focus(self.rows)

    @on(RowList.Moved)
    def moved(self) -> None:
        """Offer what can be done with the row under the cursor."""
        self.refresh_bindings()

    def action_view(self, step: int) -> None:
        """Show the next view: documents, folders, skipped files, health."""
        self.query_one("#views", ChoiceLine).step(step)

    def action_views(self, number: int) -> None:
        """Show one of the views."""
        self.query_one("#views", ChoiceLine).choose([*self.VIEWS][number - 1])

    def action_filter(self) -> None:
        """Go to the filter."""
        self.set_focus(self.query_one("#filter", Input))

    def action_back(self) -> None:
        """Empty the filter, else leave."""
        line = self.query_one("#filter", Input)
        if line.value or self.focused is line:
            line.value = ""
            self.set_focus(self.rows)
        else:
            self.dismiss()

    # --- actions

    @property
    def chosen(self) -> Any:
        """The document, folder, skipped file or finding under the cursor; None in an empty list."""
        row = self.rows.chosen
        return row.item if row is not None else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Offer what makes sense for the row under the cursor."""
        if action == "filter":
            return not isinstance(self.focused, Input)
        if action == "remove":
            return self.is_mounted and isinstance(self.chosen, Document | Root)
        return True

    @on(RowList.Opened)
    def open(self) -> None:
        """Read a document, show a folder's documents, tell all that a row could not hold."""
        from docqa.tui.screens.document import DocumentScreen

        match self.chosen:
            case Document(path):
                self.app.push_screen(DocumentScreen(path))
            case Root(path):
                self.query_one("#views", ChoiceLine).choose("documents")
                self.query_one("#filter", Input).value = shortened_path(path)
            case (str(path), str(why)):
                self.query_one(Notice).tell(f"{shortened_path(path)}: {one_line(why)}", "information")
            case Entry(text, path):
                self.query_one(Notice).tell(": ".join(filter(None, (shortened_path(path), text))), "information")

    def action_refresh(self) -> None:
        """Read the library anew, for another program may have written to it."""
        self.refresh_library()

    def action_add(self) -> None:
        """Add a folder."""
        self.app.action_add_folder()

    def action_update(self) -> None:
        """Look for changes in the folder under the cursor, else in all folders of the library."""
        self.app.update_library([self.chosen.path] if isinstance(self.chosen, Root) else None)

    @work(group="person")
    async def action_remove(self) -> None:
        """Take a document, or a folder with its documents, out of the library, when that is confirmed."""
        from docqa.tui.screens.confirm import ConfirmScreen

        item = self.chosen
        if not isinstance(item, Document | Root):
            return
        whole = isinstance(item, Root)
        name = shortened_path(item.path if whole else os.path.basename(item.path))
        held = f" with {counted(item.documents, 'document')}" if isinstance(item, Root) else ""
        kept = "The files themselves stay where they are."
        if not whole:
            kept = "The file itself stays where it is; updates will leave it out."
        asked = ConfirmScreen(f"Remove {name}{held} from the library?", kept)
        if await self.app.push_screen_wait(asked):
            try:
                await self.app.writer.call(
                    lambda engine: engine.remove_root(item.path) if whole else engine.remove(item.path)
                )
            except DocqaError as error:
                self.query_one(Notice).tell(str(error))
            else:
                self.app.library_changed()


# --- rows


def _listed(items: Sequence[Any], text: Callable[[Any], str]) -> list[Listed]:
    return [Listed(item, text(item).casefold()) for item in items]


def _document_text(document: Document) -> str:
    return f"{shortened_path(document.path)} {format_name(document)}"


def _root_text(root: Root) -> str:
    return shortened_path(root.path)


def _entry_text(entry: Entry) -> str:
    return f"{shortened_path(entry.path)} {entry.text}"


def _document_cells(width: int) -> tuple[int, int, bool]:
    """How wide name and folder are on a screen of so many cells, and whether there is room for all columns."""
    roomy = width >= 96
    rest = width - 2 - STATE_CELLS - 2 - 8 - (11 + 10 if roomy else 0)
    name = rest * 6 // 11
    return name, rest - name, roomy


def _document_header(width: int) -> str:
    name, _, roomy = _document_cells(width)
    more = f"{'Format':<11}{'Passages':>8}  " if roomy else ""
    return f" {fit('Name', name)} {'State':<{STATE_CELLS}} {more}{'Size':>7}  Folder"


def _document_row(row: Listed, width: int, *, states: dict[str, FileState]) -> list[Cell]:
    document = row.item
    assert isinstance(document, Document)
    name, place, roomy = _document_cells(width)
    state, tone = _STATES[states[document.path]] if document.path in states else ("", "quiet")
    more = f"{fit(format_name(document), 10)} {document.passages:>8,}  " if roomy else ""
    return [
        (f" {fit(one_line(os.path.basename(document.path)), name)} ", "plain"),
        (f"{state:<{STATE_CELLS}} ", tone),
        (f"{more}{size(document.size):>7}  ", "plain"),
        (fit(cut_left(folder(document.path), place), place), "quiet"),
    ]


def _root_header(width: int) -> str:
    return f" {fit('Folder', width - 24)} {'State':<{STATE_CELLS}} {'Documents':>10}"


def _root_row(row: Listed, width: int) -> list[Cell]:
    root = row.item
    assert isinstance(root, Root)
    only = f" only {' '.join(root.include)}" if root.include else ""
    but = f" without {' '.join(root.exclude)}" if root.exclude else ""
    state: Cell = (f"{'there':<{STATE_CELLS}} ", "good") if root.present else (f"{'gone':<{STATE_CELLS}} ", "error")
    return [
        (f" {fit(one_line(f'{shortened_path(root.path)}{only}{but}'), width - 24)} ", "plain"),
        state,
        (f"{root.documents:>10,}", "plain"),
    ]


def _skipped_header(width: int) -> str:
    return f" {fit('File', (width - 3) // 2)} Why it was skipped"


def _skipped_row(row: Listed, width: int) -> list[Cell]:
    assert isinstance(row.item, tuple)
    path, why = row.item
    half = (width - 3) // 2
    return [
        (f" {fit(cut_left(shortened_path(path), half), half)} ", "plain"),
        (fit(one_line(why), width - half - 3), "quiet"),
    ]


def _entry_row(row: Listed, width: int) -> list[Cell]:
    entry = row.item
    assert isinstance(entry, Entry)
    if not entry.path:
        return [(f" {fit('  ' * entry.depth + one_line(entry.text), width - 2)}", entry.tone)]
    half = (width - 5) // 2
    return [
        (f"   {fit(cut_left(shortened_path(entry.path), half), half)} ", "plain"),
        (fit(one_line(entry.text), width - half - 5), "quiet"),
    ]


# --- the doctor's report


def _skipped(health: Health) -> list[tuple[str, str]]:
    kinds = ("skipped", "quarantined")
    return [entry for finding in health.findings if finding.kind in kinds for entry in finding.entries]


def _verdict(health: Health) -> str:
    return "sound" if health.sound and not health.findings else f"{len(health.findings)}" if health.sound else "damaged"


def _report(health: Health) -> list[Entry]:
    """The findings, each under its title with what to do; then what the file is made of."""
    entries = []
    for finding in health.findings:
        entries.append(Entry(finding.title, tone="error" if finding.kind == "damaged" else "warning"))
        entries.append(Entry(finding.advice, tone="quiet", depth=1))
        entries += [Entry(what, path) for path, what in finding.entries]
    if not health.findings:
        entries.append(Entry("Nothing is wrong: the file is sound, and every file was read.", tone="good"))
    # The file alone lags behind what was written last while others have it open.
    total = sum(count for _, count in health.parts) or health.bytes
    entries.append(Entry(f"The library takes {size(total)}:", tone="quiet"))
    parts = made_by_docqa(health.parts)[:PARTS]
    return entries + [Entry(f"{size(count)} {name}", tone="quiet", depth=1) for name, count in parts]


def _file_states(documents: Sequence[Document]) -> dict[str, FileState]:
    from docqa import files

    return {document.path: files.state(document) for document in documents}
