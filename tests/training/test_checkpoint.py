from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch

from docqa.errors import Unavailable
from docqa.training.checkpoint import CHECKPOINT, exclusive, load_state, save_state, write_whole


def full_disk(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_state_comes_back(tmp_path: Path) -> None:
    assert load_state(tmp_path) is None
    save_state(tmp_path, {"x": torch.arange(3.0)}, {"step": 7})
    tensors, position = load_state(tmp_path) or ({}, {})
    assert torch.equal(tensors["x"], torch.arange(3.0))
    assert position == {"step": 7}


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_state(tmp_path, {"x": torch.zeros(3)}, {"step": 1})
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(Unavailable, match=r"No space left.*make room there; the one before it is still there"):
        save_state(tmp_path, {"x": torch.ones(3)}, {"step": 2})
    tensors, position = load_state(tmp_path) or ({}, {})
    assert position == {"step": 1}
    assert torch.equal(tensors["x"], torch.zeros(3))
    assert [file.name for file in tmp_path.iterdir()] == [CHECKPOINT]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="nowhere"):
        write_whole(tmp_path / "nowhere" / "file", b"")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x02\0\0\0\0\0\0\0{}"])
def test_a_damaged_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / CHECKPOINT).write_bytes(content)
    with pytest.raises(Unavailable, match="damaged"):
        load_state(tmp_path)


def test_a_folder_serves_one_run_at_a_time(tmp_path: Path) -> None:
    with exclusive(tmp_path), pytest.raises(Unavailable, match="another run"), exclusive(tmp_path):
        pass
    with exclusive(tmp_path):
        pass


def test_a_file_in_the_folders_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(Unavailable, match="run"), exclusive(tmp_path / "run"):
        pass
