"""Distillation: a small reader learns from a large one, in the two steps of TinyBERT.

TinyBERT (Jiao et al. 2020, arXiv 1909.10351, section 3.1): first the student learns to compute what its teacher
computes inside (embeddings, attention, hidden states: equations 7 to 9, summed by equation 11), then to answer as
it does (equation 10). Student layer m learns from teacher layer g(m), at even distances.

Teacher and student read the same inputs with the same vocabulary; their depths, widths and heads may differ.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from docqa.errors import UsageError
from docqa.reader.layout import Layout
from docqa.reader.model import SpanModel
from docqa.training.data import Mix
from docqa.training.inputs import Batch
from docqa.training.losses import distillation_loss, span_logits, span_loss
from docqa.training.run import Event, Settings, Trained, digest_of, train
from docqa.training.start import layer_map, load_start

INTERMEDIATE, PREDICTION = "intermediate", "prediction"
# The paper's temperature for its task-specific step (section 4.2).
TEMPERATURE = 1.0


@dataclass(frozen=True, slots=True)
class StepBegun:
    """One of the two steps of a distillation has begun."""

    name: str


@dataclass(frozen=True, slots=True)
class Distillation:
    """How to distil. `intermediate` and `prediction` are the settings of the two steps; None leaves the first out.

    `temperature` softens both sides' predictions; `gold` is the weight of the span loss beside the teacher's
    predictions (the paper has none).
    """

    intermediate: Settings | None
    prediction: Settings
    temperature: float = TEMPERATURE
    gold: float = 0.0

    def __post_init__(self) -> None:
        if self.temperature <= 0 or self.gold < 0:
            raise UsageError("a temperature lies above 0, and the weight of the gold answers is not negative")


@dataclass(frozen=True, slots=True)
class Insides:
    """What a model computes on the way.

    `hidden` are the embeddings and every layer's output, (batch, tokens, width) each; `attention` every layer's
    attention before its softmax, (batch, heads, tokens, tokens), from queries to keys.
    """

    hidden: list[Tensor]
    attention: list[Tensor]


def insides(model: SpanModel, batch: Batch) -> Insides:
    """Read a batch at full length and keep what the layers compute."""
    hidden: list[Tensor] = []
    packed: list[Tensor] = []
    inputs, tokens = batch.real.shape
    layout = Layout.of(batch.real, filled=tokens)
    handles = [_kept(model.embeddings, hidden)]
    for layer in model.layers:
        handles += [_kept(layer.queries_keys_values, packed), _kept(layer.output_norm, hidden)]
    try:
        model(batch.tokens, batch.segments, batch.real, layout=layout)
    finally:
        for handle in handles:
            handle.remove()
    heads = [layer.heads for layer in model.layers]
    hidden, packed = ([rows.view(inputs, tokens, -1) for rows in each] for each in (hidden, packed))
    return Insides(hidden, [_attention(*each) for each in zip(packed, heads, strict=True)])


def _kept(module: nn.Module, outputs: list[Tensor]) -> RemovableHandle:
    """Add what a module computes to `outputs`, until the handle is removed."""
    return module.register_forward_hook(lambda _, __, output: outputs.append(output))


def _attention(packed: Tensor, heads: int) -> Tensor:
    """Attention before the softmax: queries times keys over the root of a head's width (equation 1).

    packed is a layer's queries, keys and values, (batch, tokens, 3 width).
    """
    batch, tokens, width = packed.shape[0], packed.shape[1], packed.shape[2] // 3
    queries, keys, _ = packed.view(batch, tokens, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
    scores: Tensor = (queries @ keys.transpose(-1, -2)).float() * (width // heads) ** -0.5
    return scores


def attention_loss(student: Tensor, teacher: Tensor, real: Tensor) -> Tensor:
    """Mean squared difference of two layers' attention between real tokens (equation 7).

    Where the numbers of heads differ, which the paper does not have, their means over heads are compared.
    """
    if student.shape[1] != teacher.shape[1]:
        student, teacher = student.mean(dim=1, keepdim=True), teacher.mean(dim=1, keepdim=True)
    pairs = real[:, None, :, None] & real[:, None, None, :]
    # Picking the pairs out would take several times as long as the rest of the loss.
    return (student - teacher).masked_fill(~pairs, 0.0).square().sum() / (pairs.sum() * student.shape[1])


def hidden_loss(student: Tensor, teacher: Tensor, real: Tensor) -> Tensor:
    """Mean squared difference of real tokens' states, the student's projected (equations 8 and 9)."""
    return functional.mse_loss(student[real].float(), teacher[real].float())


class IntermediateObjective:
    """Equation 11 for the embeddings and the layers; all of them weigh the same.

    Where the widths differ a projection learns along: one for the embeddings and one for all layers, as W_e and
    W_h in equations 8 and 9.
    """

    validated_by = (None,)

    def __init__(self, student: SpanModel, teacher: SpanModel) -> None:
        self.model = student
        self._teacher = teacher.eval().requires_grad_(requires_grad=False)
        widths = student.shape.hidden_size, teacher.shape.hidden_size
        project: list[nn.Module] = [
            nn.Identity() if widths[0] == widths[1] else nn.Linear(*widths, bias=False) for _ in range(2)
        ]
        self._embedding, self._hidden = project
        self.trained = nn.ModuleDict({"student": student, "embedding": self._embedding, "hidden": self._hidden})
        self.identity = f"intermediate layers of {digest_of(teacher)}"

    def losses(self, batch: Batch, random: Random) -> Iterator[Tensor]:  # noqa: ARG002 (nothing is drawn)
        """The sum over layers."""
        student = insides(self.model, batch)
        with torch.no_grad():
            teacher = insides(self._teacher, batch)
        total = hidden_loss(self._embedding(student.hidden[0]), teacher.hidden[0], batch.real)
        for layer, taught_by in enumerate(layer_map(len(student.attention), len(teacher.attention)), 1):
            projected = self._hidden(student.hidden[layer])
            total = total + hidden_loss(projected, teacher.hidden[taught_by], batch.real)
            total = total + attention_loss(student.attention[layer - 1], teacher.attention[taught_by - 1], batch.real)
        yield total

    def to(self, device: torch.device) -> None:
        """Move student, projections and teacher."""
        self.trained.to(device)
        self._teacher.to(device)


class PredictionObjective:
    """Equation 10 for the first and the last token of the answer, and the span loss with the weight `gold`.

    Of several teachers the student learns the mean of their probabilities.
    """

    validated_by = (None,)

    def __init__(
        self, student: SpanModel, teachers: Sequence[SpanModel], temperature: float = TEMPERATURE, gold: float = 0.0
    ) -> None:
        self.model = self.trained = student
        self._teachers = [each.eval().requires_grad_(requires_grad=False) for each in teachers]
        self._temperature = temperature
        self._gold = gold
        digests = [digest_of(each) for each in teachers]
        self.identity = f"predictions of {digests} at temperature {temperature}, gold {gold}"

    def losses(self, batch: Batch, random: Random) -> Iterator[Tensor]:  # noqa: ARG002 (nothing is drawn)
        """What the student's predictions miss of the teachers'."""
        logits = span_logits(self.model, batch)
        loss = distillation_loss(logits, self._taught(batch), batch, self._temperature)
        yield loss + self._gold * span_loss(logits, batch) if self._gold else loss

    @torch.no_grad()
    def _taught(self, batch: Batch) -> Tensor:
        """The logits to learn, (batch, tokens, 2)."""
        logits = [span_logits(each, batch) for each in self._teachers]
        if len(logits) == 1:
            return logits[0]
        # Logits whose softmax at the temperature is the mean of the teachers' there.
        shares = torch.stack([(each / self._temperature).log_softmax(dim=1) for each in logits])
        return shares.logsumexp(dim=0) * self._temperature

    def to(self, device: torch.device) -> None:
        """Move student and teachers."""
        self.model.to(device)
        for each in self._teachers:
            each.to(device)


def distil(
    teachers: Sequence[str | os.PathLike[str]],
    start: str | os.PathLike[str] | int,
    mix: Mix,
    folder: Path,
    how: Distillation,
) -> Iterator[Event | StepBegun]:
    """Distil readers into a smaller one, each step a run in a folder of its own; resumes what is in `folder`.

    `start` is what the student starts from: a reader, an encoder, or a number of layers to take from the first
    teacher, which alone teaches the first step. UsageError if the student reads another vocabulary. See `train`.
    """
    taught_by = [load_start(teacher, how.prediction.seed) for teacher in teachers]
    if isinstance(start, int):
        student = load_start(teachers[0], how.prediction.seed, layers=start)
    else:
        student = load_start(start, how.prediction.seed)
    if any(each.tokenizer.get_vocab() != student.tokenizer.get_vocab() for each in taught_by):
        raise UsageError("teacher and student must have the same vocabulary")
    limit = min(each.model.shape.max_position_embeddings for each in taught_by)
    if how.intermediate is not None:
        yield StepBegun(INTERMEDIATE)
        torch.manual_seed(how.intermediate.seed)
        first = IntermediateObjective(student.model, taught_by[0].model)
        for event in train(student, mix, first, folder / INTERMEDIATE, _within(limit, how.intermediate)):
            if isinstance(event, Trained):
                student = replace(student, model=event.model)
            else:
                yield event
    yield StepBegun(PREDICTION)
    second = PredictionObjective(student.model, [each.model for each in taught_by], how.temperature, how.gold)
    yield from train(student, mix, second, folder / PREDICTION, _within(limit, how.prediction))


def _within(limit: int, settings: Settings) -> Settings:
    """Settings by which no input is longer than the teachers can read."""
    return replace(settings, window_tokens=min(settings.window_tokens, limit))
