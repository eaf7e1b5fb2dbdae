"""The progress of a training run: a bar on a terminal, plain lines elsewhere, both on standard error."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from docqa.cli import render
from docqa.training.distil import StepBegun
from docqa.training.run import Event, Progress, Resumed, Saved, Trained, Validated
from docqa.training.search import Tried


def trained(stream: Iterable[Event | StepBegun], folder: Path) -> Trained:
    """Consume a run's events, narrate them, and return its result; an interrupt says how to go on."""
    saved = 0
    show = _Bar() if render.is_terminal() else _Lines()
    try:
        with show:
            for event in stream:
                match event:
                    case Saved(step) | Resumed(step):
                        saved = step
                    case Trained():
                        show.told(event)
                        return event
                show.told(event)
    except KeyboardInterrupt:
        kept = f"the checkpoint after step {saved} is in {folder}" if saved else f"{folder} holds no checkpoint yet"
        render.narrate(f"stopped; {kept}: the same command goes on from there")
        raise click.Abort from None
    raise AssertionError("a run ends with its result")


def searched(trials: Iterable[Tried], count: int, folder: Path) -> list[Tried]:
    """Consume a search's trials, narrate them, and return them all; an interrupt says how to go on."""
    found: list[Tried] = []
    try:
        with render.counting("searching") as progress:
            for each in trials:
                found.append(each)
                progress(len(found), count)
                if not render.is_terminal():
                    shares = ",".join(f"{share:g}" for share in each.lengths.shares)
                    told = f"F1 {100 * each.outcome.f1:.2f} at a cost of {each.outcome.cost:.4g}"
                    render.narrate(f"{len(found)}/{count}: {shares}: {told}")
    except KeyboardInterrupt:
        render.narrate(f"stopped; {len(found)} trials are in {folder}: the same command goes on from there")
        raise click.Abort from None
    return found


class _Lines:
    """A line for each event."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def told(self, event: Event | StepBegun) -> None:
        """Say what happened."""
        if told := _told(event):
            render.narrate(told)


class _Bar:
    """A bar of the steps with loss and time left, and a line above it for what is rarer."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}", markup=False))
        self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("training", total=None, pace="")

    def __enter__(self) -> None:
        self._bar.start()

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def told(self, event: Event | StepBegun) -> None:
        """Move the bar, or say what happened."""
        from rich.text import Text

        match event:
            case Progress(step, steps):
                self._bar.update(self._task, completed=step, total=steps, pace=_pace(event))
            case Saved():
                pass
            case _:
                self._bar.console.print(Text(_told(event)), soft_wrap=True, highlight=False)


def _told(event: Event | StepBegun) -> str:
    match event:
        case StepBegun(name):
            return f"learning the teacher's {name} layer{'s' if name == 'intermediate' else ''}"
        case Resumed(step):
            return f"resumed after step {step}"
        case Progress(step, steps):
            return f"step {step}/{steps}, {_pace(event)}"
        case Validated(step, f1, best):
            return f"F1 {100 * f1:.2f} on held-out questions after step {step}{', the best so far' if best else ''}"
        case Saved(step):
            return f"saved step {step}"
        case Trained(step, seconds, f1=None):
            return f"trained {step} steps in {seconds / 60:.0f} min"
        case Trained(step, seconds, f1=f1, best_step=best):
            return f"trained {step} steps in {seconds / 60:.0f} min; best F1 {100 * (f1 or 0):.2f} after step {best}"


def _pace(event: Progress) -> str:
    left = f"{event.left_s / 60:.0f} min left" if event.left_s >= 60 else f"{event.left_s:.0f} s left"
    return f"loss {event.loss:.3f}, {event.tokens_per_s:,.0f} tokens/s, {left}"
