"""Fine-tuning a reader on answerable and "not here" passages; see `docqa.training.losses` for what is minimised."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import torch
from torch import Tensor

from docqa.reader.model import SpanModel
from docqa.training.data import Mix
from docqa.training.inputs import Batch
from docqa.training.losses import span_logits, span_loss
from docqa.training.run import Event, Settings, train
from docqa.training.start import load_start


class SpanObjective:
    """The span loss of a reader."""

    identity = "span loss"
    validated_by = (None,)

    def __init__(self, model: SpanModel) -> None:
        self.model = self.trained = model

    def losses(self, batch: Batch, random: Random) -> Iterator[Tensor]:  # noqa: ARG002 (nothing is drawn)
        """The span loss at full length."""
        yield span_loss(span_logits(self.model, batch), batch)

    def to(self, device: torch.device) -> None:
        """Move the reader."""
        self.model.to(device)


def fine_tune(
    start: str | os.PathLike[str], mix: Mix, folder: Path, settings: Settings, layers: int | None = None
) -> Iterator[Event]:
    """Train a reader, or an encoder that becomes one, on a mix; resumes what is in `folder`. See `train`.

    `layers` is how many of the start's layers to take, None for all.
    """
    loaded = load_start(start, settings.seed, layers)
    yield from train(loaded, mix, SpanObjective(loaded.model), folder, settings)
