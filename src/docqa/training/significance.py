"""Learning which tokens matter: the significance heads alone, of a reader that stays as it is.

They learn where the right answer begins and ends, and where the reader would have it if nothing were dropped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import torch
from torch import Tensor, nn

from docqa.reader.lengths import LengthConfiguration
from docqa.reader.model import SpanModel
from docqa.training.data import Mix
from docqa.training.inputs import Batch
from docqa.training.losses import scored_logits, significance_loss
from docqa.training.run import Event, Settings, train
from docqa.training.start import load_start


class SignificanceObjective:
    """The significance heads' loss; nothing else of the reader learns."""

    identity = "significance"

    def __init__(self, model: SpanModel) -> None:
        layers = len(model.layers)
        # In full the heads have no say.
        self.validated_by = (LengthConfiguration.geometric(layers, 0.7, layers // 3),)
        self.model = model.requires_grad_(requires_grad=False)
        self.trained = nn.ModuleList(head for layer in model.layers if (head := layer.significance_head) is not None)

    def losses(self, batch: Batch, random: Random) -> Iterator[Tensor]:  # noqa: ARG002 (nothing is drawn)
        """The heads' loss, with nothing dropped."""
        logits, scores = scored_logits(self.model, batch)
        yield significance_loss(scores, logits, batch)

    def to(self, device: torch.device) -> None:
        """Move the reader."""
        self.model.to(device)


def learn_significance(start: str | os.PathLike[str], mix: Mix, folder: Path, settings: Settings) -> Iterator[Event]:
    """Teach a reader's significance heads, which it gets if it has none; resumes what is in `folder`. See `train`."""
    loaded = load_start(start, settings.seed, significance=True)
    yield from train(loaded, mix, SignificanceObjective(loaded.model), folder, settings)
