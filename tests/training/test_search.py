from __future__ import annotations

import sqlite3
from itertools import islice, pairwise
from pathlib import Path

import pytest

from docqa.errors import Unavailable, UsageError
from docqa.reader.lengths import LengthConfiguration
from docqa.training.search import (
    STUDY,
    Outcome,
    Sampler,
    SearchSettings,
    Tried,
    first_ratios,
    frontier,
    search,
)

LAYERS = 3
SETTINGS = SearchSettings(trials=20, seeds=12, least=0.5)


def outcome_of(lengths: LengthConfiguration) -> Outcome:
    """Tokens in the last layer are what costs F1, tokens in all of them what costs time: drop late, drop once."""
    return Outcome(f1=1 - 0.5 * (1 - lengths.shares[-1]) ** 2, cost=sum(lengths.shares) / LAYERS)


def tried(f1: float, cost: float) -> Tried:
    return Tried(LengthConfiguration((1.0,)), Outcome(f1, cost))


def test_the_frontier_is_what_nothing_cheaper_equals() -> None:
    good = [tried(0.5, 1.0), tried(0.6, 2.0), tried(0.9, 5.0)]
    bad = [tried(0.4, 1.0), tried(0.6, 3.0), tried(0.55, 4.0), tried(0.9, 6.0)]
    assert frontier([*bad, *reversed(good)]) == good
    assert frontier([]) == []


def test_the_first_are_the_papers() -> None:
    found = first_ratios(4, SearchSettings(seeds=40, least=0.6))
    assert found[:9] == [[ratio] * 4 for ratio in (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6)]
    assert len(found) == len({tuple(ratios) for ratios in found}) == 40
    assert all(0.6 <= ratio <= 1.0 for ratios in found for ratio in ratios)
    assert found == first_ratios(4, SearchSettings(seeds=40, least=0.6))
    assert found != first_ratios(4, SearchSettings(seeds=40, least=0.6, seed=1))


def test_one_layer_has_few_configurations() -> None:
    found = first_ratios(1, SearchSettings(seeds=1000, least=0.9))
    assert 3 <= len(found) <= 11


@pytest.mark.parametrize("sampler", ["nsga2", "tpe"])
def test_a_search_finds_better_than_the_uniform_ones(tmp_path: Path, sampler: Sampler) -> None:
    settings = SearchSettings(trials=40, seeds=15, least=0.5, sampler=sampler)
    found = list(search(LAYERS, outcome_of, tmp_path, settings, "a model"))
    assert len(found) == 40
    assert found[0].lengths == LengthConfiguration((1.0,) * LAYERS)
    for each in found:
        shares = (1.0, *each.lengths.shares)
        assert all(after >= 0.5 * before - 1e-4 for before, after in pairwise(shares))
        assert each.outcome == outcome_of(each.lengths)
    best = frontier(found)
    uniform = [each for each in found if each.lengths in {LengthConfiguration.geometric(LAYERS, 0.7)}]
    assert uniform
    # At no more cost than the uniform configuration there is one with more F1.
    within = [each for each in best if each.outcome.cost <= uniform[0].outcome.cost]
    assert within[-1].outcome.f1 > uniform[0].outcome.f1


def test_a_search_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    evaluated: list[LengthConfiguration] = []

    def counting(lengths: LengthConfiguration) -> Outcome:
        evaluated.append(lengths)
        return outcome_of(lengths)

    stopped = search(LAYERS, counting, tmp_path, SETTINGS, "a model")
    first = list(islice(stopped, 10))
    stopped.close()
    again = list(search(LAYERS, counting, tmp_path, SETTINGS, "a model"))
    assert [each.lengths for each in again[:10]] == [each.lengths for each in first]
    assert len(again) == 20
    assert len(evaluated) == len(set(evaluated))
    assert list(search(LAYERS, counting, tmp_path, SETTINGS, "a model")) == again


def test_what_was_being_tried_is_tried_again(tmp_path: Path) -> None:
    calls: list[LengthConfiguration] = []

    def interrupted(lengths: LengthConfiguration) -> Outcome:
        calls.append(lengths)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return outcome_of(lengths)

    with pytest.raises(KeyboardInterrupt):
        list(search(LAYERS, interrupted, tmp_path, SETTINGS, "a model"))
    again = list(search(LAYERS, outcome_of, tmp_path, SETTINGS, "a model"))
    assert calls[3] in [each.lengths for each in again]
    assert len(again) == 20


def test_another_search_is_refused(tmp_path: Path) -> None:
    list(search(LAYERS, outcome_of, tmp_path, SearchSettings(trials=1), "a model"))
    for layers, settings, subject in (
        (LAYERS, SETTINGS, "another model"),
        (2, SETTINGS, "a model"),
        (LAYERS, SearchSettings(least=0.6), "a model"),
    ):
        with pytest.raises(UsageError, match="holds a search for a model, 3 layers"):
            list(search(layers, outcome_of, tmp_path, settings, subject))


def test_two_searches_cannot_share_a_folder(tmp_path: Path) -> None:
    first = search(LAYERS, outcome_of, tmp_path, SETTINGS, "a model")
    next(first)
    with pytest.raises(Unavailable, match="another run"):
        list(search(LAYERS, outcome_of, tmp_path, SETTINGS, "a model"))
    first.close()


def test_a_damaged_study_is_named(tmp_path: Path) -> None:
    (tmp_path / STUDY).write_bytes(b"no database at all" * 100)
    with pytest.raises(Unavailable, match=r"study\.db cannot be used \(.*database\): make room"):
        list(search(LAYERS, outcome_of, tmp_path, SETTINGS, "a model"))


def test_a_full_disk_is_told_and_keeps_the_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    run = search(LAYERS, outcome_of, tmp_path, SETTINGS, "a model")
    first = list(islice(run, 3))
    with monkeypatch.context() as patched:
        patched.setattr("sqlalchemy.engine.default.DefaultDialect.do_execute", full)
        with pytest.raises(Unavailable, match=r"study\.db cannot be used.*disk is full"):
            next(run)
    assert list(search(LAYERS, outcome_of, tmp_path, SETTINGS, "a model"))[:3] == first


@pytest.mark.parametrize("least", [0.0, 1.0, -1.0])
def test_a_least_share_without_sense_is_refused(least: float) -> None:
    with pytest.raises(UsageError, match="least share"):
        SearchSettings(least=least)
