"""A table of length configurations such as `docqa reader tune` writes, for readers of two layers."""

from __future__ import annotations

from pathlib import Path

from docqa.reader import catalogue
from docqa.reader.lengths import LengthTable, MeasuredLengths

FULL, BALANCED, FAST = (1.0, 1.0), (0.8, 0.6), (0.5, 0.3)
TABLE = LengthTable(
    (
        MeasuredLengths(FULL, cost=1.0, time=1.0, f1=0.8, exact=0.7, drift=0.0),
        MeasuredLengths(BALANCED, cost=0.7, time=0.7, f1=0.795, exact=0.69, drift=1.0),
        MeasuredLengths(FAST, cost=0.4, time=0.45, f1=0.775, exact=0.66, drift=4.0),
        MeasuredLengths((0.2, 0.1), cost=0.2, time=0.3, f1=0.5, exact=0.4, drift=9.0),
    ),
    measured_on="a test",
    questions=100,
    precisions={"float32": 0.8, "bfloat16": 0.799, "int8": 0.798},
)


def write(folder: Path, table: LengthTable = TABLE) -> None:
    (folder / catalogue.LENGTHS).write_text(table.to_json())
