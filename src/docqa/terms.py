"""Text to terms: one analyser for documents and questions, so that both meet in the index.

Words of any script, lower case, accents folded, stemmed by Snowball's English rules. Questions lose the words
that only make them questions.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath

import Stemmer

# Part of a library's settings: a library analysed by other rules must be indexed again.
ANALYSIS_VERSION = 1

# Letters and digits; an underscore separates, so that `max_retry_count` is found by its words.
_WORD = re.compile(r"[^\W_]+")

# Words that ask or glue, which nobody looks for; written for this list, in the forms `_WORD` yields.
_QUESTION_WORDS = frozenset(
    """
    a about am an and any are as at be been being but by can could d did do does doing for from had has have
    having he her hers him his how i if in into is it its ll m may me might mine must my of on or our ours
    re s shall she should so some t than that the their theirs them then there these they this those to
    us ve was we were what whatever when where which who whom whose why will with would you your yours
    """.split()  # noqa: SIM905 (ninety quoted words would be harder to read)
)


class _Stems(dict[str, str]):
    """Word to stem, remembered: a text repeats its words, and stemming each anew costs three times as much."""

    # A vocabulary of this size takes about 100 MB; beyond it lie mostly numbers and typing errors.
    _LIMIT = 500_000

    def __init__(self) -> None:
        super().__init__()
        self._stem = Stemmer.Stemmer("english", 0).stemWord

    def __missing__(self, word: str) -> str:
        stem = str(self._stem(_without_accents(word)))
        if len(self) < self._LIMIT:
            self[word] = stem
        return stem


def _without_accents(word: str) -> str:
    if word.isascii():
        return word
    # Compatibility forms of capitals turn into capitals, so they are resolved before the case is folded.
    folded = unicodedata.normalize("NFKD", word).casefold()
    decomposed = unicodedata.normalize("NFKD", folded)
    return "".join(character for character in decomposed if not unicodedata.combining(character))


_stems = _Stems()


def words(text: str) -> list[str]:
    """All words of a text, in order, in lower case."""
    # Composing first keeps an accent typed as its own character from splitting its word in two.
    return _WORD.findall(text.lower() if text.isascii() else unicodedata.normalize("NFC", text.lower()))


def document_terms(text: str) -> list[str]:
    """All terms of a text, in order, repeated as they occur."""
    return [_stems[word] for word in words(text)]


def passage_terms(path: str, heading: str, text: str) -> list[str]:
    """A passage's terms: it is found by what stands above it too, its headings and the file's name."""
    return document_terms(f"{PurePath(path).stem}\n{heading}\n{text}")


def question_terms(question: str) -> list[str]:
    """The terms to look for, each once, in order of first appearance.

    Question words are dropped unless there is nothing else.
    """
    asked = [_without_accents(word) for word in words(question)]
    telling = [word for word in asked if word not in _QUESTION_WORDS] or asked
    return list(dict.fromkeys(_stems[word] for word in telling))
