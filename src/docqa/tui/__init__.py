"""The terminal application: it shows what the engine says and knows nothing of searching or reading itself."""

from __future__ import annotations

import gc
import os


def run(library: str | os.PathLike[str] | None = None, reader: str | os.PathLike[str] | None = None) -> None:
    """Open the application on a library and return when it is closed; see `docqa.engine.DocQA` for both."""
    # Hardly anything of what is made for the first frame is ever garbage: it need not be looked for meanwhile.
    gc.disable()
    from docqa.tui.app import DocqaApp

    DocqaApp(library, reader=reader).run()
