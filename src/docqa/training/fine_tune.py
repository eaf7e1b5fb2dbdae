"""Fine-tuning a reader on answerable and "not here" passages, stoppable and resumable at any step.

What is minimised stands in `docqa.training.losses`.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor, nn

from docqa.errors import Unavailable, UsageError
from docqa.reader.model import SpanModel
from docqa.training import checkpoint
from docqa.training.data import Mix, Source
from docqa.training.inputs import Batch, Encoder, Input, batches, collate
from docqa.training.length_drop import LengthDrop
from docqa.training.losses import distillation_loss, span_logits, span_loss
from docqa.training.start import load_start


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train; the defaults are those of the run that docs/training.md describes.

    `rate` is AdamW's highest, reached after the share `warm_up` of all steps and falling linearly to 0.
    Over the last share `averaged` of the steps the weights are averaged, every AVERAGE_EVERY steps.
    `length_drop` is None, or how the reader learns to do with fewer tokens.
    """

    steps: int
    rate: float = 5e-5
    warm_up: float = 0.06
    averaged: float = 0.1
    weight_decay: float = 0.01
    gradient_norm: float = 1.0
    window_tokens: int = 320
    batch_tokens: int = 3072
    checkpoint_every: int = 200
    seed: int = 0
    length_drop: LengthDrop | None = None


AVERAGE_EVERY = 4
LOGGED_EVERY = 20
# Adam's running averages are kept under these names, as torch calls them.
MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True, slots=True)
class Resumed:
    """Training goes on from the folder's checkpoint, after `step` steps."""

    step: int


@dataclass(frozen=True, slots=True)
class Progress:
    """The mean loss since the last event, the real tokens read a second, and the time still needed."""

    step: int
    steps: int
    loss: float
    rate: float
    tokens_per_s: float
    left_s: float


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint holds everything up to `step`."""

    step: int
    file: Path


@dataclass(frozen=True, slots=True)
class Trained:
    """All steps are done; `model` has the averaged weights, `seconds` counts every process that took part."""

    step: int
    seconds: float
    model: SpanModel


Event = Resumed | Progress | Saved | Trained


def fine_tune(
    start: str | os.PathLike[str], sources: list[Source], folder: Path, settings: Settings
) -> Iterator[Event]:
    """Train the reader `start` on the sources, keeping checkpoints in `folder`, which may hold one already.

    A run that was stopped goes on when called again with the same arguments; `steps` alone may differ, which
    bends the rest of the schedule. UsageError for data or settings that cannot be used, Unavailable if the
    folder is in use or full, or if training diverges: the last checkpoint is then still there.
    """
    if settings.steps < 1:
        raise UsageError(f"a run needs at least one step, not {settings.steps}")
    with checkpoint.exclusive(folder):
        run = _Run(start, sources, folder, settings)
        if run.restore():
            yield Resumed(run.step)
        yield from run.train()


class _Run:
    """The state of a run: weights, optimizer, average, and the position in the data."""

    def __init__(self, start: str | os.PathLike[str], sources: list[Source], folder: Path, settings: Settings) -> None:
        loaded = load_start(start, settings.seed)
        self.model = loaded.model.requires_grad_(requires_grad=True)
        self.mix = Mix(sources)
        limit = min(settings.window_tokens, loaded.model.shape.max_position_embeddings)
        self.encoder = Encoder(loaded.tokenizer, limit)
        self.folder = folder
        self.settings = settings
        self.identity = _identity(loaded.model, sources, settings)
        self.optimizer = _optimizer(loaded.model, settings)
        self.average: dict[str, Tensor] = {}
        self.averages = 0
        self.step = 0
        self.data_pass = 0
        self.batch = 0
        self.seconds = 0.0

    def train(self) -> Iterator[Event]:
        """Take the remaining steps."""
        loss, tokens, logged, began = 0.0, 0, self.step, time.monotonic()
        for batch in self._batches():
            loss += self._take_step(batch)
            tokens += int(batch.real.sum())
            if self.step - logged == LOGGED_EVERY or self.step == self.settings.steps:
                taken = time.monotonic() - began
                self.seconds += taken
                yield self._progress(loss / (self.step - logged), tokens / taken, taken / (self.step - logged))
                loss, tokens, logged, began = 0.0, 0, self.step, time.monotonic()
            if self.step % self.settings.checkpoint_every == 0 or self.step == self.settings.steps:
                self.save()
                yield Saved(self.step, self.folder / checkpoint.CHECKPOINT)
        self.model.load_state_dict(self.average or self.model.state_dict())
        yield Trained(self.step, self.seconds, self.model)

    def _progress(self, loss: float, tokens_per_s: float, step_s: float) -> Progress:
        steps = self.settings.steps
        rate = schedule(self.step, self.settings)
        return Progress(self.step, steps, loss, rate, tokens_per_s, (steps - self.step) * step_s)

    def _batches(self) -> Iterator[Batch]:
        """Batches from the run's position on, pass after pass, until all steps are done."""
        while self.step < self.settings.steps:
            of_pass = self._pass(self.data_pass)
            if not of_pass:
                raise UsageError("the training data holds no question that could be learnt from")
            for inputs in of_pass[self.batch :]:
                if self.step >= self.settings.steps:
                    return
                self.batch += 1
                yield collate(inputs)
            self.data_pass, self.batch = self.data_pass + 1, 0

    def _pass(self, number: int) -> list[list[tuple[Input, ...]]]:
        """All batches of a pass; they depend on the seed and the number only, so a resumed run repeats them."""
        random = Random(f"{self.settings.seed}/{number}")  # noqa: S311 (no secret)
        encoded = [self.encoder.encode_all(examples, random) for examples in self.mix.examples(random)]
        return list(batches(filter(None, encoded), self.settings.batch_tokens, random))

    def _take_step(self, batch: Batch) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = schedule(self.step, self.settings)
        value = self._add_gradients(batch)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.gradient_norm)
        if not (math.isfinite(value) and math.isfinite(float(norm))):
            raise Unavailable(
                f"training diverged at step {self.step + 1} (loss {value}, gradient {float(norm)}); "
                f"lower the rate and start again; {self.folder} keeps the last checkpoint"
            )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self._add_to_average()
        return value

    def _add_gradients(self, batch: Batch) -> float:
        """Back-propagate the step's losses; return the full-length pass's."""
        logits = span_logits(self.model, batch)
        loss = span_loss(logits, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.settings.length_drop is not None:
            random = Random(f"{self.settings.seed}/{self.step}")  # noqa: S311 (no secret)
            for lengths in self.settings.length_drop.configurations(len(self.model.layers), random):
                shorter = span_logits(self.model, batch, lengths)
                distillation_loss(shorter, logits.detach(), batch).backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def _add_to_average(self) -> None:
        """Uniform average of the last weights, as in stochastic weight averaging (arXiv 1803.05407)."""
        due = self.step > self._tail() and self.step % AVERAGE_EVERY == 0
        last = self.step == self.settings.steps and not self.averages
        if not (due or last):
            return
        self.averages += 1
        for name, value in self.model.state_dict().items():
            if self.averages == 1:
                self.average[name] = value.clone()
            else:
                self.average[name].lerp_(value, 1 / self.averages)

    def _tail(self) -> float:
        """The step after which weights are averaged."""
        return self.settings.steps * (1 - self.settings.averaged)

    def save(self) -> None:
        """Store the run's state in its folder."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        for name, parameter in self.model.named_parameters():
            for moment in MOMENTS:
                tensors[f"{moment}.{name}"] = self.optimizer.state[parameter][moment]
        position = {
            "identity": self.identity,
            "step": self.step,
            "averages": self.averages,
            "data_pass": self.data_pass,
            "batch": self.batch,
            "seconds": self.seconds,
        }
        checkpoint.save_state(self.folder, tensors, position)

    def restore(self) -> bool:
        """Take up the folder's checkpoint; False if there is none. UsageError if it is another run's."""
        stored = checkpoint.load_state(self.folder)
        if stored is None:
            return False
        tensors, position = stored
        if position["identity"] != self.identity:
            raise UsageError(
                f"{self.folder} holds a run with another start, other data or settings; name another folder"
            )
        self.step = position["step"]
        if self.step > self.settings.steps:
            raise UsageError(f"the run in {self.folder} has taken {self.step} steps; ask for at least as many")
        self.data_pass, self.batch = position["data_pass"], position["batch"]
        self.seconds = position["seconds"]
        self.model.load_state_dict(_under("model.", tensors))
        if self.step > self._tail():
            self.average, self.averages = _under("average.", tensors), position["averages"]
        for name, parameter in self.model.named_parameters():
            moments: dict[str, Any] = {moment: tensors[f"{moment}.{name}"] for moment in MOMENTS}
            self.optimizer.state[parameter] = {"step": torch.tensor(float(self.step)), **moments}
        return True


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def schedule(step: int, settings: Settings) -> float:
    """The learning rate of the step after `step` steps: linear warm-up, then linear decay to 0."""
    warm_up = max(1, round(settings.warm_up * settings.steps))
    decay = (settings.steps - step) / max(1, settings.steps - warm_up)
    return settings.rate * min((step + 1) / warm_up, decay)


def _optimizer(model: SpanModel, settings: Settings) -> torch.optim.AdamW:
    """AdamW (arXiv 1711.05101); biases and normalisation are not decayed."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.rate, fused=True)


def _identity(model: SpanModel, sources: list[Source], settings: Settings) -> str:
    """A digest of everything that a resumed run must share with its beginning; `steps` may change."""
    digest = hashlib.sha256()
    for value in model.state_dict().values():
        digest.update(value.numpy().tobytes())
    for source in sources:
        digest.update(hashlib.sha256(source.file.read_bytes()).digest())
        held_out = source.held_out, source.documents, source.also_held_out
        digest.update(repr((source.share, source.distractors, *held_out)).encode())
    kept = {name: value for name, value in asdict(settings).items() if name not in ("steps", "checkpoint_every")}
    digest.update(json.dumps(kept, sort_keys=True).encode())
    return digest.hexdigest()
