"""One document from beginning to end, with the quote in it."""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_left
from inspect import cleandoc
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, Static

from docqa.display import one_line
from docqa.errors import DocqaError
from docqa.records import Source
from docqa.tui import actions
from docqa.tui.content import folder
from docqa.tui.documents import DocumentText, whole
from docqa.tui.widgets.keys import Keys
from docqa.tui.widgets.line import Line
from docqa.tui.widgets.notice import Notice
from docqa.tui.widgets.text_view import Bounds, TextView

if TYPE_CHECKING:
    from docqa.tui.app import DocqaApp

MATCHES = 10_000


class DocumentScreen(Screen[None]):
    """Read a document. **/** finds, **n** and **N** go to the next and the previous match.

    **g** and **G** go to the beginning and the end, **:** to a page or a line, **c** shows the contents, **t** goes
    back to the quote.

    **y** copies the quote, **Y** the quote with its source, **e** opens your editor at the line in view, **o** the
    system's viewer at the page.
    """

    app: DocqaApp

    HELP = cleandoc(__doc__ or "")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Back"),
        Binding("q", "close", "Back", show=False),
        Binding("slash", "find", "Find", priority=True),
        Binding("n", "match(1)", "Next match"),
        Binding("N", "match(-1)", "Previous match", show=False),
        Binding("c", "contents", "Contents"),
        Binding("colon", "go_to", "Go to", key_display=":"),
        Binding("t", "quote", "To the quote"),
        Binding("y", "copy_quote", "Copy quote", show=False),
        Binding("Y", "copy_citation", "Copy citation", show=False),
        Binding("e", "edit", "Editor"),
        Binding("o", "view", "Viewer"),
    ]

    def __init__(self, path: str, *, quote: Bounds | None = None, at: int = 0, sha256: str = "") -> None:
        """`quote` and `at` are places in the text of the file whose hash is `sha256`, if that is given."""
        super().__init__()
        self._path, self._quote, self._at, self._sha256 = path, quote, at, sha256
        self._matches: list[Bounds] = []
        self._current: int | None = None
        self._origin = at

    def compose(self) -> ComposeResult:
        """A header, the text, and a line for what to find."""
        yield Static(
            Content.assemble((one_line(self._path.rpartition("/")[2]), "bold"), (f"  {folder(self._path)}", "dim")),
            id="document-title",
            markup=False,
        )
        yield Notice()
        yield TextView(id="document-text", classes="frame")
        yield Line(id="find", placeholder="Find…", classes="-hidden")
        yield Line(id="place", classes="-hidden", restrict=r"[0-9]*")
        with Horizontal(id="bar"):
            yield Static(id="document-place", markup=False)
        yield Keys()

    @property
    def view(self) -> TextView:
        """The text."""
        return self.query_one("#document-text", TextView)

    def on_mount(self) -> None:
        """Fetch the text."""
        self.set_focus(self.view)
        self._load()

    @work(exclusive=True, group="load")
    async def _load(self) -> None:
        try:
            document = await self.app.shelf.call(lambda engine: whole(engine, self._path))
        except DocqaError as error:
            self.query_one(Notice).tell(str(error))
            return
        if self._sha256 and document.document.sha256 != self._sha256:
            # What stands at those places now is not what was quoted.
            self._quote = None
            self.query_one(Notice).tell("Indexed anew since it was quoted; this is the new text.", "warning")
        elif document.remark:
            self.query_one(Notice).tell(
                f"{document.remark.capitalize()}; this is the text as it was indexed.", "warning"
            )
        self.view.show(document, quote=self._quote, at=self._at)
        self.refresh_bindings()

    # --- where one is

    @on(TextView.Moved)
    def tell_place(self) -> None:
        """Say which line or page is on top, and which match is current."""
        document, view = self.view.document, self.view
        if document is None:
            return
        parts = []
        if document.pages:
            parts.append(f"page {document.page_at(view.position) or 1} of {document.pages[-1].value}")
        elif view.line:
            parts.append(f"line {view.line}")
        if document.document.characters:
            parts.append(f"{view.position / document.document.characters:.0%}")
        if self._current is not None:
            most = "+" if len(self._matches) == MATCHES else ""
            parts.append(f"match {self._current + 1:,} of {len(self._matches):,}{most}")
        self.query_one("#document-place", Static).update("  ·  ".join(parts))

    # --- finding

    def action_find(self) -> None:
        """Open the line for what to find."""
        self._origin = self.view.position
        self._open_line("#find")

    @on(Input.Changed, "#find")
    def find(self, event: Input.Changed) -> None:
        """Find as one types."""
        self._find(event.value)

    @work(exclusive=True, group="find")
    async def _find(self, wanted: str) -> None:
        document = self.view.document
        if document is None:
            return
        self._matches = await asyncio.to_thread(_occurrences, document, wanted) if wanted else []
        self._current = None
        if self._matches:
            after = bisect_left(self._matches, self._origin, key=lambda match: match[0])
            self._current = after % len(self._matches)
        self._mark()
        line = self.query_one("#find", Input)
        line.set_class(bool(wanted) and not self._matches, "-nothing")
        if wanted and not self._matches:
            self.query_one("#document-place", Static).update("not found")
        self.refresh_bindings()

    @on(Input.Submitted, "#find")
    def found(self) -> None:
        """Keep the matches and go on reading."""
        self._close_lines()

    def action_match(self, step: int) -> None:
        """Go to the next or previous match."""
        if self._matches and self._current is not None:
            self._current = (self._current + step) % len(self._matches)
            self._mark()

    def _mark(self) -> None:
        self.view.mark(self._matches, None if self._current is None else self._matches[self._current])
        self.tell_place()

    # --- pages, lines, headings

    def action_go_to(self) -> None:
        """Open the line for a page's or a line's number."""
        document = self.view.document
        what = "Page" if document is not None and document.pages else "Line"
        self.query_one("#place", Input).placeholder = f"{what}…"
        self._open_line("#place")

    @on(Input.Submitted, "#place")
    def go_to(self, event: Input.Submitted) -> None:
        """Go to the page or line that was typed, or the last one before it."""
        document = self.view.document
        if document is not None and event.value:
            number = int(event.value[:12])
            if document.pages:
                before = [mark.start for mark in document.pages if int(mark.value) <= number]
                self.view.go_to(before[-1] if before else document.pages[0].start, share=0)
            elif (start := self.view.position_of_line(number)) is not None:
                self.view.go_to(start)
        self._close_lines()

    @work(group="person")
    async def action_contents(self) -> None:
        """Choose a heading and go there."""
        from docqa.tui.screens.contents import ContentsScreen

        document = self.view.document
        if document is not None:
            screen = ContentsScreen(document.headings, at=self.view.position)
            if (mark := await self.app.push_screen_wait(screen)) is not None:
                self.view.go_to(mark.start, share=0)

    # --- actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Offer what this document has."""
        document = self.query_one(TextView).document if self.is_mounted else None
        if action == "find":
            return not isinstance(self.focused, Input)
        if action == "go_to":
            return document is not None and bool(document.pages or document.line_marks)
        if action == "edit":
            return document is not None and bool(document.line_marks)
        if action == "contents":
            return document is not None and bool(document.headings)
        if action == "match":
            return bool(self._matches)
        if action in ("quote", "copy_quote", "copy_citation"):
            return self._quote is not None
        return True

    def action_close(self) -> None:
        """Close the open line, else the document."""
        if not self._close_lines():
            self.dismiss()

    def action_quote(self) -> None:
        """Go back to the quote."""
        if self._quote is not None:
            self.view.go_to(self._quote[0])

    def action_copy_quote(self) -> None:
        """Copy the quote."""
        if (source := self._source()) is not None:
            actions.copy_quote(self.app, source)

    def action_copy_citation(self) -> None:
        """Copy the quote with its source."""
        if (source := self._source()) is not None:
            actions.copy_citation(self.app, source)

    def action_edit(self) -> None:
        """Open the file in the person's editor, at the line in view."""
        source, document = self._source(), self.view.document
        if source is not None and document is not None:
            line = int(self.view.line) if self.view.line else None
            actions.tell(self.app, actions.edit(self.app, source, line, document.remark_now()))

    def action_view(self) -> None:
        """Open the file in the system's viewer, at the page in view."""
        source, document = self._source(), self.view.document
        if source is not None and document is not None:
            page = document.page_at(self.view.position)
            actions.tell(self.app, actions.view(source, int(page) if page else None, document.remark_now()))

    def _source(self) -> Source | None:
        """The quote, or the beginning of the document, as a source."""
        document = self.view.document
        if document is None:
            return None
        start, end = self._quote or (0, 0)
        page = document.page_at(start)
        return Source(
            path=self._path,
            media_type=document.document.media_type,
            page=int(page) if page else None,
            line=self.view.line_of(start),
            heading=None,
            start=start,
            end=end,
            sha256=document.document.sha256,
            context=document.text[start:end],
            context_start=start,
        )

    def _open_line(self, selector: str) -> None:
        self._close_lines()
        line = self.query_one(selector, Input)
        line.remove_class("-hidden")
        self.set_focus(line)
        line.select_all()

    def _close_lines(self) -> bool:
        """Hide the lines; tell whether one was open."""
        lines = [line for line in self.query(Input) if not line.has_class("-hidden")]
        for line in lines:
            line.add_class("-hidden")
        self.set_focus(self.view)
        return bool(lines)


def _occurrences(document: DocumentText, wanted: str) -> list[Bounds]:
    pattern = re.compile(re.escape(wanted), re.IGNORECASE)
    found = islice(pattern.finditer(document.text), MATCHES)
    return [(document.start + match.start(), document.start + match.end()) for match in found]
