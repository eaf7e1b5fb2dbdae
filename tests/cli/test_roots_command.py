"""`docqa roots`, `docqa doctor`, and an index run over all that the library remembers."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def test_index_without_a_path_goes_through_the_folders_it_knows(filled: Cli, folder: Path) -> None:
    (folder / "new.txt").write_text("A heron.")
    done = filled("index")
    assert done.code == 0
    assert done.out.startswith("1 indexed, 2 unchanged, 0 removed")
    (folder / "new.txt").rename(folder / "old.txt")
    done = filled("index")
    assert "1 moved" in done.out
    assert any(line.startswith("moved ") and line.endswith("old.txt") for line in done.err.splitlines())


def test_patterns_need_a_path(filled: Cli) -> None:
    done = filled("index", "--exclude", "*.md")
    assert (done.code, done.out) == (2, "")
    assert "need the PATH" in done.err


def test_roots_are_listed_with_their_patterns(filled: Cli, folder: Path) -> None:
    filled("index", folder, "--include", "*.md", "--include", "*.txt", "--exclude", "boiler*")
    assert filled("roots").out == f"{folder}: 1 document, include *.md, include *.txt, exclude boiler*\n"
    assert filled("roots", "--json").json == {
        "roots": [
            {
                "path": str(folder),
                "include": ["*.md", "*.txt"],
                "exclude": ["boiler*"],
                "present": True,
                "documents": 1,
            }
        ]
    }


def test_roots_are_added_and_forgotten(filled: Cli, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/heron.txt").write_text("A heron.")
    assert filled("roots", "add", tmp_path / "other", "--exclude", "*.log").code == 0
    assert filled("index").out.startswith("1 indexed, 2 unchanged")
    gone = filled("roots", "rm", folder, "--json").json["removed"]
    assert [Path(each).name for each in gone] == ["boiler.txt", "lease.md"]
    assert filled("roots", "rm", tmp_path / "other", "--keep").code == 0
    assert len(filled("ls", "--json").json["documents"]) == 1
    assert filled("roots").out.startswith("The library knows no folder yet")
    assert filled("roots", "rm", folder).code == 2
    assert filled("index").code == 2


def test_the_library_may_be_named_anywhere(filled: Cli, library: Path, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.docqa"
    assert filled("--library", other, "roots", "add", folder).code == 0
    assert filled("roots", "--library", other, "rm", folder, "--keep").code == 0
    assert filled("roots", "rm", folder, "--keep", "--library", other).code == 2
    assert len(filled("roots", "--json").json["roots"]) == 1


def test_a_folder_that_is_not_there_is_said_and_kept_until_it_is_pruned(filled: Cli, folder: Path) -> None:
    folder.rename(folder.with_name("taken"))
    done = filled("index", "--json")
    assert (done.code, done.json["documents"], done.json["roots_gone"]) == (0, 2, [str(folder)])
    assert "is not there: 2 documents kept as indexed (docqa index --prune" in done.err
    assert filled("roots").out == f"{folder}: 2 documents, not there\n"
    assert filled("index", "--prune", "--json").json["documents"] == 0
    assert filled("roots", "--json").json == {"roots": []}


def test_doctor_says_what_is_amiss_and_what_to_do(filled: Cli, folder: Path, library: Path) -> None:
    done = filled("doctor")
    assert done.code == 0
    assert "soundness  no problem found" in done.out
    assert "documents " in done.out.splitlines()[0]
    assert "sqlite" not in done.out.lower()
    assert "empty.txt: no text in it" in done.out
    (folder / "lease.md").unlink()
    shown = filled("doctor").out.splitlines()
    assert "Documents whose files have gone (1)" in shown
    assert "  → Take them out: docqa index" in shown
    told = filled("doctor", "--json").json
    assert list(told) == ["library", "bytes", "parts", "roots", "findings"]
    assert [finding["kind"] for finding in told["findings"]] == ["gone", "skipped"]


def test_doctor_ends_with_3_if_the_library_is_damaged(filled: Cli, library: Path) -> None:
    with sqlite3.connect(library) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("DELETE FROM documents")
    connection.close()
    done = filled("doctor")
    assert done.code == 3
    assert "soundness  damaged" in done.out
    assert "Move it away" in done.out


def test_forgetting_a_folder_says_what_became_of_its_documents(filled: Cli, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    filled("roots", "add", tmp_path / "empty")
    assert filled("roots", "rm", tmp_path / "empty").out == f"{tmp_path / 'empty'} is forgotten; it had no documents\n"
    assert filled("roots", "rm", folder, "--keep").out == f"{folder} is forgotten; its documents stay\n"
