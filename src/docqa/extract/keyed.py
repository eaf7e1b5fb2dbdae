"""JSON, YAML and TOML: the text as it stands, with the outermost keys as headings.

Nothing is parsed, so nothing can be nested too deeply, refer to itself, or lose its place in the file.
"""

from __future__ import annotations

import re

from docqa.extract.decoding import decode
from docqa.records import Extraction, Mark

# In JSON, the outermost keys stand at the indentation of the first.
_FIRST_JSON_KEY = re.compile(r'\s*\{[^\S\n]*\n([^\S\n]+)"')
_YAML_KEY = re.compile(r"""^(["']?)([\w./][\w ./-]{0,200})\1[^\S\n]{0,9}:(?=\s|$)""", re.MULTILINE)
# Strings and comments may hold what looks like a table, and are passed over.
_TOML_TABLE = re.compile(
    r"""^()\[{1,2}[^\S\n]{0,9}([\w"'-][\w ."'-]{0,200})\]{1,2}(?=[^\S\n]{0,9}(?:\#[^\n]*)?$)"""
    r"""|\"{3}(?:[^"\\]++|\\.|"(?!""))*+\"{3}|'{3}.*?'{3}|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*'|\#[^\n]*""",
    re.MULTILINE | re.DOTALL,
)


def extract(data: bytes) -> Extraction:
    """Return the text of JSON or YAML with line ends normalised, and a heading for each outermost key."""
    text = decode(data)
    return _with_headings(text, _pattern(text))


def extract_toml(data: bytes) -> Extraction:
    """Return the text of TOML with line ends normalised, and a heading for each table."""
    return _with_headings(decode(data), _TOML_TABLE)


def _with_headings(text: str, pattern: re.Pattern[str]) -> Extraction:
    found = (match for match in pattern.finditer(text) if match[2])
    headings = [Mark("heading", match.start(), " ".join(match[2].split())) for match in found]
    return Extraction(text, (Mark("line", 0, "1"), *headings))


def _pattern(text: str) -> re.Pattern[str]:
    indented = _FIRST_JSON_KEY.match(text)
    if indented is not None:
        return re.compile(rf'^{re.escape(indented[1])}(")([^"\\\n]{{1,200}})"[^\S\n]*:', re.MULTILINE)
    return _YAML_KEY
