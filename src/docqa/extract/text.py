"""Plain text and source code: the text is the file, and one mark says that it starts on line 1."""

from __future__ import annotations

from docqa.extract.decoding import decode
from docqa.records import Extraction, Mark


def extract(data: bytes) -> Extraction:
    """Return the file's text as it stands, with line ends normalised."""
    return Extraction(decode(data), (Mark("line", 0, "1"),))
