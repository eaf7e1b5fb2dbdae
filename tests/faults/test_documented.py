"""The table of what is promised names tests that exist, and leaves no module of fault tests out."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def named() -> list[tuple[str, str]]:
    return NAMED.findall((ROOT / "docs" / "reliability.md").read_text())


def names_in(module: Path) -> set[str]:
    tree = ast.parse(module.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_every_test_that_the_table_names_exists() -> None:
    assert len(named()) > 40
    missing = [f"{module}::{test}" for module, test in named() if test not in names_in(ROOT / module)]
    assert missing == []


def test_every_fault_test_is_named_in_the_table() -> None:
    known = set(named())
    forgotten = [
        f"{module.name}::{test}"
        for module in sorted(Path(__file__).parent.glob("test_*.py"))
        for test in names_in(module)
        if module != Path(__file__) and (f"tests/faults/{module.name}", test) not in known
    ]
    assert sorted(forgotten) == ["test_terminal.py::test_every_command_is_tried_here"]
