"""The progress of an index run: a bar on a terminal, plain lines elsewhere, both on standard error."""

from __future__ import annotations

from collections.abc import Iterable

from docqa import events
from docqa.cli import render
from docqa.display import counted, one_line
from docqa.records import IndexReport


def narrated(stream: Iterable[events.IndexEvent]) -> IndexReport:
    """Consume a run's events, narrate them, and return its report."""
    return _with_bar(stream) if render.is_terminal() else _in_lines(stream)


def told_while_watching(stream: Iterable[events.WatchEvent]) -> None:
    """Say what happens as it happens, in lines: there is no end that a bar could move to."""
    known: dict[str, str] = {}
    for event in stream:
        match event:
            case events.Watching(paths):
                known = {about: each for about, each in known.items() if about not in paths}
                told = f"watching {', '.join(map(render.path, paths)) or 'for folders to come back'}; Ctrl-C ends"
            case events.Waiting(reason):
                told = f"waiting: {one_line(reason)}"
            case events.FilesFound() | events.IndexFinished():
                continue
            case _:
                told = _told(event)
        if isinstance(event, events.Watching | events.FileSkipped | events.RootGone):
            about = "" if isinstance(event, events.Watching) else event.path
            if known.get(about) == told:
                continue  # as it was in an earlier run
            known[about] = told
        if told:
            render.narrate(told)


def _in_lines(stream: Iterable[events.IndexEvent]) -> IndexReport:
    for event in stream:
        match event:
            case events.FilesFound(files):
                render.narrate(f"{files} files found")
            case events.IndexFinished(report):
                return report
            case _:
                if told := _told(event):
                    render.narrate(told)
    raise AssertionError("an index run ends with its report")


def _with_bar(stream: Iterable[events.IndexEvent]) -> IndexReport:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
    from rich.text import Text

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("indexing", total=None)
        for event in stream:
            match event:
                case events.FilesFound(files):
                    progress.update(task, total=files)
                case events.IndexFinished(report):
                    return report
                case events.FilesUnchanged(files):
                    progress.advance(task, files)
                case events.FileIndexed() | events.FileMoved():
                    progress.advance(task)
                case events.FileSkipped(size=size) if size:
                    progress.advance(task)
            if told := _told(event):
                # As Text, so that no name is taken for markup.
                progress.console.print(Text(told), soft_wrap=True, highlight=False)
    raise AssertionError("an index run ends with its report")


def _told(event: events.IndexEvent) -> str:
    """What is worth a line; unchanged files are not."""
    match event:
        case events.FileIndexed(path, passages, _, remarks):
            told = f"indexed {render.path(path)} ({counted(passages, 'passage')})"
            return "; ".join([told, *map(one_line, remarks)])
        case events.FileSkipped(path, reason):
            return f"skipped {render.path(path)}: {one_line(reason)}"
        case events.FileRemoved(path):
            return f"removed {render.path(path)}"
        case events.FileMoved(path, old_path):
            return f"moved {render.path(old_path)} to {render.path(path)}"
        case events.RootGone(path, documents):
            return (
                f"{render.path(path)} is not there: {counted(documents, 'document')} kept as indexed"
                " (docqa index --prune removes what has gone for good)"
            )
    return ""
