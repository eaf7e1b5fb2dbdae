"""The readers of this machine: their names, which is in use, and what an accident leaves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docqa.errors import ReaderError, UsageError
from docqa.reader import catalogue, weights

TRICKS = ("../x", "..", ".", "", "/etc", "a/../b", "a/b/c", "a//b", "a\\b", "a--b", ".hidden", "a\x00b", "a\nb", "~/x")


@pytest.fixture(autouse=True)
def _own_readers(readers: Path) -> None:
    """None of these tests touches anyone's readers."""


def add(name: str, tiny_reader: Path) -> Path:
    with catalogue.adding(name) as folder:
        shutil.copytree(tiny_reader, folder, dirs_exist_ok=True)
    return catalogue.added_folder(name)


# --- names --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*TRICKS, "n" * 201, "é" * 101])
def test_a_name_that_could_lead_elsewhere_is_refused(name: str) -> None:
    for refuse in (catalogue.use, catalogue.remove, catalogue.entry, catalogue.lengths_table, catalogue.new_folder):
        with pytest.raises(UsageError, match="cannot be a reader's name"):
            refuse(name)
    assert catalogue.find(name) is None


@given(st.lists(st.text(alphabet="ab-./_ é", min_size=1, max_size=7), min_size=2, max_size=2, unique=True))
def test_no_two_names_share_a_folder_and_none_leads_out(names: list[str]) -> None:
    folders = []
    for name in names:
        try:
            folders.append(catalogue.added_folder(name))
        except UsageError:
            continue
    assert len(set(folders)) == len(folders)
    assert all(folder.resolve().parent == catalogue.readers_folder().resolve() for folder in folders)


def test_a_readers_folder_has_its_name_with_dashes_for_the_slash(readers: Path) -> None:
    assert catalogue.added_folder("Intel/dynamic_tinybert") == readers / "Intel--dynamic_tinybert"


def test_readers_are_in_the_users_data_folder_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DOCQA_READERS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert catalogue.readers_folder() == tmp_path / "docqa" / "readers"


def test_the_shipped_reader_keeps_its_name() -> None:
    with pytest.raises(UsageError, match="--name"):
        catalogue.new_folder("shipped")
    with pytest.raises(UsageError, match="stays"):
        catalogue.remove("shipped")


def test_a_name_is_given_once(tiny_reader: Path) -> None:
    add("one", tiny_reader)
    with pytest.raises(UsageError, match="added already"), catalogue.adding("one"):
        pass


# --- which one answers --------------------------------------------------------------------------------------


def test_the_shipped_reader_answers_where_nothing_was_added() -> None:
    assert catalogue.in_use() == "shipped"
    assert catalogue.find(None) == catalogue.find("shipped") == catalogue.shipped_folder()
    [only] = catalogue.entries()
    assert (only.name, only.in_use, only.source, only.problem) == ("shipped", True, None, None)
    assert (only.layers, only.width) == (6, 384)
    assert only.digest in (catalogue.shipped_folder() / catalogue.MANIFEST).read_text()


def test_the_preferred_reader_answers_once_it_is_there_unless_told_otherwise(tiny_reader: Path) -> None:
    add("another", tiny_reader)
    assert catalogue.in_use() == "shipped"
    folder = add(catalogue.PREFERRED, tiny_reader)
    assert (catalogue.in_use(), catalogue.find(None)) == (catalogue.PREFERRED, folder)
    catalogue.use("shipped")
    assert catalogue.find(None) == catalogue.shipped_folder()
    catalogue.use("another")
    catalogue.remove("another")
    assert catalogue.in_use() == catalogue.PREFERRED
    catalogue.remove(catalogue.PREFERRED)
    assert catalogue.in_use() == "shipped"


def test_a_choice_made_before_the_preferred_reader_came_stays(tiny_reader: Path) -> None:
    catalogue.use("shipped")
    add(catalogue.PREFERRED, tiny_reader)
    assert catalogue.in_use() == "shipped"


def test_what_was_never_added_can_be_neither_used_nor_removed() -> None:
    for refuse in (catalogue.use, catalogue.remove, catalogue.entry):
        with pytest.raises(UsageError, match="docqa reader ls"):
            refuse("nobody/nothing")


def test_a_reader_in_use_that_has_vanished_is_an_error_with_advice(tiny_reader: Path) -> None:
    folder = add("one", tiny_reader)
    catalogue.use("one")
    shutil.rmtree(folder)
    with pytest.raises(ReaderError, match="docqa reader use shipped"):
        catalogue.find(None)


def test_a_name_comes_before_a_folder_of_that_name(
    tiny_reader: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_reader, "one")
    assert weights.load("one").folder == Path("one")
    added = add("one", tiny_reader)
    assert weights.load("one").folder == added
    assert weights.load("./one").folder == weights.load(Path("one")).folder == Path("one")


# --- accidents ----------------------------------------------------------------------------------------------


def test_a_failure_while_adding_leaves_nothing(readers: Path) -> None:
    def interrupted() -> None:
        with catalogue.adding("one") as folder:
            (folder / "config.json").write_text("{}")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [path.name for path in readers.iterdir()] == [".lock"]
    assert [each.name for each in catalogue.entries()] == ["shipped"]


def test_what_a_killed_run_has_left_is_no_reader_and_goes_with_the_next(readers: Path, tiny_reader: Path) -> None:
    for left in (".adding-abc", ".removing-one"):
        shutil.copytree(tiny_reader, readers / left)
    assert [each.name for each in catalogue.entries()] == ["shipped"]
    add("two", tiny_reader)
    assert {path.name for path in readers.iterdir()} == {".lock", "two"}


def test_two_do_not_change_the_readers_at_once(tiny_reader: Path) -> None:
    with (
        catalogue.adding("one"),
        pytest.raises(ReaderError, match="wait until it has finished"),
        catalogue.adding("two"),
    ):
        pass


def test_a_folder_that_cannot_be_written_is_named(readers: Path) -> None:
    readers.write_text("a file")
    with pytest.raises(ReaderError, match="cannot be written"), catalogue.adding("one"):
        pass
    with pytest.raises(ReaderError, match="cannot be written"):
        catalogue.use("shipped")


def test_a_damaged_reader_is_listed_with_its_problem(tiny_reader: Path) -> None:
    (add("one", tiny_reader) / "config.json").write_text("{")
    (add("two", tiny_reader) / "source.json").write_text('{"origin": 1}')
    _, one, two = catalogue.entries()
    assert one.problem is not None
    assert two.problem is not None
    assert "config.json cannot be read" in one.problem
    assert "source.json is not what docqa writes" in two.problem
    assert one.layers == one.width == 0


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00"])
def test_damaged_settings_are_named(readers: Path, content: str) -> None:
    catalogue.use("shipped")
    [settings] = readers.iterdir()
    settings.write_text(content)
    with pytest.raises(ReaderError, match=settings.name):
        catalogue.in_use()


# --- the hint -----------------------------------------------------------------------------------------------


def test_the_preferred_reader_is_hinted_at_once_and_the_choice_is_kept() -> None:
    catalogue.use("shipped")
    assert [catalogue.hint_due() for _ in range(3)] == [True, False, False]
    assert json.loads((catalogue.readers_folder() / ".settings.json").read_text()) == {"use": "shipped", "hinted": True}


def test_nothing_is_hinted_at_where_a_reader_was_added_or_nothing_can_be_remembered(
    tiny_reader: Path, readers: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    add("one", tiny_reader)
    assert not catalogue.hint_due()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DOCQA_READERS", str(tmp_path / "file" / "readers"))
    assert not catalogue.hint_due()
