"""What one has chosen once and for all: colours and effort. Kept in the state folder; forgotten without harm."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from docqa.history import state_folder

MAX_BYTES = 10_000


@dataclass(frozen=True, slots=True)
class Preferences:
    """A theme's name and an effort; None where nothing has been chosen."""

    theme: str | None = None
    effort: str | None = None


def load() -> Preferences:
    """Read what was chosen; nothing, if it cannot be read."""
    try:
        with _file().open("rb") as stream:
            stored: Any = json.loads(stream.read(MAX_BYTES))
        return Preferences(*(value if isinstance(value := stored.get(name), str) else None for name in _NAMES))
    except (OSError, ValueError, AttributeError, RecursionError):
        return Preferences()


def save(preferences: Preferences) -> None:
    """Keep what was chosen; where that cannot be written, it holds for this session only."""
    import secrets

    file = _file()
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as stream:
            json.dump(asdict(preferences), stream)
        draft.replace(file)
    except OSError:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


_NAMES = ("theme", "effort")


def _file() -> Path:
    return state_folder() / "tui.json"
