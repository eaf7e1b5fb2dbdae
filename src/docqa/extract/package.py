"""Zip files in memory, read without trust: office documents, e-books, archives.

Directories lie about sizes, and some methods of compression unpack without end before anyone can count.
XML is parsed without entities: what expands, or reaches for another file, is refused.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from lxml import etree

from docqa.errors import ExtractionError
from docqa.extract.nesting import MAX_MEMBERS, Allowance, Exhausted, opened

_CHUNK_BYTES = 1 << 20
_ENTRY_SIGNATURE = b"PK\x01\x02"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_IS_ENCRYPTED = 0x1
_OLE_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # the container of old office files and of encrypted ones
_SAFELY = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}


@contextmanager
def open_package(data: bytes) -> Iterator[Package]:
    """Open a zip file; raises `ExtractionError` or `zipfile.BadZipFile` if it is not a sound one."""
    if data.startswith(_OLE_SIGNATURE):
        raise ExtractionError("encrypted, or in an old format; save it in the new one without a password")
    with opened() as allowance:
        # Before the directory is read: an entry takes 46 bytes there and a kilobyte in Python.
        if data.count(_ENTRY_SIGNATURE) > 4 * MAX_MEMBERS:
            raise Exhausted(f"holds more than {MAX_MEMBERS:,} files")
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield Package(archive, allowance)


class Package:
    """The parts of an open zip file, each read when it is asked for."""

    def __init__(self, archive: zipfile.ZipFile, allowance: Allowance) -> None:
        self._archive = archive
        self._allowance = allowance
        self.entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        allowance.take_members(len(self.entries))

    def __contains__(self, name: str) -> bool:
        return name in self._names

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self._archive.namelist())

    def read(self, part: str | zipfile.ZipInfo) -> bytes:
        """Unpack a part, counting its bytes as they come.

        Raises `KeyError` if there is none of that name, `ExtractionError` if it is encrypted or too large.
        """
        entry = self._archive.getinfo(part) if isinstance(part, str) else part
        _refuse_unsafe(entry)
        unpacked = bytearray()
        with self._archive.open(entry) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                self._allowance.take_bytes(len(chunk))
                unpacked += chunk
        return bytes(unpacked)

    def vouch(self) -> None:
        """Make sure that another library can safely unpack all of it with `zipfile`.

        That holds to the sizes in the directory, so it is they that count.
        """
        for entry in self.entries:
            _refuse_unsafe(entry)
            self._allowance.take_bytes(entry.file_size)

    def xml(self, name: str) -> Any:
        """Parse a part and return its root element."""
        root = etree.fromstring(self.read(name), etree.XMLParser(**_SAFELY, remove_comments=True, remove_pis=True))
        _refuse_entities(root)
        return root

    def elements(self, name: str, tag: str) -> Iterator[Any]:
        """Yield a part's elements of one tag, such as `{*}row`, without ever holding them all."""
        content = io.BytesIO(self.read(name))
        is_checked = False
        for _, element in etree.iterparse(content, tag=tag, remove_comments=True, remove_pis=True, **_SAFELY):
            if not is_checked:
                _refuse_entities(element)
                is_checked = True
            yield element
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]


def _refuse_unsafe(entry: zipfile.ZipInfo) -> None:
    if entry.flag_bits & _IS_ENCRYPTED:
        raise ExtractionError("encrypted; unpack it and index again")
    if entry.compress_type not in _METHODS:
        raise ExtractionError("compressed in an uncommon way; unpack it and index again")


def _refuse_entities(element: Any) -> None:
    declarations = element.getroottree().docinfo.internalDTD
    if declarations is not None and next(declarations.iterentities(), None) is not None:
        raise ExtractionError("declares XML entities, which no such file needs")


def resolve(base: str, reference: str) -> str:
    """Return the name of the part that a part called `base` refers to."""
    path = unquote(reference.partition("#")[0])
    return posixpath.normpath(posixpath.join(posixpath.dirname(base), path)).lstrip("/")


def local_name(element: Any) -> str:
    """Return an element's tag without its namespace, of which office formats have two each; empty for others."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def attribute(element: Any, name: str) -> str:
    """Return the value of an attribute that has a namespace, whichever it is; empty if there is none."""
    ending = f"}}{name}"
    return next((value for key, value in element.items() if key.endswith(ending)), "")
