"""From bytes to clean text, whatever the encoding: nothing here ever raises."""

from __future__ import annotations

import codecs
import re

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16 LE, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SNIFFED_BYTES = 1 << 16
_MAX_ACCENTED_SHARE = 0.4

# Names that a file may give its own encoding. The list keeps out Python's codecs that are no character sets.
_DECLARABLE = re.compile(
    r"(us-?ascii|ascii|utf-?8|latin-?\d|l\d|iso-?8859|windows-?\d|cp\d|koi8|shift|sjis|x-sjis|ms932|euc|gb"
    r"|hz|big5|ks_c|cp949|uhc|iso-?2022|mac|tis|viscii)[\w.:-]*",
    re.IGNORECASE,
)
# Whoever writes the first name means the second: the superset that is in actual use.
_SUPERSETS = {
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
}

# Legacy encodings that occur in people's files; a guess among all that exist goes wrong far more often.
_GUESSES = "cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 koi8_r cp932 euc_jp gb18030 big5 cp949 utf_16_le utf_16_be"

_SYMBOL_INSIDE_WORD = re.compile(r"[^\W\d_][^\w\s\x00-\x7f’‘·–—…­][^\W\d_]")
_LINE_END = re.compile("\r\n?")
_UNPRINTABLE = re.compile("[\0\ud800-\udfff]")

# A declaration of the encoding stands at the beginning.
DECLARATION_BYTES = 2048


def decode(data: bytes, declared: str | None = None) -> str:
    """Decode text whose encoding may be `declared`, unknown or broken, and clean it.

    A byte order mark decides; then NULs in every other place (UTF-16), UTF-8, the declared encoding,
    UTF-8 with a few broken places, Western European if it reads like words, and a statistical guess at last.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return clean(data[len(mark) :].decode(encoding, "replace"))
    return clean(_decode_unmarked(data, declared))


def decode_declared(data: bytes, declaration: re.Pattern[bytes]) -> str:
    """Decode text whose first bytes may declare its encoding, as the first group of a pattern."""
    declared = declaration.search(data, 0, DECLARATION_BYTES)
    return decode(data, declared[1].decode("ascii", "replace") if declared else None)


def clean(text: str) -> str:
    r"""Normalise line ends to `\n`, and replace NULs and lone surrogates by U+FFFD."""
    # Searching for one character is far quicker than any pattern, and most texts are clean.
    if "\r" in text:
        text = _LINE_END.sub("\n", text)
    if "\0" in text or not text.isascii():
        text = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
    return text


def _decode_unmarked(data: bytes, declared: str | None) -> str:
    wide = _utf16_without_mark(data)
    if wide is not None:
        return data.decode(wide, "replace")
    # A 7-bit encoding such as ISO-2022-JP is valid UTF-8 too: pure ASCII says nothing against the declaration.
    trials = [_known(declared), "utf-8"] if data.isascii() else ["utf-8", _known(declared)]
    for encoding in filter(None, trials):
        try:
            return data.decode(encoding)
        except (UnicodeError, LookupError):
            continue
    return _mostly_utf8(data) or _western(data) or data.decode(_guess(data), "replace")


def _utf16_without_mark(data: bytes) -> str | None:
    """Recognise UTF-16 by its NULs: mostly Latin text has one in nearly every other place, and no others."""
    sample = data[: _SNIFFED_BYTES & ~1]
    pairs = len(sample) // 2
    if pairs < 2 or b"\0" not in sample:
        return None
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if odd > 0.4 * pairs and even < 0.05 * pairs:
        return "utf-16-le"
    if even > 0.4 * pairs and odd < 0.05 * pairs:
        return "utf-16-be"
    return None


def _known(declared: str | None) -> str | None:
    if declared is None or not _DECLARABLE.fullmatch(declared):
        return None
    try:
        name = codecs.lookup(declared).name
    except LookupError:
        return None
    return _SUPERSETS.get(name, name)


def _mostly_utf8(data: bytes) -> str | None:
    """Return the text as UTF-8 if only a few places are broken: other encodings hardly ever look like it."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\N{REPLACEMENT CHARACTER}")
    accented = sum(not character.isascii() for character in text) - broken
    return text if accented > broken else None


def _western(data: bytes) -> str | None:
    """Return the text as Windows-1252 if it reads like words: few accents, no symbols inside words.

    Statistics need long texts, and this is by far the most frequent case of a short one.
    """
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return None
    sample = text[:_SNIFFED_BYTES]
    letters = sum(map(str.isalpha, sample))
    accented = sum(character.isalpha() and not character.isascii() for character in sample)
    if accented > _MAX_ACCENTED_SHARE * letters or _SYMBOL_INSIDE_WORD.search(sample):
        return None
    return text


def _guess(data: bytes) -> str:
    from charset_normalizer import from_bytes  # 30 ms, and needed for few files

    best = from_bytes(data[:_SNIFFED_BYTES], cp_isolation=_GUESSES.split()).best()
    return best.encoding if best is not None else "latin-1"
