"""The main states, cell for cell as they were last looked at.

`DOCQA_UPDATE_SNAPSHOTS=1 pytest tests/tui/test_screenshots.py` takes what is shown now; look at it before you keep it.
The reader's weights come from a formula of our own, so that no version of a library that draws them changes an answer.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from docqa.tui.screenshots import take

SNAPSHOTS = Path(__file__).parent / "snapshots"
UPDATE = "DOCQA_UPDATE_SNAPSHOTS"
STATES = ["welcome", "search", "answers", "light", "why", "document", "library", "absent", "history", "commands"]


@pytest.fixture
def steady_reader(tiny_reader: Path, tmp_path: Path) -> Path:
    """The tiny reader with weights that are the same on every machine and with every version of torch."""
    from safetensors.numpy import load_file, save_file

    folder = Path(shutil.copytree(tiny_reader, tmp_path / "steady"))
    tensors = load_file(folder / "model.safetensors")
    for number, (name, tensor) in enumerate(sorted(tensors.items())):
        if "LayerNorm" not in name:
            drawn = np.random.Generator(np.random.PCG64(number)).uniform(-0.5, 0.5, tensor.shape)
            tensors[name] = drawn.astype(np.float32)
    save_file(tensors, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_the_main_states_look_as_they_did(steady_reader: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    kept = SNAPSHOTS / f"{size[0]}x{size[1]}"
    pictures = asyncio.run(take(tmp_path / "now", size=size, reader=steady_reader))
    assert [picture.stem for picture in pictures] == STATES
    if os.environ.get(UPDATE):
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(tmp_path / "now", kept)
    for picture in pictures:
        now = picture.read_text()
        assert str(tmp_path) not in now
        same = now == (kept / picture.name).read_text()
        assert same, f"{picture} differs from {kept / picture.name}; compare, and keep it with {UPDATE}=1"
