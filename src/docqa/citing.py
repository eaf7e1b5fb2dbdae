"""Answers on paper: a quote with its source as one would paste it, and a session of questions as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from docqa.display import counted, one_line, worth_showing
from docqa.records import Answer, Match, Result, Source

LISTED_SOURCES = 5

# What Markdown might take for markup. A backslash before it makes it a character in every dialect.
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&$^:=@])")

Verdicts = Mapping[tuple[str, str | None], bool]
"""What a person said: for a question and an answer's text (None: no answer), whether that was right."""


def page_or_line(source: Source) -> str:
    """Where in the file a source stands: the page, or else the line, or else the cell, or else nothing."""
    if source.page is not None:
        return f"page {source.page}"
    if source.line is not None:
        return f"line {source.line}"
    return f"cell {one_line(source.cell)}" if source.cell is not None else ""


def quoted(source: Source) -> str:
    """The words of the source itself, which may differ from the answer's first source in case or spelling."""
    return source.context[source.start - source.context_start :][: source.end - source.start]


def citation(text: str, source: Source) -> str:
    """A quote with its source, on one line."""
    return f"“{one_line(text)}” ({', '.join(filter(None, (one_line(source.path), page_or_line(source))))})"


def session_as_markdown(results: Sequence[Result], verdicts: Verdicts, title: str) -> str:
    """Write questions with their answers and sources as a Markdown document.

    Whatever comes from documents is escaped: it is text there too, never markup.
    """
    parts = [f"# {escaped(title)}\n"]
    for result in results:
        parts.append(f"## {escaped(result.question)}\n")
        parts += _of_result(result, verdicts)
    return "\n".join(parts)


def escaped(text: str) -> str:
    """Text on one line that Markdown shows as it is."""
    return _MARKUP.sub(r"\\\1", one_line(text))


def _of_result(result: Result, verdicts: Verdicts) -> Iterator[str]:
    answers = worth_showing(result.answers)
    if not answers:
        closest = "These passages come closest:" if result.passages else "No passage matches the question."
        said = _said(verdicts.get((result.question, None)))
        yield f"Not in the documents{said}. {closest}\n"
    for number, answer in enumerate(answers, 1):
        yield _of_answer(number, answer, verdicts.get((result.question, answer.text)))
    for match in result.passages:
        yield _of_match(match)
    asked = [f"{result.timing_ms.total:,.0f} ms", escaped(result.reader.name)]
    yield f"*{', '.join(asked)}*\n"


def _of_answer(number: int, answer: Answer, right: bool | None) -> str:
    lines = [f"{number}. **{escaped(answer.text)}** ({answer.confidence:.0%}{_said(right)})", ""]
    first = answer.sources[0]
    lines += [f"   > {escaped(first.context)}", ""]
    # Two quotes that a person would look for at the same place are one place.
    places = list(dict.fromkeys(map(_place, answer.sources)))
    lines += [f"   - {place}" for place in places[:LISTED_SOURCES]]
    if len(places) > LISTED_SOURCES:
        lines.append(f"   - and in {counted(len(places) - LISTED_SOURCES, 'more place')}")
    return "\n".join([*lines, ""])


def _of_match(match: Match) -> str:
    return f"- > {escaped(match.source.context)}\n\n  {_place(match.source)}\n"


def _place(source: Source) -> str:
    """File, page or line, heading, and the hash that tells which edition of the file was quoted."""
    where = ", ".join(filter(None, (escaped(source.path), page_or_line(source), escaped(source.heading or ""))))
    return f"{where} (SHA-256 {source.sha256[:12]}…)"


def _said(right: bool | None) -> str:
    return "" if right is None else ", marked right" if right else ", marked wrong"


def free_name(folder: Path, stem: str, suffix: str) -> Path:
    """A file that does not exist yet in a folder: the stem, else the stem with a number."""
    names = (f"{stem}{'' if number == 1 else f' {number}'}{suffix}" for number in range(1, 10_000))
    return next((folder / name for name in names if not (folder / name).exists()), folder / f"{stem}{suffix}")
