"""A text under construction: blocks one after the other, and marks where they start."""

from __future__ import annotations

from docqa.errors import ExtractionError
from docqa.extract.decoding import clean
from docqa.records import Extraction, Mark, MarkKind

# How a remark or an error says that a page is a mere picture.
NO_TEXT_LAYER = "no text layer"
_PATH_SEPARATOR = " › "
_MAX_CHARACTERS = 100_000_000  # what repeats itself by reference, such as a cell's text, can grow without end


class Draft:
    """Collects blocks and marks in the order of the document; every extractor but the plain one fills one."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._newlines = 0
        self._marks: list[Mark] = []
        self._waiting: dict[MarkKind, str] = {}
        self._headings: list[tuple[int, str]] = []
        self._line_offset: int | None = None
        self._remarks: list[str] = []

    def block(self, text: str, *, tight: bool = False, line: int | None = None) -> int | None:
        """Append a block after a blank line, or after a mere line end if `tight`; return where it starts.

        `line` is the line of the file where the block starts, from 1. Blank text leaves no trace.
        """
        text = clean(text).rstrip("\n")
        if not text.strip():
            return None
        if self._pieces:
            self._append("\n" if tight else "\n\n")
        start, blank_lines = self._length, _leading_newlines(text)
        self._place_marks(None if line is None else line + blank_lines)
        self._append(text[blank_lines:])
        return start

    def heading(self, title: str, level: int, *, line: int | None = None) -> None:
        """Append a heading as its own block; it ends the headings of its level and below."""
        title = " ".join(clean(title).split())
        if not title:
            return
        self.under(title, level)
        self.block(title, line=line)

    def under(self, title: str, level: int) -> None:
        """Put what follows under a heading that the text itself does not show."""
        self._headings = [heading for heading in self._headings if heading[0] < level] + [(level, clean(title))]
        self.mark("heading", self._heading_path())

    def mark(self, kind: MarkKind, value: str) -> None:
        """Set a mark where the next block will start; a block that never comes takes it along."""
        self._waiting[kind] = value

    def embed(self, part: Extraction) -> None:
        """Append another extraction with its headings, which go under the present one, and its remarks.

        Its pages, lines and cells are left out: they would be looked for in the wrong file.
        """
        path = self._heading_path()
        start = self.block(part.text)
        if start is None:
            return
        shift = start - _leading_newlines(part.text)
        for mark in part.marks:
            if mark.kind == "heading":
                value = _PATH_SEPARATOR.join(filter(None, (path, mark.value)))
                self._marks.append(Mark("heading", mark.start + shift, value))
        self._remarks += part.remarks

    def remark(self, finding: str) -> None:
        """Add a finding for the user."""
        self._remarks.append(finding)

    def finish(self) -> Extraction:
        """Return what was collected."""
        return Extraction("".join(self._pieces), tuple(self._marks), tuple(self._remarks))

    def _append(self, text: str) -> None:
        if self._length + len(text) > _MAX_CHARACTERS:
            raise ExtractionError(f"holds more than {_MAX_CHARACTERS // 1_000_000} million characters of text")
        self._pieces.append(text)
        self._length += len(text)
        self._newlines += text.count("\n")

    def _place_marks(self, line: int | None) -> None:
        self._marks += [Mark(kind, self._length, value) for kind, value in self._waiting.items()]
        self._waiting.clear()
        # A line mark counts the newlines after it by itself, so one is due only where the count goes astray.
        if line is not None and line - self._newlines != self._line_offset:
            self._line_offset = line - self._newlines
            self._marks.append(Mark("line", self._length, str(line)))

    def _heading_path(self) -> str:
        return _PATH_SEPARATOR.join(title for _, title in self._headings)


def _leading_newlines(text: str) -> int:
    return len(text) - len(text.lstrip("\n"))
