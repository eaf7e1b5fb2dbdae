"""Reader models that are incomplete, altered or foreign are refused by name; no code of theirs is ever run."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from running import Docqa

from docqa.reader.catalogue import FILES, MANIFEST

CHECKPOINTS = ("pickled code", "code for its model", "code for its tokenizer")


@pytest.fixture
def reader(tiny_reader: Path, tmp_path: Path) -> Path:
    """A reader model of this test's own, with a manifest."""
    made = Path(shutil.copytree(tiny_reader, tmp_path / "reader"))
    lines = [f"{hashlib.sha256((made / name).read_bytes()).hexdigest()}  {name}\n" for name in FILES]
    (made / MANIFEST).write_text("".join(lines))
    return made


def refused(docqa: Docqa, reader: Path, *complaints: bytes) -> None:
    done = docqa("ask", "--reader", reader, "lease")
    assert (done.code, done.out) == (3, b"")
    for complaint in (*complaints, str(reader).encode()):
        assert complaint in done.err


def flip_a_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-100] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("model.safetensors", flip_a_bit),
        ("tokenizer.json", Path.unlink),
        ("model.safetensors", lambda file: os.truncate(file, 1000)),
    ],
    ids=["altered", "incomplete", "torn"],
)
def test_a_reader_that_is_not_what_its_manifest_says_is_refused(
    indexed: Docqa, reader: Path, name: str, damage: Callable[[Path], object]
) -> None:
    damage(reader / name)
    refused(indexed, reader, name.encode(), b"copy the reader again")


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_code_that_a_checkpoint_brings_is_not_run(indexed: Docqa, foreign: Path, tmp_path: Path, kind: str) -> None:
    ran = tmp_path / "ran"

    class Payload:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return os.mkdir, (str(ran),)

    (foreign / "evil.py").write_text(f"import os\nos.mkdir({str(ran)!r})\n")
    if kind == "pickled code":
        torch.save({"bert.embeddings.LayerNorm.bias": Payload()}, foreign / "pytorch_model.bin")
    else:
        name = "config.json" if kind == "code for its model" else "tokenizer_config.json"
        config = json.loads((foreign / name).read_text())
        (foreign / name).write_text(json.dumps({**config, "auto_map": {"AutoModel": "evil.Model"}}))
    refused(indexed, foreign, *([b"auto_map"] if kind != "pickled code" else []))
    added = indexed("reader", "add", foreign)
    assert (added.code, added.out) == (3, b"")
    assert not ran.exists()


def address_space_bytes(pid: int) -> int:
    """How much address space a process has in use."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    return pages * resource.getpagesize()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of another process can be set on Linux only")
def test_a_reader_without_enough_memory_reads_less_at_once_or_gives_up_with_advice(
    docqa: Docqa, folder: Path, tiny_reader: Path
) -> None:
    for number in range(40):
        (folder / f"{number}.txt").write_text(f"lease {number} " + "unheard-of quizzical jackdaws " * 30)
    assert docqa("index", folder).code == 0
    asked = ("ask", "--jsonl", "--passages", 40, "--min-confidence", 0, "--reader", tiny_reader)
    # Every tensor of some size is to come from the system, none from what earlier ones have left.
    with docqa.with_variables(MALLOC_MMAP_THRESHOLD_="65536").start(*asked) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def answer(spare_bytes: int | None = None) -> Any:
            if spare_bytes is not None:
                limit = address_space_bytes(process.pid) + spare_bytes
                resource.prlimit(process.pid, resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
            process.stdin.write(b"lease\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            line = process.stdout.readline()  # type: ignore[union-attr]
            return json.loads(line)["answers"] if line else None

        everything = answer()
        assert everything
        # Too little for all windows at once, and mostly enough for one at a time: then the same answers.
        fewer = answer(12_000_000)
        if fewer is not None:
            assert [each["text"] for each in fewer] == [each["text"] for each in everything]
            # Too little for any.
            assert answer(3_000_000) is None
        _, complaint = process.communicate(timeout=60)
    assert b"Traceback" not in complaint, complaint.decode()
    # oneDNN's kernels do not look whether they got the memory that they asked for, and may end the process.
    assert process.returncode in (3, -signal.SIGSEGV)
    assert (b"too little memory" in complaint) == (process.returncode == 3)
    assert docqa("doctor").code == 0
