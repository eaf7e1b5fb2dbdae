"""The terminal application: it shows what the engine says and knows nothing of searching or reading itself."""

from __future__ import annotations

import os


def run(library: str | os.PathLike[str] | None = None, reader: str | os.PathLike[str] | None = None) -> None:
    """Open the application on a library and return when it is closed; see `docqa.engine.DocQA` for both."""
    from docqa.tui.app import DocqaApp

    DocqaApp(library, reader=reader).run()
