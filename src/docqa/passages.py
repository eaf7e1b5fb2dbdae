"""Text to passages: stretches of a page's worth of reading, cut where a reader would pause."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from operator import attrgetter
from typing import NamedTuple

from docqa.records import Mark, Passage

PASSAGE_CHARACTERS = 1_000
OVERLAP_CHARACTERS = 200

# The end of a sentence: its mark, closing quotes or brackets, white space, and no lower-case letter after it.
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]*(?=\s+[^\sa-z])")
# The end of the line before a list item or table row; a pattern of its own, because two are found faster than either.
_LINE_END = re.compile(r"\n(?=[^\S\n]*(?:[-*•|]|\d+[.)]\s))")
_PARAGRAPH_END = re.compile(r"\n[ \t]*\n\s*")
# Abbreviations that a capital letter or a digit commonly follows.
_ABBREVIATION = re.compile(
    r"\b(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|No|Nos|Fig|Sec|Art|vs|etc|e\.g|i\.e|approx|cf|p|pp|vol|ed)\.$"
)

Bounds = tuple[int, int]


class Place(NamedTuple):
    """Page, line, path of headings and cell at a character; None where the format has no such thing."""

    page: int | None
    line: int | None
    heading: str | None
    cell: str | None


def sentences(text: str) -> list[Bounds]:
    """Bounds of the sentences of a text, without the white space between them.

    A blank line ends a sentence, and so does the line before a list item or table row.
    """
    return [bounds for paragraph in paragraphs(text) for bounds in _sentences_within(text, paragraph)]


def paragraphs(text: str) -> list[Bounds]:
    """Bounds of the paragraphs of a text: what stands between blank lines."""
    found: list[Bounds] = []
    start = len(text) - len(text.lstrip())
    for match in _PARAGRAPH_END.finditer(text, start):
        end, following = match.span()
        found.append((start, end if not text[end - 1].isspace() else start + len(text[start:end].rstrip())))
        start = following
    end = len(text.rstrip())
    if end > start:
        found.append((start, end))
    return found


def cut_passages(text: str, marks: Sequence[Mark] = ()) -> list[Bounds]:
    """Bounds of the passages of a text, in order.

    A passage is a run of whole sentences of at most PASSAGE_CHARACTERS characters. It ends with a paragraph
    where one ends in time, and always before a heading or a new page. Where it has to end inside a
    paragraph, the next passage repeats up to OVERLAP_CHARACTERS of its last sentences, so that no answer
    loses what it refers to.
    """
    borders = sorted({mark.start for mark in marks if mark.kind in ("heading", "page")})
    passages: list[Bounds] = []
    first = last = section = 0
    for start, end in paragraphs(text):
        here = bisect_right(borders, start) if borders else 0
        if last and (here != section or end - first > PASSAGE_CHARACTERS):
            passages.append((first, last))
            last = 0
        section = here
        if end - start > PASSAGE_CHARACTERS:
            *whole, (first, last) = _runs(text, (start, end))
            passages += whole
        else:
            first, last = first if last else start, end
    if last:
        passages.append((first, last))
    return passages


def line_marks(text: str, marks: Sequence[Mark], passages: Sequence[Bounds]) -> list[Mark]:
    """Line marks at the starts of passages, for a text that has line marks at all.

    With them a line is found by counting newlines inside one passage, never from the start of a document.
    """
    known = [mark for mark in marks if mark.kind == "line"]
    added = []
    place, position, line = -1, 0, 0
    for start, _ in passages:
        # Counted on from the passage before: from the mark each time, a long text would take its length squared.
        while place + 1 < len(known) and known[place + 1].start <= start:
            place += 1
            position, line = known[place].start, int(known[place].value)
        if place >= 0:
            line += text.count("\n", position, start)
            position = start
            if known[place].start != start:
                added.append(Mark("line", start, str(line)))
    return added


def headings(marks: Sequence[Mark], passages: Sequence[Bounds]) -> list[str]:
    """The path of headings that holds at the start of each passage, empty where there is none."""
    known = [mark for mark in marks if mark.kind == "heading"]
    starts = [mark.start for mark in known]
    places = [bisect_right(starts, start) - 1 for start, _ in passages]
    return [known[place].value if place >= 0 else "" for place in places]


def place(passage: Passage, position: int) -> Place:
    """Tell where a character of the document, inside the passage, stands in a person's terms."""
    latest = {mark.kind: mark for mark in sorted(passage.marks, key=attrgetter("start")) if mark.start <= position}
    page, line, heading, cell = (latest.get(kind) for kind in ("page", "line", "heading", "cell"))
    return Place(
        int(page.value) if page else None,
        int(line.value) + passage.text.count("\n", max(0, line.start - passage.start), position - passage.start)
        if line
        else None,
        heading.value if heading else None,
        cell.value if cell else None,
    )


def _sentences_within(text: str, paragraph: Bounds) -> list[Bounds]:
    found = chain(_SENTENCE_END.finditer(text, *paragraph), _LINE_END.finditer(text, *paragraph))
    ends = sorted(end for match in found if not _abbreviates(text, paragraph[0], end := match.end()))
    pieces = (_stripped(text, start, end) for start, end in pairwise([paragraph[0], *ends, paragraph[1]]))
    return [piece for piece in pieces if piece]


def _abbreviates(text: str, start: int, end: int) -> bool:
    """Whether what ends there, before a line's end perhaps, is an abbreviation."""
    return "." in text[end - 2 : end] and _ABBREVIATION.search(text, max(start, end - 8), end) is not None


def _stripped(text: str, start: int, end: int) -> Bounds | None:
    piece = text[start:end]
    tail = piece.lstrip()
    start += len(piece) - len(tail)
    length = len(tail.rstrip())
    return (start, start + length) if length else None


def _runs(text: str, paragraph: Bounds) -> list[Bounds]:
    """Cut a paragraph that is longer than a passage into runs of sentences that are not."""
    found: list[Bounds] = []
    run: list[Bounds] = []
    for piece in (piece for part in _sentences_within(text, paragraph) for piece in _pieces(text, part)):
        if run and piece[1] - run[0][0] > PASSAGE_CHARACTERS:
            found.append((run[0][0], run[-1][1]))
            run = _tail(run, piece)
        run.append(piece)
    return [*found, (run[0][0], run[-1][1])]


def _pieces(text: str, sentence: Bounds) -> Iterator[Bounds]:
    """Cut a sentence that is longer than a passage at a line's end, else at a space, else anywhere."""
    start, end = sentence
    while end - start > PASSAGE_CHARACTERS:
        limit = start + PASSAGE_CHARACTERS
        cut = text.rfind("\n", start + 1, limit)
        if cut < 0:
            cut = text.rfind(" ", start + 1, limit)
        if cut < 0:
            cut = limit
        if piece := _stripped(text, start, cut):
            yield piece
        start = cut
    if piece := _stripped(text, start, end):
        yield piece


def _tail(run: list[Bounds], following: Bounds) -> list[Bounds]:
    """Return the last sentences of a run that fit the overlap and still leave room for what follows."""
    end = run[-1][1]
    return [
        piece
        for piece in run[1:]
        if end - piece[0] <= OVERLAP_CHARACTERS and following[1] - piece[0] <= PASSAGE_CHARACTERS
    ]
