"""What one may choose of a reader, without loading what it takes to read."""

from __future__ import annotations

from typing import Literal, get_args

Arithmetic = Literal["float32", "bfloat16", "int8"]
Precision = Literal["auto", "float32", "bfloat16", "int8"]
Device = Literal["auto", "cpu", "cuda", "mps"]

PRECISIONS: tuple[Precision, ...] = get_args(Precision)
DEVICES: tuple[Device, ...] = get_args(Device)
