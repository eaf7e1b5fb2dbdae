"""From folders to files: which files there are, which are left out and why, and how one is read safely.

Paths are absolute and in the form of `os.fsdecode`, so names that are not UTF-8 survive the round trip.
"""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from docqa.errors import ExtractionError, UsageError
from docqa.records import Document, FileState

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

MAX_BYTES = 100_000_000
"""The largest file that is indexed unless told otherwise, in bytes."""

_CHUNK_BYTES = 1 << 20
_MAX_RULE_BYTES = 1_000_000
_ATTEMPTS = 2

# O_NONBLOCK keeps a FIFO from blocking the call, O_NOFOLLOW refuses a link that replaced the file after the
# walk, O_NOCTTY keeps a terminal from becoming ours. Windows lacks all three and needs O_BINARY.
_OPEN_FLAGS = os.O_RDONLY
for _flag in ("O_NONBLOCK", "O_NOFOLLOW", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"):
    _OPEN_FLAGS |= getattr(os, _flag, 0)

# Names in a folder that say something about all that lies in it.
TELLING_NAMES = (".gitignore", ".docqaignore", "pyvenv.cfg")

_IGNORED_NAMES = """
    .git .hg .svn .bzr _darcs
    node_modules __pycache__ .venv
    .mypy_cache .pytest_cache .ruff_cache .hypothesis .tox .nox .cache
    .ds_store ._* __macosx thumbs.db desktop.ini ~$* *~ *.swp *.swo *.tmp *.tmp-journal
    *.docqa *.docqa-wal *.docqa-shm *.docqa-journal *.docqa.lock
"""

_SENSITIVE_NAMES = """
    .env .env.* .envrc
    *.pem *.key *.p12 *.pfx *.ppk *.jks *.keystore *.kdbx
    id_rsa* id_dsa* id_ecdsa* id_ed25519*
    .netrc _netrc .npmrc .pypirc .pgpass .htpasswd .git-credentials
    .ssh .gnupg .password-store
    .aws/credentials .docker/config.json .kube/config
"""


class FoundFile(NamedTuple):
    """A regular file worth indexing, as it stood when the walk met it; `size` is in bytes."""

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file or folder that is left out, with a short reason for the person who asked."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class FileContent:
    """The bytes of a file that held still while being read, with their SHA-256 as a hex digest."""

    data: bytes
    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Start:
    """Where a walk begins: at `path`, which is `root` or lies below it, by the rules that hold from `root` on.

    Of what lies below the root, only the files that one of the patterns `include` matches are found, if there
    are any, and nothing that one of `exclude` matches. The patterns are those of `.gitignore`, from the root on.
    """

    path: str
    root: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


def walk(
    starts: Sequence[str | os.PathLike[str] | Start], *, apart: Iterable[str] = (), max_bytes: int = MAX_BYTES
) -> Iterator[FoundFile | SkippedFile]:
    """Find the files below `starts` (folders or single files): depth first, by the bytes of their names.

    `.gitignore` and `.docqaignore` files apply from the folder that holds them downwards, after docqa's own
    rules; what they exclude is left out without a word. What looks like a secret is reported instead, and
    only a `.docqaignore` can take it back in. A file named as a root is exempt from every rule. No symbolic
    link is followed but a root itself, and no file is found twice. A root below another, and likewise any path
    among `apart`, is left out of the walk of the outer one: it has rules of its own.

    Raises `UsageError` at the call, before anything is walked, if a path that is not a `Start` does not exist.
    """
    resolved = [each if isinstance(each, Start) else _whole(resolve(each)) for each in starts]
    return _Walk(list(dict.fromkeys(resolved)), frozenset(apart), max_bytes).run()


def _whole(root: str) -> Start:
    return Start(root, root)


def leads_to(root: Start, path: str) -> bool:
    """Whether a walk of a root would get to `path`, a file or folder below it."""
    walk = _Walk([root], frozenset(), MAX_BYTES)
    admitted, rules = walk.approach(replace(root, path=path))
    return admitted and isinstance(walk.admitted(path, rules), os.stat_result)


def check_patterns(patterns: Iterable[str]) -> None:
    """Raise `UsageError` if one of the patterns for a root can match nothing."""
    for pattern in patterns:
        if not _is_pattern(pattern) or pattern.startswith("#"):
            raise UsageError(f"{pattern!r} is not a pattern; write one as in .gitignore, such as '*.pdf' or drafts/")


def pattern_for(root: str, path: str) -> str:
    """Write the pattern that matches exactly one path below a root."""
    relative = os.path.relpath(path, root).replace(os.sep, "/")
    escaped = re.sub(r"([\\*?\[\]!# ])", r"\\\1", relative)
    # White space other than a space would be stripped from the end, escaped or not; as a set of one it stays.
    escaped = re.sub(r"([^\S ])", r"[\1]", escaped)
    return f"/{escaped}"


def read(path: str, *, max_bytes: int) -> FileContent:
    """Read a regular file of at most `max_bytes` bytes, without following a link or waiting for a FIFO.

    Raises `ExtractionError` if it is anything else, cannot be read, or keeps changing while being read.
    """
    try:
        for _ in range(_ATTEMPTS):
            content = _read_once(path, max_bytes)
            if content is not None:
                return content
    except (OSError, ValueError) as error:
        raise ExtractionError(_reason(error)) from error
    raise ExtractionError("changed while being read; index again")


def state(document: Document) -> FileState:
    """Compare a document's file with what was indexed; it is only read if its size or time has changed."""
    try:
        status = os.lstat(document.path)
    except OSError:
        return "gone"
    if (status.st_size, status.st_mtime_ns) == (document.size, document.mtime_ns):
        return "unchanged"
    try:
        content = read(document.path, max_bytes=MAX_BYTES)
    except ExtractionError:
        return "changed"
    return "unchanged" if content.sha256 == document.sha256 else "changed"


def is_secret(path: str) -> bool:
    """Whether a path inside an archive looks like a secret, or lies in a folder that does."""
    return any(_SENSITIVE.have(each) for each in _upwards(path))


def is_ignored(path: str) -> bool:
    """Whether docqa's own rules leave a path inside an archive out, or a folder that it lies in."""
    return any(_IGNORED.have(each) for each in _upwards(path))


def _upwards(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]


def resolve(root: str | os.PathLike[str]) -> str:
    """Return the absolute path, links resolved; raises `UsageError` if there is nothing there."""
    return _real(root, strict=True)


def resolve_gone(path: str | os.PathLike[str]) -> str:
    """The same of what may be gone by now; raises `UsageError` if it is no path at all."""
    return _real(path, strict=False)


def _real(root: str | os.PathLike[str], *, strict: bool) -> str:
    path = os.fsdecode(root)
    if not path:  # a shell's unset variable, which would be taken for the current folder
        raise UsageError("the path is empty; name a folder or a file that can be read")
    try:
        return os.path.realpath(path, strict=strict)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {_reason(error)}; name a folder or a file that can be read") from error


class _Walk:
    """One walk over all starts: it remembers which folders it has entered."""

    def __init__(self, starts: Sequence[Start], apart: frozenset[str], max_bytes: int) -> None:
        self._starts = starts
        self._max_bytes = max(max_bytes, 0)
        self._user = os.geteuid() if hasattr(os, "geteuid") else -1
        self._apart = apart | {start.root for start in starts}
        self._entered: dict[tuple[int, int], str] = {}

    def run(self) -> Iterator[FoundFile | SkippedFile]:
        for start in self._starts:
            if start.path == start.root and not os.path.isdir(start.root):
                status = _status(start.root)
                yield status if isinstance(status, SkippedFile) else self._examine(start.root, status)
            else:
                yield from self._descend(start)

    def approach(self, start: Start) -> tuple[bool, _Rules]:
        """Gather the rules from the root down to where the walk begins; False if they do not lead there."""
        rules = _Rules.of_root(start)
        steps = Path(start.path).relative_to(start.root).parts
        for number in range(len(steps)):
            folder = os.path.join(start.root, *steps[:number])
            status = self.admitted(folder, rules) if number else _status(folder)
            if not isinstance(status, os.stat_result) or not stat.S_ISDIR(status.st_mode):
                return False, rules
            names = [name for name in TELLING_NAMES if os.path.lexists(os.path.join(folder, name))]
            if number and "pyvenv.cfg" in names:
                return False, rules
            rules = rules.inside(folder, names)
        return True, rules

    def admitted(self, path: str, rules: _Rules) -> os.stat_result | SkippedFile | None:
        """Look at a path below a root unless it is left out; None if that goes without a word."""
        if path in self._apart:
            return None
        status = _status(path)
        return status if isinstance(status, SkippedFile) else _judged(path, status, rules)

    def _descend(self, start: Start) -> Iterator[FoundFile | SkippedFile]:
        leads_there, rules = self.approach(start)
        if not leads_there:
            return
        is_root = start.path == start.root
        status = _status(start.path) if is_root else self.admitted(start.path, rules)
        if status is None:
            return
        if isinstance(status, SkippedFile):
            yield status
            return
        if not stat.S_ISDIR(status.st_mode):
            yield self._examine(start.path, status)
            return
        # A stack instead of recursion: a path can hold more folders than Python has frames.
        pending = [self._inside(start.path, rules, is_root=is_root)]
        while pending:
            for found in pending[-1]:
                if isinstance(found, _Folder):
                    pending.append(self._inside(found.path, found.rules))
                    break
                yield found
            else:
                pending.pop()

    def _inside(
        self, folder: str, rules: _Rules, *, is_root: bool = False
    ) -> Iterator[FoundFile | SkippedFile | _Folder]:
        """Look at what lies in a folder, by the bytes of the names; folders in it are for the caller to go into."""
        entries = self._enter(folder, is_root=is_root)
        if isinstance(entries, SkippedFile):
            yield entries
            return
        rules = rules.inside(folder, [entry.name for entry in entries])
        has_patterns = rules.have_patterns()
        for entry in entries:
            path = entry.path
            if path in self._apart:
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError as error:
                yield SkippedFile(path, _reason(error))
                continue
            judged = _judged(path, status, rules) if has_patterns or _NOTABLE.may_have(entry.name) else status
            if judged is None:
                continue
            if isinstance(judged, SkippedFile):
                yield judged
            elif stat.S_ISDIR(judged.st_mode):
                yield _Folder(path, rules)
            else:
                yield self._examine(path, judged)

    def _enter(self, path: str, *, is_root: bool) -> list[os.DirEntry[str]] | SkippedFile:
        """List a folder's entries in order; none if it was walked before or is a virtual environment."""
        try:
            status = os.lstat(path)
            identity = (status.st_dev, status.st_ino)
            earlier = self._entered.get(identity)
            if earlier is not None:  # an overlapping root, or a folder mounted in two places
                return [] if earlier == path else SkippedFile(path, f"the same folder as {earlier}")
            self._entered[identity] = path
            with os.scandir(path) as listed:
                entries = sorted(listed, key=attrgetter("name"))
        except OSError as error:
            return SkippedFile(path, _reason(error))
        names = [entry.name for entry in entries]
        if not "".join(names).isascii():
            entries.sort(key=lambda entry: os.fsencode(entry.name))
        return [] if "pyvenv.cfg" in names and not is_root else entries

    def _examine(self, path: str, status: os.stat_result) -> FoundFile | SkippedFile:
        if not stat.S_ISREG(status.st_mode):
            return SkippedFile(path, _kind(status.st_mode))
        if status.st_size > self._max_bytes:
            return SkippedFile(path, _too_large(self._max_bytes))
        # One's own files say by themselves whether one may read them.
        if not (status.st_uid == self._user and status.st_mode & stat.S_IRUSR) and not os.access(path, os.R_OK):
            return SkippedFile(path, "permission denied")
        return FoundFile(path, status.st_size, status.st_mtime_ns)


class _Folder(NamedTuple):
    """A folder that the walk goes into, and the rules that lead there."""

    path: str
    rules: _Rules


def _judged(path: str, status: os.stat_result, rules: _Rules) -> os.stat_result | SkippedFile | None:
    """Hold what is at a path against the rules; None if it is left out without a word."""
    is_folder = stat.S_ISDIR(status.st_mode)
    if rules.are_secret(path, is_folder=is_folder):
        return SkippedFile(path, "looks like a secret")
    return None if rules.exclude(path, is_folder=is_folder) else status


def _status(path: str) -> os.stat_result | SkippedFile:
    try:
        return os.lstat(path)
    except OSError as error:
        return SkippedFile(path, _reason(error))


@dataclass(frozen=True, slots=True)
class _IgnoreFile:
    """The patterns of one ignore file; `lines[i]` is the source of the i-th pattern."""

    lines: Sequence[str]
    spec: GitIgnoreSpec

    @classmethod
    def load(cls, path: str) -> _IgnoreFile:
        """Read and compile an ignore file; one that cannot be read is reported when the walk gets to it."""
        try:
            data = read(path, max_bytes=_MAX_RULE_BYTES).data
        except ExtractionError:
            data = b""
        # Names and patterns are decoded alike, so that a pattern can match a name that is not UTF-8.
        lines = list(filter(_is_pattern, os.fsdecode(data.removeprefix(b"\xef\xbb\xbf")).splitlines()))
        return cls(lines, _compiled(lines))

    def excludes(self, relative: str) -> bool | None:
        """Whether the path is left out; None if no pattern speaks of it."""
        return self.spec.check_file(relative).include

    def names_exception(self, relative: str) -> bool:
        """Whether the pattern that takes the path back in means this very name.

        That a folder is wanted, or every name, says nothing about the secrets among them.
        """
        result = self.spec.check_file(relative)
        if result.include is not False or result.index is None:
            return False
        last_part = self.lines[result.index].strip().rstrip("/").rpartition("/")[2].removeprefix("!")
        name = relative.rstrip("/").rpartition("/")[2]
        return bool(last_part.strip("*?")) and fnmatch.fnmatchcase(name, last_part)


@dataclass(frozen=True, slots=True)
class _Selection:
    """What the person who named a root wants of it."""

    root: str
    include: GitIgnoreSpec | None
    exclude: GitIgnoreSpec | None

    @classmethod
    def of(cls, start: Start) -> _Selection | None:
        if not start.include and not start.exclude:
            return None
        include, exclude = (_compiled(lines) if lines else None for lines in (start.include, start.exclude))
        return cls(start.root, include, exclude)

    def leaves_out(self, path: str, *, is_folder: bool) -> bool:
        relative = _relative(path, self.root, is_folder=is_folder)
        if self.exclude is not None and self.exclude.match_file(relative):
            return True
        return self.include is not None and not is_folder and not self.include.match_file(relative)


@dataclass(frozen=True, slots=True)
class _Rules:
    """The ignore files of one folder, the stronger first, and those of the folders above it."""

    folder: str
    gitignore: _IgnoreFile | None
    docqaignore: _IgnoreFile | None
    above: _Rules | None
    selection: _Selection | None

    @classmethod
    def of_root(cls, start: Start) -> _Rules:
        """Make the rules that hold before any ignore file is read."""
        return cls(start.root, None, None, None, _Selection.of(start))

    def inside(self, folder: str, names: Collection[str]) -> _Rules:
        """Return the rules that hold for what lies in `folder`, whose entries are `names`."""
        own = [
            _IgnoreFile.load(os.path.join(folder, name)) if name in names else None
            for name in (".gitignore", ".docqaignore")
        ]
        return self if own == [None, None] else _Rules(folder, own[0], own[1], self, self.selection)

    def have_patterns(self) -> bool:
        """Whether anything but docqa's own rules holds."""
        return self.selection is not None or self.above is not None

    def exclude(self, path: str, *, is_folder: bool) -> bool:
        """Whether the path is left out; after the root's own patterns, the innermost ignore file decides."""
        if self.selection is not None and self.selection.leaves_out(path, is_folder=is_folder):
            return True
        for level in self._levels():
            for ignore_file in filter(None, (level.docqaignore, level.gitignore)):
                verdict = ignore_file.excludes(_relative(path, level.folder, is_folder=is_folder))
                if verdict is not None:
                    return verdict
        return _IGNORED.have(path)

    def are_secret(self, path: str, *, is_folder: bool) -> bool:
        """Whether the path looks like a secret that no `.docqaignore` takes back in by name."""
        if not _SENSITIVE.have(path):
            return False
        return not any(
            level.docqaignore.names_exception(_relative(path, level.folder, is_folder=is_folder))
            for level in self._levels()
            if level.docqaignore is not None
        )

    def _levels(self) -> Iterator[_Rules]:
        level: _Rules | None = self
        while level is not None:
            yield level
            level = level.above


def _relative(path: str, folder: str, *, is_folder: bool) -> str:
    relative = path[len(folder) :].lstrip(os.sep).replace(os.sep, "/")
    return f"{relative}/" if is_folder else relative


def _compiled(lines: Iterable[str]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec  # most folders hold no patterns

    return GitIgnoreSpec.from_lines(lines)


def _is_pattern(line: str) -> bool:
    """Whether a line can be compiled: git passes over those that make no sense, where pathspec raises."""
    if not line.strip():
        return False
    try:
        _compiled([line])
    except (ValueError, re.error):
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Names:
    """Names, or parts of names, in lower case; with them every file of a walk is compared, so they are sorted."""

    whole: frozenset[str]
    beginnings: tuple[str, ...]
    endings: tuple[str, ...]
    in_folders: frozenset[tuple[str, str]]
    inside: frozenset[str]

    @classmethod
    def of(cls, patterns: str) -> _Names:
        """Sort patterns with at most one star, which stands at an end, or one slash after a folder's name."""
        whole, beginnings, endings, in_folders = set(), [], [], set()
        for pattern in patterns.split():
            folder, _, name = pattern.rpartition("/")
            if folder:
                in_folders.add((folder, name))
            elif pattern.startswith("*"):
                endings.append(pattern[1:])
            elif pattern.endswith("*"):
                beginnings.append(pattern[:-1])
            else:
                whole.add(pattern)
        inside = frozenset(name for _, name in in_folders)
        return cls(frozenset(whole), tuple(beginnings), tuple(endings), frozenset(in_folders), inside)

    def have(self, path: str) -> bool:
        """Whether the last part of a path is among the names, whatever the case of its letters."""
        folder, _, name = (path if os.sep == "/" else path.replace(os.sep, "/")).rpartition("/")
        name = name.lower()
        return (
            name in self.whole
            or name.startswith(self.beginnings)
            or name.endswith(self.endings)
            or (name in self.inside and (folder.rpartition("/")[2].lower(), name) in self.in_folders)
        )

    def may_have(self, name: str) -> bool:
        """Whether a name can be among the names, whatever folder it lies in."""
        name = name.lower()
        return (
            name.endswith(self.endings) or name.startswith(self.beginnings) or name in self.whole or name in self.inside
        )


_IGNORED = _Names.of(_IGNORED_NAMES)
_SENSITIVE = _Names.of(_SENSITIVE_NAMES)
# One look tells of most files that they are neither.
_NOTABLE = _Names.of(_IGNORED_NAMES + _SENSITIVE_NAMES)


def _read_once(path: str, max_bytes: int) -> FileContent | None:
    """Return the file's content, or None if it changed meanwhile."""
    # By an opener, because a descriptor of ours would stay open where this fails, as it does for a folder.
    with open(path, "rb", buffering=0, opener=lambda name, _: os.open(name, _OPEN_FLAGS)) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise ExtractionError(_kind(before.st_mode))
        if before.st_size > max_bytes:
            raise ExtractionError(_too_large(max_bytes))
        data = bytearray()
        # A file can grow past the limit, and its size can be a lie, so what is read counts as well.
        # Asked for little more than there is: for each small file, room for a large one would be made twice.
        while chunk := file.read(min(_CHUNK_BYTES, max(before.st_size - len(data), 0) + 1)):
            data += chunk
            if len(data) > max_bytes:
                raise ExtractionError(_too_large(max_bytes))
        after = os.fstat(file.fileno())
    if _version(before) != _version(after) or len(data) != after.st_size:
        return None
    return FileContent(bytes(data), len(data), after.st_mtime_ns, hashlib.sha256(data).hexdigest())


def _version(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "symbolic link, not followed"
    kinds = {
        stat.S_IFIFO: "FIFO",
        stat.S_IFSOCK: "socket",
        stat.S_IFBLK: "block device",
        stat.S_IFCHR: "character device",
        stat.S_IFDIR: "folder",
    }
    return f"not a regular file ({kinds.get(stat.S_IFMT(mode), 'of unknown kind')})"


def _too_large(max_bytes: int) -> str:
    for unit, name in ((1_000_000, "MB"), (1000, "kB")):
        if max_bytes >= unit:
            return f"larger than {max_bytes / unit:g} {name}"
    return f"larger than {max_bytes} bytes"


def _reason(error: OSError | ValueError) -> str:
    known = {
        errno.EACCES: "permission denied",
        errno.EPERM: "permission denied",
        errno.ENOENT: "does not exist",
        errno.EISDIR: "not a regular file (folder)",
        errno.ELOOP: "symbolic link, not followed",
        errno.ENXIO: "not a regular file (socket or device)",
        errno.ENAMETOOLONG: "path too long",
    }
    if isinstance(error, OSError) and error.errno is not None:
        return known.get(error.errno) or (error.strerror or "cannot be read").lower()
    return "not a valid path"
