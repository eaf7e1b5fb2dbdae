"""Plain text and source code: the text is the file, and one mark says that it starts on line 1."""

from __future__ import annotations

import re

from docqa.extract.decoding import decode_declared
from docqa.records import Extraction, Mark

_XML_DECLARATION = re.compile(rb"""\A<\?xml\s[^>]{0,200}?\bencoding\s*=\s*["']([\w.:-]+)""")


def extract(data: bytes) -> Extraction:
    """Return the file's text as it stands, with line ends normalised; XML may declare its encoding."""
    text = decode_declared(data, _XML_DECLARATION)
    return Extraction(text, (Mark("line", 0, "1"),))
