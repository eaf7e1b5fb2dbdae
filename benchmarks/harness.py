"""What all benchmarks share: their options, where the data lies, the machine and versions, tables."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

from docqa.errors import DocqaError, UsageError

REPOSITORY = Path(__file__).resolve().parents[1]
BENCH = REPOSITORY / ".bench"
SQUAD_V1 = "eval/squad-v1.1-dev-part1.json"
SETS = {
    "squad-v1.1": SQUAD_V1,
    "squad-v2.0": "eval/squad-v2.0-dev-part1.json",
    "policyqa": "eval/policyqa-dev.json",
}

Progress = Callable[[int, int], None]


@dataclass
class Table:
    """A benchmark's outcome: rows under a heading, remarks and more tables below, and details for `--json` only."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    more: list[Table] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)


def options(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=positive, metavar="N", help="ask N questions at even distances (all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured to FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables to FILE")
    parser.add_argument("--data", type=Path, metavar="DIR", help="the data folder (../shared/data)")
    parser.add_argument("--reader", metavar="DIR", help="the reader model's folder (the one that ships with docqa)")
    return parser


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def data_path(folder: Path | None, name: str) -> Path:
    """Where a data file or folder lies; UsageError, saying what to do, if it does not."""
    root = folder if folder is not None else REPOSITORY.parent / "shared" / "data"
    path = root / name
    if not path.exists():
        raise UsageError(f"{path} is not there; name the folder that holds {name} with --data DIR")
    return path


def run(benchmark: Callable[[argparse.Namespace], Table], parser: argparse.ArgumentParser) -> NoReturn:
    """Run a benchmark, print its table and write its JSON; errors that docqa expects end it with a message."""
    arguments = parser.parse_args()
    started = time.perf_counter()
    try:
        table = benchmark(arguments)
    except DocqaError as error:
        sys.exit(f"{Path(sys.argv[0]).name}: {error}")
    facts = {**machine(), "versions": versions(), "command": command(), "seconds": time.perf_counter() - started}
    print(rendered(table, facts))
    if arguments.markdown:
        arguments.markdown.write_text(markdown(table, facts), encoding="utf-8")
    if arguments.json:
        _write_json(arguments.json, table, facts)
    sys.exit(0)


def _write_json(file: Path, table: Table, facts: dict[str, Any]) -> None:
    content = {"title": table.title, "run": facts, **_content(table)}
    if table.more:
        content["more"] = [{"title": each.title, **_content(each)} for each in table.more]
    file.write_text(json.dumps(content, default=_plain, indent=1) + "\n", "utf-8")


def _content(table: Table) -> dict[str, Any]:
    return {"columns": table.columns, "rows": table.rows, **table.details, "remarks": table.remarks}


def _plain(record: Any) -> Any:
    if is_dataclass(record) and not isinstance(record, type):
        return asdict(record)
    raise TypeError(f"{type(record).__name__} has no JSON form")


def rendered(table: Table, facts: dict[str, Any]) -> str:
    tables = "\n\n".join("\n".join([each.title, "", *_lines(each), "", *each.remarks]) for each in (table, *table.more))
    about = [
        f"machine   {_machine_line(facts)}",
        f"versions  {_versions_line(facts)}",
        f"command   {facts['command']}",
        f"took      {facts['seconds']:.0f} s",
    ]
    return "\n".join([tables, *about])


def _lines(table: Table) -> list[str]:
    rows = [table.columns, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.columns))]
    lines = [
        "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return lines


def _machine_line(facts: dict[str, Any]) -> str:
    return f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']:.0f} GiB, {facts['system']}"


def _versions_line(facts: dict[str, Any]) -> str:
    return ", ".join(f"{name} {number}" for name, number in facts["versions"].items())


def markdown(table: Table, facts: dict[str, Any]) -> str:
    """The tables for a document, with the machine and the command beneath them."""
    parts = []
    for each in (table, *table.more):
        head = [f"**{each.title}**", "", _row(each.columns), _row(["---", *["---:"] * (len(each.columns) - 1)])]
        parts.append("\n".join([*head, *map(_row, each.rows), "", *(f"- {remark}" for remark in each.remarks)]))
    about = [f"- {_machine_line(facts)}.", f"- {_versions_line(facts)}.", f"- `{facts['command']}`", ""]
    return "\n\n".join([*parts[:-1], "\n".join([parts[-1], *about])])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def machine() -> dict[str, Any]:
    """The processor, the cores this process may use, the memory in GiB, the system."""
    affinity = getattr(os, "sched_getaffinity", None)
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    return {
        "cpu": _processor(),
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "memory_gib": pages / 2**30,
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    """The processor's name; with its family and model, because virtual machines often shorten the name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n", 1)[0].splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    known = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    name = known.get("model name") or platform.machine()
    numbers = [f"{key} {known[key]}" for key in ("cpu family", "model") if key in known]
    return f"{name} ({', '.join(numbers)})" if numbers else name


def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for package in ("docqa", "torch", "tokenizers", "transformers", "numpy", "rank-bm25"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "none"
    return found


def command() -> str:
    """The command as typed, with the threads that the environment allows."""
    set_threads = [f"{name}={os.environ[name]}" for name in ("OMP_NUM_THREADS",) if name in os.environ]
    return shlex.join([*set_threads, "python", *sys.argv])


def progress(label: str) -> Progress:
    """Tell on stderr how far a long run has come, now and then."""
    last = [time.monotonic()]

    def tell(done: int, of: int) -> None:
        if time.monotonic() - last[0] > 10 or done == of:
            last[0] = time.monotonic()
            print(f"{label}: {done} of {of}", file=sys.stderr, flush=True)

    return tell


def percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"
