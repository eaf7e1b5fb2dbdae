"""Index runs: what moved, what was changed, and what cannot be read; however it came about, the library is the same."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from portrait import portrait

from docqa import DocQA, events, files, indexing, preparing, retriever
from docqa.errors import ExtractionError
from docqa.extract import formats
from docqa.records import Verdict
from docqa.store import Store

NAMES = ("lease.txt", "boiler.txt", "Boiler.TXT", "garden.md", "lease.v2.txt", "river", "data.gz", "page.html")
FOLDERS = ("", "a", "a/b", "c")
TEXTS = (
    "The lease ends.",
    "# Rent\n\nThe boiler in the garden.",
    "river capital " * 90,
    "number\n\nword " * 200,
    "",
    "\0\1",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    (made / "lease.md").write_text("# Lease\n\nThe lease ends in May.\n\n# Rent\n\nThe rent is 20 a year.\n")
    (made / "boiler.txt").write_text("The boiler stands in the garden.\n")
    return made


def of_kind(told: list[events.IndexEvent], kind: type[events.IndexEvent]) -> list[events.IndexEvent]:
    return [event for event in told if isinstance(event, kind)]


def forbid_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(task: object) -> object:
        raise AssertionError(f"{task} was read")

    monkeypatch.setattr(indexing, "prepare", prepare)


# --- moved files --------------------------------------------------------------------------------------------


def test_a_file_in_another_folder_keeps_its_passages(
    engine: DocQA, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.index([folder])
    [before] = engine.search("lease rent", top=1)
    (folder / "deep").mkdir()
    (folder / "lease.md").rename(folder / "deep/lease.md")
    forbid_reading(monkeypatch)
    told = list(engine.index_events())
    assert of_kind(told, events.FileMoved) == [
        events.FileMoved(str(folder / "deep/lease.md"), str(folder / "lease.md"))
    ]
    assert not of_kind(told, events.FileRemoved)
    [after] = engine.search("lease rent", top=1)
    assert after.source.path == str(folder / "deep/lease.md")
    assert after.score == before.score
    assert engine.index().unchanged == 2


def test_a_renamed_file_is_found_by_its_new_name_and_no_more_by_the_old(engine: DocQA, folder: Path) -> None:
    engine.index([folder])
    (folder / "lease.md").rename(folder / "contract.md")
    assert engine.index().moved == 1
    assert [Path(match.source.path).name for match in engine.search("contract")] == ["contract.md", "contract.md"]
    (folder / "contract.md").rename(folder / "deed.md")
    engine.index()
    assert engine.search("contract") == ()


def test_a_moved_folder_moves_every_file_to_its_own_name(engine: DocQA, folder: Path) -> None:
    for name in ("a/one.txt", "a/two.txt", "b/one.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("the same bytes in all of them")
    engine.index([folder])
    (folder / "a").rename(folder / "z")
    moved = {
        (Path(each.old_path).name, Path(each.path).name)
        for each in engine.index_events()
        if isinstance(each, events.FileMoved)
    }
    assert moved == {("one.txt", "one.txt"), ("two.txt", "two.txt")}


def test_what_was_said_of_a_document_goes_with_it(engine: DocQA, folder: Path) -> None:
    engine.index([folder])
    engine.add_verdicts([Verdict("When does the lease end?", "May", accepted=True, path=str(folder / "lease.md"))])
    (folder / "lease.md").rename(folder / "contract.md")
    engine.index()
    [verdict] = engine.verdicts()
    assert verdict.path == str(folder / "contract.md")


def test_a_copy_is_no_move(engine: DocQA, folder: Path) -> None:
    engine.index([folder])
    shutil.copy(folder / "lease.md", folder / "copy.md")
    report = engine.index()
    assert (report.indexed, report.moved, report.removed, report.documents) == (1, 0, 0, 3)


def test_two_files_for_one_that_has_gone_are_a_move_and_a_new_one(engine: DocQA, folder: Path) -> None:
    engine.index([folder])
    for name in ("x.md", "y.md"):
        shutil.copy(folder / "lease.md", folder / name)
    (folder / "lease.md").unlink()
    report = engine.index()
    assert (report.indexed, report.moved, report.removed, report.documents) == (1, 1, 0, 3)


def test_bytes_that_mean_something_else_under_the_new_name_are_read_anew(engine: DocQA, folder: Path) -> None:
    engine.index([folder])
    (folder / "lease.md").rename(folder / "lease.txt")
    report = engine.index()
    assert (report.indexed, report.moved, report.removed) == (1, 0, 1)
    assert "# Lease" in engine.text(folder / "lease.txt")


def test_what_lies_on_an_absent_disk_has_not_moved(engine: DocQA, folder: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    shutil.copytree(folder, disk)
    engine.index([folder / "boiler.txt", disk])
    disk.rename(tmp_path / "taken out")
    shutil.copy(tmp_path / "taken out/lease.md", folder)
    report = engine.index([folder])
    assert (report.indexed, report.moved) == (1, 0)
    (tmp_path / "taken out").rename(disk)
    assert engine.index().documents == 4


@pytest.mark.parametrize("how", ["rm", "prune"])
def test_what_is_taken_out_leaves_no_word_of_any_name_it_had(
    engine: DocQA, library: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    # Tombstones stay, as they do in a large library.
    monkeypatch.setattr(retriever, "_PURGED_PASSAGES", 0)
    monkeypatch.setattr(retriever, "_PURGED_SHARE", 1.0)
    other = folder.parent / "other"
    other.mkdir()
    for number in range(30):
        (other / f"river{number}.txt").write_text("A heron at the river.")
    engine.index([folder, other])
    (folder / "boiler.txt").rename(folder / "stove.txt")
    engine.index()
    assert words_in(library) >= {"boiler", "stove", "garden", "heron"}
    if how == "rm":
        engine.remove(folder)
    else:
        shutil.rmtree(folder)
        engine.index(prune=True)
    assert words_in(library) & {"boiler", "stove", "garden", "leas"} == set()
    assert "heron" in words_in(library)
    assert engine.status().problems == ()


def words_in(library: Path) -> set[str]:
    """What stands between line ends in the blocks of postings, as their terms do."""
    with closing(Store(library)) as store:
        blocks = [data for segment in store.segments() for data in store.blocks(segment.id)]
    return {part.decode("ascii", "replace") for data in blocks for part in data.split(b"\n")}


# --- what cannot be read ------------------------------------------------------------------------------------

PLUGIN = """
    import os

    from docqa.errors import ExtractionError
    from docqa.records import Extraction

    def extract(data):
        with open(os.environ["TRIES"], "a") as tries:
            tries.write("x")
        if data == b"deadly":
            os._exit(1)
        if data == b"poor":
            raise ExtractionError("nothing to be had")
        return Extraction(data.decode(), (), ("half of it",) if data == b"half" else ())
"""


@pytest.fixture
def tries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """How often files with the suffix .odd were read since the last call, by a package that reads them."""
    metadata = tmp_path / "site/docqa_odd-1.0.dist-info"
    metadata.mkdir(parents=True)
    (tmp_path / "site/docqa_odd.py").write_text(dedent(PLUGIN))
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: docqa-odd\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[docqa.extractors]\n.odd = docqa_odd:extract\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("TRIES", str(tmp_path / "tries"))

    def since() -> int:
        log = tmp_path / "tries"
        count = log.stat().st_size if log.exists() else 0
        log.write_text("")
        return count

    forget_what_is_installed()
    yield since
    forget_what_is_installed()


def forget_what_is_installed() -> None:
    formats.foreign_formats.cache_clear()
    formats.readable.cache_clear()


def skipped(engine: DocQA) -> dict[str, str]:
    return {Path(path).name: reason for path, reason in engine.status().skipped}


def test_a_file_that_kills_its_reader_is_left_alone_until_it_changes(
    engine: DocQA, folder: Path, tries: Callable[[], int]
) -> None:
    odd = folder / "x.odd"
    odd.write_text("deadly")
    assert engine.index([folder]).documents == 2
    assert tries() == 3  # among others, then alone, then once more
    for _ in range(2):
        report = engine.index()
        assert report.skipped == ((str(odd), "crashes the program that reads it"),)
    odd.write_text("deadly")  # another time, the same bytes
    engine.index()
    assert tries() == 0
    assert skipped(engine) == {"x.odd": "crashes the program that reads it"}
    odd.write_text("harmless")
    assert engine.index().indexed == 1
    assert (tries(), skipped(engine)) == (1, {})


def test_a_document_that_turns_deadly_leaves_and_comes_back(
    engine: DocQA, folder: Path, tries: Callable[[], int]
) -> None:
    (folder / "x.odd").write_text("harmless")
    engine.index([folder])
    (folder / "x.odd").write_text("deadly")
    assert engine.index().removed == 1
    (folder / "x.odd").write_text("harmless")
    assert engine.index().documents == 3


def test_what_cannot_be_read_is_tried_again_if_asked_or_if_more_can_be_read(
    engine: DocQA, folder: Path, tries: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("poor", "half", "deadly"):
        (folder / f"{text}.odd").write_text(text)
    engine.index([folder])
    assert tries() == 5  # the deadly one three times, which ended what read all together
    engine.index()
    assert tries() == 0
    assert engine.index(retry=True).documents == 3
    assert tries() == 5
    # Another format that can be read now is reason enough for what was merely poor.
    monkeypatch.setattr(indexing, "readable", lambda: "more")
    engine.index()
    assert tries() == 1


def test_a_file_that_could_not_be_opened_is_tried_again(
    engine: DocQA, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "new.txt").write_text("A heron.")

    def read(path: str, *, max_bytes: int) -> files.FileContent:
        raise ExtractionError("changed while being read; index again")

    with monkeypatch.context() as patch:
        patch.setattr(files, "read", read)
        engine.index([folder])
    assert len(skipped(engine)) == 2
    assert engine.index().indexed == 2
    assert skipped(engine) == {}


@pytest.mark.parametrize("inline_bytes", [0, indexing.INLINE_BYTES])
def test_how_files_are_grouped_changes_nothing(
    inline_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tmp_path / "tree"
    for number, text in enumerate(
        (*TEXTS, "Größe, naïve Ångström und 日本語. " * 80, "The heron ends the lease. " * 60)
    ):
        (tree / str(number % 3)).mkdir(parents=True, exist_ok=True)
        (tree / str(number % 3) / f"Über {number}.txt").write_text(text)
    whole, parted = tmp_path / "whole.docqa", tmp_path / "parted.docqa"
    with DocQA(whole) as engine:
        engine.index([tree])
    for module, name, value in (
        (preparing, "COUNTED_CHARACTERS", 900),
        (indexing, "CHUNK_FILES", 2),
        (indexing, "BATCH_CHARACTERS", 1_500),
        (indexing, "INLINE_BYTES", inline_bytes),
    ):
        monkeypatch.setattr(module, name, value)
    with DocQA(parted) as engine:
        engine.index([tree])
    asked = ("heron lease", "grosse angstrom", "日本語", "uber river")
    assert portrait(parted, asked) == portrait(whole, asked)


# --- any history --------------------------------------------------------------------------------------------


class Tree:
    """A folder to which anything may happen; every change shows in a file's time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._clock = count(1_700_000_000)

    def place(self, folder: str, name: str) -> Path:
        (self.root / folder).mkdir(parents=True, exist_ok=True)
        return self.root / folder / name

    def files(self) -> list[Path]:
        return sorted(path for path in self.root.rglob("*") if path.is_file())

    def write(self, folder: str, name: str, text: str) -> None:
        self.place(folder, name).write_text(text)
        self.touch(self.place(folder, name))

    def touch(self, path: Path) -> None:
        moment = next(self._clock)
        os.utime(path, (moment, moment))

    def move(self, data: st.DataObject, folder: str, name: str) -> None:
        if paths := self.files():
            data.draw(st.sampled_from(paths)).rename(self.place(folder, name))

    def copy(self, data: st.DataObject, folder: str, name: str) -> None:
        target = self.place(folder, name)
        if others := [path for path in self.files() if path != target]:
            shutil.copy2(data.draw(st.sampled_from(others)), target)

    def change_one(self, data: st.DataObject) -> None:
        if paths := self.files():
            path = data.draw(st.sampled_from(paths))
            if data.draw(st.booleans()):
                path.unlink()
            else:
                self.touch(path)

    def move_folder(self, data: st.DataObject) -> None:
        if folders := sorted(path for path in self.root.iterdir() if path.is_dir()):
            target = self.root / data.draw(st.sampled_from("cdef"))
            if not target.exists():
                data.draw(st.sampled_from(folders)).rename(target)


@given(data=st.data())
@settings(max_examples=25)
def test_whatever_happens_to_files_the_library_is_as_if_made_anew(data: st.DataObject) -> None:
    with TemporaryDirectory() as scratch:
        tree = Tree(Path(scratch, "tree"))
        tree.root.mkdir()
        kept = Path(scratch, "kept.docqa")
        places = st.tuples(st.sampled_from(FOLDERS), st.sampled_from(NAMES))
        for _ in range(data.draw(st.integers(2, 5), "runs")):
            for _ in range(data.draw(st.integers(0, 6), "changes")):
                match data.draw(st.sampled_from(["write", "write", "move", "move", "copy", "change", "move folder"])):
                    case "write":
                        tree.write(*data.draw(places), data.draw(st.sampled_from(TEXTS)))
                    case "move":
                        tree.move(data, *data.draw(places))
                    case "copy":
                        tree.copy(data, *data.draw(places))
                    case "change":
                        tree.change_one(data)
                    case "move folder":
                        tree.move_folder(data)
            with DocQA(kept) as engine:
                engine.index([tree.root])
        fresh = Path(scratch, "fresh.docqa")
        with DocQA(fresh) as engine:
            engine.index([tree.root])
        assert portrait(kept) == portrait(fresh)
