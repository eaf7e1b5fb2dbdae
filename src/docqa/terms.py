"""Text to terms: one analyser for documents and questions, so that both meet in the index.

Words of any script, lower case, accents folded, stemmed by Snowball's English rules. Questions lose the words
that only make them questions.
"""

from __future__ import annotations

import os
import re
import threading
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
import Stemmer

from docqa.numbering import WordTable
from docqa.postings import Postings, count

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
# What some of them name when written so: a month, a country, a trade, an organisation, a person.
_NAMES = frozenset({"May", "US", "IT", "WHO", "Will"})


# So many words take about 30 MB; beyond them lie mostly numbers and typing errors.
_VOCABULARY = 150_000

_stemmer = Stemmer.Stemmer("english", 0)


@lru_cache(maxsize=50_000)
def _stem(word: str) -> str:
    return str(_stemmer.stemWord(_without_accents(word)))


# Letters and digits of ASCII in lower case; a NUL, which ends a text, stays; a space stands for all the rest. What
# is beyond ASCII has been seen to before.
_FOLDED = bytes(
    code if code == 0 or code > 127 else ord(chr(code).lower()) if chr(code).isalnum() else ord(" ")
    for code in range(256)
)


class _Numbers(dict[str, int]):
    """Word to the number of its stem, remembered: texts repeat their words, and stemming anew costs far more."""

    def __init__(self) -> None:
        super().__init__()
        self.stems: list[str] = []
        self.table = WordTable()
        self._number_of: dict[str, int] = {}

    def of(self, words: Sequence[str]) -> list[int]:
        """The numbers of words, with those that have not been met before."""
        new = [word for word in words if word not in self]
        for word, stem in zip(new, _stemmer.stemWords(list(map(_without_accents, new))), strict=True):
            number = self[word] = self._number_of.setdefault(stem, len(self.stems))
            if number == len(self.stems):
                self.stems.append(stem)
        return list(map(self.__getitem__, words))


class _Memory(threading.local):
    """The numbers of each thread, begun anew when they become too many."""

    def __init__(self) -> None:
        self._numbers = _Numbers()

    def numbers(self) -> _Numbers:
        if len(self._numbers) > _VOCABULARY:
            self._numbers = _Numbers()
        return self._numbers


_memory = _Memory()


def _without_accents(word: str) -> str:
    if word.isascii():
        return word
    # Compatibility forms of capitals turn into capitals, so they are resolved before the case is folded.
    folded = unicodedata.normalize("NFKD", word).casefold()
    decomposed = unicodedata.normalize("NFKD", folded)
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def words(text: str) -> list[str]:
    """All words of a text, in order, in lower case."""
    # Composing first keeps an accent typed as its own character from splitting its word in two.
    return _WORD.findall(text.lower() if text.isascii() else unicodedata.normalize("NFC", text.lower()))


def document_terms(text: str) -> list[str]:
    """All terms of a text, in order, repeated as they occur."""
    return list(map(_stem, words(text)))


def passage_terms(path: str, heading: str, text: str) -> list[str]:
    """A passage's terms: it is found by what stands above it too, its headings and the file's name."""
    return document_terms(_above(path, heading) + text)


def passage_postings(passages: Iterable[tuple[str, str, str]]) -> Postings:
    """Count the terms of passages, each told by its path, heading and text; they are those of `passage_terms`."""
    numbers = _memory.numbers()
    texts = [_above(path, heading) + text for path, heading, text in passages]
    joined = "\0".join([*texts, ""])
    if not joined.isascii() or joined.count("\0") > len(texts):
        joined = "\0".join([*map(_plain, texts), ""])
    found, lengths = numbers.table.number(joined.encode().translate(_FOLDED), numbers.of)
    return count(found, np.repeat(np.arange(len(lengths)), lengths), lengths.astype(np.int32), numbers.stems)


def _plain(text: str) -> str:
    """Leave of a text what makes its words, ASCII as it is; no NUL, which ends a text here."""
    return text.replace("\0", " ") if text.isascii() else " ".join(words(text))


@lru_cache(maxsize=1_000)
def _above(path: str, heading: str) -> str:
    name = os.path.basename(path)
    dot = name.rfind(".")
    return f"{name[:dot] if 0 < dot < len(name) - 1 else name}\n{heading}\n"


def question_terms(question: str) -> list[str]:
    """The terms to look for, each once, in order of first appearance.

    Question words are dropped unless there is nothing else, or they are written as names.
    """
    asked = [_without_accents(word) for word in words(question)]
    dropped = _QUESTION_WORDS - _names(question)
    telling = [word for word in asked if word not in dropped] or asked
    return list(dict.fromkeys(map(_stem, telling)))


def _names(question: str) -> set[str]:
    """The question words that are written as names: not in capitals for all is, or at the beginning."""
    if question.isupper():
        return set()
    written = _WORD.findall(question)
    # Any word may begin with a capital there.
    if written and not written[0].isupper():
        del written[0]
    return {word.lower() for word in _NAMES.intersection(written)}
