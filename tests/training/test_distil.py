from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch
from tokenizers import Tokenizer

from docqa.errors import UsageError
from docqa.reader.layout import Layout
from docqa.reader.model import BertShape, SpanModel
from docqa.training.data import Mix, Source
from docqa.training.distil import (
    Distillation,
    IntermediateObjective,
    PredictionObjective,
    StepBegun,
    attention_loss,
    distil,
    hidden_loss,
    insides,
)
from docqa.training.fine_tune import fine_tune
from docqa.training.inputs import Batch, Encoder, collate
from docqa.training.losses import span_logits
from docqa.training.reader_folder import write_reader
from docqa.training.run import Progress, Resumed, Settings, Trained

SHAPE = BertShape(
    vocab_size=64,
    hidden_size=32,
    num_hidden_layers=4,
    num_attention_heads=2,
    intermediate_size=64,
    max_position_embeddings=64,
)


def model_of(seed: int = 0, **changes: int) -> SpanModel:
    torch.manual_seed(seed)
    return SpanModel(replace(SHAPE, **changes))


@pytest.fixture
def batch(rivers: Path, tokenizer: Tokenizer) -> Batch:
    examples = Mix([Source(rivers, "toy")]).examples(Random(0))
    return collate([Encoder(tokenizer, 64).encode_all(each, Random(0)) for each in examples])


def test_the_insides_are_those_of_the_forward_pass(batch: Batch) -> None:
    model = model_of().eval()
    with torch.inference_mode():
        found = insides(model, batch)
        logits = model(batch.tokens, batch.segments, batch.real)
        torch.testing.assert_close(model.span_head(found.hidden[-1])[batch.real], logits[batch.real])
    assert [len(found.hidden), len(found.attention)] == [5, 4]


def test_the_attention_is_that_of_the_layer(batch: Batch) -> None:
    """Its softmax, summed over heads and queries, is the significance the layer itself tells."""
    model = model_of().eval()
    with torch.inference_mode():
        found = insides(model, batch)
        layout = Layout.of(batch.real, filled=batch.real.shape[1])
        for number, layer in enumerate(model.layers):
            _, significance = layer.attend(found.hidden[number].flatten(0, 1), layout, weigh=True)
            shares = found.attention[number].masked_fill(~batch.real[:, None, None, :], -math.inf).softmax(dim=-1)
            received = (shares * batch.real[:, None, :, None]).sum(dim=(1, 2))
            torch.testing.assert_close(received[batch.real], significance.view(batch.real.shape)[batch.real])


def test_attention_loss_by_hand() -> None:
    student, teacher = torch.zeros(1, 1, 2, 2), torch.tensor([[[[1.0, 2.0], [3.0, 100.0]]]])
    everything = torch.ones(1, 2, dtype=torch.bool)
    assert float(attention_loss(student, teacher, everything)) == pytest.approx((1 + 4 + 9 + 10_000) / 4)
    only_first = torch.tensor([[True, False]])
    assert float(attention_loss(student, teacher, only_first)) == 1.0


def test_attention_of_other_numbers_of_heads_is_compared_by_its_mean() -> None:
    student, teacher = torch.full((1, 1, 1, 1), 2.0), torch.tensor([[[[1.0]], [[5.0]]]])
    assert float(attention_loss(student, teacher, torch.ones(1, 1, dtype=torch.bool))) == 1.0


def test_hidden_loss_leaves_padding_out() -> None:
    student, teacher = torch.zeros(1, 2, 2), torch.tensor([[[1.0, 3.0], [50.0, 50.0]]])
    assert float(hidden_loss(student, teacher, torch.tensor([[True, False]]))) == 5.0


def total(objective: IntermediateObjective | PredictionObjective, batch: Batch) -> float:
    return sum(float(loss.detach()) for loss in objective.losses(batch, Random(0)))


def test_a_copy_has_nothing_left_to_learn(batch: Batch) -> None:
    assert total(IntermediateObjective(model_of(), model_of()), batch) == 0.0
    assert total(PredictionObjective(model_of(), [model_of()]), batch) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("changes", [{}, {"hidden_size": 16}, {"num_attention_heads": 4}, {"num_hidden_layers": 6}])
def test_the_teacher_stands_still_while_everything_else_learns(batch: Batch, changes: dict[str, int]) -> None:
    objective = IntermediateObjective(model_of(1, **{"num_hidden_layers": 2, **changes}), model_of(2))
    objective.trained.requires_grad_(requires_grad=True)
    for loss in objective.losses(batch, Random(0)):
        loss.backward()  # type: ignore[no-untyped-call]
    idle = {name for name, parameter in objective.trained.named_parameters() if parameter.grad is None}
    assert {name.partition(".")[2] for name in idle} == {"span_head.weight", "span_head.bias"}
    widths_differ = "hidden_size" in changes
    assert any(name.startswith("hidden.") for name, _ in objective.trained.named_parameters()) == widths_differ
    assert not any(parameter.requires_grad for parameter in objective._teacher.parameters())


def test_the_predictions_of_several_teachers_are_averaged(batch: Batch) -> None:
    teachers = [model_of(1), model_of(2)]
    taught = PredictionObjective(model_of(3), teachers)._taught(batch)
    with torch.inference_mode():
        shares = [span_logits(each.eval(), batch).softmax(dim=1) for each in teachers]
    torch.testing.assert_close(taught.softmax(dim=1), (shares[0] + shares[1]) / 2)


def test_the_gold_answers_may_weigh_in(batch: Batch) -> None:
    without, with_gold = (total(PredictionObjective(model_of(), [model_of(1)], 1.0, gold), batch) for gold in (0, 1))
    assert with_gold > without + 1


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer, rivers_data: Path) -> Path:
    """A reader of four layers that knows the rivers."""
    folder = tmp_path_factory.mktemp("teachers")
    write_reader(folder / "fresh", "fresh", model_of(), tokenizer, "For tests.\n")
    settings = Settings(steps=150, rate=3e-3, window_tokens=64, batch_tokens=512, device="cpu")
    *_, end = fine_tune(folder / "fresh", Mix([Source(rivers_data, "toy")]), folder / "run", settings)
    assert isinstance(end, Trained)
    write_reader(folder / "teacher", "teacher", end.model, tokenizer, "For tests.\n")
    return folder / "teacher"


@pytest.fixture(scope="module")
def rivers_data(tmp_path_factory: pytest.TempPathFactory, write_rivers: Callable[[Path], Path]) -> Path:
    return write_rivers(tmp_path_factory.mktemp("rivers"))


STEPS = Settings(steps=60, rate=3e-3, window_tokens=64, batch_tokens=512, checkpoint_every=30, device="cpu")


@pytest.mark.parametrize("other_width", [False, True])
def test_a_student_comes_to_answer_as_its_teacher_does(
    teacher: Path, rivers_data: Path, tokenizer: Tokenizer, tmp_path: Path, other_width: bool
) -> None:
    start: Path | int = 2
    if other_width:
        start = tmp_path / "narrow"
        narrow = model_of(5, hidden_size=24, num_hidden_layers=3)
        write_reader(start, "narrow", narrow, tokenizer, "For tests.\n")
    mix = Mix([Source(rivers_data, "toy")])
    how = Distillation(intermediate=STEPS, prediction=replace(STEPS, steps=90))
    events = list(distil([teacher], start, mix, tmp_path / "run", how))
    begun = [number for number, event in enumerate(events) if isinstance(event, StepBegun)]
    for part in (events[begun[0] : begun[1]], events[begun[1] :]):
        losses = [event.loss for event in part if isinstance(event, Progress)]
        assert losses[-1] < 0.6 * losses[0]
    assert isinstance(events[-1], Trained)
    assert events[-1].start == ("narrow" if other_width else "teacher, 2 of its 4 layers")

    again = list(distil([teacher], start, mix, tmp_path / "run", how))
    assert [type(event) for event in again] == [StepBegun, Resumed, StepBegun, Resumed, Trained]
    assert isinstance(again[-1], Trained)
    first, second = events[-1].model.state_dict(), again[-1].model.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_teacher_is_another_run(teacher: Path, start: Path, rivers: Path, tmp_path: Path) -> None:
    mix, how = Mix([Source(rivers, "toy")]), Distillation(None, replace(STEPS, steps=3))
    list(distil([teacher], 2, mix, tmp_path / "run", how))
    with pytest.raises(UsageError, match="another start"):
        list(distil([teacher, start], 2, mix, tmp_path / "run", how))


def test_another_vocabulary_is_refused(teacher: Path, rivers: Path, tmp_path: Path) -> None:
    other = shutil.copytree(teacher, tmp_path / "other")
    (other / "MANIFEST.sha256").unlink()
    text = (other / "tokenizer.json").read_text()
    (other / "tokenizer.json").write_text(text.replace('"paris"', '"rome"'))
    with pytest.raises(UsageError, match="the same vocabulary"):
        list(distil([teacher], other, Mix([Source(rivers, "toy")]), tmp_path / "run", Distillation(None, STEPS)))


@pytest.mark.parametrize("changes", [{"temperature": 0.0}, {"gold": -1.0}])
def test_settings_without_sense_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="temperature"):
        Distillation(None, STEPS, **changes)
