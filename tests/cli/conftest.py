"""The command line in this process, on a small library."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from docqa.cli import main

LEASE = "# Lease\n\nThe lease ends in May. The rent is 20 a year.\n"


class Outcome(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Outcome]


@pytest.fixture
def cli(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, library: Path) -> Cli:
    """Run a command line on the test's library, with `given` on standard input."""

    def run(*arguments: object, given: bytes = b"") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"))
        monkeypatch.setenv("DOCQA_LIBRARY", str(library))
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([os.fspath(each) if isinstance(each, Path) else str(each) for each in arguments])
        out, err = capfdbinary.readouterr()
        return Outcome(int(ended.value.code or 0), out.decode(), err.decode())

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    (made / "lease.md").write_text(LEASE)
    (made / "boiler.txt").write_text("The boiler stands in the garden.\n")
    (made / "empty.txt").write_text("")
    return made


@pytest.fixture
def filled(cli: Cli, folder: Path) -> Cli:
    """The command line with both documents in the library."""
    assert cli("index", folder).code == 0
    return cli
