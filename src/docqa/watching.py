"""Keeping a library current while files change: the system tells what has changed, and only that is looked at.

What the system may have kept to itself is found by going through everything at the start, whenever a folder
comes or goes, and now and then.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain

from watchfiles import Change
from watchfiles import watch as file_changes
from watchfiles._rust_notify import WatchfilesRustInternalError
from watchfiles.main import FileChange

from docqa import events, files, indexing, roots
from docqa.errors import LibraryBusy, UsageError
from docqa.store import RootRow, Store

# Changes are gathered until nothing happens for a moment, but not for longer than this.
GATHER_MS = 1_600
CALM_MS = 200
# How often to look whether a folder has come or gone, or somebody has named another.
LOOK_S = 1.0
RETRY_S = 1.0
EVERYTHING_AGAIN_S = 600.0
# More changes than this are not worth telling apart.
MOST_PATHS = 1_000


def watch(store: Store, paths: Sequence[str], stop: threading.Event) -> Generator[events.WatchEvent]:
    """Keep an open library current with its roots, `paths` among them, until `stop` is set, telling what happens.

    Another process that is indexing is waited for. UsageError if there is no root, or the system cannot watch
    so many folders.
    """
    yield from _patiently(store, lambda: _remember(store, paths), stop)
    while not stop.is_set():
        watched = _present(store)
        changes = _changes(watched, stop)
        try:
            # The first look starts the watch, so nothing that happens during the run over everything is missed.
            first = next(changes, set())
            yield from _patiently(store, lambda: _index(store, None), stop)
            yield events.Watching(tuple(watched))
            deadline = time.monotonic() + EVERYTHING_AGAIN_S
            for batch in chain([first], changes):
                # What has replaced a root under its name is not what is being watched.
                replaced = any((Change.deleted, path) in batch for path in watched)
                if replaced or _present(store) != watched or time.monotonic() > deadline:
                    break
                if looks := _worth_a_look(store, (path for _, path in batch)):
                    yield from _patiently(store, partial(_index, store, looks), stop)
        except (FileNotFoundError, WatchfilesRustInternalError):
            # A folder has gone before it could be watched, or a name is not UTF-8: going through everything helps.
            stop.wait(RETRY_S)
        finally:
            changes.close()


def _changes(watched: Sequence[str], stop: threading.Event) -> Generator[set[FileChange]]:
    """Yield what the system reports as changed, and every LOOK_S nothing."""
    try:
        yield from file_changes(
            *watched,
            watch_filter=None,
            debounce=GATHER_MS,
            step=CALM_MS,
            stop_event=stop,
            rust_timeout=round(1000 * LOOK_S),
            yield_on_timeout=True,
            ignore_permission_denied=True,
        )
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UsageError(
            f"the system cannot watch so many folders ({error}); raise its limit, fs.inotify.max_user_watches on"
            " Linux, or run docqa index now and then"
        ) from error


def _present(store: Store) -> list[str]:
    """The roots that are there and can be watched, for which their names have to be UTF-8."""
    present = (root.path for root in store.roots() if roots.is_present(root))
    return roots.outermost([path for path in present if path == path.encode(errors="ignore").decode()])


def _patiently(
    store: Store, job: Callable[[], Iterable[events.IndexEvent]], stop: threading.Event
) -> Generator[events.WatchEvent]:
    """Do something to the library as soon as nobody else is writing to it."""
    told = False
    while not stop.is_set():
        try:
            with store.writing():
                yield from job()
            return
        except LibraryBusy as error:
            if not told:
                yield events.Waiting(str(error))
            told = True
            stop.wait(RETRY_S)


def _remember(store: Store, paths: Sequence[str]) -> Iterable[events.IndexEvent]:
    with store.transaction():
        roots.remember(store, paths)
    return ()


def _index(store: Store, paths: Sequence[str] | None) -> Iterable[events.IndexEvent]:
    few = paths is not None and len(paths) <= MOST_PATHS
    return indexing.index(store, roots.plan(store, paths if few else None))


def _worth_a_look(store: Store, paths: Iterable[str]) -> list[str]:
    """The paths in a batch of changes that can matter."""
    known = roots.by_path(store.roots())
    own = {f"{store.path}{suffix}" for suffix in store.SUFFIXES}
    looks = (_looked_at(path, known) for path in paths if path not in own)
    return list(dict.fromkeys(path for path in looks if path is not None))


def _looked_at(path: str, known: Mapping[str, RootRow]) -> str | None:
    """Where to look after a change at a path; None if it can change nothing."""
    if os.path.basename(path) in files.TELLING_NAMES:
        path = os.path.dirname(path)
    root = roots.innermost(known, path)
    if root is None:
        return None
    return None if files.is_ignored(os.path.relpath(path, root.path)) else path
