"""Texts packed for storage: compressed in chunks, so that reading a passage unpacks this much and not a book."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

try:
    # The same format, written several times as fast, on processors that it knows.
    from isal.isal_zlib import compress
except ImportError:
    from zlib import compress

CHUNK_CHARACTERS = 32_768

# Higher levels save a seventh of the space and take three times as long.
_LEVEL = 1


def pack(text: str) -> list[bytes]:
    """Compress a text, chunk by chunk."""
    return [
        compress(text[start : start + CHUNK_CHARACTERS].encode(), _LEVEL)
        for start in range(0, len(text), CHUNK_CHARACTERS)
    ]


def unpack(chunks: Iterable[bytes]) -> str:
    """Join chunks that follow each other; ValueError if they are damaged."""
    try:
        return "".join(zlib.decompress(chunk).decode() for chunk in chunks)
    except zlib.error as error:
        raise ValueError(str(error)) from error
