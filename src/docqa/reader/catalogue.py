"""The readers of this machine: the one that ships with docqa and those that were added.

An added reader is a reader model folder in `readers_folder()`, under its name with `--` for the slash; beside
them a small file remembers which one is in use. Nothing here loads a model, so that looking around costs little.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from docqa.errors import ReaderError, UsageError
from docqa.reader.lengths import LengthTable

MANIFEST = "MANIFEST.sha256"
FILES = ("config.json", "model.safetensors", "tokenizer.json")
SOURCE = "source.json"
# What a reader model folder may hold besides: fitted weights, measured length configurations.
RANKING = "ranking.json"
LENGTHS = "lengths.json"

SHIPPED = "shipped"
# Answers by default once it has been added: larger than the shipped reader, and what docqa was built around.
PREFERRED = "Intel/dynamic_tinybert"

_SETTINGS = ".settings.json"
_LOCK = ".lock"
_OWN_LENGTHS = ".lengths"
_UNFINISHED = (".adding-", ".removing-")
_NAME = re.compile(r"\w[\w. -]*(/\w[\w. -]*)?")
_NAME_BYTES = 200


@dataclass(frozen=True, slots=True)
class ReaderSource:
    """Where an added reader came from.

    `origin` is a hub name or a folder; `revision` and `commit` are the hub's, None for a folder. `converted`
    is when (ISO 8601, UTC) and `docqa` by which version.
    """

    origin: str
    revision: str | None
    commit: str | None
    converted: str
    docqa: str


@dataclass(frozen=True, slots=True)
class ReaderEntry:
    """One reader of this machine.

    `name` is what `--reader` takes, `title` what answers are reported under, `bytes` the size on disk,
    `digest` the SHA-256 of its weights as the manifest has it. `source` is None for the shipped reader.
    `problem` says why it cannot be used, None for a sound one; sizes are then 0.
    """

    name: str
    title: str
    in_use: bool
    folder: str
    bytes: int
    layers: int
    width: int
    digest: str | None
    source: ReaderSource | None
    problem: str | None = None


def shipped_folder() -> Path:
    """The reader model that comes with docqa, in an installed package or a checkout."""
    return shipped("reader")


def shipped(name: str) -> Path:
    """A file or folder of the data that comes with docqa, in an installed package or a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "_data" / name
    return installed if installed.exists() else package.parents[1] / "data" / name


def readers_folder() -> Path:
    """Where added readers are: `DOCQA_READERS`, else in the user's data folder."""
    named = os.environ.get("DOCQA_READERS")
    return Path(named) if named else user_data_path("docqa", appauthor=False) / "readers"


def find(reader: str | os.PathLike[str] | None) -> Path | None:
    """The folder of the reader with this name, or of the one in use for None; None if no reader is called that.

    ReaderError if the reader in use is no longer there.
    """
    if reader is None:
        name = in_use()
        folder = find(name)
        if folder is None:
            raise ReaderError(
                f"the reader in use, {name}, is no longer in {readers_folder()}; docqa reader use {SHIPPED}"
            )
        return folder
    if reader == SHIPPED:
        return shipped_folder()
    if not isinstance(reader, str) or _flaw(reader):
        return None
    folder = added_folder(reader)
    return folder if folder.is_dir() else None


def in_use() -> str:
    """The name of the reader that answers unless another is named: as chosen, else the preferred if it is there."""
    chosen = _settings().get("use")
    if isinstance(chosen, str):
        return chosen
    return PREFERRED if added_folder(PREFERRED).is_dir() else SHIPPED


def entries() -> list[ReaderEntry]:
    """All readers: the shipped one, then the added ones by name."""
    return [entry(name) for name in (SHIPPED, *_added())]


def entry(name: str) -> ReaderEntry:
    """The reader with this name; UsageError if there is none."""
    folder = _existing(name)
    try:
        config, source, problem = read_object(folder / "config.json"), _source(folder), None
    except ReaderError as error:
        config, source, problem = {}, None, str(error)
    return ReaderEntry(
        name=name,
        title=str(config.get("name", name)),
        in_use=name == in_use(),
        folder=str(folder),
        bytes=sum(file.stat().st_size for file in folder.glob("*") if file.is_file()),
        layers=_size(config, "num_hidden_layers"),
        width=_size(config, "hidden_size"),
        digest=_digest(folder),
        source=source,
        problem=problem,
    )


def lengths_table(name: str) -> LengthTable | None:
    """The measured length configurations of the reader with this name; see `lengths_of`."""
    return lengths_of(_existing(name))


def lengths_of(folder: Path) -> LengthTable | None:
    """The measured length configurations of a reader model: this user's, else its own; None if it has none.

    ReaderError if the file is not what `docqa reader tune` writes.
    """
    # Digests are computed for some folders, so they are asked for only where they can lead anywhere.
    own = [own_lengths_file(folder)] if (readers_folder() / _OWN_LENGTHS).is_dir() else []
    for file in (*own, folder / LENGTHS):
        if file.is_file():
            try:
                return LengthTable.from_json(file.read_text(encoding="utf-8"), file)
            except (OSError, UnicodeDecodeError) as error:
                raise ReaderError(f"{file} cannot be read ({error})") from error
    return None


def own_lengths_file(folder: Path) -> Path:
    """Where this user's measurements of a reader model are kept if not in its folder; it goes by the weights."""
    return readers_folder() / _OWN_LENGTHS / f"{weights_digest(folder)}.json"


def keep_lengths(reader: str | os.PathLike[str] | None, table: LengthTable) -> Path:
    """Store measurements of a reader, by the name or folder it was measured under; return the file.

    They lie in the reader's folder, with their digest in its manifest if it has one; those of the shipped reader,
    which is not the user's to write, in the user's own place. ReaderError if they cannot be written.
    """
    named = find(reader)
    if named == shipped_folder():
        file = own_lengths_file(named)
        _write_whole(file, _content(table))
        return file
    folder = named or Path(reader or "")
    own_lengths_file(folder).unlink(missing_ok=True)
    write_lengths(folder, table)
    return folder / LENGTHS


def write_lengths(folder: Path, table: LengthTable) -> None:
    """Store measurements in a reader model's folder; ReaderError if a file cannot be written."""
    content = _content(table)
    manifest = manifest_with(folder, LENGTHS, content)
    _write_whole(folder / LENGTHS, content)
    if manifest is not None:
        _write_whole(folder / MANIFEST, manifest)


def manifest_with(folder: Path, name: str, content: bytes) -> bytes | None:
    """A reader model folder's manifest once its file `name` has this content; None if the folder has no manifest."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return None
    entries = manifest.read_text(encoding="utf-8").splitlines(keepends=True)
    others = [entry for entry in entries if not entry.endswith(f"  {name}\n")]
    return "".join([*others, f"{sha256(content).hexdigest()}  {name}\n"]).encode()


def _content(table: LengthTable) -> bytes:
    return f"{table.to_json()}\n".encode()


def weights_digest(folder: Path) -> str:
    """The SHA-256 of a reader model's weights: as its manifest has it, else computed; `none` without weights."""
    digest, weights = _digest(folder), folder / "model.safetensors"
    if digest is None and weights.is_file():
        with weights.open("rb") as stream:
            digest = file_digest(stream, "sha256").hexdigest()
    return digest or "none"


def use(name: str) -> None:
    """Let the reader with this name answer from now on; UsageError if there is none."""
    _existing(name)
    _remember(use=name)


def remove(name: str) -> None:
    """Delete an added reader; was it chosen, the default answers again. UsageError if it was never added."""
    if name == SHIPPED:
        raise UsageError("the shipped reader is part of docqa and stays")
    folder = _existing(name)
    with changing():
        # Gone under its name at once: no half of a reader is ever found under it.
        removing = folder.with_name(f"{_UNFINISHED[1]}{folder.name}")
        folder.rename(removing)
        shutil.rmtree(removing)
    if _settings().get("use") == name:
        _remember(use=None)


def has_added() -> bool:
    """Whether there is any reader but the shipped one."""
    return bool(_added())


def hint_due() -> bool:
    """Whether to tell of the preferred reader: once in a lifetime, and only while no reader has been added."""
    if has_added() or _settings().get("hinted"):
        return False
    # Where nothing can be remembered nothing is said, rather than said every time.
    with suppress(ReaderError):
        _remember(hinted=True)
        return True
    return False


def new_folder(name: str) -> Path:
    """Where a reader of this name is to be added; UsageError if there is one or the name will not do."""
    if name == SHIPPED:
        raise UsageError(f"{SHIPPED} is what the reader that comes with docqa is called; choose another with --name")
    folder = added_folder(name)
    if folder.exists():
        raise UsageError(f"{name} has been added already; docqa reader rm {name!r} takes it away")
    return folder


def added_folder(name: str) -> Path:
    """The folder that belongs to an added reader's name; UsageError if a name cannot be like this."""
    if flaw := _flaw(name):
        raise UsageError(f"{name!r} cannot be a reader's name: {flaw}")
    return readers_folder() / name.replace("/", "--")


@contextmanager
def adding(name: str) -> Generator[Path]:
    """Yield an empty folder to fill, which takes its place as the reader of this name if all goes well.

    Otherwise nothing of it stays. ReaderError if it cannot be written.
    """
    final = new_folder(name)
    with changing():
        unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED[0], dir=readers_folder()))
        try:
            yield unfinished
            unfinished.rename(final)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def changing() -> Generator[None]:
    """Be the only one to add or remove, clearing away what an earlier one that was killed has left.

    ReaderError if another process is at it or a file cannot be written.
    """
    from filelock import FileLock, Timeout

    folder = readers_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / _LOCK, timeout=0):
            for left in folder.iterdir():
                if left.name.startswith(_UNFINISHED):
                    shutil.rmtree(left)
            yield
    except Timeout:
        raise ReaderError(f"another docqa is changing the readers in {folder}; wait until it has finished") from None
    except OSError as error:
        raise ReaderError(f"{error.filename or folder} cannot be written: {error.strerror or error}") from error


def no_reader(reader: str, reason: str) -> ReaderError:
    """The error that there is no reader of this name, whatever it names."""
    return ReaderError(
        f"no reader '{reader}': {reason}. Name one that docqa reader ls lists, a folder with {', '.join(FILES)}, "
        "or a checkpoint on a hub that this machine can reach"
    )


def _flaw(name: str) -> str | None:
    """What is wrong with a name; two names never share a folder, and none leads out of `readers_folder()`."""
    if not _NAME.fullmatch(name) or ".." in name:
        return "it consists of letters, digits, _, -, . and blanks, starts with a letter, and has one slash at most"
    if "--" in name:
        return "-- stands for the slash in a folder's name"
    if len(name.encode()) > _NAME_BYTES:
        return "it is too long"
    return None


def _existing(name: str) -> Path:
    folder = shipped_folder() if name == SHIPPED else added_folder(name)
    if not folder.is_dir():
        raise UsageError(f"no reader {name!r} has been added; docqa reader ls lists what there is")
    return folder


def _added() -> list[str]:
    folder = readers_folder()
    if not folder.is_dir():
        return []
    names = (path.name.replace("--", "/") for path in folder.iterdir() if path.is_dir())
    return sorted(name for name in names if not _flaw(name))


def _source(folder: Path) -> ReaderSource | None:
    file = folder / SOURCE
    if not file.is_file():
        return None
    content = read_object(file)
    names = {field.name for field in fields(ReaderSource)}
    if content.keys() != names:
        raise ReaderError(f"{file} is not what docqa writes; add the reader again")
    return ReaderSource(**content)


def _size(config: dict[str, Any], key: str) -> int:
    value = config.get(key)
    return value if type(value) is int else 0


def _digest(folder: Path) -> str | None:
    with suppress(OSError):
        for line in (folder / MANIFEST).read_text(encoding="utf-8", errors="replace").splitlines():
            digest, _, name = line.partition("  ")
            if name == "model.safetensors":
                return digest
    return None


def _settings() -> dict[str, Any]:
    file = readers_folder() / _SETTINGS
    return read_object(file) if file.is_file() else {}


def _remember(**changes: object) -> None:
    """Change settings; None forgets one. ReaderError if they cannot be written."""
    settings = {key: value for key, value in {**_settings(), **changes}.items() if value is not None}
    _write_whole(readers_folder() / _SETTINGS, json.dumps(settings).encode())


def _write_whole(file: Path, content: bytes) -> None:
    """Write a file so that it is either as before or complete; ReaderError if it cannot be written."""
    partial = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(file)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise ReaderError(f"{file} cannot be written: {error.strerror or error}") from error


def read_object(file: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object; ReaderError, naming it, if it does not."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReaderError(f"{file} cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise ReaderError(f"{file} is not a JSON object")
    return content
