"""A writer of Outlook messages small enough to read: a compound file (MS-CFB) of properties (MS-OXMSG)."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

SECTOR, MINI, CUTOFF = 512, 64, 4096
FREE, END, FAT, NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
TEXT, BINARY, TIME, NUMBER, OBJECT = 0x001F, 0x0102, 0x0040, 0x0003, 0x000D

Tree = Mapping[str, "bytes | Tree"]


@dataclass
class Mail:
    """What a message holds; an attachment is (name, media type, content): bytes, a message, or None for an object."""

    subject: str = ""
    sender: tuple[str, str] = ("", "")
    to: Sequence[tuple[str, str]] = ()
    sent: datetime | None = None
    body: str = ""
    html: bytes = b""
    attachments: Sequence[tuple[str, str, bytes | Mail | None]] = field(default_factory=tuple)


def write_msg(mail: Mail) -> bytes:
    """The bytes of a .msg file."""
    return _compound_file(_message(mail, header=32))


def _message(mail: Mail, header: int) -> Tree:
    tree = _properties(
        header,
        {
            (0x0037, TEXT): mail.subject,
            (0x0C1A, TEXT): mail.sender[0],
            (0x0C1F, TEXT): mail.sender[1],
            (0x1000, TEXT): mail.body,
            (0x1013, BINARY): mail.html,
            (0x3FDE, NUMBER): 65001,
            (0x0039, TIME): mail.sent,
        },
    )
    for number, (name, address) in enumerate(mail.to):
        tree[f"__recip_version1.0_#{number:08X}"] = _properties(8, {(0x3001, TEXT): name, (0x39FE, TEXT): address})
    for number, (name, media_type, data) in enumerate(mail.attachments):
        values = {
            (0x3707, TEXT): name,
            (0x370E, TEXT): media_type,
            (0x3701, BINARY if isinstance(data, bytes) else OBJECT): data,
            (0x3705, NUMBER): 1 if isinstance(data, bytes) else 5 if data else 6,
        }
        tree[f"__attach_version1.0_#{number:08X}"] = _properties(8, values)
    return tree


def _properties(header: int, values: Mapping[tuple[int, int], object]) -> dict[str, bytes | Tree]:
    streams: dict[str, bytes | Tree] = {}
    table = bytes(header)
    for (number, kind), value in values.items():
        if value is None or value in ("", b""):
            continue
        if isinstance(value, Mail):
            streams[f"__substg1.0_{number:04X}{kind:04X}"] = _message(value, header=24)
            inline = struct.pack("<IB3x", 0xFFFFFFFF, 1)
        elif isinstance(value, int):
            inline = struct.pack("<Ixxxx", value)
        elif isinstance(value, datetime):
            inline = struct.pack("<Q", int((value - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds()) * 10_000_000)
        else:
            data = value.encode("utf-16-le") if isinstance(value, str) else value
            assert isinstance(data, bytes)
            streams[f"__substg1.0_{number:04X}{kind:04X}"] = data
            inline = struct.pack("<Ixxxx", len(data) + 2 * (kind == TEXT))
        table += struct.pack("<HHI", kind, number, 6) + inline
    return {"__properties_version1.0": table, **streams}


def _compound_file(tree: Tree) -> bytes:
    entries: list[list[object]] = []  # name, type, child, right sibling, first sector, size
    sectors: list[bytes] = []
    table: list[int] = []
    mini, mini_table = bytearray(), []

    def store(data: bytes) -> int:
        """Append data as a chain of sectors; return the first."""
        first = len(sectors)
        count = max(1, -(-len(data) // SECTOR))
        sectors.extend(data[SECTOR * i : SECTOR * (i + 1)].ljust(SECTOR, b"\0") for i in range(count))
        table.extend([*range(first + 1, first + count), END])
        return first

    def store_small(data: bytes) -> int:
        first, count = len(mini_table), -(-len(data) // MINI)
        mini.extend(data.ljust(count * MINI, b"\0"))
        mini_table.extend([*range(first + 1, first + count), END])
        return first

    def add(name: str, content: bytes | Tree, kind: int) -> int:
        number = len(entries)
        entry: list[object] = [name, kind, NONE, NONE, 0, 0]
        entries.append(entry)
        if isinstance(content, bytes):
            place = store if len(content) >= CUTOFF else store_small
            entry[4:] = [place(content), len(content)]
            return number
        # Siblings are sorted by the length of their names first; a tree of right children only is one, too.
        previous = None
        for inner in sorted(content, key=lambda each: (len(each), each.upper())):
            child = add(inner, content[inner], 2 if isinstance(content[inner], bytes) else 1)
            if previous is None:
                entry[2] = child
            else:
                entries[previous][3] = child
            previous = child
        return number

    add("Root Entry", tree, 5)
    entries[0][4:] = [store(bytes(mini)), len(mini)]
    mini_first = store(struct.pack(f"<{len(mini_table)}I", *mini_table).ljust(SECTOR, b"\xff"))
    directory = b"".join(_entry(*entry) for entry in entries)  # type: ignore[arg-type]
    directory_first = store(directory.ljust(-(-len(directory) // SECTOR) * SECTOR, b"\0"))
    # The table of sectors lists its own sectors, too.
    count = -(-(len(table) + 1) // (SECTOR // 4 - 1))
    first = len(table)
    table.extend([FAT] * count)
    padded = table + [FREE] * (count * SECTOR // 4 - len(table))
    sectors.append(struct.pack(f"<{len(padded)}I", *padded))
    mini_sectors = -(-4 * len(mini_table) // SECTOR)
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIII", 0, count, directory_first, 0, CUTOFF, mini_first, mini_sectors, END, 0)
    header += struct.pack("<109I", *range(first, first + count), *[FREE] * (109 - count))
    return header + b"".join(sectors)


def _entry(name: str, kind: int, child: int, right: int, sector: int, size: int) -> bytes:
    encoded = (name + "\0").encode("utf-16-le")
    return (
        encoded.ljust(64, b"\0")
        + struct.pack("<HBB", len(encoded), kind, 1)
        + struct.pack("<III", NONE, right, child)
        + bytes(36)
        + struct.pack("<IQ", sector, size)
    )
