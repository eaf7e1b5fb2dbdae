"""Zip files for the tests: made, changed, and made to lie."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Mapping


def packed(parts: Mapping[str, bytes | str], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file with these members."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return target.getvalue()


def edited(data: bytes, edit: Callable[[str, bytes], bytes]) -> bytes:
    """The same zip file with its members passed through `edit`."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return packed({entry.filename: edit(entry.filename, archive.read(entry)) for entry in archive.infolist()})


def with_size(data: bytes, name: str, size: int) -> bytes:
    """The same zip file, whose directory tells another size of a member."""
    changed = bytearray(data)
    entry = _directory_entry(data, name)
    struct.pack_into("<I", changed, entry + 24, size)
    return bytes(changed)


def encrypted(data: bytes, name: str) -> bytes:
    """The same zip file, in which a member is said to be encrypted."""
    changed = bytearray(data)
    entry = _directory_entry(data, name)
    struct.pack_into("<H", changed, entry + 8, struct.unpack_from("<H", data, entry + 8)[0] | 1)
    return bytes(changed)


def _directory_entry(data: bytes, name: str) -> int:
    entry = data.rindex(name.encode()) - 46
    assert data[entry : entry + 4] == b"PK\x01\x02"
    return entry
