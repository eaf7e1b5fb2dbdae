"""What reading costs on this machine, measured once for each model and arithmetic, and remembered."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch
from platformdirs import user_cache_path

from docqa.reader.model import SpanModel, operations

FILE = "reader-speed.json"

# Inputs that are timed: (windows, tokens). The small one tells what a call costs, the large one what its products do.
_SMALL, _LARGE = (1, 32), (4, 192)
_REPEATS = 3


@dataclass(frozen=True, slots=True)
class Cost:
    """The time a forward pass takes: a constant, and what its floating-point operations need."""

    overhead_ms: float
    operations_per_ms: float

    def ms(self, operations: float) -> float:
        """Milliseconds for one pass of so many operations."""
        return self.overhead_ms + operations / self.operations_per_ms


def cache_folder() -> Path:
    """Where measurements of this machine are kept: `DOCQA_CACHE`, else the user's cache folder."""
    named = os.environ.get("DOCQA_CACHE")
    return Path(named) if named else user_cache_path("docqa", appauthor=False)


def cost_of(name: str, device: torch.device, model: Callable[[], SpanModel]) -> Cost:
    """The cost of a model on this machine, as remembered, else measured now; `name` tells models and arithmetics apart.

    `model` is called only to be measured.
    """
    key = f"{name}, {device}, {torch.get_num_threads()} threads, torch {torch.__version__}, {platform.node()}"
    known = _remembered()
    with suppress(KeyError, TypeError, ValueError):
        cost = Cost(**known[key])
        if all(math.isfinite(each) and each > 0 for each in (cost.overhead_ms, cost.operations_per_ms)):
            return cost
    cost = measured(model(), device)
    _remember({**known, key: asdict(cost)})
    return cost


@torch.inference_mode()
def measured(model: SpanModel, device: torch.device) -> Cost:
    """Time a model's forward pass on a small and a large batch."""
    small, large = (_time_ms(model, device, *size) for size in (_SMALL, _LARGE))
    fewer, more = (windows * operations(model.shape, tokens) for windows, tokens in (_SMALL, _LARGE))
    # Where noise makes the small batch the slower one, all of the time is taken for that of the operations.
    slope = (large - small) / (more - fewer)
    if slope <= 0:
        slope = large / more
    return Cost(max(small - slope * fewer, 0.01), 1 / slope)


def _time_ms(model: SpanModel, device: torch.device, windows: int, tokens: int) -> float:
    tokens = min(tokens, model.shape.max_position_embeddings)
    ids = torch.arange(windows * tokens, device=device).view(windows, tokens) % model.shape.vocab_size
    segments, real = torch.zeros_like(ids), torch.ones_like(ids, dtype=torch.bool)
    times = []
    for _ in range(1 + _REPEATS):
        started = time.perf_counter()
        model(ids, segments, real).cpu()
        times.append(1000 * (time.perf_counter() - started))
    return median(times[1:])


def _remembered() -> dict[str, dict[str, float]]:
    """All that is remembered; what cannot be read is measured again."""
    with suppress(OSError, ValueError):
        content = json.loads((cache_folder() / FILE).read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return content
    return {}


def _remember(content: dict[str, dict[str, float]]) -> None:
    file = cache_folder() / FILE
    partial = file.with_name(f"{FILE}.{os.getpid()}")
    # What cannot be remembered is measured again.
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(content, indent=1), encoding="utf-8")
        partial.replace(file)
