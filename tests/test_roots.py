"""The folders a library is kept current with: which path belongs to which, and what becomes of those that go."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from docqa import DocQA, UsageError, events, files
from docqa.records import Root


def put(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"The heron of {name} stands in the river.\n")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    made = tmp_path / "tree"
    put(made, "a.txt", "notes/b.md", "notes/c.txt", "build/d.txt")
    (made / ".gitignore").write_text("build/\n")
    return made


def held(engine: DocQA, base: Path) -> list[str]:
    return [os.path.relpath(document.path, base) for document in engine.documents()]


def roots(engine: DocQA, base: Path) -> dict[str, int]:
    return {os.path.relpath(root.path, base): root.documents for root in engine.roots()}


# --- what is remembered -------------------------------------------------------------------------------------


def test_what_was_indexed_is_gone_through_again_without_being_named(engine: DocQA, tree: Path, tmp_path: Path) -> None:
    put(tmp_path, "single.txt", "beside.txt")
    engine.index([tree, tmp_path / "single.txt"])
    put(tree, "new.txt")
    (tree / "a.txt").unlink()
    report = engine.index()
    assert (report.indexed, report.unchanged, report.removed) == (1, 4, 1)
    assert held(engine, tree) == ["../single.txt", ".gitignore", "new.txt", "notes/b.md", "notes/c.txt"]
    assert engine.roots()[0] == Root(str(tmp_path / "single.txt"), (), (), present=True, documents=1)


def test_without_a_folder_there_is_nothing_to_go_through(engine: DocQA, tree: Path) -> None:
    engine.index([tree])
    engine.remove_root(tree)
    with pytest.raises(UsageError, match="knows no folder yet; name one"):
        engine.index()


def test_a_path_that_a_root_leads_to_is_none_itself(engine: DocQA, tree: Path) -> None:
    engine.index([tree])
    put(tree, "notes/new.txt", "unseen.txt")
    engine.index([tree / "notes", tree / "a.txt"])
    assert roots(engine, tree) == {".": 5}
    assert "unseen.txt" not in held(engine, tree)


def test_a_path_that_is_left_out_becomes_a_root_of_its_own_and_stays_in(engine: DocQA, tree: Path) -> None:
    engine.index([tree])
    assert engine.index([tree / "build"]).indexed == 1
    assert roots(engine, tree) == {".": 4, "build": 1}
    for paths in (None, [tree], [tree / "build"]):
        assert engine.index(paths).removed == 0
    assert "build/d.txt" in held(engine, tree)


def test_a_new_root_takes_in_those_it_leads_to(engine: DocQA, tree: Path) -> None:
    engine.index([tree / "notes", tree / "a.txt", tree / "build"])
    assert roots(engine, tree) == {"a.txt": 1, "build": 1, "notes": 2}
    assert engine.index([tree]).unchanged == 4
    assert roots(engine, tree) == {".": 4, "build": 1}


def test_a_new_root_takes_in_none_that_would_fall_to_another_root_with_patterns(
    engine: DocQA, tree: Path, tmp_path: Path
) -> None:
    engine.index([tree], exclude=["notes/"])
    engine.index([tree / "notes"])
    assert engine.index([tmp_path]).removed == 0
    assert roots(engine, tree) == {"..": 0, ".": 2, "notes": 2}


def test_below_a_root_its_ignore_files_hold(engine: DocQA, tree: Path) -> None:
    (tree / ".docqaignore").write_text("*.txt\n")
    engine.index([tree])
    assert engine.index([tree / "notes"]).unchanged == 1
    assert held(engine, tree / "notes") == ["../.docqaignore", "../.gitignore", "b.md"]


# --- patterns -----------------------------------------------------------------------------------------------


def test_patterns_are_kept_until_others_are_given(engine: DocQA, tree: Path) -> None:
    engine.index([tree], include=["*.txt", "*.md"], exclude=["notes/c.*"])
    assert held(engine, tree) == ["a.txt", "notes/b.md"]
    assert engine.index().unchanged == engine.index([tree]).unchanged == 2
    [root] = engine.roots()
    assert (root.include, root.exclude) == (("*.txt", "*.md"), ("notes/c.*",))
    assert engine.index([tree], exclude=["*.md"]).removed == 1
    assert held(engine, tree) == [".gitignore", "a.txt", "notes/c.txt"]
    engine.add_root(tree)
    engine.index()
    assert held(engine, tree) == [".gitignore", "a.txt", "notes/b.md", "notes/c.txt"]


def test_a_root_with_patterns_below_another_has_its_own_way(engine: DocQA, tree: Path) -> None:
    engine.index([tree])
    engine.index([tree / "notes"], include=["*.md"])
    assert held(engine, tree) == [".gitignore", "a.txt", "notes/b.md"]
    assert engine.index().unchanged == engine.index([tree]).unchanged == 3
    assert roots(engine, tree) == {".": 2, "notes": 1}


def test_including_takes_in_no_secret_and_nothing_ignored(engine: DocQA, tree: Path) -> None:
    put(tree, ".env", "key.pem")
    engine.index([tree], include=["build/", "*.pem", ".env"])
    assert held(engine, tree) == []
    assert [reason for _, reason in engine.status().skipped] == ["looks like a secret"] * 2


@pytest.mark.parametrize("pattern", ["", "  ", "#x", "!"])
def test_a_pattern_that_makes_no_sense_changes_nothing(engine: DocQA, tree: Path, pattern: str) -> None:
    with pytest.raises(UsageError, match="is not a pattern"):
        engine.index([tree], exclude=[pattern])
    assert not engine.library.exists()


# --- folders that have gone ---------------------------------------------------------------------------------


def test_a_root_that_is_not_there_keeps_its_documents_and_says_so(engine: DocQA, tree: Path, tmp_path: Path) -> None:
    put(tmp_path, "disk/x.txt", "disk/damaged.pdf")
    engine.index([tree, tmp_path / "disk"])
    (tmp_path / "disk").rename(tmp_path / "elsewhere")
    (tree / "a.txt").unlink()
    told = list(engine.index_events())
    assert events.RootGone(str(tmp_path / "disk"), 1) in told
    assert events.FileRemoved(str(tree / "a.txt")) in told
    assert engine.index().roots_gone == (str(tmp_path / "disk"),)
    assert engine.search("heron disk")[0].source.path == str(tmp_path / "disk/x.txt")
    assert [root.present for root in engine.roots()] == [False, True]
    assert len(engine.status().skipped) == 1
    (tmp_path / "elsewhere").rename(tmp_path / "disk")
    assert engine.index().roots_gone == ()


def test_the_empty_place_of_a_disk_is_not_the_disk(engine: DocQA, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    put(disk, "x.txt")
    engine.index([disk])
    disk.rename(tmp_path / "taken out")
    disk.mkdir()
    assert engine.index().roots_gone == (str(disk),)
    assert engine.index([disk]).documents == 1


def test_a_folder_that_was_emptied_is_still_itself(engine: DocQA, tmp_path: Path) -> None:
    put(tmp_path, "folder/x.txt")
    engine.index([tmp_path / "folder"])
    (tmp_path / "folder/x.txt").unlink()
    report = engine.index()
    assert (report.removed, report.documents, report.roots_gone) == (1, 0, ())


def test_a_disk_below_another_root_keeps_its_documents(engine: DocQA, tree: Path) -> None:
    engine.index([tree])
    engine.index([tree / "notes"], include=["*.md", "*.txt"])
    shutil.move(tree / "notes", tree.parent / "notes")
    for paths in (None, [tree]):
        report = engine.index(paths)
        assert (report.removed, report.documents, report.roots_gone) == (0, 4, (str(tree / "notes"),))


def test_pruning_forgets_what_is_not_there(engine: DocQA, tree: Path, tmp_path: Path) -> None:
    put(tmp_path, "disk/x.txt")
    engine.index([tree, tmp_path / "disk"])
    shutil.rmtree(tmp_path / "disk")
    report = engine.index(prune=True)
    assert (report.removed, report.roots_gone) == (1, ())
    assert roots(engine, tree) == {".": 4}


def test_a_folder_that_goes_while_it_is_read_keeps_its_documents(engine: DocQA, tree: Path) -> None:
    engine.index([tree])
    put(tree, *(f"new {number}.txt" for number in range(3)))
    run = engine.index_events()
    while not isinstance(next(run), events.FilesFound):
        pass
    tree.rename(tree.with_name("gone"))
    *_, last = run
    assert isinstance(last, events.IndexFinished)
    assert (last.report.removed, last.report.documents) == (0, 4)


# --- taking out ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.txt", "notes", "notes/c.txt"])
def test_what_was_taken_out_stays_out_until_it_is_named(engine: DocQA, tree: Path, name: str) -> None:
    engine.index([tree])
    before = held(engine, tree)
    gone = [each for each in before if each == name or each.startswith(f"{name}/")]
    assert engine.remove(tree / name) == [str(tree / each) for each in gone]
    assert engine.index().indexed == engine.index([tree]).indexed == 0
    assert engine.index([tree / name]).indexed == len(gone)
    assert held(engine, tree) == before
    assert engine.index().removed == 0
    [root] = engine.roots()
    assert root.exclude == ()


def test_what_was_taken_out_of_an_absent_folder_does_not_come_back_with_it(engine: DocQA, tree: Path) -> None:
    engine.index([tree])
    tree.rename(tree.with_name("taken"))
    assert len(engine.remove(tree / "notes/c.txt")) == 1
    tree.with_name("taken").rename(tree)
    assert (engine.index().indexed, held(engine, tree)) == (0, [".gitignore", "a.txt", "notes/b.md"])


def test_what_was_taken_out_while_it_was_not_there_does_not_come_back(engine: DocQA, tree: Path) -> None:
    engine.index([tree])
    (tree / "notes").rename(tree.with_name("taken"))
    assert len(engine.remove(tree / "notes")) == 2
    tree.with_name("taken").rename(tree / "notes")
    assert (engine.index().indexed, held(engine, tree)) == (0, [".gitignore", "a.txt"])


def test_what_was_never_there_is_not_excluded(engine: DocQA, tree: Path) -> None:
    engine.index([tree])
    assert engine.remove(tree / "a.txr") == []
    assert engine.roots()[0].exclude == ()


@pytest.mark.parametrize(
    "name",
    ["[a]*?.txt", "#x", "!x", "a b ", "tab\t", "Icon\r", "back\\slash", "caf\udce9", "é\N{COMBINING ACUTE ACCENT}"],
)
def test_any_name_can_be_taken_out_alone(engine: DocQA, tree: Path, name: str) -> None:
    path = os.path.join(tree, name)
    Path(path).write_text("A heron.")
    engine.index([tree])
    assert engine.remove(path) == [path]
    report = engine.index()
    assert (report.indexed, report.unchanged) == (0, 4)


def test_a_root_can_be_forgotten_with_or_without_its_documents(engine: DocQA, tree: Path, tmp_path: Path) -> None:
    put(tmp_path, "other/x.txt")
    engine.index([tree, tmp_path / "other"])
    assert engine.remove_root(tmp_path / "other", keep=True) == []
    assert engine.index().documents == 5
    assert len(engine.remove_root(tree)) == 4
    assert engine.roots() == []
    with pytest.raises(UsageError, match="docqa roots lists them"):
        engine.remove_root(tree)


def test_a_root_further_down_outlives_the_one_above_it(engine: DocQA, tree: Path) -> None:
    inner = tree / "inner"
    put(tree, "inner/x.txt", "inner/y.txt", "inner/z.skip")
    engine.index([tree])
    engine.add_root(inner, exclude=["*.skip"])
    own = {root.path: root.documents for root in engine.roots()}
    removed = engine.remove_root(tree)
    assert (len(removed), any("inner" in path for path in removed)) == (own[str(tree)], False)
    assert [(root.path, root.documents) for root in engine.roots()] == [(str(inner), own[str(inner)])]
    report = engine.index()
    assert (report.documents, report.indexed) == (2, 0)
    # Taking a folder out by its path takes all of it.
    assert len(engine.remove(tree)) == 2
    assert engine.roots() == []


# --- leading to ---------------------------------------------------------------------------------------------


def test_a_walk_leads_to_a_path_exactly_if_it_finds_it(tmp_path: Path) -> None:
    put(
        tmp_path, "r/a", "r/.git/b", "r/out/c", "r/venv/d", "r/venv/pyvenv.cfg", "r/deep/er/e", "r/deep/.env", "r/f.log"
    )
    (tmp_path / "r/deep/.gitignore").write_text("e\n")
    (tmp_path / "r/link").symlink_to(tmp_path / "r/deep")
    root = files.Start(str(tmp_path / "r"), str(tmp_path / "r"), exclude=("out/", "*.log"))
    found = {each.path for each in files.walk([root]) if isinstance(each, files.FoundFile)}
    everything = {str(path) for path in (tmp_path / "r").rglob("*") if path.is_file()}
    assert {path for path in everything if files.leads_to(root, path)} == found
    assert not files.leads_to(root, str(tmp_path / "r/link/er"))
