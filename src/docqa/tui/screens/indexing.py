"""What an index run does, while it does it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from inspect import cleandoc
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import ProgressBar, RichLog, Static
from textual.worker import Worker, WorkerCancelled

from docqa.display import counted, duration, one_line
from docqa.errors import DocqaError
from docqa.events import (
    FileIndexed,
    FileMoved,
    FileRemoved,
    FilesFound,
    FileSkipped,
    FilesUnchanged,
    IndexEvent,
    IndexFinished,
    RootGone,
)
from docqa.records import IndexReport
from docqa.tui.content import shortened_path
from docqa.tui.widgets.keys import Keys
from docqa.tui.widgets.notice import Notice

if TYPE_CHECKING:
    from docqa.tui.app import DocqaApp

# Before this the pace says nothing.
PACE_AFTER_S = 0.5
# Ten pictures a second are enough to see that something moves.
GATHER_S = 0.1


@dataclass(slots=True)
class Progress:
    """How far a run is."""

    found: int | None = None
    bytes_found: int = 0
    bytes_done: int = 0
    moved: int = 0
    looked_at: int = 0
    indexed: int = 0
    removed: int = 0
    skipped: list[FileSkipped] = field(default_factory=list)
    latest: str = ""

    def count(self, event: IndexEvent) -> None:
        """Take an event into account."""
        match event:
            case FilesFound(files, size):
                self.found, self.bytes_found = files, size
            case FileIndexed(path, size=size):
                self.indexed += 1
                self._look_at(path, size)
            case FilesUnchanged(files, size):
                self.looked_at += files
                self.bytes_done += size
            case FileSkipped(path, _, size):
                self.skipped.append(event)
                # What was refused while walking is not among the files found.
                if size:
                    self._look_at(path, size)
            case FileRemoved():
                self.removed += 1
            case FileMoved():
                self.moved += 1
            case RootGone(path, documents):
                kept = f"not there; {counted(documents, 'document')} kept as indexed"
                self.skipped.append(FileSkipped(path, kept, 0))

    def _look_at(self, path: str, size: int) -> None:
        self.looked_at += 1
        self.bytes_done += size
        self.latest = path

    def pace(self, seconds: float) -> str:
        """How fast it goes and how long it will take, once that can be told."""
        if seconds < PACE_AFTER_S or not self.bytes_done:
            return ""
        rate = self.bytes_done / seconds
        left = max(0, self.bytes_found - self.bytes_done) / rate
        return f"{rate / 1e6:.1f} MB/s  ·  {duration(left)} left"


class IndexingScreen(ModalScreen[bool]):
    """Watch files being taken into the library; **Escape** stops, and what was done stays done.

    Files that did not change since are not read again.
    """

    app: DocqaApp

    HELP = cleandoc(__doc__ or "")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop", "Stop"),
        Binding("enter", "done", "Done"),
    ]

    def __init__(self, paths: Sequence[str] | None, *, close_when_done: bool = False) -> None:
        """Index `paths`, None for all folders of the library; the screen's result tells whether it has changed."""
        super().__init__()
        self._paths = paths
        self._started = time.monotonic()
        self._close_when_done = close_when_done
        self._progress = Progress()
        self._busy = True
        self._run: Worker[None] | None = None

    def compose(self) -> ComposeResult:
        """Progress above the files that were skipped."""
        with Vertical(classes="box"):
            yield Static(id="indexing-title", markup=False)
            yield Notice()
            yield ProgressBar(show_eta=False)
            yield Static(id="indexing-counts", markup=False)
            yield Static(id="indexing-pace", markup=False)
            yield Static(id="indexing-latest", markup=False)
            yield RichLog(id="indexing-skipped", classes="frame", wrap=True, markup=False, highlight=False)
        yield Keys()

    def on_mount(self) -> None:
        """Begin."""
        self.query_one(RichLog).border_title = "Skipped"
        self._title("Indexing")
        self._draw([])
        self._run = self._index()

    @work(exclusive=True, group="index")
    async def _index(self) -> None:
        try:
            stream = self.app.writer.stream(lambda engine: engine.index_events(self._paths), gather_s=GATHER_S)
            async with aclosing(stream) as steps:
                async for step in steps:
                    self._take(step)
        except (DocqaError, OSError) as error:
            self._title("Not indexed")
            self.query_one(Notice).tell(str(error))
            if self._progress.found is None:
                # Nothing moves any more, and nothing was found that a number could tell of.
                self.query_one(ProgressBar).display = self.query_one("#indexing-counts").display = False
        self._finish()

    def _take(self, step: list[IndexEvent]) -> None:
        known = len(self._progress.skipped)
        for event in step:
            self._progress.count(event)
            if isinstance(event, IndexFinished):
                self._report(event.report)
        self._draw(self._progress.skipped[known:])

    def _report(self, report: IndexReport) -> None:
        self._title("Indexed", f" in {report.seconds:.1f} s" if self.app.show_times else "")
        self._progress.latest = ""

    def _finish(self) -> None:
        self._busy = False
        self._draw([])
        self.refresh_bindings()
        if self._close_when_done and self.query_one(Notice).display is False:
            self.action_done()

    def _title(self, doing: str, after: str = "") -> None:
        what = "all folders" if self._paths is None else one_line(", ".join(map(shortened_path, self._paths)))
        self.query_one("#indexing-title", Static).update(Content.assemble((doing, "bold"), f" {what}{after}"))

    def _draw(self, newly_skipped: Sequence[FileSkipped]) -> None:
        progress = self._progress
        self.query_one(ProgressBar).update(total=progress.found or None, progress=progress.looked_at)
        if progress.found == 0:
            self.query_one(ProgressBar).update(total=1, progress=1)
        told = []
        if progress.found:
            told = [f"{progress.indexed:,} indexed", f"{progress.looked_at - progress.indexed:,} unchanged or skipped"]
        told += [
            f"{count:,} {what}" for count, what in ((progress.moved, "moved"), (progress.removed, "removed")) if count
        ]
        found = "Looking for files…" if progress.found is None else f"{counted(progress.found, 'file')} found"
        self.query_one("#indexing-counts", Static).update("  ·  ".join([found, *told]))
        pace = progress.pace(time.monotonic() - self._started) if self.app.show_times and self._busy else ""
        self.query_one("#indexing-pace", Static).update(pace)
        self.query_one("#indexing-latest", Static).update(shortened_path(progress.latest))
        log = self.query_one(RichLog)
        log.display = bool(progress.skipped)
        for skip in newly_skipped:
            log.write(Text.assemble(self._shown_name(skip.path), (f"  {one_line(skip.reason)}", "dim")))

    def _shown_name(self, path: str) -> str:
        """A file's name below the folder that is being indexed."""
        root = next((root for root in self._paths or () if path.startswith(root + os.sep)), "")
        return shortened_path(path.removeprefix(root).lstrip(os.sep) if root else path)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Done only when it is."""
        return not self._busy if action == "done" else self._busy if action == "stop" else True

    def action_stop(self) -> None:
        """Stop after the files in hand."""
        if self._run is not None:
            self._title("Stopping after the files in hand:")
            self._stop(self._run)
            self._run = None

    @work(exclusive=True, group="stop")
    async def _stop(self, run: Worker[None]) -> None:
        run.cancel()
        with suppress(WorkerCancelled):
            await run.wait()
        # The engine is free again when this has had its turn.
        await self.app.writer.call(lambda _: None)
        self.action_done()

    def action_done(self) -> None:
        """Close the screen."""
        self.dismiss(self._progress.indexed + self._progress.removed + self._progress.moved > 0)
