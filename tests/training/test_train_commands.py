from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from torch import Tensor

from docqa.cli import render
from docqa.cli.train import train
from docqa.errors import ReaderError, UsageError
from docqa.ranking import Ranking
from docqa.reader.reader import Reader
from docqa.training import fine_tune as fine_tune_module
from docqa.training import recipe
from docqa.training.data import read_squad
from docqa.training.reader_folder import add_ranking
from tests.training.conftest import asked


@pytest.fixture
def data(rivers: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for source in recipe.first_stage(folder):
        shutil.copy(rivers, source.file)
    return folder


def run(*words: object, fails: bool = False) -> Result:
    result = CliRunner().invoke(train, [str(word) for word in words], catch_exceptions=False)
    assert bool(result.exit_code) == fails, result.output
    return result


@pytest.fixture
def output(tmp_path: Path) -> list[object]:
    """The options of a short run."""
    return ["--run", tmp_path / "run", "--reader", tmp_path / "reader", "--name", "rivers-1", "--steps", 3]


def test_fine_tuning_writes_a_reader_that_reads(data: Path, start: Path, tmp_path: Path, output: list[object]) -> None:
    result = run("fine-tune", "--data", data, "--start", start, *output, "--figure", "F1 0.10 on rivers")
    assert "step 3/3" in result.stderr
    assert result.stdout == ""
    reader = tmp_path / "reader"
    assert Reader(reader).name == "rivers-1"
    assert "- F1 0.10 on rivers" in (reader / "README.md").read_text()


def test_own_files_may_be_trained_on(rivers: Path, start: Path, tmp_path: Path, output: list[object]) -> None:
    """Validated as well: the best comes with its F1."""
    held = ["--held-out", 0.34, "--validate-every", 2]
    result = run("fine-tune", "--data", f"{rivers}:0.5", "--start", start, *output, *held)
    assert "on held-out questions after step 2, the best so far" in result.stderr
    assert "| toy.json | own data |" in (tmp_path / "reader" / "README.md").read_text()


def test_a_lost_question_is_told(squad_file: Callable[..., Path], start: Path, output: list[object]) -> None:
    file = squad_file([("t", [("the nile", [asked("which", "danube"), asked("what", "nile", 4)])])])
    result = run("fine-tune", "--data", file, "--start", start, "--held-out", 0, *output)
    assert "toy: 1 questions left out, whose answers do not stand in their paragraphs" in result.stderr


def test_the_stages_of_a_reader_are_in_its_card(rivers: Path, start: Path, tmp_path: Path) -> None:
    options = ["--data", rivers, "--steps", 2, "--held-out", 0.34]
    for number, (command, *given) in enumerate(
        (
            ("fine-tune", "--start", start),
            ("length-drop", "--start", tmp_path / "reader-0", "--bound", 0.4, "--validate-every", 2),
            ("significance", "--start", tmp_path / "reader-1"),
            ("distil", "--teacher", tmp_path / "reader-2", "--layers", 1, "--intermediate-steps", 2),
        )
    ):
        folders = ["--run", tmp_path / f"run-{number}", "--reader", tmp_path / f"reader-{number}"]
        run(command, *given, *options, *folders, "--name", f"rivers-{number}")
    card = (tmp_path / "reader-3" / "README.md").read_text()
    for told in (
        "## Stage 1: fine-tuning",
        "## Stage 2: LengthDrop",
        "| bound | 0.4 |",
        "| validated by | mean F1 in full and with layers dropping 0.2 |",
        "## Stage 3: significance",
        "## Stage 4: distillation",
        "Start: rivers-2, 1 of its 2 layers.",
        "| teachers | rivers-2 |",
    ):
        assert told in card
    assert Reader(tmp_path / "reader-3").layers == 1


def test_an_interrupt_says_how_to_go_on(
    rivers: Path, start: Path, output: list[object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sound = fine_tune_module.span_loss
    calls = iter(range(100))

    def interrupted(*inputs: object) -> Tensor:
        if next(calls) == 5:
            raise KeyboardInterrupt
        return sound(*inputs)  # type: ignore[arg-type]

    monkeypatch.setattr(fine_tune_module, "span_loss", interrupted)
    words = ["fine-tune", "--data", rivers, "--start", start, *output, "--steps", 9, "--checkpoint-every", 4]
    stopped = run(*words, fails=True)
    assert (
        f"the checkpoint after step 4 is in {tmp_path / 'run'}: the same command goes on from there" in stopped.stderr
    )
    assert "resumed after step 4" in run(*words).stderr


def test_an_interrupt_shows_on_a_bar_too(
    rivers: Path, start: Path, output: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "is_terminal", lambda: True)
    assert "trained 3 steps" in run("fine-tune", "--data", rivers, "--start", start, *output).stderr


@pytest.mark.parametrize(("cost", "sampler"), [("flops", "nsga2"), ("time", "tpe")])
def test_a_search_fills_the_readers_table(rivers: Path, start: Path, tmp_path: Path, cost: str, sampler: str) -> None:
    reader = shutil.copytree(start, tmp_path / "reader")
    words = ["search", reader, "--data", rivers, "--held-out", 0.5, "--run", tmp_path / "run"]
    words += ["--trials", 14, "--cost", cost, "--sampler", sampler]
    result = run(*words)
    assert "14/14" in result.stderr
    table = Reader(reader).lengths_table
    assert table is not None
    assert table.full.cost == 1.0
    assert table.questions == 3
    assert (tmp_path / "run" / "trials.svg").is_file()
    card = (reader / "README.md").read_text()
    assert "## Stage 1: search of length configurations\n\n14 configurations were tried" in card
    assert "| 1.00, 1.00 | 1.00 | 1.00 |" in card
    # Again: nothing new is tried, and the table is measured anew.
    assert "14/14" in run(*words).stderr


def test_a_student_has_one_start(rivers: Path, start: Path, output: list[object]) -> None:
    words = ["distil", "--teacher", start, "--start", start, "--layers", 1, "--data", rivers, *output]
    assert "either starts from a reader" in run(*words, fails=True).stderr


def test_the_held_out_documents_are_exported(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "held-out.json"
    result = CliRunner().invoke(train, ["held-out", "--data", str(data), str(file)], catch_exceptions=False)
    assert result.exit_code == 0
    articles = json.loads(file.read_text())["data"]
    assert {article["collection"] for article in articles} <= {source.file.stem for source in recipe.first_stage(data)}
    assert read_squad(file).questions


def test_validation_prints_figures(rivers: Path, start: Path) -> None:
    result = CliRunner().invoke(train, ["validate", str(start), str(rivers)], catch_exceptions=False)
    assert json.loads(result.stdout)["questions"] == 6


def test_a_reader_that_is_never_right_cannot_be_fitted(data: Path, start: Path) -> None:
    with pytest.raises(UsageError, match="first answers are wrong"):
        CliRunner().invoke(train, ["fit-ranking", "--data", str(data), str(start)], catch_exceptions=False)
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
