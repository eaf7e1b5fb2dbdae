from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from markdown_it import MarkdownIt

from docqa.citing import citation, escaped, free_name, quoted, session_as_markdown
from docqa.records import Answer, Match, ReaderInfo, Result, Source, Timing

HOSTILE = (
    "# not *a* heading\n<script>alert(1)</script> [a](http://evil) ![b](c) `code` | table | \x1b[2J\u202e http://x.org"
)
SOURCE = Source("/docs/a b.txt", "text/plain", None, 7, "Rent › Terms", 4, 9, "ab" * 32, "the lease ends", 0)
READER = ReaderInfo("tiny", "float32", None, 3)


def result(*answers: Answer, passages: tuple[Match, ...] = ()) -> Result:
    return Result("When?", answers, passages, "/library.docqa", READER, Timing(1, 2, 3))


def test_a_quote_is_the_sources_own_words() -> None:
    assert quoted(SOURCE) == "lease"
    assert citation("lease", SOURCE) == "“lease” (/docs/a b.txt, line 7)"
    assert citation("lease", replace(SOURCE, page=3)) == "“lease” (/docs/a b.txt, page 3)"
    assert citation("lease", replace(SOURCE, line=None, cell="A7")) == "“lease” (/docs/a b.txt, cell A7)"


def test_a_session_tells_answers_sources_and_verdicts() -> None:
    lines = [replace(SOURCE, line=line) for line in range(7, 15)]
    answer = Answer("lease", 0.9, (*lines, replace(SOURCE, start=20, end=25)), 1.0, 2.0)
    written = session_as_markdown([result(answer)], {("When?", "lease"): False}, "Mine")
    assert written.startswith("# Mine\n")
    assert "## When?" in written
    assert "**lease** (90%, marked wrong)" in written
    assert written.count("line 7") == 1
    assert "and in 3 more places" in written
    assert "abababababab" in written


def test_a_session_tells_what_was_not_found() -> None:
    assert "No passage matches" in session_as_markdown([result()], {("When?", None): True}, "x")
    assert "marked right" in session_as_markdown([result()], {("When?", None): True}, "x")
    closest = session_as_markdown([result(passages=(Match(SOURCE, 1.0),))], {}, "x")
    assert "the lease ends" in closest


def test_what_documents_hold_stays_text() -> None:
    source = replace(SOURCE, path=f"/docs/{HOSTILE}", heading=HOSTILE, context=HOSTILE)
    answer = Answer(HOSTILE, 0.9, (source,), 1.0, 2.0)
    written = session_as_markdown([replace(result(answer), question=HOSTILE)], {}, HOSTILE)
    assert "\x1b" not in written
    assert "\u202e" not in written
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(written)
    kinds = {child.type for token in tokens for child in token.children or ()} | {token.type for token in tokens}
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "code_inline", "table_open", "fence"}
    assert [token.tag for token in tokens if token.type == "heading_open"] == ["h1", "h2"]


def test_escaping_shows_the_text_itself() -> None:
    (paragraph,) = [token for token in MarkdownIt().parse(escaped(HOSTILE)) if token.type == "inline"]
    shown = "".join(child.content for child in paragraph.children or ())
    assert shown == HOSTILE.replace("\n", " ").replace("\x1b", "\\x1b").replace("\u202e", "\\u202e")


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    assert free_name(tmp_path, "a", ".md").name == "a.md"
    (tmp_path / "a.md").touch()
    assert free_name(tmp_path, "a", ".md").name == "a 2.md"
