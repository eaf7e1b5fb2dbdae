from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from docqa.errors import UsageError
from docqa.training.recipe import first_stage, named, second_stage


def test_folders_are_the_recipe(tmp_path: Path) -> None:
    written = tmp_path / "written"
    written.mkdir()
    assert named([str(tmp_path)]) == first_stage(tmp_path)
    assert named([str(tmp_path), str(written)]) == second_stage(tmp_path, written)


def test_more_was_asked_about_articles_of_the_public_sets(tmp_path: Path) -> None:
    more = {source.file.name: source.more for source in second_stage(tmp_path, tmp_path / "written") if source.more}
    written = Path(__file__).parents[2] / "data" / "training" / "questions"
    assert more == {file.name: tmp_path / "written" / "questions" / file.name for file in written.glob("*.json")}


def test_a_folder_is_no_file_of_ones_own(rivers: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no file"):
        named([str(rivers), str(tmp_path)])


def test_files_may_have_shares(rivers: Path, tmp_path: Path) -> None:
    colon = tmp_path / "odd:2.json"
    shutil.copy(rivers, colon)
    first, second = named([f"{rivers}:0.25", str(colon)], distractors=2.0, held_out=0.5)
    assert (first.file, first.share, first.distractors, first.held_out) == (rivers, 0.25, 2.0, 0.5)
    assert (second.file, second.share) == (colon, 1.0)


@pytest.mark.parametrize("name", ["nowhere.json", "nowhere.json:0.5"])
def test_what_is_no_file_is_named(name: str) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.json is no file"):
        named([name])


def test_files_of_one_name_are_refused(rivers: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    copy = shutil.copy(rivers, tmp_path / "other" / "toy.json")
    with pytest.raises(UsageError, match="called toy"):
        named([str(rivers), str(copy)])
