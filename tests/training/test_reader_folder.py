from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from docqa.errors import ReaderError
from docqa.reader import weights
from docqa.reader.model import SpanModel
from docqa.reader.reader import Reader
from docqa.training.data import Mix, Source
from docqa.training.reader_folder import Stage, add_stage, earlier_stages, model_card, training_stage, write_reader
from docqa.training.run import Settings, Trained


def test_what_is_written_loads(start: Path, tiny_model: SpanModel) -> None:
    loaded = weights.load(start)
    assert loaded.name == "tiny"
    for name, value in tiny_model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], value.half().float())
    assert Reader(start).read("What river?", ["The big nile flows."]).spans[0]


def test_an_altered_card_or_weight_is_refused(start: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(start, tmp_path / "copy")
    (copy / "README.md").write_text("Something else.\n")
    with pytest.raises(ReaderError, match=r"README\.md"):
        weights.load(copy)


def test_a_stage_tells_what_was_run(rivers: Path, tiny_model: SpanModel, tokenizer: Tokenizer) -> None:
    mix = Mix([Source(rivers, "Rivers of the world, CC0", distractors=0.5, held_out=1 / 3)])
    trained = Trained(7, 120.0, "nothing", tiny_model, tokenizer, f1=0.5, best_step=4)
    stage = training_stage(
        "LengthDrop", trained, mix, Settings(steps=7, seed=3), also={"bound": 0.35}, remarks=["Nothing went wrong."]
    )
    assert stage.title == "LengthDrop"
    for told in (
        "Start: nothing.",
        "| toy.json | Rivers of the world, CC0 | ",
        "… | 8 | 100% | 0.5 | 2 articles, 4 questions |",
        "| steps | 7 |",
        "| seed | 3 |",
        "| bound | 0.35 |",
        "2 minutes of steps",
        "best by F1 on 300 held-out questions with their passages given: 50.00 after 4 steps",
        "Nothing went wrong.",
        torch.__version__,
    ):
        assert told in stage.text
    assert "device" not in stage.text


STAGES = [Stage("fine-tuning", "Start: all-tiny.\n\n### Data\n\nSome."), Stage("LengthDrop", "Start: tiny-1.")]


def test_a_card_hands_its_stages_on(tiny_model: SpanModel, tmp_path: Path) -> None:
    card = model_card("tiny-2", tiny_model, STAGES, ["F1 1.00 on toys"])
    assert card.startswith("# tiny-2\n")
    assert card.endswith("## Figures\n\n- F1 1.00 on toys\n")
    (tmp_path / "README.md").write_text(card)
    assert earlier_stages(tmp_path) == STAGES


def test_a_stage_is_added_to_a_reader(tiny_model: SpanModel, tokenizer: Tokenizer, tmp_path: Path) -> None:
    write_reader(tmp_path, "tiny-2", tiny_model, tokenizer, model_card("tiny-2", tiny_model, STAGES, ["F1 1.00"]))
    for text in ("Found little.", "Found."):
        add_stage(tmp_path, Stage("search", text))
    assert earlier_stages(tmp_path) == [*STAGES, Stage("search", "Found.")]
    assert (tmp_path / "README.md").read_text().endswith("## Stage 3: search\n\nFound.\n\n## Figures\n\n- F1 1.00\n")
    assert weights.load(tmp_path).name == "tiny-2"


def test_a_start_without_a_card_of_ours_has_no_stages(tmp_path: Path) -> None:
    assert earlier_stages(tmp_path / "nowhere") == []
    (tmp_path / "README.md").write_text("# all-MiniLM\n\n## Usage\n\nImport it.\n")
    assert earlier_stages(tmp_path) == []


def test_the_card_of_an_earlier_version_is_one_stage(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(
        "# old\n\nAn extractive question-answering reader for docqa.\n\n## Data\n\nSome.\n\n## Training\n\nMuch.\n"
    )
    (stage,) = earlier_stages(tmp_path)
    assert stage.text == "### Data\n\nSome.\n\n### Training\n\nMuch."


def test_the_shipped_readers_history_is_kept() -> None:
    assert earlier_stages("shipped")
