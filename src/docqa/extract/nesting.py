"""What may come out of one file that holds others: one allowance, shared by all that is packed inside it.

A few kilobytes can hold an archive of archives that expands to more than any disk. So bytes count as they
are unpacked, whatever a directory says of their number, and containers inside share what the outermost has.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from docqa.errors import ExtractionError

MAX_BYTES = 200_000_000
MAX_MEMBERS = 10_000
MAX_DEPTH = 4


class Exhausted(ExtractionError):
    """The allowance is used up: going on with the next member would be in vain."""


@dataclass(slots=True)
class Allowance:
    """What is left for a file and all that is packed inside it."""

    bytes: int
    members: int
    depth: int = 0

    def take_bytes(self, count: int) -> None:
        """Count unpacked bytes; raises `Exhausted` if they are too many."""
        self.bytes -= count
        if self.bytes < 0:
            raise Exhausted(f"expands to more than {MAX_BYTES // 1_000_000} MB")

    def take_members(self, count: int) -> None:
        """Count packed files; raises `Exhausted` if they are too many."""
        self.members -= count
        if self.members < 0:
            raise Exhausted(f"holds more than {MAX_MEMBERS:,} files")


_outermost: ContextVar[Allowance | None] = ContextVar("outermost", default=None)


@contextmanager
def opened() -> Iterator[Allowance]:
    """Enter a container; raises `ExtractionError` if it lies inside too many others."""
    allowance = _outermost.get() or Allowance(MAX_BYTES, MAX_MEMBERS)
    if allowance.depth == MAX_DEPTH:
        raise ExtractionError("nested too deeply")
    allowance.depth += 1
    token = _outermost.set(allowance)
    try:
        yield allowance
    finally:
        allowance.depth -= 1
        _outermost.reset(token)
