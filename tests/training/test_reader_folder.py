from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from docqa.errors import ReaderError
from docqa.reader import weights
from docqa.reader.model import SpanModel
from docqa.reader.reader import Reader
from docqa.training.data import Mix, Source
from docqa.training.fine_tune import Settings
from docqa.training.reader_folder import model_card


def test_what_is_written_loads(start: Path, tiny_model: SpanModel) -> None:
    loaded = weights.load(start)
    assert loaded.name == "tiny"
    for name, value in tiny_model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], value.half().float())
    assert Reader(start).read("What river?", ["The big nile flows."]).spans[0]


def test_an_altered_card_or_weight_is_refused(start: Path, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(start, tmp_path / "copy")
    (copy / "README.md").write_text("Something else.\n")
    with pytest.raises(ReaderError, match=r"README\.md"):
        weights.load(copy)


def test_the_card_tells_what_was_run(rivers: Path, tiny_model: SpanModel, tokenizer: Tokenizer) -> None:
    mix = Mix([Source(rivers, "Rivers of the world, CC0", distractors=0.5, held_out=1 / 3)])
    settings = Settings(steps=7, seed=3)
    said = {"remarks": ["Nothing went wrong."], "figures": ["F1 1.00 on toys"]}
    card = model_card("tiny-2", tiny_model, "nothing", mix, settings, 120.0, **said)
    for told in (
        "# tiny-2",
        "Start: nothing.",
        "| toy.json | Rivers of the world, CC0 | 8 | 100% | 0.5 | 2 articles, 4 questions |",
        "| steps | 7 |",
        "| seed | 3 |",
        "2 minutes of steps",
        "Nothing went wrong.",
        "- F1 1.00 on toys",
        torch.__version__,
    ):
        assert told in card
