"""Questions asked before: kept from one session to the next, in one file of the user's state folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from platformdirs import user_state_path

from docqa.errors import Unavailable

# About a year of daily use; a file that is read in a few milliseconds.
ENTRIES = 1_000
QUESTION_CHARACTERS = 2_000
ANSWER_CHARACTERS = 300
# What is larger than this was not written here.
MAX_BYTES = 8_000_000
LOCK_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A question put to a library at `time`, in seconds since 1970, and the best answer, None where there was none."""

    question: str
    library: str
    time: float
    answer: str | None = None
    confidence: float | None = None


def state_folder() -> Path:
    """Return where docqa remembers what it need not: `DOCQA_STATE`, else the user's state folder."""
    named = os.environ.get("DOCQA_STATE")
    return Path(named) if named else user_state_path("docqa", appauthor=False)


class History:
    """The questions asked before. `file` is readable by its owner only and never holds more than ENTRIES.

    A line that is no entry is passed over. Unavailable from a method that writes means that it could not.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file = file if file is not None else state_folder() / "history.jsonl"

    def entries(self) -> list[Asked]:
        """Return what was asked, latest first, each question once for each library; nothing if there is no file."""
        latest: dict[tuple[str, str], Asked] = {}
        for asked in self._read():
            latest.pop((asked.question, asked.library), None)
            latest[asked.question, asked.library] = asked
        return list(reversed(latest.values()))

    def last(self, library: str) -> Asked | None:
        """Return what was last asked of a library."""
        return next((asked for asked in self.entries() if asked.library == library), None)

    def add(self, asked: Asked) -> None:
        """Remember a question, in place of what was remembered of it."""
        cut = Asked(
            asked.question[:QUESTION_CHARACTERS],
            asked.library,
            asked.time,
            None if asked.answer is None else asked.answer[:ANSWER_CHARACTERS],
            asked.confidence,
        )
        with self._writing():
            self._write([*reversed(self._others(cut)), cut][-ENTRIES:])

    def remove(self, asked: Asked) -> None:
        """Forget a question put to a library."""
        with self._writing():
            self._write(reversed(self._others(asked)))

    def clear(self) -> None:
        """Forget all questions."""
        with self._writing():
            self._write(())

    def _others(self, asked: Asked) -> list[Asked]:
        same = (asked.question, asked.library)
        return [each for each in self.entries() if (each.question, each.library) != same]

    def _read(self) -> Iterator[Asked]:
        try:
            if self.file.stat().st_size > MAX_BYTES:
                return
            lines = self.file.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            return
        for line in lines:
            if (asked := _asked(line)) is not None:
                yield asked

    def _write(self, entries: Iterable[Asked]) -> None:
        import secrets

        lines = [json.dumps(asdict(asked)) + "\n" for asked in entries]
        while sum(map(len, lines)) > MAX_BYTES:  # where characters take six bytes or twelve
            del lines[0]
        draft = self.file.with_name(f".{self.file.name}.{secrets.token_hex(8)}.tmp")
        try:
            with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as stream:
                stream.writelines(lines)
            draft.replace(self.file)
        finally:
            draft.unlink(missing_ok=True)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Be the only writer, so that two sessions do not forget each other's questions."""
        from filelock import FileLock, Timeout

        try:
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with FileLock(f"{self.file}.lock", timeout=LOCK_TIMEOUT_S, mode=0o600):
                yield
        except (OSError, Timeout) as error:
            reason = getattr(error, "strerror", None) or error
            raise Unavailable(
                f"{self.file} cannot be written ({reason}): questions are not remembered; name another folder"
                " with DOCQA_STATE"
            ) from error


def matching(entries: Iterable[Asked], wanted: str) -> list[Asked]:
    """Return the entries whose question or answer holds all words of `wanted`, whatever the case."""
    words = wanted.casefold().split()
    return [
        each for each in entries if all(word in f"{each.question}\n{each.answer or ''}".casefold() for word in words)
    ]


def _asked(line: str) -> Asked | None:
    """Read an entry; None if a line is none."""
    try:
        entry = json.loads(line)
        asked = Asked(**entry)
    except (ValueError, TypeError, RecursionError):
        return None
    texts = isinstance(asked.question, str) and isinstance(asked.library, str)
    numbers = isinstance(asked.time, int | float) and isinstance(asked.confidence, int | float | None)
    return asked if texts and numbers and isinstance(asked.answer, str | None) else None
