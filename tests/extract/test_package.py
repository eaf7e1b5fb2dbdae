"""What every format in a zip file must stand: bombs, lies, locks, XML that expands or reaches out."""

from __future__ import annotations

import bz2
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from office_files import OFFICE_FILES
from packing import edited, encrypted, packed, with_size

from docqa.errors import ExtractionError
from docqa.extract import extract

PARTS = {
    ".pptx": "ppt/slides/slide1.xml",
    ".xlsx": "xl/worksheets/sheet1.xml",
    ".odt": "content.xml",
    ".ods": "content.xml",
    ".odp": "content.xml",
    ".epub": "OEBPS/book.opf",
}
PACKAGES = pytest.mark.parametrize("suffix", PARTS)


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < 20


def with_part(suffix: str, change: bytes | None = None, *, prolog: bytes = b"", inside: bytes = b"") -> bytes:
    """An office file, one part of which is replaced, given another prolog, or more text in its last element."""

    def edit(name: str, content: bytes) -> bytes:
        if name != PARTS[suffix]:
            return content
        if change is not None:
            return change
        body = content.partition(b"?>")[2] if content.startswith(b"<?xml") else content
        head, tail = body.rsplit(b"</", 1)
        return prolog + head + inside + b"</" + tail

    return edited(OFFICE_FILES[suffix](), edit)


@PACKAGES
def test_a_zip_bomb_is_refused(suffix: str) -> None:
    data = with_part(suffix, inside=b"<!--" + b" " * 210_000_000 + b"-->")
    assert len(data) < 1_000_000
    with pytest.raises(ExtractionError, match="expands to more than 200 MB"):
        extract(f"a{suffix}", data)
    with pytest.raises(ExtractionError, match="damaged"):
        extract(f"a{suffix}", with_size(data, PARTS[suffix], 1000))


@PACKAGES
@pytest.mark.parametrize("quoted", [False, True])
def test_billions_of_laughs_are_refused(suffix: str, quoted: bool) -> None:
    entities = b"".join(
        b'<!ENTITY e%d "%s">' % (level, b"&e%d;" % (level - 1) * 10 if level else b"lol" * 10) for level in range(10)
    )
    inside = b'<x y="&e9;"/>' if quoted else b"<x>&e9;</x>"
    with pytest.raises(ExtractionError, match=r"entities|damaged"):
        extract(f"a{suffix}", with_part(suffix, prolog=b"<!DOCTYPE x [" + entities + b"]>", inside=inside))


@PACKAGES
@pytest.mark.parametrize("kind", ["", "% "])
def test_external_entities_are_refused(suffix: str, kind: str, tmp_path: Path) -> None:
    private = tmp_path / "private.dtd"
    private.write_text("stolen")
    doctype = f'<!DOCTYPE x [<!ENTITY {kind}e SYSTEM "{private.as_uri()}">{"%e;" if kind else ""}]>'
    with pytest.raises(ExtractionError) as caught:
        extract(f"a{suffix}", with_part(suffix, prolog=doctype.encode(), inside=b"" if kind else b"<x>&e;</x>"))
    assert "stolen" not in str(caught.value)


@PACKAGES
def test_deep_nesting_is_refused(suffix: str) -> None:
    with pytest.raises(ExtractionError, match="damaged"):
        extract(f"a{suffix}", with_part(suffix, b"<x>" * 500_000))


@PACKAGES
def test_an_encrypted_part_says_so(suffix: str) -> None:
    with pytest.raises(ExtractionError, match="encrypted"):
        extract(f"a{suffix}", encrypted(OFFICE_FILES[suffix](), PARTS[suffix]))


@PACKAGES
def test_a_file_in_the_container_of_encrypted_ones_says_so(suffix: str) -> None:
    with pytest.raises(ExtractionError, match="encrypted, or in an old format"):
        extract(f"a{suffix}", bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600))


@pytest.mark.parametrize("suffix", OFFICE_FILES)
@pytest.mark.parametrize("share", [0, 0.1, 0.9])
def test_a_cut_off_file_is_damaged(suffix: str, share: float) -> None:
    data = OFFICE_FILES[suffix]()
    with pytest.raises(ExtractionError):
        extract(f"a{suffix}", data[: int(share * len(data))])


@PACKAGES
def test_another_kind_of_package_is_refused(suffix: str) -> None:
    with pytest.raises(ExtractionError):
        extract(f"a{suffix}", packed({"a.txt": "x"}))


def test_a_method_that_unpacks_without_end_is_refused() -> None:
    data = packed({"content.xml": bytes(100_000_000)}, method=zipfile.ZIP_BZIP2)
    assert len(data) < len(bz2.compress(bytes(100_000_000))) + 500
    with pytest.raises(ExtractionError, match="compressed in an uncommon way"):
        extract("a.odt", data)


def test_a_directory_without_end_is_not_read() -> None:
    with pytest.raises(ExtractionError, match="holds more than 10,000 files"):
        extract("a.odt", b"PK\x01\x02" * 50_000)
