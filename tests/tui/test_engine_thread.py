from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from docqa.engine import DocQA
from docqa.tui.engine_thread import NICENESS, EngineThread

linux = pytest.mark.skipif(sys.platform != "linux", reason="threads differ in niceness on Linux only")


def _niceness(_: DocQA | None = None) -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def _niceness_of_a_new_thread(_: DocQA) -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(_niceness()))
    thread.start()
    thread.join()
    return found[0]


@linux
def test_a_patient_thread_and_those_it_starts_let_the_screen_go_first(tmp_path: Path) -> None:
    async def session() -> None:
        patient, other = EngineThread(tmp_path / "a.docqa", patient=True), EngineThread(tmp_path / "b.docqa")
        here = _niceness()
        wanted = min(19, max(here, NICENESS))
        assert await patient.call(_niceness) == await patient.call(_niceness_of_a_new_thread) == wanted
        assert await other.call(_niceness) == _niceness() == here
        patient.close()
        other.close()

    asyncio.run(session())


@linux
def test_the_libraries_of_torch_are_there_before_it_is_imported(python: str) -> None:
    code = """
import sys
from pathlib import Path
from docqa.tui.libraries import load_torch
def loaded():
    return "/libtorch_python.so" in Path("/proc/self/maps").read_text()
before = loaded()
load_torch()
print(before, loaded(), "torch" in sys.modules)
import torch
print(torch.ones(2).sum().item())
"""
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False True False\n2.0\n", done.stderr
