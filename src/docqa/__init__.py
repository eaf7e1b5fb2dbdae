"""docqa: ask your own documents, get exact quotes with their sources, offline.

    from docqa import DocQA

    with DocQA("my.docqa") as library:
        library.index(["Documents"])
        for answer in library.ask("When is the rent due?").answers:
            print(answer.text, answer.sources[0].path)

Names are imported when first used: `import docqa` alone loads neither numpy nor torch nor textual.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docqa.engine import DocQA
    from docqa.errors import (
        DocqaError,
        ExtractionError,
        LibraryBusy,
        LibraryError,
        ReaderError,
        Unavailable,
        UsageError,
    )
    from docqa.reader.choices import Effort
    from docqa.reader.lengths import LengthConfiguration
    from docqa.records import Answer, Document, IndexReport, Match, Result, Source, Status

_HOMES = {
    "docqa.engine": ("DocQA",),
    "docqa.errors": (
        "DocqaError",
        "ExtractionError",
        "LibraryBusy",
        "LibraryError",
        "ReaderError",
        "Unavailable",
        "UsageError",
    ),
    "docqa.reader.lengths": ("Effort", "LengthConfiguration"),
    "docqa.records": ("Answer", "Document", "IndexReport", "Match", "Result", "Source", "Status"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
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


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'docqa' has no attribute '{name}'")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
