"""What speaks for a span: the evidence of retriever and reader, put together by a small fitted model.

A span's score is a weighted sum of its features; the weights are fitted so that a softmax over all spans of
all passages favours the right ones. A second weighted sum, over features of the winner and its rivals, goes
through a logistic function to become the probability that the answer is right (Platt 1999). Both sets of
weights come with the reader model, in `ranking.json`, because they depend on how its logits are spread.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docqa.errors import ReaderError
from docqa.passages import sentences
from docqa.records import Candidate, Span
from docqa.terms import document_terms, question_terms

Floats = NDArray[np.float64]

FILE = "ranking.json"

_EXPECTED = (
    (
        "date",
        re.compile(r"\b(when|what (year|date|day|month|time)|which (year|date|day|month)|since when|until when)\b"),
    ),
    (
        "number",
        re.compile(
            r"\b(how (many|much|long|old|far|large|big|tall|high|often|fast|wide|deep)|what (percentage|number|amount|price|temperature|pressure))\b"
        ),
    ),
    ("name", re.compile(r"\b(who|whose|whom|where|which (person|city|country|town))\b")),
)
