from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from docqa.errors import UsageError
from docqa.training import feed as module
from docqa.training.data import Mix, Source
from docqa.training.feed import Feed, Position
from docqa.training.inputs import Batch, Encoder


@pytest.fixture
def mix(rivers: Path) -> Mix:
    return Mix([Source(rivers, "toy", distractors=1.0)])


@pytest.fixture(params=[1, 5, 4096])
def _chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_QUESTIONS", request.param)


def same(one: Batch, other: Batch) -> bool:
    return torch.equal(one.tokens, other.tokens) and torch.equal(one.starts, other.starts)


def some(mix: Mix, tokenizer: Tokenizer) -> Feed:
    return Feed(mix, Encoder(tokenizer, 64), 96, seed=3)


@pytest.mark.usefixtures("_chunks")
def test_it_goes_on_from_any_position(mix: Mix, tokenizer: Tokenizer) -> None:
    feed = some(mix, tokenizer)
    positions, made = [], []
    for _ in range(30):
        positions.append(feed.position)
        made.append(next(feed))
    assert positions[-1].data_pass > 0
    for start in (0, 1, 7, 20, 29):
        other = some(mix, tokenizer)
        other.position = positions[start]
        assert all(same(*pair) for pair in zip(islice(other, 30 - start), made[start:], strict=True))


@pytest.mark.usefixtures("_chunks")
def test_a_pass_holds_every_question_once(mix: Mix, tokenizer: Tokenizer) -> None:
    feed = some(mix, tokenizer)
    counted = 0
    while feed.position.data_pass == 0:
        batch = next(feed)
        if feed.position.data_pass == 0:
            counted += int(batch.questions.max()) + 1
    assert counted == 12


def test_passes_differ(mix: Mix, tokenizer: Tokenizer) -> None:
    feed = some(mix, tokenizer)
    first = next(feed)
    feed.position = Position(data_pass=1)
    assert not same(next(feed), first)


def test_data_without_questions_is_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    file = tmp_path / "empty.json"
    file.write_text('{"data": []}')
    with pytest.raises(UsageError, match="no question"):
        next(some(Mix([Source(file, "toy")]), tokenizer))


def test_a_share_above_1_repeats_questions(rivers: Path) -> None:
    from random import Random

    places = Mix([Source(rivers, "toy", share=2.0)]).selection(Random(0))
    assert sorted(places) == sorted([(0, number) for number in range(12)] * 2)
