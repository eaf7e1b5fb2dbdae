"""The terminal application: it shows what the engine says and knows nothing of searching or reading itself."""

from __future__ import annotations

import gc
import os

# Objects made before the youngest, the middle and all of them are looked through for garbage. There are half a million
# once torch is there, and hardly one is garbage: to go through all of them keeps a key waiting for a tenth of a second.
_THRESHOLDS = (10_000, 20, 100)


def run(library: str | os.PathLike[str] | None = None, reader: str | os.PathLike[str] | None = None) -> None:
    """Open the application on a library and return when it is closed; see `docqa.engine.DocQA` for both."""
    spare_keys()
    # Nor is what is made for the first frame.
    gc.disable()
    from docqa.tui.app import DocqaApp

    DocqaApp(library, reader=reader).run()


def spare_keys() -> None:
    """Have this process look for garbage so seldom that no key waits for it."""
    gc.set_threshold(*_THRESHOLDS)
