"""Indexing beside tantivy, SQLite's FTS5, bm25s and rank_bm25: megabytes a second, memory, size, and a second run.

docqa is the program itself, `docqa index FOLDER`, with all it does: walk, hash, extract, cut, analyse, compress
the text, write postings, commit. The peers get the same text in passages of 1,000 characters, already in memory,
and index it without keeping it; only that is timed. The systems take turns, and each counts with the best of its
rounds; the seconds of computing, in all processes and threads together, tell how much of that was waiting. Memory is
the largest sum over docqa's processes of what each holds for itself, looked at twenty times a second in a run of its
own. Then a folder of many small files is indexed, one in a hundred of them is changed, and it is indexed again.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import corpus
import harness
from search_peers import peer, write_texts

from docqa.errors import DocqaError
from docqa.store import Store

PASSAGE_CHARACTERS = 1_000
# The most text for peers that keep everything in memory, in megabytes.
SLOW_PEERS_MEGABYTES = 200
CHANGED_SHARE = 0.01
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Run:
    """What indexing took: seconds, of these of computing in all processes, and the bytes that it wrote."""

    seconds: float
    cpu_seconds: float
    bytes: int


def benchmark(arguments: argparse.Namespace) -> harness.Table:
    paths = corpus.files(arguments.corpus)
    with TemporaryDirectory(dir=arguments.scratch) as name:
        table = _whole(paths, arguments.megabytes, Path(name))
    if arguments.files:
        with TemporaryDirectory(dir=arguments.scratch) as name:
            table.more.append(_again(paths, arguments.files, arguments.characters, Path(name)))
    return table


def _whole(paths: list[Path], megabytes: int, folder: Path) -> harness.Table:
    files, library, texts = folder / "files", folder / "library.docqa", folder / "texts.jsonl"
    size = _copy(paths, megabytes * 1_000_000, files, texts)
    systems = {"docqa, all included": partial(_anew, library, files)}
    names = ("tantivy", "FTS5", "bm25s", "rank_bm25") if megabytes <= SLOW_PEERS_MEGABYTES else ("tantivy", "FTS5")
    systems |= {name: partial(_peer, name, texts) for name in names}
    tell = harness.progress("runs")
    runs: dict[str, list[Run]] = {name: [] for name in systems}
    for turn in range(ROUNDS):
        for place, (name, system) in enumerate(systems.items(), 1):
            runs[name].append(system())
            tell(turn * len(systems) + place, ROUNDS * len(systems))
    table = _compared(f"Indexing: {size / 1e6:.0f} MB of plain text", size, runs)
    if (peak := _peak_bytes(library, files)) is not None:
        table.details["docqa_peak_bytes"] = peak
        table.remarks.append(f"docqa's processes held at most {peak / 1e6:.0f} MB of memory together.")
    return table


def _compared(title: str, size: int, runs: dict[str, list[Run]]) -> harness.Table:
    """The best of each system's runs, the first system's beside it."""
    table = harness.Table(title, ("system", "s", "CPU s", "MB/s", "docqa / it", "bytes written / text"))
    best = {name: min(each, key=attrgetter("seconds")) for name, each in runs.items()}
    own = next(iter(best.values()))
    for name, run in best.items():
        speed, ratio = f"{size / 1e6 / run.seconds:.1f}", f"{run.seconds / own.seconds:.2f}"
        written = f"{run.bytes / size:.2f}" if run.bytes else "-"
        table.rows.append((name, f"{run.seconds:.1f}", f"{run.cpu_seconds:.1f}", speed, ratio, written))
        table.details[name] = {"text_bytes": size, "runs": runs[name]}
    return table


def _peer(name: str, texts: Path) -> Run:
    with peer(name, texts) as built:
        return Run(built.seconds, built.cpu_seconds, built.bytes)


def _again(paths: list[Path], files: int, characters: int, folder: Path) -> harness.Table:
    """Index many files, then again with none changed, then with some."""
    made = list(_small_files(paths, files, characters, folder / "files"))
    library = folder / "library.docqa"
    full = _index(library, folder / "files")
    idle = _index(library, folder / "files")
    changed = made[:: round(1 / CHANGED_SHARE)]
    for path in changed:
        path.write_text(path.read_text(encoding="utf-8") + "\nOne more line, which was not there before.\n", "utf-8")
    again = _index(library, folder / "files")
    table = harness.Table(
        f"Indexing again: {len(made):,} files of up to {characters:,} characters",
        ("run", "s", "CPU s", "of the full time, %"),
    )
    for name, run in (("full", full), ("nothing changed", idle), (f"{len(changed):,} files changed", again)):
        share = f"{100 * run.seconds / full.seconds:.2f}"
        table.rows.append((name, f"{run.seconds:.2f}", f"{run.cpu_seconds:.2f}", share))
        table.details[name] = run
    return table


def _small_files(paths: list[Path], count: int, characters: int, folder: Path) -> Iterator[Path]:
    number = 0
    for _, text in corpus.texts(paths):
        for start in range(0, len(text), characters):
            piece = text[start : start + characters]
            if not piece.strip():
                continue
            path = folder / f"{number // 1000:03}" / f"piece{number}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(piece, encoding="utf-8")
            yield path
            number += 1
            if number == count:
                return


def _copy(paths: list[Path], limit: int, folder: Path, texts: Path) -> int:
    """Copy files until they make up so many bytes, and write their texts for the peers; return the bytes."""
    copied = 0

    def passages() -> Iterator[str]:
        nonlocal copied
        for number, (path, text) in enumerate(corpus.texts(paths)):
            target = folder / f"{number // 1000:03}" / f"{number}-{path.name}"
            target.parent.mkdir(parents=True, exist_ok=True)
            copied += target.write_bytes(path.read_bytes())
            yield from (text[start : start + PASSAGE_CHARACTERS] for start in range(0, len(text), PASSAGE_CHARACTERS))
            if copied >= limit:
                return

    write_texts(passages(), texts)
    return copied


def _anew(library: Path, folder: Path) -> Run:
    for suffix in Store.SUFFIXES:
        Path(f"{library}{suffix}").unlink(missing_ok=True)
    return _index(library, folder)


def _index(library: Path, folder: Path) -> Run:
    computed, started = _computed_s(), time.perf_counter()
    with _program(library, folder):
        pass
    return Run(time.perf_counter() - started, _computed_s() - computed, library.stat().st_size)


def _peak_bytes(library: Path, folder: Path) -> int | None:
    """The most memory that a first run's processes hold together, None if the system does not tell."""
    for suffix in Store.SUFFIXES:
        Path(f"{library}{suffix}").unlink(missing_ok=True)
    peak = 0
    with _program(library, folder) as process:
        while process.poll() is None:
            peak = max(peak, sum(map(_own_bytes, _family(process.pid))))
            time.sleep(0.05)
    return peak or None


def _computed_s() -> float:
    """Seconds of computing of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def _program(library: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `docqa index`; DocqaError, with what it said, if it fails."""
    program = "from docqa.cli import main; main()"
    command = [sys.executable, "-c", program, "index", "--library", str(library), str(folder)]
    # Not a pipe: nobody reads while the program runs, and it would wait for that.
    with TemporaryFile("w+") as messages:
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=messages) as process:
            yield process
        if process.returncode:
            messages.seek(0)
            raise DocqaError(f"docqa index failed:\n{messages.read()}")


def _family(process: int) -> list[int]:
    """A process and its children, as Linux tells."""
    try:
        threads = os.listdir(f"/proc/{process}/task")
        files = [Path(f"/proc/{process}/task/{thread}/children") for thread in threads]
        children = {int(child) for file in files for child in file.read_text(encoding="ascii").split()}
    except OSError:
        return [process]
    return [process, *children]


def _own_bytes(process: int) -> int:
    """The memory of a process without what it shares: its private pages, 0 if it has gone."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    fields = dict(line.split(":", 1) for line in lines[1:])
    return sum(1024 * int(fields[name].split()[0]) for name in ("Private_Clean", "Private_Dirty") if name in fields)


if __name__ == "__main__":
    parser = harness.options(__doc__)
    parser.add_argument("--megabytes", type=harness.positive, default=100, metavar="N", help="of text (100)")
    parser.add_argument("--files", type=int, default=100_000, metavar="N", help="to index twice, if any (100,000)")
    parser.add_argument(
        "--characters", type=harness.positive, default=4_000, metavar="N", help="of each at most (4,000)"
    )
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="a folder of text files (the Linux sources)")
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="where to keep files meanwhile (the system's)")
    harness.run(benchmark, parser)
