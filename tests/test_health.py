"""What a thorough look at a library finds, one thing amiss after the other, on real files."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from extract.pdf_writer import Line, write_pdf

from docqa import DocQA
from docqa.extract.formats import reads_pictures
from docqa.records import Finding


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    (made / "lease.txt").write_text("The lease ends in May.\n")
    (made / "boiler.txt").write_text("The boiler stands in the garden.\n")
    return made


def findings(engine: DocQA, base: Path) -> dict[str, list[tuple[str, str]]]:
    """The findings by kind, with paths relative to `base`."""
    return {
        finding.kind: [(path.removeprefix(f"{base}/"), what.replace(f"{base}/", "")) for path, what in finding.entries]
        for finding in engine.health().findings
    }


def test_nothing_is_said_of_a_library_as_it_should_be(engine: DocQA, folder: Path) -> None:
    engine.index([folder])
    health = engine.health()
    assert (health.sound, health.findings, health.library) == (True, (), str(engine.library))
    assert health.bytes == engine.library.stat().st_size
    assert health.roots == tuple(engine.roots())


def test_the_parts_are_all_there_is_to_the_file(engine: DocQA, folder: Path) -> None:
    (folder / "long.txt").write_text("\n\n".join(f"Word {number} of many." for number in range(20_000)))
    engine.index([folder])
    parts = dict(engine.health().parts)
    if not parts:
        pytest.skip("this SQLite was built without dbstat")
    # The log of what was written last may not be in the file yet; a reader that closes it brings it in.
    engine.close()
    parts, size = dict(engine.health().parts), engine.library.stat().st_size
    assert sum(parts.values()) == size
    assert {"texts", "documents", "free"} <= parts.keys()
    assert parts["texts"] > parts["documents"]


def test_files_that_changed_or_went_are_stale_until_the_next_run(engine: DocQA, folder: Path) -> None:
    engine.index([folder])
    (folder / "lease.txt").write_text("The lease ends in June.\n")
    (folder / "boiler.txt").unlink()
    assert findings(engine, folder) == {
        "changed": [("lease.txt", "changed")],
        "gone": [("boiler.txt", "no longer there")],
    }
    engine.index()
    assert engine.health().findings == ()


def test_a_folder_that_is_not_there_is_told_once_and_not_file_by_file(
    engine: DocQA, folder: Path, tmp_path: Path
) -> None:
    engine.index([folder])
    folder.rename(tmp_path / "taken")
    assert findings(engine, tmp_path) == {"root gone": [("folder", "2 documents kept")]}


def test_documents_without_a_folder_are_told(engine: DocQA, folder: Path) -> None:
    engine.index([folder])
    engine.remove_root(folder, keep=True)
    (folder / "lease.txt").unlink()
    assert findings(engine, folder) == {
        "gone": [("lease.txt", "no longer there")],
        "rootless": [("boiler.txt", "in no folder of docqa roots"), ("lease.txt", "in no folder of docqa roots")],
    }


def test_duplicates_are_told_together(engine: DocQA, folder: Path) -> None:
    for name in ("copy.txt", "third.txt"):
        (folder / name).write_text("The lease ends in May.\n")
    engine.index([folder])
    assert findings(engine, folder) == {"duplicate": [("copy.txt", "the same as lease.txt, third.txt")]}


@pytest.mark.skipif(reads_pictures(), reason="docqa[ocr] is installed, and finds nothing on the empty page")
def test_what_was_skipped_or_read_in_part_is_told_with_the_reason(engine: DocQA, folder: Path) -> None:
    (folder / "torn.pdf").write_bytes(b"%PDF-1.4 torn")
    (folder / "scan.pdf").write_bytes(write_pdf([[Line(72, 700, "A page with text.")], []]))
    engine.index([folder])
    found = findings(engine, folder)
    assert found.keys() == {"skipped", "textless"}
    assert found["skipped"][0][0] == "torn.pdf"
    assert found["textless"] == [("scan.pdf", "page 2 has no text layer")]


def test_every_finding_says_what_to_do(engine: DocQA, folder: Path) -> None:
    (folder / "torn.pdf").write_bytes(b"%PDF-1.4 torn")
    (folder / "lease2.txt").write_text("The lease ends in May.\n")
    engine.index([folder])
    (folder / "boiler.txt").unlink()
    told = engine.health().findings
    assert len(told) == 3
    assert all(isinstance(finding, Finding) and finding.advice and finding.title for finding in told)


def test_damage_is_found_and_is_not_sound(engine: DocQA, folder: Path) -> None:
    engine.index([folder])
    engine.close()
    with sqlite3.connect(engine.library) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("DELETE FROM documents WHERE id = 1")
    connection.close()
    health = engine.health()
    assert not health.sound
    assert health.findings[0].kind == "damaged"
