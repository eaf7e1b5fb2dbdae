"""The package's public face, and what importing it costs."""

from __future__ import annotations

import json
import subprocess

import pytest

import docqa
from docqa.reader import lengths

HEAVY = ("torch", "transformers", "textual", "tokenizers")


def loaded_modules(python: str, code: str, environment: dict[str, str]) -> set[str]:
    """Run code in a fresh interpreter; the names of all modules that it leaves loaded."""
    script = f"{code}\nimport json, sys; print('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run([python, "-c", script], env=environment, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_public_names_are_these() -> None:
    assert docqa.__all__ == [
        "Answer",
        "DocQA",
        "DocqaError",
        "Document",
        "Effort",
        "ExtractionError",
        "IndexReport",
        "LengthConfiguration",
        "LibraryBusy",
        "LibraryError",
        "Match",
        "ReaderError",
        "Result",
        "Source",
        "Status",
        "Unavailable",
        "UsageError",
    ]


def test_every_public_name_resolves() -> None:
    assert dir(docqa) == docqa.__all__
    assert docqa.Effort is lengths.Effort
    for name in {*docqa.__all__} - {"Effort"}:
        assert getattr(docqa, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        docqa.Nonsense  # noqa: B018


def test_importing_docqa_loads_nothing_heavy(python: str, guarded_environment: dict[str, str]) -> None:
    modules = loaded_modules(python, "import docqa", guarded_environment)
    assert modules.isdisjoint({*HEAVY, "numpy", "sqlite_utils", "click"})


def test_errors_form_one_tree() -> None:
    assert issubclass(docqa.LibraryBusy, docqa.LibraryError)
    assert issubclass(docqa.LibraryError, docqa.Unavailable)
    assert issubclass(docqa.ReaderError, docqa.Unavailable)
    for child in (docqa.UsageError, docqa.ExtractionError, docqa.Unavailable):
        assert child.__base__ is docqa.DocqaError
