"""A training run: steps of AdamW on batches of questions, stoppable and resumable at any of them.

What is minimised is the run's objective, which knows nothing of steps, rates or files.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any, Literal, Protocol

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from docqa.errors import Unavailable, UsageError
from docqa.reader.arithmetic import choose_device, in_hardware
from docqa.reader.choices import Device
from docqa.reader.lengths import LengthConfiguration
from docqa.reader.model import SpanModel
from docqa.reader.weights import ReaderModel
from docqa.training import checkpoint
from docqa.training.data import Mix
from docqa.training.feed import Feed, Position
from docqa.training.inputs import Batch, Encoder
from docqa.training.validation import Slice

Precision = Literal["auto", "float32", "bfloat16"]

AVERAGE_EVERY = 4
LOGGED_EVERY = 20
# Adam's running averages are kept under these names, as torch calls them.
MOMENTS = ("exp_avg", "exp_avg_sq")
# What may differ when a run is resumed: it changes how far or where it goes on, not what it has learnt so far.
MAY_DIFFER = ("steps", "device", "checkpoint_every", "validate_every", "validate_on")


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train; the defaults are those of the runs that docs/training.md describes.

    `rate` is AdamW's highest, reached after the share `warm_up` of all steps and falling linearly to 0.
    Over the last share `averaged` of the steps the weights are averaged, every AVERAGE_EVERY steps. A step
    reads inputs of at most `window_tokens` tokens, of a longer passage `all_windows` or a stretch at random, and
    sums the gradients of `accumulate` batches of about `batch_tokens` tokens. `dropout` is the share of hidden
    values that is dropped after each embedding, attention and feed-forward (not of attention, whose fused
    kernel on processors knows none). `precision` is that of matrix products, by default bfloat16 where the
    hardware has it. Every `validate_every` steps (0: never) the F1 on `validate_on` held-out questions is
    measured, and what scored best is the run's result.
    """

    steps: int
    rate: float = 5e-5
    warm_up: float = 0.06
    averaged: float = 0.1
    weight_decay: float = 0.01
    gradient_norm: float = 1.0
    window_tokens: int = 320
    all_windows: bool = False
    batch_tokens: int = 3072
    accumulate: int = 1
    dropout: float = 0.0
    precision: Precision = "auto"
    device: Device = "auto"
    validate_every: int = 0
    validate_on: int = 300
    checkpoint_every: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        for name, lowest in (("steps", 1), ("accumulate", 1), ("checkpoint_every", 1), ("validate_on", 1)):
            if getattr(self, name) < lowest:
                raise UsageError(f"a run needs {name} to be at least {lowest}, not {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"dropout is a share from 0 to below 1, not {self.dropout}")


class Objective(Protocol):
    """What a run minimises: `model` is the reader that comes of it, `trained` all that learns, the reader included."""

    @property
    def model(self) -> SpanModel:
        """The reader that is trained."""

    @property
    def trained(self) -> nn.Module:
        """Everything that is trained."""

    @property
    def identity(self) -> str:
        """Tells objectives apart; a run is resumed with the same only."""

    @property
    def validated_by(self) -> Sequence[LengthConfiguration | None]:
        """The length configurations whose mean F1 says how good the reader is; None is keeping all tokens."""

    def losses(self, batch: Batch, random: Random) -> Iterator[Tensor]:
        """The losses whose sum is minimised, each one's graph free to go before the next is made."""

    def to(self, device: torch.device) -> None:
        """Move everything that takes part to a device."""


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
class Validated:
    """The F1 on the validation slice after `step` steps, and whether it is the best so far.

    Of several length configurations, as LengthDrop is validated by, it is the mean.
    """

    step: int
    f1: float
    best: bool


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint holds everything up to `step`."""

    step: int
    file: Path


@dataclass(frozen=True, slots=True)
class Trained:
    """All steps are done; `seconds` counts every process that took part.

    `model`, which goes with `tokenizer`, has the averaged weights or, where the run was validated, those that
    scored best: `f1`, after `best_step` steps. `start` is the name of what it started from.
    """

    step: int
    seconds: float
    start: str
    model: SpanModel
    tokenizer: Tokenizer
    f1: float | None = None
    best_step: int | None = None


Event = Resumed | Progress | Validated | Saved | Trained


def train(start: ReaderModel, mix: Mix, objective: Objective, folder: Path, settings: Settings) -> Iterator[Event]:
    """Minimise an objective on a mix, keeping checkpoints in `folder`, which may hold one already.

    A run that was stopped goes on when called again with the same arguments; some settings may differ
    (MAY_DIFFER), of which `steps` bends the rest of the schedule. UsageError for data or settings that cannot be
    used, ReaderError for a device that is not there, Unavailable if the folder is in use or full, or if training
    diverges: the last checkpoint is then still there.
    """
    with checkpoint.exclusive(folder):
        run = _Run(start, mix, objective, folder, settings)
        if run.restore():
            yield Resumed(run.step)
        yield from run.train()


@dataclass
class _Average:
    """The uniform average of the last weights, as in stochastic weight averaging (arXiv 1803.05407)."""

    weights: dict[str, Tensor] = field(default_factory=dict)
    count: int = 0

    def add(self, model: nn.Module) -> None:
        self.count += 1
        for name, value in model.state_dict().items():
            if self.count == 1:
                self.weights[name] = value.clone()
            else:
                self.weights[name].lerp_(value, 1 / self.count)


class _Run:
    """The state of a run: weights, optimizer, average, and the position in the data."""

    def __init__(self, start: ReaderModel, mix: Mix, objective: Objective, folder: Path, settings: Settings) -> None:
        self.identity = _identity(start.model, mix, objective, settings)
        self.device = choose_device(settings.device)
        self.bfloat16 = settings.precision == "bfloat16" or (
            settings.precision == "auto" and "bfloat16" in in_hardware(self.device)
        )
        objective.to(self.device)
        self.objective = objective
        self.model = objective.model
        self.trained = objective.trained.requires_grad_(requires_grad=True).train()
        if settings.dropout:
            _drop_hidden(self.model, settings.dropout)
        limit = min(settings.window_tokens, self.model.shape.max_position_embeddings)
        encoder = Encoder(start.tokenizer, limit, all_windows=settings.all_windows)
        self.feed = Feed(mix, encoder, settings.batch_tokens, settings.seed)
        self.slice = Slice.of(start.tokenizer, mix.held_out, settings.validate_on) if settings.validate_every else None
        self.start = start
        self.folder = folder
        self.settings = settings
        self.optimizer = _optimizer(self.trained, settings)
        self.average = _Average()
        self.step = 0
        self.seconds = 0.0

    def train(self) -> Iterator[Event]:
        """Take the remaining steps."""
        settings = self.settings
        loss, tokens, logged, began = 0.0, 0, self.step, time.monotonic()
        while self.step < settings.steps:
            batches = [next(self.feed) for _ in range(settings.accumulate)]
            loss += self._take_step(batches)
            tokens += sum(int(batch.real.sum()) for batch in batches)
            last = self.step == settings.steps
            if self.step - logged == LOGGED_EVERY or last:
                taken = time.monotonic() - began
                self.seconds += taken
                yield self._progress(loss / (self.step - logged), tokens / taken, taken / (self.step - logged))
                loss, tokens, logged, began = 0.0, 0, self.step, time.monotonic()
            if self.slice and (self.step % settings.validate_every == 0 or last):
                yield self._validate(self.slice)
                began = time.monotonic()
            if self.step % settings.checkpoint_every == 0 or last:
                self.save()
                yield Saved(self.step, self.folder / checkpoint.CHECKPOINT)
        yield self._result()

    def _result(self) -> Trained:
        if self.average.weights:
            self.model.load_state_dict(self.average.weights)
        score: dict[str, Any] = {}
        if self.slice and (best := checkpoint.load_state(self.folder, checkpoint.BEST)):
            tensors, score = best
            self.model.load_state_dict(tensors)
        model = self.model.cpu().eval().requires_grad_(requires_grad=False)
        f1, step = score.get("f1"), score.get("step")
        return Trained(self.step, self.seconds, self.start.name, model, self.start.tokenizer, f1, step)

    def _progress(self, loss: float, tokens_per_s: float, step_s: float) -> Progress:
        steps = self.settings.steps
        rate = schedule(self.step, self.settings)
        return Progress(self.step, steps, loss, rate, tokens_per_s, (steps - self.step) * step_s)

    def _take_step(self, batches: list[Batch]) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = schedule(self.step, self.settings)
        with torch.random.fork_rng():
            # What a step draws depends on its number only, so a resumed run repeats it.
            torch.manual_seed(self.settings.seed * 1_000_003 + self.step)
            random = Random(f"{self.settings.seed}/{self.step}")  # noqa: S311 (no secret)
            value = sum(self._add_gradients(batch.to(self.device), random) for batch in batches)
        norm = float(nn.utils.clip_grad_norm_(self.trained.parameters(), self.settings.gradient_norm))
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise Unavailable(
                f"training diverged at step {self.step + 1} (loss {value}, gradient {norm}); lower the rate and "
                f"start again in another folder; {self.folder} keeps the last checkpoint"
            )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        if self._averages_now():
            self.average.add(self.model)
        return value

    def _add_gradients(self, batch: Batch, random: Random) -> float:
        """Back-propagate each loss of a batch; return their sum."""
        total = 0.0
        losses = self.objective.losses(batch, random)
        while True:
            with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bfloat16):
                loss = next(losses, None)
            if loss is None:
                return total
            scaled = loss / self.settings.accumulate
            scaled.backward()  # type: ignore[no-untyped-call]
            total += float(scaled.detach())

    def _averages_now(self) -> bool:
        due = self.step > self._tail() and self.step % AVERAGE_EVERY == 0
        return due or (self.step == self.settings.steps and not self.average.count)

    def _tail(self) -> float:
        """The step after which weights are averaged."""
        return self.settings.steps * (1 - self.settings.averaged)

    def _validate(self, validation: Slice) -> Validated:
        """Score what the run would give if it ended now; keep it if nothing was better."""
        with self._as_result() as model:
            f1 = fmean(validation.score(model, lengths).f1 for lengths in self.objective.validated_by)
            known = checkpoint.load_state(self.folder, checkpoint.BEST)
            best = known is None or f1 > known[1]["f1"]
            if best:
                checkpoint.save_state(self.folder, model.state_dict(), {"f1": f1, "step": self.step}, checkpoint.BEST)
        return Validated(self.step, f1, best)

    @contextmanager
    def _as_result(self) -> Iterator[SpanModel]:
        """The model with the weights it would have if the run ended now."""
        current = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.average.weights or current)
        try:
            yield self.model.eval()
        finally:
            self.model.load_state_dict(current)
            self.model.train()

    def save(self) -> None:
        """Store the run's state in its folder."""
        tensors = {f"trained.{name}": value for name, value in self.trained.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.weights.items()}
        for name, parameter in self.trained.named_parameters():
            # What an objective has no use for, such as the span head while hidden states are learnt, has no moments.
            for moment, value in self.optimizer.state[parameter].items():
                if moment in MOMENTS:
                    tensors[f"{moment}.{name}"] = value
        position = {
            "identity": self.identity,
            "step": self.step,
            "averages": self.average.count,
            "feed": asdict(self.feed.position),
            "seconds": self.seconds,
        }
        checkpoint.save_state(self.folder, tensors, position)

    def restore(self) -> bool:
        """Take up the folder's checkpoint; False if there is none. UsageError if it is another run's."""
        stored = checkpoint.load_state(self.folder)
        if stored is None:
            # What a run that never came to a checkpoint has validated does not count.
            (self.folder / checkpoint.BEST).unlink(missing_ok=True)
            return False
        tensors, position = stored
        if position.get("identity") != self.identity:
            raise UsageError(
                f"{self.folder} holds a run with another start, other data or settings; name another folder"
            )
        self.step = position["step"]
        if self.step > self.settings.steps:
            raise UsageError(f"the run in {self.folder} has taken {self.step} steps; ask for at least as many")
        self.feed.position = Position(**position["feed"])
        self.seconds = position["seconds"]
        self.trained.load_state_dict(_under("trained.", tensors))
        if self.step > self._tail():
            weights = {name: value.to(self.device) for name, value in _under("average.", tensors).items()}
            self.average = _Average(weights, position["averages"])
        for name, parameter in self.trained.named_parameters():
            if f"{MOMENTS[0]}.{name}" in tensors:
                self.optimizer.state[parameter] = self._moments(name, parameter.device, tensors)
        return True

    def _moments(self, name: str, device: torch.device, tensors: dict[str, Tensor]) -> dict[str, Any]:
        moments = {moment: tensors[f"{moment}.{name}"].to(device) for moment in MOMENTS}
        return {"step": torch.tensor(float(self.step), device=device), **moments}


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def schedule(step: int, settings: Settings) -> float:
    """The learning rate of the step after `step` steps: linear warm-up, then linear decay to 0."""
    warm_up = max(1, round(settings.warm_up * settings.steps))
    decay = (settings.steps - step) / max(1, settings.steps - warm_up)
    return settings.rate * min((step + 1) / warm_up, decay)


def _drop_hidden(model: SpanModel, share: float) -> None:
    """Drop hidden values in training where BERT does (Devlin et al. 2019, appendix A.2), save in attention."""
    places: list[nn.Module] = [model.embeddings]
    for layer in model.layers:
        places += [layer.attention_output, layer.down]
    for place in places:
        place.register_forward_hook(lambda module, _, out: functional.dropout(out, share, module.training))


def _optimizer(trained: nn.Module, settings: Settings) -> torch.optim.AdamW:
    """AdamW (arXiv 1711.05101); biases and normalisation are not decayed."""
    matrices = [parameter for parameter in trained.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in trained.parameters() if parameter.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.rate, fused=True)


def digest_of(model: nn.Module) -> str:
    """The SHA-256 of a model's weights."""
    digest = hashlib.sha256()
    for value in model.state_dict().values():
        digest.update(value.detach().cpu().numpy().tobytes())
    return digest.hexdigest()


def _identity(model: SpanModel, mix: Mix, objective: Objective, settings: Settings) -> str:
    """A digest of everything that a resumed run must share with its beginning."""
    kept = {name: value for name, value in asdict(settings).items() if name not in MAY_DIFFER}
    data = [
        (each.digest, repr(replace(each, file=Path(), more=None, origin="", calibration=0))) for each in mix.sources
    ]
    told = json.dumps([digest_of(model), data, objective.identity, kept], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()
