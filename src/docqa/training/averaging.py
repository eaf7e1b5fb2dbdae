"""One reader from several: the mean of their weights.

Readers that were trained from one start by different runs often lie in one valley, and the mean of their weights
does at least as well as each where that one is best ("model soups", Wortsman et al. 2022, arXiv 2203.05482).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from docqa.errors import UsageError
from docqa.reader import weights
from docqa.reader.weights import ReaderModel


def average(readers: Sequence[str | os.PathLike[str]]) -> ReaderModel:
    """The readers' mean, with the tokenizer of the first, and significance heads if all of them have some.

    ReaderError if one cannot be loaded, UsageError if there is only one, or they differ in shape or vocabulary.
    """
    if len(readers) < 2:
        raise UsageError("a mean takes at least two readers")
    first, *others = (weights.load(reader) for reader in readers)
    if not all(each.model.learns_significance for each in (first, *others)):
        for each in (first, *others):
            each.model.forget_significance()
    mean = {name: value.clone() for name, value in first.model.state_dict().items()}
    for number, other in enumerate(others, 2):
        if other.model.shape != first.model.shape or other.tokenizer.get_vocab() != first.tokenizer.get_vocab():
            raise UsageError(f"{other.name} and {first.name} differ in shape or vocabulary; only their like has a mean")
        for name, value in other.model.state_dict().items():
            mean[name].lerp_(value, 1 / number)
    first.model.load_state_dict(mean)
    return replace(first, folder=None)
