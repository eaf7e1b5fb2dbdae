from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from docqa.errors import ReaderError, UsageError
from docqa.ranking import Ranking
from docqa.reader.reader import Reader
from docqa.training import recipe
from docqa.training.__main__ import main
from docqa.training.data import read_squad
from docqa.training.reader_folder import add_ranking


@pytest.fixture
def data(rivers: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for source in recipe.first_stage(folder):
        shutil.copy(rivers, source.file)
    return folder


def test_fine_tuning_writes_a_reader_that_reads(data: Path, start: Path, tmp_path: Path) -> None:
    reader = tmp_path / "reader"
    command = ["fine-tune", "--data", data, "--start", start, "--run", tmp_path / "run", "--reader", reader]
    command += ["--name", "rivers-1", "--steps", "3", "--figure", "F1 0.10 on rivers"]
    result = CliRunner().invoke(main, [str(word) for word in command], catch_exceptions=False)
    assert result.exit_code == 0
    assert "step 3/3" in result.stderr
    assert result.stdout == ""
    assert Reader(reader).name == "rivers-1"
    assert "- F1 0.10 on rivers" in (reader / "README.md").read_text()


def test_the_held_out_documents_are_exported(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "held-out.json"
    result = CliRunner().invoke(main, ["held-out", "--data", str(data), str(file)], catch_exceptions=False)
    assert result.exit_code == 0
    articles = json.loads(file.read_text())["data"]
    assert {article["collection"] for article in articles} <= {source.file.stem for source in recipe.first_stage(data)}
    assert read_squad(file).questions


def test_validation_prints_figures(rivers: Path, start: Path) -> None:
    result = CliRunner().invoke(main, ["validate", str(start), str(rivers)], catch_exceptions=False)
    assert json.loads(result.stdout)["questions"] == 6


def test_a_reader_that_is_never_right_cannot_be_fitted(data: Path, start: Path) -> None:
    with pytest.raises(UsageError, match="first answers are wrong"):
        CliRunner().invoke(main, ["fit-ranking", "--data", str(data), str(start)], catch_exceptions=False)
    assert not (start / "ranking.json").exists()


def test_a_ranking_becomes_part_of_the_reader(start: Path, tmp_path: Path) -> None:
    reader = tmp_path / "reader"
    shutil.copytree(start, reader)
    for ranking in (Ranking({"logit": 1.0}), Ranking({"margin": 0.5})):
        add_ranking(reader, ranking)
        assert Ranking.load(reader) == ranking
        assert (reader / "MANIFEST.sha256").read_text().count("ranking.json") == 1
    assert Reader(reader).folder == reader
    (reader / "ranking.json").write_text("{}")
    with pytest.raises(ReaderError, match=r"ranking\.json"):
        Reader(reader)


@pytest.mark.parametrize("command", ["fine-tune", "held-out", "validate", "fit-ranking"])
def test_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert main.commands[command].help
