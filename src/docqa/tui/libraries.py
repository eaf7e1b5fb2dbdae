"""The reader's shared libraries, loaded while keys go on being answered."""

from __future__ import annotations

import ctypes
import os
import sys
from importlib.util import find_spec
from pathlib import Path


def load_torch() -> None:
    """Have the system load torch's libraries, so that importing torch finds them there.

    The import itself would hold the interpreter for a sixth of a second, in which no key is answered; a function
    called through ctypes holds nothing. What goes wrong here is left to the import, which tells of it.
    """
    spec = find_spec("torch")
    if sys.platform != "linux" or "torch" in sys.modules or spec is None or spec.origin is None:
        return
    # It depends on all the others.
    library = Path(spec.origin).with_name("lib") / "libtorch_python.so"
    if library.is_file():
        ctypes.CDLL(None).dlopen(os.fsencode(library), os.RTLD_NOW)
