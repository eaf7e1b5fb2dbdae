"""Text in pictures and scanned pages, made here and recognised for real, where that is possible."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from docqa import DocQA
from docqa.errors import ExtractionError
from docqa.extract import extract
from docqa.extract.formats import format_of, reads_pictures
from docqa.records import Mark

if TYPE_CHECKING:
    from PIL.Image import Image

LINES = ("The excess for water damage is 150 pounds.", "", "Claims are made within fourteen days.")
TEXT = "\n\n".join(filter(None, LINES))

recognising = pytest.mark.skipif(not reads_pictures(), reason="docqa[ocr] is not installed")


def picture(lines: Sequence[str] = LINES) -> Image:
    from PIL import Image, ImageDraw, ImageFont

    made = Image.new("RGB", (900, 60 + 50 * len(lines)), "white")
    pen = ImageDraw.Draw(made)
    for number, line in enumerate(lines):
        pen.text((40, 30 + 50 * number), line, fill="black", font=ImageFont.load_default(32))
    return made


def saved(kind: str, *pictures: Image) -> bytes:
    first, *others = pictures
    target = io.BytesIO()
    options = {"save_all": True, "append_images": others} if others else {}
    first.save(target, kind, **options)
    return target.getvalue()


@recognising
@pytest.mark.parametrize(("name", "kind"), [("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.webp", "WEBP"), ("a.bmp", "BMP")])
def test_the_text_in_a_picture_is_read(name: str, kind: str) -> None:
    extraction = extract(name, saved(kind, picture()))[1]
    assert (extraction.text, extraction.marks) == (TEXT, ())


@recognising
def test_a_scanned_pdf_has_its_pages() -> None:
    data = saved("PDF", picture(), picture(["The boiler stands in the garden."]))
    extraction = extract("scan.pdf", data)[1]
    assert extraction.text == f"{TEXT}\n\nThe boiler stands in the garden."
    assert extraction.marks == (Mark("page", 0, "1"), Mark("page", len(TEXT) + 2, "2"))
    assert extraction.remarks == ()


@recognising
def test_several_pictures_in_a_file_are_pages() -> None:
    extraction = extract("fax.tiff", saved("TIFF", picture(["First page."]), picture(["Second page."])))[1]
    assert extraction.text == "First page.\n\nSecond page."
    assert [mark.value for mark in extraction.marks] == ["1", "2"]


@recognising
def test_a_picture_that_a_camera_turned_by_a_note_is_read_upright() -> None:
    from PIL import Image

    turned = picture().rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    target = io.BytesIO()
    turned.save(target, "JPEG", exif=exif)
    assert extract("a.jpg", target.getvalue())[1].text == TEXT


@recognising
def test_a_picture_without_text_holds_none() -> None:
    with pytest.raises(ExtractionError, match="no text in it"):
        extract("blank.png", saved("PNG", picture([])))


@recognising
@pytest.mark.parametrize("name", ["torn.png", "torn.jpg", "torn.tiff", "torn.webp"])
def test_a_damaged_picture_is_an_error(name: str) -> None:
    kind = {"png": "PNG", "jpg": "JPEG", "tiff": "TIFF", "webp": "WEBP"}[name.split(".")[1]]
    whole = saved(kind, picture())
    for cut in (0, 4, 40):
        with pytest.raises(ExtractionError):
            extract(name, whole[:cut])


@recognising
def test_a_picture_that_unpacks_to_too_much_is_refused() -> None:
    from PIL import Image

    with pytest.raises(ExtractionError, match=r"larger than 100 megapixels|DecompressionBomb"):
        extract("bomb.png", saved("PNG", Image.new("1", (20_000, 10_000))))


@recognising
def test_pictures_are_indexed_in_child_processes_within_their_limits(library: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    (folder / "policy.png").write_bytes(saved("PNG", picture()))
    (folder / "policy.pdf").write_bytes(saved("PDF", picture()))
    with DocQA(library) as engine:
        assert engine.index([folder]).skipped == ()
        [first, second] = engine.search("water damage excess")
        assert {first.source.page, second.source.page} == {1, None}


@pytest.mark.skipif(reads_pictures(), reason="docqa[ocr] is installed")
def test_where_nothing_recognises_text_a_picture_says_what_to_install() -> None:
    for name in ("a.png", "a.JPEG", "a.tif"):
        known = format_of(name)
        assert known is not None
        assert not known.is_available
        with pytest.raises(ExtractionError, match=r"needs docqa\[ocr\]: pip install 'docqa\[ocr\]'"):
            extract(name, b"\x89PNG")
