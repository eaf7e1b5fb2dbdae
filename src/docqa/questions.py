"""Questions as people type them: words, and filters among the words.

`in:notes/` keeps to paths (`in:"my notes/"` where there is a space), `type:pdf` to formats, `since:2024-05-01` to
files changed since; `"exact phrase"` must occur, `-word` must not.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import translate
from typing import Literal

from docqa.errors import UsageError
from docqa.records import Document
from docqa.terms import document_terms, question_terms, words

# The group that takes no second try keeps a quote without a partner from costing the square of the text after it.
_PHRASE = re.compile(r'(?<!\S)(-?)"((?>[^"]*[^"\W_])[^"]*)"')
_FILTER = re.compile(r'(?<!\S)(in|type|since):("[^"]*"(?!\S)|\S*)', re.IGNORECASE)
_EXCLUDED = re.compile(r"(?<!\S)-(\w\S*)")


@dataclass(frozen=True, slots=True)
class Filters:
    """Which documents may answer; an empty filter lets every document pass.

    `paths` are shell patterns, matched against the whole path and against every tail of it that begins at a
    name; what names a folder stands for everything below it. `types` are file suffixes without the
    dot or parts of media types. `since` is the earliest time of change in seconds since 1970, or None.
    """

    paths: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    since: float | None = None

    def __bool__(self) -> bool:
        return bool(self.paths or self.types or self.since is not None)

    def accept(self, document: Document) -> bool:
        """Whether a document passes every kind of filter; of several of a kind, one is enough."""
        return (
            (not self.paths or any(_matches_path(pattern, document.path) for pattern in self.paths))
            and (not self.types or any(_matches_type(wanted, document) for wanted in self.types))
            and (self.since is None or document.mtime_ns >= self.since * 1e9)
        )

    def combined(self, other: Filters) -> Filters:
        """Filters that ask for what either asks for."""
        since = [each.since for each in (self, other) if each.since is not None]
        return Filters(self.paths + other.paths, self.types + other.types, max(since) if since else None)


@dataclass(frozen=True, slots=True)
class Question:
    """A question taken apart: `text` without its filters, for the reader; terms, for the retriever.

    `phrases` must occur word for word, whatever the case, punctuation and white space; no `excluded` term may.
    """

    text: str
    terms: tuple[str, ...]
    phrases: tuple[str, ...] = ()
    excluded: frozenset[str] = frozenset()
    filters: Filters = field(default_factory=Filters)

    def accepts(self, text: str) -> bool:
        """Whether a passage's text holds all phrases and no excluded term."""
        if self.phrases:
            flat = _flat(text)
            if not all(phrase in flat for phrase in self.phrases):
                return False
        return not self.excluded or self.excluded.isdisjoint(document_terms(text))


@dataclass(frozen=True, slots=True)
class Restriction:
    """What a question, as typed, holds beside its words: a filter, a phrase, an excluded word; and where it stands."""

    kind: Literal["in", "type", "since", "phrase", "without"]
    text: str
    start: int
    end: int


def restrictions(question: str) -> list[Restriction]:
    """Find what restricts a question, in order; values are not checked."""
    # A phrase is taken as it stands: what looks like a filter or an excluded word inside it is neither.
    found = [
        Restriction("without" if match[1] else "phrase", match[0], *match.span())
        for match in _PHRASE.finditer(question)
    ]
    rest = _PHRASE.sub(_covered, question)
    found += [Restriction(_kind(match[1]), match[0], *match.span()) for match in _FILTER.finditer(rest)]
    rest = _FILTER.sub(_covered, rest)
    found += [Restriction("without", match[0], *match.span()) for match in _EXCLUDED.finditer(rest)]
    return sorted(found, key=lambda each: each.start)


def without(question: str, restriction: Restriction) -> str:
    """The question without one of its restrictions; the words of a phrase stay."""
    kept = _words_of(restriction) if restriction.kind == "phrase" else ""
    return " ".join(f"{question[: restriction.start]}{kept}{question[restriction.end :]}".split())


def _kind(name: str) -> Literal["in", "type", "since"]:
    match name.lower():
        case "in":
            return "in"
        case "type":
            return "type"
        case _:
            return "since"


def _words_of(phrase: Restriction) -> str:
    return phrase.text.strip('"')


def _covered(match: re.Match[str]) -> str:
    """As many quotation marks: nothing begins or ends with any of them, nor, unlike after a space, right behind."""
    return '"' * len(match[0])


def parse_question(question: str, filters: Filters | None = None) -> Question:
    """Take a question apart and add further filters.

    Only the three known words before a colon are filters; quotes without a partner, and operators of other
    search engines, are words. UsageError if nothing is left to look for, or a filter has no value.
    """
    inline, wanted, excluded = Filters(), list[str](), list[str]()
    pieces, end = list[str](), 0
    for each in restrictions(question):
        pieces.append(question[end : each.start])
        end = each.end
        if each.kind == "phrase":
            wanted.append(_words_of(each))
            pieces.append(wanted[-1])
        elif each.kind == "without":
            excluded.append(each.text)
        else:
            inline = inline.combined(make_filter(each.kind, each.text.partition(":")[2]))
    text = " ".join("".join([*pieces, question[end:]]).split())
    # Words of a phrase are looked for even where a question's would be dropped.
    terms = dict.fromkeys([*question_terms(text), *(term for phrase in wanted for term in document_terms(phrase))])
    if not terms:
        raise UsageError("the question has no words to look for; ask, for example: docqa ask 'When is rent due?'")
    return Question(
        text=text,
        terms=tuple(terms),
        phrases=tuple(map(_flat, wanted)),
        excluded=frozenset(term for words in excluded for term in document_terms(words)),
        filters=inline.combined(filters or Filters()),
    )


def make_filter(kind: str, value: str) -> Filters:
    """Make one filter from its name (`in`, `type`, `since`) and value; UsageError if the value is no such thing."""
    value = value.strip('"')
    if not value:
        raise UsageError(f"the filter {kind}: needs a value right behind it, as in {kind}:{_EXAMPLES[kind]}")
    match kind:
        case "in":
            # What is written as a path from here or from home means that path, wherever it is matched.
            is_path = value[0] == "~" or value.split("/", 1)[0] in ("", ".", "..")
            return Filters(paths=(_resolved(os.path.expanduser(value)) if is_path else value,))
        case "type":
            return Filters(types=(value.lower().removeprefix("."),))
        case _:
            return Filters(since=_moment(value))


_EXAMPLES = {"in": "notes/", "type": "pdf", "since": "2024-05-01"}


def _resolved(path: str) -> str:
    """A path without links, as the library knows its documents."""
    try:
        return os.path.realpath(path)
    except ValueError:  # no file has such a name
        return os.path.abspath(path)


def _moment(value: str) -> float:
    """Seconds since 1970 at the start of a day, month or year, in local time."""
    for form in ("%Y-%m-%d", "%Y-%m", "%Y"):
        with suppress(ValueError):
            return datetime.strptime(value, form).timestamp()
    raise UsageError(f"since:{value} is no date; write it as in since:{_EXAMPLES['since']}")


def _matches_path(pattern: str, path: str) -> bool:
    """Match a pattern, or a folder that it names, against a path or any tail of it."""
    matcher = re.compile(f"{translate(pattern)}|{translate(pattern.rstrip('/') + '/*')}", re.IGNORECASE)
    return any(matcher.match(path, start) for start in (0, *(slash.end() for slash in re.finditer("/", path))))


def _matches_type(wanted: str, document: Document) -> bool:
    suffix = os.path.splitext(document.path)[1].lower().removeprefix(".")
    return wanted == suffix or wanted in re.split(r"[/.+-]", document.media_type)


def _flat(text: str) -> str:
    """A text's words with one space around each, so that a phrase of whole words can be looked for."""
    return f" {' '.join(words(text))} "
