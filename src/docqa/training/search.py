"""Search for length configurations: as much F1 as possible at as little cost as possible, by trying.

The Length-Adaptive Transformer (Kim and Cho 2020, arXiv 2010.07003, "Evolutionary Search of Length
Configurations") starts from configurations in which every layer keeps the same share of what reaches it, and
goes on by mutation and crossover; these are the first trials here. Further ones are proposed by Optuna's samplers
for several objectives: NSGA-II (Deb et al. 2002), an evolution too, or TPE (Ozaki et al. 2020), the Bayesian
optimisation that Dynamic-TinyBERT (arXiv 2111.09645) searches by. What a configuration brings and costs, the
search is told.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from operator import mul
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Literal

from docqa.errors import Unavailable, UsageError
from docqa.reader.lengths import LengthConfiguration
from docqa.training.checkpoint import exclusive

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

Sampler = Literal["nsga2", "tpe"]

STUDY = "study.db"
# What a layer keeps of what reaches it is tried in steps of this share.
RATIO_STEP = 0.01
UNIFORM_RATIOS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5)
# In a mutation each layer's length changes with this chance.
MUTATED = 0.5


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a configuration brings, F1 as a share from 0 to 1, and what it costs, in any unit."""

    f1: float
    cost: float


Evaluate = Callable[[LengthConfiguration], Outcome]


@dataclass(frozen=True, slots=True)
class Tried:
    """One trial's configuration and outcome."""

    lengths: LengthConfiguration
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How to search: so many `trials` in all, of which the first `seeds` or more are the paper's.

    `least` is the smallest share that a layer may keep of what reaches it.
    """

    trials: int = 150
    seeds: int = 30
    sampler: Sampler = "nsga2"
    least: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.least < 1:
            raise UsageError(f"the least share that a layer keeps lies between 0 and 1, not at {self.least}")


def search(layers: int, evaluate: Evaluate, folder: Path, settings: SearchSettings, subject: str) -> Iterator[Tried]:
    """Try configurations for a model of so many layers until all trials are made; yields every trial, also old ones.

    The study is kept in `folder` and goes on when called again; `subject` tells what is searched for, and a study
    of another is refused by UsageError. Unavailable if the folder is in use.
    """
    with exclusive(folder), _stored_in(folder / STUDY):
        study = _study(folder, layers, settings, f"{subject}, {layers} layers, each keeping {settings.least} or more")
        known: dict[LengthConfiguration, Outcome] = {}
        for finished in _complete(study):
            tried = _tried(finished, layers)
            known[tried.lengths] = tried.outcome
            yield tried
        for _ in range(settings.trials - len(_complete(study))):
            trial = study.ask()
            ratios = [
                trial.suggest_float(_name(layer), settings.least, 1.0, step=RATIO_STEP) for layer in range(layers)
            ]
            lengths = _configuration(ratios)
            known[lengths] = known.get(lengths) or evaluate(lengths)
            study.tell(trial, (known[lengths].f1, known[lengths].cost))
            yield Tried(lengths, known[lengths])


@contextmanager
def _stored_in(file: Path) -> Iterator[None]:
    """Tell which file it is that cannot be read or written, or what is missing altogether."""
    try:
        import optuna
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError as error:
        raise Unavailable("the search needs Optuna: pip install 'docqa[train]'") from error
    try:
        yield
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise Unavailable(
            f"{file} cannot be used ({reason}): make room if the disk is full, remove it if it is damaged;"
            " all trials that it holds are kept"
        ) from error


def frontier(tried: Sequence[Tried]) -> list[Tried]:
    """The trials that nothing cheaper equals, cheapest first: the Pareto frontier."""
    best: list[Tried] = []
    for each in sorted(tried, key=lambda one: (one.outcome.cost, -one.outcome.f1)):
        if not best or each.outcome.f1 > best[-1].outcome.f1:
            best.append(each)
    return best


def first_ratios(layers: int, settings: SearchSettings) -> list[list[float]]:
    """The configurations to try first, as what each layer keeps of what reaches it, all different.

    Keeping all, the same share in every layer, then mutations and crossovers of those.
    """
    random = Random(settings.seed)  # noqa: S311 (no secret)
    uniform = [[ratio] * layers for ratio in UNIFORM_RATIOS if ratio >= settings.least]
    found = list(uniform)
    # Where there are few different ones, as with one layer, fewer will do.
    for _ in range(20 * settings.seeds):
        if len(found) >= settings.seeds:
            break
        parents = random.sample(uniform, min(2, len(uniform)))
        child = _mutated(parents[0], random) if random.random() < MUTATED else _crossed(parents)
        ratios = _ratios(child, settings.least)
        if ratios not in found:
            found.append(ratios)
    return found


def _mutated(ratios: Sequence[float], random: Random) -> list[float]:
    """Shares in which some layers' are drawn anew, between those of the layers before and after."""
    shares = list(accumulate(ratios, mul))
    for layer in range(len(shares)):
        before = shares[layer - 1] if layer else 1.0
        after = shares[layer + 1] if layer + 1 < len(shares) else 0.0
        if random.random() < MUTATED:
            shares[layer] = random.uniform(after, before)
    return shares


def _crossed(parents: Sequence[Sequence[float]]) -> list[float]:
    """The mean shares of several configurations."""
    shares = [list(accumulate(ratios, mul)) for ratios in parents]
    return [sum(each) / len(each) for each in zip(*shares, strict=True)]


def _ratios(shares: Sequence[float], least: float) -> list[float]:
    """What each layer keeps of what reaches it, in whole steps and never less than `least`."""
    befores = (1.0, *shares)
    found = (after / before for before, after in zip(befores, shares, strict=False))
    return [min(1.0, max(least, round(round(ratio / RATIO_STEP) * RATIO_STEP, 6))) for ratio in found]


def _configuration(ratios: Sequence[float]) -> LengthConfiguration:
    return LengthConfiguration(tuple(round(share, 4) for share in accumulate(ratios, mul)))


def _name(layer: int) -> str:
    return f"kept_{layer + 1}"


def _tried(trial: FrozenTrial, layers: int) -> Tried:
    f1, cost = trial.values
    return Tried(_configuration([trial.params[_name(layer)] for layer in range(layers)]), Outcome(f1, cost))


def _complete(study: Study) -> list[FrozenTrial]:
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _study(folder: Path, layers: int, settings: SearchSettings, subject: str) -> Study:
    """The folder's study, made if need be, with what was cut short to be tried again."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name="lengths",
        storage=f"sqlite:///{(folder / STUDY).resolve()}",
        directions=["maximize", "minimize"],
        load_if_exists=True,
    )
    known = study.user_attrs.get("subject")
    if known is None:
        study.set_user_attr("subject", subject)
    elif known != subject:
        raise UsageError(f"{folder} holds a search for {known}; name another folder")
    study.sampler = _sampler(settings, len(study.trials))
    if known is None:
        for ratios in first_ratios(layers, settings):
            study.enqueue_trial({_name(layer): ratio for layer, ratio in enumerate(ratios)})
    _again(study)
    return study


def _again(study: Study) -> None:
    """Let what was being tried when a search was stopped be tried again."""
    from optuna.trial import TrialState

    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params)


def _sampler(settings: SearchSettings, made: int) -> BaseSampler:
    """A sampler that, when a study goes on, does not propose what it proposed at its beginning."""
    from optuna import samplers

    seed = settings.seed + made
    if settings.sampler == "nsga2":
        return samplers.NSGAIISampler(population_size=settings.seeds, seed=seed)
    with warnings.catch_warnings():
        # Treating the layers together is still called experimental; it is what makes shares go together.
        warnings.simplefilter("ignore")
        return samplers.TPESampler(multivariate=True, n_startup_trials=settings.seeds, seed=seed)
