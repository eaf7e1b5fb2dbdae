"""What one may choose of a reader, without loading what it takes to read."""

from __future__ import annotations

from typing import Literal, get_args

Arithmetic = Literal["float32", "bfloat16", "int8"]
Precision = Literal["auto", "float32", "bfloat16", "int8"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Effort = Literal["fast", "balanced", "thorough"]
"""How hard the reader tries: the dial between how long an answer takes and how often it is right."""

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
DEVICES: tuple[Device, ...] = get_args(Device)
EFFORTS: tuple[Effort, ...] = get_args(Effort)
DEFAULT_EFFORT: Effort = "balanced"
