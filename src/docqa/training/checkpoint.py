"""Files that a kill or a full disk cannot spoil, and the state of a training run in one of them."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from docqa.errors import Unavailable

CHECKPOINT = "checkpoint.safetensors"
BEST = "best.safetensors"


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold a run's folder, made if need be; Unavailable if another process is training in it."""
    lock = FileLock(folder / "training.lock", timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise Unavailable(f"another run is training in {folder}; wait for it or name another folder") from error
    except OSError as error:
        raise Unavailable(f"{folder} cannot hold a run ({error.strerror}); name another folder") from error
    try:
        yield
    finally:
        lock.release()


def write_whole(file: Path, content: bytes) -> None:
    """Write a file so that, whatever happens, either the old or the new content stands there entirely.

    Unavailable if it cannot be written; the old file is then untouched and nothing is left behind.
    """
    partial = file.with_name(file.name + ".partial")
    try:
        with partial.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(file)
        _sync_folder(file.parent)
    except OSError as error:
        partial.unlink(missing_ok=True)
        advice = "make room there" if error.errno == errno.ENOSPC else "check the folder"
        kept = "; the one before it is still there" if file.exists() else ""
        raise Unavailable(f"{file} could not be written ({error.strerror}): {advice}{kept}") from error


def _sync_folder(folder: Path) -> None:
    """Make a rename in the folder last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save_state(
    folder: Path, tensors: Mapping[str, Tensor], position: Mapping[str, Any], name: str = CHECKPOINT
) -> None:
    """Store a run's tensors and its position, a JSON object, as the folder's one file of this name."""
    write_whole(folder / name, save(dict(tensors), {"position": json.dumps(position)}))


def load_state(folder: Path, name: str = CHECKPOINT) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """What `save_state` stored, None if the run has no such file; Unavailable if it is damaged."""
    file = folder / name
    if not file.exists():
        return None
    try:
        with safe_open(file, framework="pt") as stored:
            position = json.loads(stored.metadata()["position"])
            return {name: stored.get_tensor(name) for name in stored.keys()}, position  # noqa: SIM118
    except (SafetensorError, OSError, TypeError, KeyError, ValueError) as error:
        raise Unavailable(f"{file} is damaged ({error}); remove it to train from the start") from error
