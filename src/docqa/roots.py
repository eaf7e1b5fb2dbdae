"""The roots of a library: the folders and files it is kept current with.

A path belongs to the innermost root above it, whose patterns say whether it is wanted. A path that another
root leads to anyway does not become one, unless it is given patterns of its own.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from docqa import files
from docqa.errors import UsageError
from docqa.records import Root
from docqa.store import RootRow, Store

R = TypeVar("R", Root, RootRow)
T = TypeVar("T")


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
        known = by_path(self.roots)
        for path in paths if roots else ():
            root = innermost(known, path)
            if root is not None and root.path in sorted_out:
                sorted_out[root.path].append(path)
        return sorted_out


def remember(store: Store, paths: Iterable[str], patterns: Patterns | None = None) -> None:
    """Make paths roots, with these patterns, unless one leads there already; None keeps the patterns they have.

    Needs a transaction. Roots below that a new one leads to are roots no longer. A path that was taken out of
    the library comes back by this.
    """
    known = by_path(store.roots())
    before = dict(known)
    for path in paths:
        _remember(known, path, patterns)
    for path, root in known.items():
        if before.get(path) != root:
            store.put_root(root)
    for path in before.keys() - known:
        store.forget_root(path)


def _remember(known: dict[str, RootRow], path: str, patterns: Patterns | None) -> None:
    outer = innermost(known, os.path.dirname(path)) if path not in known else None
    if patterns is None and outer is not None:
        taken_out = files.pattern_for(outer.path, path)
        outer = replace(outer, exclude=tuple(each for each in outer.exclude if each != taken_out))
        known[outer.path] = outer
        if files.leads_to(_start(outer), path):
            return
    made = known.get(path) or RootRow(path, (), (), _inode(path))
    if patterns is not None:
        made = replace(made, include=patterns.include, exclude=patterns.exclude)
    known[path] = made
    for root in list(known.values()):
        is_plain = not root.include and not root.exclude
        # With a root in between, which has patterns of its own, it would fall to that one.
        is_next = _is_below(root.path, path) and innermost(known, os.path.dirname(root.path)) is made
        if is_plain and is_next and files.leads_to(_start(made), root.path):
            del known[root.path]


def below(store: Store, path: str) -> list[str]:
    """The roots further down than a path."""
    return [root.path for root in store.roots() if _is_below(root.path, path)]


def not_below(folders: Sequence[str], known: Mapping[str, T]) -> dict[str, T]:
    """What is known of the paths that are neither one of the folders nor below one."""
    apart = set(folders)
    return {path: each for path, each in known.items() if not apart or apart.isdisjoint(_upwards(path))}


def leave_out(store: Store, path: str, *, held: bool, spared: Sequence[str] = ()) -> None:
    """See to it that no root brings a path back: forget the roots there, and exclude it from one further up.

    `held` says whether documents stood there: then it was led to, even if nothing is there now. The roots in
    `spared` stay. Needs a transaction.
    """
    for root in store.roots():
        if (root.path == path or _is_below(root.path, path)) and root.path not in spared:
            store.forget_root(root.path)
    outer = innermost(by_path(store.roots()), path)
    if outer is None:
        return
    is_absent = not is_present(outer) or (held and not os.path.lexists(path))
    if is_absent or files.leads_to(_start(outer), path):
        store.put_root(replace(outer, exclude=(*outer.exclude, files.pattern_for(outer.path, path))))


def plan(store: Store, paths: Sequence[str] | None) -> Plan:
    """Plan a run over paths, or over all roots; UsageError if there is no root yet.

    A path below a root is looked at by that root's rules, and roots below a path are looked at as well.
    """
    roots = tuple(store.roots())
    if paths is None and not roots:
        raise UsageError(f"{store.path} knows no folder yet; name one: docqa index FOLDER")
    scope = outermost([root.path for root in roots] if paths is None else paths)
    known, wanted = by_path(roots), set(scope)
    inside = [root for root in roots if not wanted.isdisjoint(_upwards(root.path))]
    starts, concerned = [_start(root) for root in inside if is_present(root)], list(inside)
    for path in scope:
        above = innermost(known, path)
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
    rows = by_path(store.roots())
    counts = {path: store.count_documents(path) for path in rows}
    own = dict(counts)
    for path in rows:
        outer = innermost(rows, os.path.dirname(path))
        if outer is not None and outer.path != path:
            own[outer.path] -= counts[path]
    return [Root(path, row.include, row.exclude, is_present(row), own[path]) for path, row in rows.items()]


def by_path(roots: Iterable[R]) -> dict[str, R]:
    """Make roots ready to be looked up."""
    return {root.path: root for root in roots}


def innermost(roots: Mapping[str, R], path: str) -> R | None:
    """The root that a path belongs to, if there is one."""
    return next((roots[each] for each in _upwards(path) if each in roots), None) if roots else None


def outermost(paths: Sequence[str]) -> list[str]:
    """Paths without those that lie below others of them."""
    given = dict.fromkeys(paths)
    return [path for path in given if not any(each in given for each in _upwards(path) if each != path)]


def is_present(root: RootRow) -> bool:
    """Whether a root can be looked at.

    Where a disk is not mounted, its place is often there all the same: another folder, with nothing in it.
    """
    try:
        status = os.stat(root.path)
        if not stat.S_ISDIR(status.st_mode):
            return True
        with os.scandir(root.path) as entries:
            return next(entries, None) is not None or _recognisable(status) == root.inode
    except OSError:
        return False


def _start(root: RootRow) -> files.Start:
    return files.Start(root.path, root.path, root.include, root.exclude)


def _upwards(path: str) -> Iterator[str]:
    """A path, then the folders above it."""
    yield path
    while (above := os.path.dirname(path)) != path:
        path = above
        yield path


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep) and path != folder


def _recognisable(status: os.stat_result) -> int:
    return status.st_ino & 0x7FFF_FFFF_FFFF_FFFF  # what SQLite can hold


def _inode(path: str) -> int:
    try:
        return _recognisable(os.stat(path))
    except OSError:
        return 0
