"""Archives and packed files: every member by the reader of its own format, within one allowance."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from office_files import workbook
from packing import encrypted, packed, with_size
from pdf_writer import column, write_pdf

from docqa.errors import ExtractionError
from docqa.extract import extract
from docqa.records import Extraction, Mark


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < 20


def read(parts: dict[str, bytes | str]) -> Extraction:
    return extract("a.zip", packed(parts))[1]


def test_members_are_read_by_their_formats_under_their_names() -> None:
    extraction = read(
        {
            "notes/": "",
            "notes/a.md": "# One\n\ntext",
            "plan.pdf": write_pdf([column(["A line."])]),
            "costs.xlsx": workbook(),
            "inner.zip": packed({"b.txt.gz": gzip.compress(b"deep")}),
            "README": "read me",
        }
    )
    assert extraction.text.startswith("One\n\ntext\n\nA line.\n\nMy costs\n")
    assert extraction.text.endswith("corner\n\ndeep\n\nread me")
    assert [mark.value for mark in extraction.marks] == [
        "notes/a.md",
        "notes/a.md › One",
        "plan.pdf",
        "costs.xlsx",
        "costs.xlsx › Costs",
        "costs.xlsx › Far",
        "inner.zip",
        "inner.zip › b.txt.gz",
        "README",
    ]
    assert extraction.remarks == ()


def test_what_cannot_be_read_is_remarked_on() -> None:
    extraction = read({"a.txt": "text", "b.bin": b"\0\1", "c.docx": b"PK", "d.txt": " "})
    assert extraction.text == "text"
    assert extraction.remarks[0] == "b.bin: unknown format '.bin'"
    assert extraction.remarks[1].startswith("c.docx: damaged Word document")
    assert extraction.remarks[2] == "d.txt: no text in it"
    assert read({"a.txt": "text", **{f"{number}.bin": b"\0" for number in range(30)}}).remarks[-1] == (
        "10 more files in it were not read"
    )
    with pytest.raises(ExtractionError, match=r"nothing in it was read; a\.bin: unknown format"):
        read({"a.bin": b"\0"})


def test_what_a_folder_would_leave_out_an_archive_leaves_out() -> None:
    extraction = read(
        {
            "a.txt": "text",
            "x/.git/config": "hidden",
            "node_modules/y/a.js": "hidden",
            "__MACOSX/._a.txt": "hidden",
            "x/._b.txt": "hidden",
            ".env": "hidden",
            "home/.ssh/known_hosts": "hidden",
            "id_rsa.gz": gzip.compress(b"hidden"),
        }
    )
    assert extraction.text == "text"
    assert sorted(extraction.remarks) == [
        f"{name}: looks like a secret" for name in (".env", "home/.ssh/known_hosts", "id_rsa.gz")
    ]
    with pytest.raises(ExtractionError, match="looks like a secret"):
        extract("folder/server.key.gz", gzip.compress(b"hidden"))


def test_nothing_is_written_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read({"../../escaped.txt": "a", "/absolute.txt": "b"}).text == "a\n\nb"
    assert list(tmp_path.iterdir()) == []


def test_an_encrypted_member_says_so() -> None:
    data = packed({"a.txt": "open", "b.txt": "closed"})
    assert extract("a.zip", encrypted(data, "b.txt"))[1].remarks == ("b.txt: encrypted; unpack it and index again",)


def test_a_damaged_member_does_no_harm_to_the_others() -> None:
    data = packed({"a.txt": "open", "b.txt": "x" * 10_000})
    extraction = extract("a.zip", with_size(data, "b.txt", 10))[1]
    assert extraction.text == "open"
    assert extraction.remarks[0].startswith("b.txt: damaged")


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\x05\x06" + bytes(17), b"x" * 100])
def test_a_damaged_archive_says_so(data: bytes) -> None:
    with pytest.raises(ExtractionError, match="damaged zip archive"):
        extract("a.zip", data)


def test_an_archive_of_archives_without_end_is_refused() -> None:
    inner = packed({f"{number}.txt": b"a " * 5_000_000 for number in range(20)})
    middle = packed({f"{number}.zip": inner for number in range(20)})
    outer = packed({f"{number}.zip": middle for number in range(20)})
    assert len(outer) < 100_000
    with pytest.raises(ExtractionError, match="expands to more than 200 MB"):
        extract("a.zip", outer)


def test_archives_in_archives_are_read_to_a_depth() -> None:
    data = b"innermost"
    for level in range(8):
        data = packed({f"{level}.zip" if level else "a.txt": data})
    with pytest.raises(ExtractionError, match="nested too deeply"):
        extract("a.zip", data)
    packed_often = b"text"
    for _ in range(8):
        packed_often = gzip.compress(packed_often)
    with pytest.raises(ExtractionError, match="nested too deeply"):
        extract("a.txt" + 8 * ".gz", packed_often)


def test_one_file_after_another_has_the_whole_allowance() -> None:
    with pytest.raises(ExtractionError, match="expands"):
        extract("a.gz", gzip.compress(bytes(210_000_000)))
    assert read({"a.txt": "text"}).text == "text"


def test_too_many_members_are_refused() -> None:
    with pytest.raises(ExtractionError, match="holds more than 10,000 files"):
        read({str(number): "" for number in range(10_001)})


def test_a_packed_document_keeps_its_marks_and_is_named_without_gz() -> None:
    media_type, extraction = extract("folder/a.md.gz", gzip.compress(b"# One\n\ntext"))
    assert media_type == "application/gzip"
    assert extraction.marks == (Mark("heading", 0, "One"), Mark("line", 0, "1"))
    assert extract("a.txt.gz", gzip.compress(b"one ") + gzip.compress(b"two"))[1].text == "one two"


def test_damaged_and_foreign_gzip_files_say_so() -> None:
    data = gzip.compress(b"text" * 1000)
    for damaged in (b"", b"text", data[:-9], data[:20] + b"x" + data[21:]):
        with pytest.raises(ExtractionError, match=r"gzip file|no text in it"):
            extract("a.txt.gz", damaged)
    with pytest.raises(ExtractionError, match=r"unknown format '\.tar'"):
        extract("a.tar.gz", gzip.compress(b"\0\1"))
