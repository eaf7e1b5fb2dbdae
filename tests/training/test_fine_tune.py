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

from docqa.errors import ReaderError, Unavailable, UsageError
from docqa.reader.model import SpanModel
from docqa.training import checkpoint
from docqa.training import fine_tune as module
from docqa.training.data import Mix, Source
from docqa.training.fine_tune import fine_tune
from docqa.training.run import Progress, Resumed, Saved, Settings, Trained, Validated, schedule
from docqa.training.validation import Score, Slice

SETTINGS = Settings(steps=40, rate=5e-3, averaged=0.5, window_tokens=64, batch_tokens=128, checkpoint_every=10)


def mix_of(file: Path, held_out: float = 0.0) -> Mix:
    return Mix([Source(file, "toy", distractors=1.0, held_out=held_out)])


def weights_of(model: SpanModel) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def trained(start: Path, file: Path, folder: Path, settings: Settings = SETTINGS) -> dict[str, Tensor]:
    (end,) = [event for event in fine_tune(start, mix_of(file), folder, settings) if isinstance(event, Trained)]
    return weights_of(end.model)


def stop_after(step: int, start: Path, file: Path, folder: Path) -> None:
    run = fine_tune(start, mix_of(file), folder, SETTINGS)
    for event in run:
        if isinstance(event, Saved) and event.step == step:
            break
    run.close()


def test_the_loss_goes_down(start: Path, rivers: Path, tmp_path: Path) -> None:
    settings = Settings(steps=300, rate=5e-3, window_tokens=64, batch_tokens=512)
    events = list(fine_tune(start, mix_of(rivers), tmp_path / "run", settings))
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
    events = list(fine_tune(start, mix_of(rivers), tmp_path / "parts", SETTINGS))
    assert events[0] == Resumed(30)
    assert isinstance(events[-1], Trained)
    parts = weights_of(events[-1].model)
    assert parts.keys() == whole.keys()
    assert all(torch.equal(parts[name], whole[name]) for name in whole)


def test_a_finished_run_only_tells_its_result(start: Path, rivers: Path, tmp_path: Path) -> None:
    whole = trained(start, rivers, tmp_path / "run")
    events = list(fine_tune(start, mix_of(rivers), tmp_path / "run", SETTINGS))
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
        from docqa.training.data import Mix, Source
        from docqa.training.fine_tune import fine_tune
        from docqa.training.run import Saved, Settings
        torch.set_num_threads(1)
        start, file, run = map(Path, sys.argv[1:])
        settings = Settings(
            steps=40, rate=5e-3, averaged=0.5, window_tokens=64, batch_tokens=128, checkpoint_every=10
        )
        for event in fine_tune(start, Mix([Source(file, "toy", distractors=1.0)]), run, settings):
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
    events = list(fine_tune(start, mix_of(rivers), run, SETTINGS))
    assert isinstance(events[0], Resumed)
    assert isinstance(events[-1], Trained)
    whole = trained(start, rivers, tmp_path / "whole")
    assert all(torch.equal(value, whole[name]) for name, value in events[-1].model.state_dict().items())


def test_a_full_disk_ends_the_run_and_keeps_the_checkpoint(
    start: Path, rivers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    run = fine_tune(start, mix_of(rivers), tmp_path / "run", SETTINGS)
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
    first = fine_tune(start, mix_of(rivers), tmp_path / "run", SETTINGS)
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
    events = list(fine_tune(start, mix_of(rivers), tmp_path / "run", changed))
    assert isinstance(events[-1], Trained)
    assert events[-1].step == steps


def test_steps_cannot_be_taken_back(start: Path, rivers: Path, tmp_path: Path) -> None:
    stop_after(20, start, rivers, tmp_path / "run")
    with pytest.raises(UsageError, match="has taken 20 steps"):
        trained(start, rivers, tmp_path / "run", replace(SETTINGS, steps=19))


@pytest.mark.parametrize("steps", [0, -1])
def test_a_run_without_steps_is_refused(start: Path, rivers: Path, tmp_path: Path, steps: int) -> None:
    with pytest.raises(UsageError, match="steps to be at least 1"):
        list(fine_tune(start, mix_of(rivers), tmp_path / "run", Settings(steps=steps)))


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


def test_accumulated_batches_give_the_gradients_of_one(start: Path, rivers: Path, tmp_path: Path) -> None:
    """Twelve inputs of one length and loss each for itself: two batches of six are one of twelve."""
    mix = Mix([Source(rivers, "toy")])
    settings = Settings(steps=1, rate=1e-3, window_tokens=64, device="cpu", precision="float32")
    ends = []
    for number, (tokens, accumulate) in enumerate(((384, 1), (192, 2))):
        changed = replace(settings, batch_tokens=tokens, accumulate=accumulate)
        *_, end = fine_tune(start, mix, tmp_path / str(number), changed)
        assert isinstance(end, Trained)
        _, position = checkpoint.load_state(tmp_path / str(number)) or ({}, {})
        assert position["feed"]["batch"] == accumulate
        ends.append(checkpoint.load_state(tmp_path / str(number)))
    first, second = (tensors for tensors, _ in filter(None, ends))
    averages = [name for name in first if name.startswith("exp_avg.")]
    assert averages
    for name in averages:
        torch.testing.assert_close(first[name], second[name], atol=1e-6, rtol=1e-4)


def test_dropout_changes_training_and_can_be_resumed(start: Path, rivers: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, dropout=0.2, steps=20)
    whole = trained(start, rivers, tmp_path / "whole", settings)
    run = fine_tune(start, mix_of(rivers), tmp_path / "parts", settings)
    next(event for event in run if isinstance(event, Saved))
    run.close()
    parts = trained(start, rivers, tmp_path / "parts", settings)
    assert all(torch.equal(parts[name], whole[name]) for name in whole)
    without = trained(start, rivers, tmp_path / "without", replace(settings, dropout=0.0))
    assert not torch.equal(without["span_head.weight"], whole["span_head.weight"])


def test_a_trained_reader_drops_nothing_when_it_reads(start: Path, rivers: Path, tmp_path: Path) -> None:
    *_, end = fine_tune(start, mix_of(rivers), tmp_path, replace(SETTINGS, dropout=0.5, steps=2))
    assert isinstance(end, Trained)
    tokens = torch.arange(8)[None]
    inputs = tokens, torch.zeros_like(tokens), torch.ones_like(tokens, dtype=torch.bool)
    assert torch.equal(end.model(*inputs), end.model(*inputs))


VALIDATED = replace(SETTINGS, validate_every=5, validate_on=100)


def test_the_weights_that_validate_best_are_the_result(
    start: Path, rivers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scores are made up, so that the best comes in the middle; the weights of that moment are kept."""
    seen: dict[float, dict[str, Tensor]] = {}
    scores = iter([0.1, 0.3, 0.9, 0.2, 0.9, 0.5, 0.4, 0.3])

    def score(_: Slice, model: SpanModel, __: object) -> Score:
        f1 = next(scores)
        seen.setdefault(f1, weights_of(model))
        return Score(f1, f1)

    monkeypatch.setattr(Slice, "score", score)
    events = list(fine_tune(start, mix_of(rivers, 1 / 3), tmp_path, VALIDATED))
    validated = [event for event in events if isinstance(event, Validated)]
    assert [event.step for event in validated] == [5, 10, 15, 20, 25, 30, 35, 40]
    assert [event.step for event in validated if event.best] == [5, 10, 15]
    end = events[-1]
    assert isinstance(end, Trained)
    assert (end.f1, end.best_step) == (0.9, 15)
    assert all(torch.equal(value, seen[0.9][name]) for name, value in end.model.state_dict().items())


def test_validating_does_not_change_the_training(start: Path, rivers: Path, tmp_path: Path) -> None:
    for name, settings in (("with", VALIDATED), ("without", SETTINGS)):
        list(fine_tune(start, mix_of(rivers, 1 / 3), tmp_path / name, settings))
    states = [checkpoint.load_state(tmp_path / name) for name in ("with", "without")]
    first, second = (tensors for tensors, _ in filter(None, states))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_best_so_far_survives_being_stopped(start: Path, rivers: Path, tmp_path: Path) -> None:
    whole = list(fine_tune(start, mix_of(rivers, 1 / 3), tmp_path / "whole", VALIDATED))[-1]
    run = fine_tune(start, mix_of(rivers, 1 / 3), tmp_path / "parts", VALIDATED)
    next(event for event in run if isinstance(event, Saved) and event.step == 30)
    run.close()
    parts = list(fine_tune(start, mix_of(rivers, 1 / 3), tmp_path / "parts", VALIDATED))[-1]
    assert isinstance(whole, Trained)
    assert isinstance(parts, Trained)
    assert (parts.f1, parts.best_step) == (whole.f1, whole.best_step)
    assert torch.equal(parts.model.span_head.weight, whole.model.span_head.weight)


def test_without_held_out_questions_there_is_nothing_to_validate_on(start: Path, rivers: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no answerable question to validate on"):
        list(fine_tune(start, mix_of(rivers), tmp_path, VALIDATED))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused(start: Path, rivers: Path, tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="no cuda"):
        trained(start, rivers, tmp_path, replace(SETTINGS, device="cuda"))


@pytest.mark.parametrize("changes", [{"accumulate": 0}, {"dropout": 1.0}, {"checkpoint_every": 0}])
def test_settings_that_cannot_be_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        replace(SETTINGS, **changes)
