"""The losses, against values worked by hand and against plain loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from docqa.reader.model import SpanModel
from docqa.training.inputs import Batch
from docqa.training.losses import distillation_loss, significance_loss, span_logits, span_loss

IMPOSSIBLE = float("-inf")


def batch_of(starts: list[int], ends: list[int], questions: list[int], places: Tensor) -> Batch:
    """A batch of which the losses see the targets, the questions and the possible places only."""
    nothing = torch.zeros(len(starts), places.shape[1], dtype=torch.int64)
    real = torch.ones_like(places)
    return Batch(nothing, nothing, real, places, *map(torch.tensor, (starts, ends, questions)))


def everywhere(inputs: int, tokens: int) -> Tensor:
    return torch.ones(inputs, tokens, dtype=torch.bool)


def both(rows: list[list[float]]) -> Tensor:
    """The same logits for first and for last tokens, (inputs, tokens, 2)."""
    return torch.tensor(rows)[:, :, None].expand(-1, -1, 2)


def test_a_passage_alone_by_hand() -> None:
    # Shares of the softmax: 1/4 and 3/4; the answer is the second token.
    logits = both([[0.0, math.log(3)]])
    loss = span_loss(logits, batch_of([1], [1], [0], everywhere(1, 2)))
    assert float(loss) == pytest.approx(math.log(4 / 3))


def test_a_question_with_two_passages_by_hand() -> None:
    # Alone: 3/4 of the first passage is at its answer, 1/2 of the second at [CLS].
    # Together, without [CLS]: 3 of 3 + 1 is at the answer.
    logits = both([[0.0, math.log(3)], [0.0, 0.0]])
    loss = span_loss(logits, batch_of([1, 0], [1, 0], [0, 0], everywhere(2, 2)))
    alone = (math.log(4 / 3) + math.log(2)) / 2
    together = math.log(4 / 3) / 2
    assert float(loss) == pytest.approx(alone + together)


def test_a_question_without_an_answer_shares_nothing() -> None:
    logits = both([[0.0, math.log(3)], [0.0, 0.0]])
    apart = span_loss(logits, batch_of([0, 0], [0, 0], [0, 1], everywhere(2, 2)))
    together = span_loss(logits, batch_of([0, 0], [0, 0], [0, 0], everywhere(2, 2)))
    assert float(apart) == float(together) == pytest.approx((math.log(4) + math.log(2)) / 2)


def naive_loss(logits: Tensor, batch: Batch) -> float:
    """Loop over inputs, ends and tokens, as the definition reads."""
    total = 0.0
    for side, targets in enumerate((batch.starts.tolist(), batch.ends.tolist())):
        weights = logits[:, :, side].exp().tolist()
        for row, target in enumerate(targets):
            total -= math.log(weights[row][target] / sum(weights[row]))
            same = [other for other, question in enumerate(batch.questions) if question == batch.questions[row]]
            if target and len(same) > 1:
                total -= math.log(weights[row][target] / sum(sum(weights[other][1:]) for other in same))
    return total / len(logits) / 2


@pytest.mark.parametrize("seed", range(10))
def test_the_shared_loss_is_that_of_a_loop(seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    places = torch.rand(7, 9, generator=random) > 0.3
    places[:, 0] = True
    places[torch.tensor([0, 2, 5]), torch.tensor([3, 4, 5])] = True
    places[torch.tensor([0, 2, 5]), torch.tensor([6, 4, 7])] = True
    batch = batch_of([3, 0, 4, 0, 0, 5, 0], [6, 0, 4, 0, 0, 7, 0], [0, 0, 1, 1, 1, 2, 3], places)
    logits = torch.randn(7, 9, 2, generator=random).masked_fill(~places[:, :, None], IMPOSSIBLE)
    assert float(span_loss(logits, batch)) == pytest.approx(naive_loss(logits, batch), rel=1e-5)


def test_the_right_answer_makes_the_loss_vanish() -> None:
    logits = torch.full((2, 4, 2), -50.0)
    logits[0, 2] = logits[1, 0] = 50.0
    assert float(span_loss(logits, batch_of([2, 0], [2, 0], [0, 0], everywhere(2, 4)))) == pytest.approx(0, abs=1e-6)


def some_logits(places: Tensor, seed: int) -> Tensor:
    drawn = torch.randn(*places.shape, 2, generator=torch.Generator().manual_seed(seed))
    return drawn.masked_fill(~places[:, :, None], IMPOSSIBLE)


@pytest.fixture
def places() -> Tensor:
    found = everywhere(3, 6)
    found[1, 2] = found[2, 4:] = False
    return found


def test_equal_logits_leave_nothing_to_distil(places: Tensor) -> None:
    logits = some_logits(places, 0)
    batch = batch_of([0] * 3, [0] * 3, [0, 1, 2], places)
    assert float(distillation_loss(logits, logits + 7.0, batch)) == pytest.approx(0, abs=1e-6)


def test_distillation_is_the_divergence_from_the_teacher(places: Tensor) -> None:
    student, teacher = some_logits(places, 1), some_logits(places, 2)
    batch = batch_of([0] * 3, [0] * 3, [0, 1, 2], places)
    expected = 0.0
    for row in range(3):
        for side in range(2):
            possible = places[row]
            expected += float(
                functional.kl_div(
                    student[row, possible, side].log_softmax(0),
                    teacher[row, possible, side].log_softmax(0),
                    reduction="sum",
                    log_target=True,
                )
            )
    assert float(distillation_loss(student, teacher, batch)) == pytest.approx(expected / 6, rel=1e-5)


def test_distillation_has_gradients_where_an_answer_can_be_only(places: Tensor) -> None:
    student = torch.randn(3, 6, 2, requires_grad=True)
    batch = batch_of([0] * 3, [0] * 3, [0, 1, 2], places)
    masked = student.masked_fill(~places[:, :, None], IMPOSSIBLE)
    distillation_loss(masked, some_logits(places, 3), batch).backward()  # type: ignore[no-untyped-call]
    assert student.grad is not None
    assert student.grad.isfinite().all()
    assert not student.grad[~places].any()
    assert student.grad[places].abs().min() > 0


def test_logits_are_impossible_where_no_answer_can_be(tiny_model: SpanModel, places: Tensor) -> None:
    logits = span_logits(tiny_model, batch_of([0] * 3, [0] * 3, [0, 1, 2], places))
    assert torch.equal(logits.isinf(), ~places[:, :, None].expand(-1, -1, 2))


# --- significance -------------------------------------------------------------------------------------------


def test_significant_is_where_an_answer_is_and_where_the_reader_has_it() -> None:
    """An answer at tokens 20 to 22 of 40 that the reader has at 30, by hand; the second passage has none."""
    places = torch.zeros(2, 64, dtype=torch.bool)
    places[:, 0], places[:, 4:39] = True, True
    batch = batch_of([20, 0], [22, 0], [0, 1], places)
    logits = torch.full((2, 64, 2), -1e9)
    logits[:, 0], logits[:, 30] = 9.0, 1.0
    scores = torch.randn(3, 2, 64, generator=torch.Generator().manual_seed(0))
    wanted = dict.fromkeys(range(18, 25), 0.0)
    for centre, share in ((20, 0.25), (22, 0.25), (30, 0.5)):
        for token in range(centre - 2, centre + 3):
            wanted[token] = wanted.get(token, 0.0) + share / 5
    by_hand = []
    for of_layer in scores[:, 0].tolist():
        total = math.log(sum(math.exp(score) for score in of_layer[4:39]))
        by_hand.append(sum(share * (total - of_layer[token]) for token, share in wanted.items()))
    assert float(significance_loss(scores, logits, batch)) == pytest.approx(sum(by_hand) / 3, rel=1e-5)


def test_without_an_answer_nothing_is_significant_or_not() -> None:
    scores = torch.ones(2, 1, 8, requires_grad=True)
    loss = significance_loss(scores, torch.zeros(1, 8, 2), batch_of([0], [0], [0], everywhere(1, 8)))
    assert float(loss.detach()) == 0
    loss.backward()
    assert scores.grad is not None
    assert not scores.grad.any()
