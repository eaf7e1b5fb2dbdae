"""Ctrl-C ends every command quietly with exit code 130 and leaves a sound library."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

from running import Docqa, eventually, has_left_nobody, ready

from docqa import DocQA


def test_an_interrupted_index_run_resumes(docqa: Docqa, folder: Path) -> None:
    dice, writer = random.Random(3), docqa.with_limits("docqa.indexing.BATCH_FILES = 3")
    interrupted = 0
    for _ in range(40):
        for number in range(30):
            (folder / f"{number}.txt").write_text(f"word {dice.random()} " * 200)
        with writer.start("index", folder) as process:
            ready(process)
            time.sleep(dice.uniform(0, 0.15))
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
            report, complaint = process.communicate(timeout=60)
        assert b"Traceback" not in complaint, complaint.decode()
        # Once it has reported, the interpreter is on its way out and may simply be ended.
        assert process.returncode == 130 or (process.returncode in (0, -signal.SIGINT) and b"32 documents" in report)
        interrupted += process.returncode == 130
        if docqa.library.exists():
            with DocQA(docqa.library) as library:
                assert library.health().sound
        if interrupted == 6:
            break
    assert interrupted == 6
    assert docqa("index", folder).code == 0
    assert len(docqa("ls", "--json").json["documents"]) == 32


def test_an_interrupt_does_not_wait_for_a_parser_that_hangs(indexed: Docqa, folder: Path, tmp_path: Path) -> None:
    (folder / "late.wait").write_text(str(tmp_path / "never"))
    with indexed.start("index", folder) as process:
        assert eventually((tmp_path / "never.reached").exists)
        os.killpg(process.pid, signal.SIGINT)
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in complaint, complaint.decode()
    assert has_left_nobody(process)
    assert indexed("search", "lease").code == 0


def test_an_interrupt_while_waiting_for_questions_is_exit_code_130(indexed: Docqa, tiny_reader: Path) -> None:
    with indexed.start("ask", "--jsonl", "--min-confidence", 0, "--reader", tiny_reader) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"When does the lease end?\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["answers"]
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in complaint
