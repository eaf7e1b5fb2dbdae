from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from docqa.errors import UsageError
from docqa.training.data import read_squad
from docqa.training.validation import Judge, _area, validate


def test_figures_are_shares(start: Path, rivers: Path) -> None:
    figures = validate(start, [read_squad(rivers)])
    assert figures.questions == 6
    for share in (figures.exact, figures.f1, figures.logit_picked, figures.margin_picked, figures.separated):
        assert 0.0 <= share <= 1.0
    assert validate(start, [read_squad(rivers)], every=4).questions == 2


def test_nothing_to_validate_on_is_an_error(start: Path) -> None:
    with pytest.raises(UsageError, match="no answerable question"):
        validate(start, [])


def test_an_empty_passage_never_wins(start: Path) -> None:
    empty, real = Judge(start).read("what river ?", ["", "the nile"])
    assert empty.span is None
    assert empty.margin == -np.inf
    assert real.margin == real.logit - real.null_logit


def test_all_passages_empty(start: Path) -> None:
    assert Judge(start).read("what river ?", [""])[0].span is None


def test_the_area_under_the_curve() -> None:
    assert _area(np.array([3.0, 1.0]), np.array([0.0, 2.0])) == 0.75
    assert _area(np.array([1.0]), np.array([1.0])) == 0.5
    assert _area(np.array([1.0]), np.array([])) == 1.0
