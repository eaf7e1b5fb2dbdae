"""Records as styled text. Whatever comes from documents or file names passes through docqa.display, never as markup."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path

from rich.cells import cell_len
from textual.content import Content

from docqa.citing import page_or_line
from docqa.display import one_line
from docqa.records import Answer, Document, Match, ReaderInfo, Result, Source

BAR_CELLS = 8
SNIPPET_CHARACTERS = 240

QUIET = "dim"
_WORD = re.compile(r"[^\W_]+")


def answer_row(answer: Answer, right: bool | None = None, namesakes: Container[str] = ()) -> Content:
    """An answer in two lines: the quote; confidence, what the person said of it, and place."""
    more = len(answer.sources) - 1
    return Content.assemble(
        (one_line(answer.text), "bold"),
        "\n",
        confidence(answer.confidence),
        verdict(right),
        ("  " + brief_place(answer.sources[0], namesakes), QUIET),
        (f"  +{more} more" if more else "", QUIET),
    )


def verdict(right: bool | None) -> Content:
    """What a person said of an answer, if anything."""
    if right is None:
        return Content("")
    return Content.styled("  ✓ right", "$text-success") if right else Content.styled("  ✗ wrong", "$text-error")


def match_row(match: Match, terms: frozenset[str], namesakes: Container[str] = ()) -> Content:
    """A passage in two lines: its most telling sentence, with the question's words marked; and its place."""
    return Content.assemble(
        _emphasised(_snippet(match.source.context, terms), terms),
        "\n",
        (brief_place(match.source, namesakes), QUIET),
    )


def confidence(share: float) -> Content:
    """A share of 1 as a bar and a number."""
    return Content.assemble(bar(share, BAR_CELLS), f" {share:4.0%}")


def bar(share: float, cells: int, colour: str = "$success") -> Content:
    """A share of 1 as a bar of so many cells."""
    filled = round(min(1.0, max(0.0, share)) * cells)
    return Content.assemble(("━" * filled, colour), ("─" * (cells - filled), QUIET))


def brief_place(source: Source, namesakes: Container[str] = ()) -> str:
    """Page or line, which must not be cut off, and file name, which may be; of one of several namesakes, its folder."""
    path = Path(source.path)
    where = f"in {one_line(path.parent.name)}" if source.path in namesakes else ""
    return "  ".join(filter(None, (page_or_line(source), one_line(path.name), where)))


def namesakes(items: Iterable[Answer | Match]) -> frozenset[str]:
    """The paths of the files, of those that rows name, whose name is another's too."""
    paths = {(item.sources[0] if isinstance(item, Answer) else item.source).path for item in items}
    names = Counter(map(os.path.basename, paths))
    return frozenset(path for path in paths if names[os.path.basename(path)] > 1)


def spoken(question: str, terms: frozenset[str]) -> dict[str, str]:
    """The words of a question that are looked for, in its order, by their terms."""
    from docqa.terms import document_terms, words

    return {term: word for term, word in zip(document_terms(question), words(question), strict=True) if term in terms}


def source_header(source: Source, remark: str) -> Content:
    """A source's file name, page or line; what is the matter with the file, and the path of its headings."""
    where = page_or_line(source)
    return Content.assemble(
        (one_line(Path(source.path).name), "bold"),
        (f"  {where}" if where else "", QUIET),
        "\n",
        (f"{remark}  " if remark else "", "$text-warning"),
        (one_line(source.heading) if source.heading else folder(source.path), QUIET),
    )


def cut_left(text: str, cells: int) -> str:
    """The end of a text, which of a path says most, in at most so many cells."""
    if cell_len(text) <= cells:
        return text
    while cell_len(text) > cells - 1:
        text = text[1:]
    return "…" + text


def folder(path: str) -> str:
    """The folder of a file, with the home folder as ~."""
    return shortened_path(os.path.dirname(path))


def shortened_path(path: str | os.PathLike[str]) -> str:
    """A path for the eye: printable, on one line, with the home folder as ~."""
    name, home = os.fspath(path), os.path.expanduser("~")
    if home != "/" and (name == home or name.startswith(home + os.sep)):
        name = "~" + name[len(home) :]
    return one_line(name)


def reader_name(reader: ReaderInfo) -> str:
    """The reader's name and arithmetic."""
    return one_line(f"{reader.name} {reader.precision}")


def outcome(result: Result, *, times: bool) -> str:
    """How a question was answered, for the status line: the time first, which the dial beside it trades for."""
    timing, read = result.timing_ms, f"{result.reader.passages} passages read"
    took = [f"{timing.total:,.0f} ms", f"search {timing.retrieve:,.0f}, read {timing.read:,.0f}"] if times else []
    return "  ·  ".join([*took[:1], read, reader_name(result.reader), *took[1:]])


_FORMATS = {
    "pdf": "PDF",
    "vnd.openxmlformats-officedocument.wordprocessingml.document": "Word",
    "x-ipynb+json": "notebook",
    "rfc822": "mail",
    "html": "HTML",
    "markdown": "Markdown",
    "plain": "text",
}


def format_name(document: Document) -> str:
    """What a person calls a document's media type."""
    kind = document.media_type.partition("/")[2]
    return _FORMATS.get(kind, one_line(kind.removeprefix("x-")))


def occurrences(text: str, terms: frozenset[str]) -> Iterator[tuple[int, int]]:
    """Bounds of the words of a text that are among a question's terms."""
    from docqa.terms import document_terms

    for match in _WORD.finditer(text):
        if not terms.isdisjoint(document_terms(match.group())):
            yield match.span()


def _emphasised(line: str, terms: frozenset[str]) -> Content:
    content = Content(line)
    for start, end in occurrences(line, terms):
        content = content.stylize("bold", start, end)
    return content


def _snippet(text: str, terms: frozenset[str]) -> str:
    """From the most telling sentence on, as one line."""
    start = most_telling(text, terms)
    return one_line(text[start : start + SNIPPET_CHARACTERS])


def most_telling(text: str, terms: frozenset[str]) -> int:
    """Where the sentence begins that holds most of a question's terms."""
    from docqa.passages import sentences

    bounds: Sequence[tuple[int, int]] = sentences(text) or [(0, len(text))]

    def telling(sentence: tuple[int, int]) -> int:
        inside = text[sentence[0] : sentence[1]]
        return len({inside[start:end].casefold() for start, end in occurrences(inside, terms)})

    return max(bounds, key=telling)[0]
