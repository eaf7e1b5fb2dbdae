"""Plain text and source code: the text is the file, and one mark says that it starts on line 1."""

from __future__ import annotations

import re

from docqa.extract.decoding import decode
from docqa.records import Extraction, Mark

_XML_DECLARATION = re.compile(rb"""<\?xml\s[^>]{0,200}?\bencoding\s*=\s*["']([\w.:-]+)""")


def extract(data: bytes) -> Extraction:
    """Return the file's text as it stands, with line ends normalised; XML may declare its encoding."""
    declared = _XML_DECLARATION.match(data)
    text = decode(data, declared[1].decode("ascii", "replace") if declared else None)
    return Extraction(text, (Mark("line", 0, "1"),))
