"""The roots of a library: the folders and files it is kept current with.

A path belongs to the innermost root above it, whose patterns say whether it is wanted. A path that another
root leads to anyway does not become one, unless it is given patterns of its own.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from docqa import files
from docqa.errors import UsageError
from docqa.records import Root
from docqa.store import RootRow, Store

R = TypeVar("R", Root, RootRow)


@dataclass(frozen=True, slots=True)
class Patterns:
    """What a person wants of a root: see `docqa.records.Root`."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        files.check_patterns((*self.include, *self.exclude))


@dataclass(frozen=True, slots=True)
class Plan:
    """What an index run looks at: from where, and for which paths, with all below them, it speaks.

    `concerned` are the roots among those paths and the ones that they belong to, `roots` all there are.
    """

    starts: tuple[files.Start, ...]
    scope: tuple[str, ...]
    roots: tuple[RootRow, ...]
    concerned: tuple[RootRow, ...]

    def gone(self) -> list[RootRow]:
        """The roots that are not there at this moment."""
        return [root for root in self.concerned if not is_present(root)]

    def belonging(self, roots: Sequence[RootRow], paths: Iterable[str]) -> dict[str, list[str]]:
        """Sort paths by which of these roots they belong to, leaving out the others."""
        sorted_out: dict[str, list[str]] = {root.path: [] for root in roots}
        for path in paths if roots else ():
            root = innermost(self.roots, path)
            if root is not None and root.path in sorted_out:
                sorted_out[root.path].append(path)
        return sorted_out


def remember(store: Store, path: str, patterns: Patterns | None = None) -> None:
    """Make a path a root, with these patterns, unless one leads there already; None keeps the patterns it has.

    Needs a transaction. Roots below that the new one leads to are roots no longer.
    """
    known = store.roots()
    earlier = next((root for root in known if root.path == path), None)
    outer = innermost([root for root in known if root.path != path], path)
    if earlier is None and patterns is None and outer is not None and files.leads_to(_start(outer), path):
        return
    made = earlier or RootRow(path, (), (), _inode(path))
    if patterns is not None:
        made = replace(made, include=patterns.include, exclude=patterns.exclude)
    store.put_root(made)
    for root in known:
        is_plain = not root.include and not root.exclude
        if is_plain and _is_below(root.path, path) and files.leads_to(_start(made), root.path):
            store.forget_root(root.path)


def leave_out(store: Store, path: str) -> None:
    """See to it that no root brings a path back: forget the roots there, and exclude it from one further up.

    Needs a transaction.
    """
    for root in store.roots():
        if root.path == path or _is_below(root.path, path):
            store.forget_root(root.path)
    outer = innermost(store.roots(), path)
    if outer is not None and files.leads_to(_start(outer), path):
        store.put_root(replace(outer, exclude=(*outer.exclude, files.pattern_for(outer.path, path))))


def plan(store: Store, paths: Sequence[str] | None) -> Plan:
    """Plan a run over paths, or over all roots; UsageError if there is no root yet.

    A path below a root is looked at by that root's rules, and roots below a path are looked at as well.
    """
    roots = tuple(store.roots())
    if paths is None and not roots:
        raise UsageError(f"{store.path} knows no folder yet; name one: docqa index FOLDER")
    scope = outermost([root.path for root in roots] if paths is None else paths)
    inside = [root for root in roots if any(root.path == path or _is_below(root.path, path) for path in scope)]
    starts, concerned = [_start(root) for root in inside if is_present(root)], list(inside)
    for path in scope:
        above = innermost(roots, path)
        if above is not None and above.path != path:
            concerned.append(above)
            if os.path.lexists(path):
                starts.append(replace(_start(above), path=path))
    return Plan(tuple(starts), tuple(scope), roots, tuple(dict.fromkeys(concerned)))


def note_seen(store: Store, seen: Plan) -> None:
    """Remember by what to recognise the roots that are there. Needs a transaction."""
    for root in seen.concerned:
        if is_present(root) and (inode := _inode(root.path)) != root.inode:
            store.put_root(replace(root, inode=inode))


def listed(store: Store) -> list[Root]:
    """List the roots by path, each with the documents that belong to it."""
    rows = store.roots()
    counts = {row.path: store.count_documents(row.path) for row in rows}
    own = dict(counts)
    for row in rows:
        outer = innermost([other for other in rows if other != row], row.path)
        if outer is not None:
            own[outer.path] -= counts[row.path]
    return [Root(row.path, row.include, row.exclude, is_present(row), own[row.path]) for row in rows]


def innermost(roots: Iterable[R], path: str) -> R | None:
    """The root that a path belongs to, if there is one."""
    above = (root for root in roots if root.path == path or _is_below(path, root.path))
    return max(above, key=lambda root: len(root.path), default=None)


def outermost(paths: Sequence[str]) -> list[str]:
    """Paths without those that lie below others of them."""
    return [path for path in dict.fromkeys(paths) if not any(_is_below(path, other) for other in paths)]


def is_present(root: RootRow) -> bool:
    """Whether a root can be looked at.

    Where a disk is not mounted, its place is often there all the same: another folder, with nothing in it.
    """
    try:
        status = os.stat(root.path)
        if not stat.S_ISDIR(status.st_mode):
            return True
        with os.scandir(root.path) as entries:
            return next(entries, None) is not None or status.st_ino == root.inode
    except OSError:
        return False


def _start(root: RootRow) -> files.Start:
    return files.Start(root.path, root.path, root.include, root.exclude)


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep) and path != folder


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0
