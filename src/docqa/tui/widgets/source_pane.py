"""The source of the chosen answer or passage: where it stands, and the text around it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from docqa.records import Source
from docqa.tui.content import most_telling, occurrences, source_header
from docqa.tui.documents import DocumentText
from docqa.tui.widgets.text_view import TextView


class SourcePane(Vertical):
    """Shows one source at a time."""

    DEFAULT_CLASSES = "frame"

    def compose(self) -> ComposeResult:
        """A header above the text."""
        yield Static(id="source-header", markup=False)
        yield TextView(id="source-text")

    def on_mount(self) -> None:
        """Be titled."""
        self.border_title = "Source"
        self.clear()

    def clear(self) -> None:
        """Show that nothing is chosen."""
        self.query_one("#source-header", Static).update("", layout=False)
        self.query_one(TextView).show(None)
        self.border_subtitle = ""

    def announce(self, source: Source, number: int, count: int) -> None:
        """Say at once which source is coming."""
        self._head(source, "")
        self.border_subtitle = f"source {number} of {count}  n/p" if count > 1 else ""

    def show_quote(self, source: Source, document: DocumentText) -> None:
        """Show the text around a quote."""
        self._head(source, document.remark)
        self.query_one(TextView).show(document, quote=(source.start, source.end), at=source.start)

    def show_passage(self, source: Source, document: DocumentText, terms: frozenset[str]) -> None:
        """Show the text from a passage on, with a question's words highlighted in the passage."""
        self._head(source, document.remark)
        words = [
            (source.context_start + low, source.context_start + high)
            for low, high in occurrences(source.context, terms)
        ]
        self.query_one(TextView).show(
            document, words=words, at=source.context_start + most_telling(source.context, terms)
        )

    def _head(self, source: Source, remark: str) -> None:
        header: Content = source_header(source, remark)
        self.query_one("#source-header", Static).update(header, layout=False)
