from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from docqa.errors import Unavailable, UsageError
from docqa.reader.model import SpanModel
from docqa.training import checkpoint
from docqa.training import fine_tune as module
from docqa.training.data import Source
from docqa.training.fine_tune import Progress, Resumed, Saved, Settings, Trained, fine_tune, schedule

SETTINGS = Settings(steps=40, rate=5e-3, averaged=0.5, window_tokens=64, batch_tokens=128, checkpoint_every=10)


def sources(file: Path) -> list[Source]:
    return [Source(file, "toy", distractors=1.0)]


def weights_of(model: SpanModel) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def trained(start: Path, file: Path, folder: Path, settings: Settings = SETTINGS) -> dict[str, Tensor]:
    (end,) = [event for event in fine_tune(start, sources(file), folder, settings) if isinstance(event, Trained)]
    return weights_of(end.model)


def stop_after(step: int, start: Path, file: Path, folder: Path) -> None:
    run = fine_tune(start, sources(file), folder, SETTINGS)
    for event in run:
        if isinstance(event, Saved) and event.step == step:
            break
    run.close()


def test_the_loss_goes_down(start: Path, rivers: Path, tmp_path: Path) -> None:
    settings = Settings(steps=300, rate=5e-3, window_tokens=64, batch_tokens=512)
    events = list(fine_tune(start, sources(rivers), tmp_path / "run", settings))
    progress = [event for event in events if isinstance(event, Progress)]
    assert progress[-1].step == 300
    assert progress[-1].loss < 0.5 * progress[0].loss
    assert progress[-1].left_s == 0
    assert all(event.tokens_per_s > 0 for event in progress)
    assert isinstance(events[-1], Trained)


def test_a_resumed_run_ends_with_the_same_weights(start: Path, rivers: Path, tmp_path: Path) -> None:
    whole = trained(start, rivers, tmp_path / "whole")
    for step in (10, 30):
        stop_after(step, start, rivers, tmp_path / "parts")
    events = list(fine_tune(start, sources(rivers), tmp_path / "parts", SETTINGS))
    assert events[0] == Resumed(30)
    assert isinstance(events[-1], Trained)
    parts = weights_of(events[-1].model)
    assert parts.keys() == whole.keys()
    assert all(torch.equal(parts[name], whole[name]) for name in whole)


def test_a_finished_run_only_tells_its_result(start: Path, rivers: Path, tmp_path: Path) -> None:
    whole = trained(start, rivers, tmp_path / "run")
    events = list(fine_tune(start, sources(rivers), tmp_path / "run", SETTINGS))
    assert [type(event) for event in events] == [Resumed, Trained]
    assert isinstance(events[-1], Trained)
    assert all(torch.equal(value, whole[name]) for name, value in events[-1].model.state_dict().items())


@pytest.mark.slow
def test_a_killed_run_resumes(start: Path, rivers: Path, tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import sys
        import torch
        from pathlib import Path
        from docqa.training.data import Source
        from docqa.training.fine_tune import Saved, Settings, fine_tune
        torch.set_num_threads(1)
        start, file, run = map(Path, sys.argv[1:])
        settings = Settings(
            steps=40, rate=5e-3, averaged=0.5, window_tokens=64, batch_tokens=128, checkpoint_every=10
        )
        for event in fine_tune(start, [Source(file, "toy", distractors=1.0)], run, settings):
            if isinstance(event, Saved):
                print("saved", flush=True)
        """
    )
    run = tmp_path / "run"
    command = [sys.executable, "-c", program, str(start), str(rivers), str(run)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "saved\n"
        process.send_signal(signal.SIGKILL)
        process.stdout.read()
    events = list(fine_tune(start, sources(rivers), run, SETTINGS))
    assert isinstance(events[0], Resumed)
    assert isinstance(events[-1], Trained)
    whole = trained(start, rivers, tmp_path / "whole")
    assert all(torch.equal(value, whole[name]) for name, value in events[-1].model.state_dict().items())


def test_a_full_disk_ends_the_run_and_keeps_the_checkpoint(
    start: Path, rivers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    run = fine_tune(start, sources(rivers), tmp_path / "run", SETTINGS)
    assert any(isinstance(event, Saved) for event in run)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match="No space left"):
        list(run)
    _, position = checkpoint.load_state(tmp_path / "run") or ({}, {})
    assert position["step"] == 10


def test_divergence_ends_the_run_and_keeps_the_checkpoint(
    start: Path, rivers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = module.span_loss
    steps = iter(range(100))

    def diverging(*inputs: object) -> Tensor:
        loss = sound(*inputs)  # type: ignore[arg-type]
        return loss * float("nan") if next(steps) == 14 else loss

    monkeypatch.setattr(module, "span_loss", diverging)
    with pytest.raises(Unavailable, match="diverged at step 15"):
        trained(start, rivers, tmp_path / "run")
    tensors, position = checkpoint.load_state(tmp_path / "run") or ({}, {})
    assert position["step"] == 10
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_two_runs_cannot_share_a_folder(start: Path, rivers: Path, tmp_path: Path) -> None:
    first = fine_tune(start, sources(rivers), tmp_path / "run", SETTINGS)
    next(first)
    with pytest.raises(Unavailable, match="another run"):
        trained(start, rivers, tmp_path / "run")
    first.close()


def test_another_runs_folder_is_refused(start: Path, rivers: Path, tmp_path: Path) -> None:
    stop_after(10, start, rivers, tmp_path / "run")
    other = Settings(steps=40, seed=1, window_tokens=64, batch_tokens=128)
    with pytest.raises(UsageError, match="another start, other data or settings"):
        trained(start, rivers, tmp_path / "run", other)


@pytest.mark.parametrize("steps", [10, 14, 60])
def test_another_number_of_steps_may_be_asked_for_on_resuming(
    start: Path, rivers: Path, tmp_path: Path, steps: int
) -> None:
    stop_after(10, start, rivers, tmp_path / "run")
    changed = replace(SETTINGS, steps=steps)
    events = list(fine_tune(start, sources(rivers), tmp_path / "run", changed))
    assert isinstance(events[-1], Trained)
    assert events[-1].step == steps


def test_steps_cannot_be_taken_back(start: Path, rivers: Path, tmp_path: Path) -> None:
    stop_after(20, start, rivers, tmp_path / "run")
    with pytest.raises(UsageError, match="has taken 20 steps"):
        trained(start, rivers, tmp_path / "run", replace(SETTINGS, steps=19))


@pytest.mark.parametrize("steps", [0, -1])
def test_a_run_without_steps_is_refused(start: Path, rivers: Path, tmp_path: Path, steps: int) -> None:
    with pytest.raises(UsageError, match="at least one step"):
        list(fine_tune(start, sources(rivers), tmp_path / "run", Settings(steps=steps)))


def test_data_without_questions_is_refused(start: Path, tmp_path: Path) -> None:
    file = tmp_path / "empty.json"
    file.write_text('{"data": []}')
    with pytest.raises(UsageError, match="no question"):
        trained(start, file, tmp_path / "run")


def test_the_rate_warms_up_and_falls_to_nothing() -> None:
    settings = Settings(steps=100, rate=1.0, warm_up=0.1)
    rates = [schedule(step, settings) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(1 / 90)
    assert schedule(100, settings) == 0.0
