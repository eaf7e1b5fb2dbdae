"""A library survives being killed at any moment of an index run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

KILLS = 24

# One process that imports docqa once, so that its children spend their short lives indexing.
DRIVER = """
import json, os, random, signal, sys, time
from pathlib import Path

import docqa.indexing
from docqa import DocQA
from portrait import portrait

docqa.indexing.BATCH_FILES = 3
folder, library, fresh = map(Path, sys.argv[1:4])
dice = random.Random(7)
words = "lease rent boiler garden river capital ends number word".split()


def write(number):
    (folder / f"{number}.txt").write_text(" ".join(dice.choices(words, k=dice.choice((20, 300)))))


def index(path):
    with DocQA(path) as opened:
        opened.index([folder])


def killed_after(seconds):
    child = os.fork()
    if child == 0:
        index(library)
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


for number in range(250):
    write(number)
started = time.perf_counter()
index(fresh)
whole = time.perf_counter() - started
interrupted, documents = 0, []
while interrupted < int(sys.argv[4]):
    # A run that was faster than its killer does not count.
    interrupted += killed_after(dice.uniform(0, 0.8 * whole))
    if interrupted == 4:
        index(library)  # from here on there is something to lose
    if library.exists():
        with DocQA(library) as opened:
            status = opened.status()
        assert status.problems == (), status.problems
        documents.append(status.documents)
    # There is always something left to do: changed, new and deleted files.
    for number in dice.sample(range(300), 120):
        write(number)
    for path in dice.sample(sorted(folder.iterdir()), 5):
        path.unlink()
    for leftover in folder.parent.glob(".*"):
        assert ".tmp" in leftover.name, leftover
index(library)
fresh.unlink()
index(fresh)
print(json.dumps([documents, portrait(library) == portrait(fresh)]))
"""


@pytest.mark.slow
def test_after_any_kill_the_library_is_sound_and_the_next_run_resumes(
    tmp_path: Path, python: str, guarded_environment: dict[str, str]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    guarded_environment["PYTHONPATH"] += f":{Path(__file__).parent}"
    paths = [str(folder), str(tmp_path / "killed.docqa"), str(tmp_path / "fresh.docqa")]
    done = subprocess.run(
        [python, "-c", DRIVER, *paths, str(KILLS)], env=guarded_environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    documents, alike = json.loads(done.stdout.splitlines()[-1])
    assert alike
    assert len(documents) > KILLS // 2
    # Some kills left a part of a run committed.
    assert len(set(documents)) > 3
