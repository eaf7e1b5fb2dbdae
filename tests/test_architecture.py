"""The direction of imports is written down in pyproject.toml; here it is held to."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def importers(module: str) -> set[str]:
    """The files of the package that import a module by name, wherever in their text."""
    source = ROOT / "src" / "docqa"
    return {
        str(path.relative_to(source))
        for path in source.rglob("*.py")
        if re.search(rf"^\s*(?:import|from) {module}\b", path.read_text(), re.MULTILINE)
    }


def test_modules_import_only_what_stands_below_them(python: str) -> None:
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run([python, "-c", code, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("module", "home"), [("sqlite_utils", "store.py"), ("rank_bm25", "retriever.py")])
def test_a_library_behind_one_module_is_imported_nowhere_else(module: str, home: str) -> None:
    assert importers(module) == {home}


def test_textual_is_imported_by_the_screens_alone() -> None:
    assert {path.split("/")[0] for path in importers("textual")} <= {"tui"}
