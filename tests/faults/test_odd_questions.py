"""Questions that are no questions, filters that are no filters, and libraries with next to nothing in them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from running import Docqa

Ask = Callable[..., list[Any]]

WORDS_OF_OTHER_ENGINES = (
    *("lease C++", "a:b lease", "lease -x", '"unbalanced lease', "(lease", "lease AND", "lease*", "lease NEAR/2 (may"),
    *("lease^2", "{lease}", "lease OR NOT", "'; DROP TABLE documents; --", "lease\x00\x1b[2J", "lease' OR '1'='1"),
    *(
        "[/foo] lease",
        "{{lease}}",
        "%s lease",
        "lease \\",
        "caf\udce9 lease",
        "漢字 lease",
        "👩‍👩‍👧‍👦 lease",
        "lease " * 65,
    ),
)
WITHOUT_WORDS = ("?!", "%", "___", "...", '""', "( )", "-lease", "in:notes", "type:pdf since:2024")
WITHOUT_SENSE = (
    *("in: lease", "type: lease", "since: lease", "since:yesterday lease", "since:2024-13-45 lease", "since:-1 lease"),
    *("since:99999999 lease", "since:0000 lease", 'in:"" lease'),
)
MATCHING_NOTHING = (
    *("in:nowhere lease", "in:% lease", "in:_ lease", "in:[ lease", "in:[z-a] lease", "in:*** x", "type:% lease"),
    *(
        "in:' lease",
        "type:_ lease",
        "since:9999-12-31 lease",
        "in:" + "*a" * 60 + " lease",
        "in:" + "x" * 50_000 + " lease",
    ),
    *("in:~nobody/ lease", "in:../../.. lease", 'lease "no such words here"  -may', "lease -lease"),
)


@pytest.fixture
def ask(tiny_reader: Path) -> Ask:
    """Ask many questions of one process, one a line, and return what came back for each."""

    def results(docqa: Docqa, *questions: str, code: int | None = None) -> list[Any]:
        given = "\n".join(questions).encode(errors="surrogateescape")
        done = docqa("ask", "--jsonl", "--min-confidence", 0, "--reader", tiny_reader, given=given)
        assert code is None or done.code == code
        assert len(done.objects) == len(questions)
        return done.objects

    return results


@pytest.mark.slow
def test_whatever_is_asked_is_words_or_a_clear_complaint(indexed: Docqa, ask: Ask) -> None:
    endless = "lease " + " ".join(f"w{number}" for number in range(20_000))
    # Each of these words is one of the tiny reader's tokens, of which a question may have 64.
    near = [" ".join(["lease"] + ["rent"] * count) for count in (62, 63, 64, 65, 400)]
    odd = ask(indexed, *WORDS_OF_OTHER_ENGINES, *WITHOUT_WORDS, *WITHOUT_SENSE, *MATCHING_NOTHING, endless, *near)
    kinds = [len(each) for each in (WORDS_OF_OTHER_ENGINES, WITHOUT_WORDS, WITHOUT_SENSE, MATCHING_NOTHING)]
    parts = []
    for count in kinds:
        parts.append(odd[:count])
        odd = odd[count:]
    words, wordless, senseless, nothing = parts
    for question, result in zip(WORDS_OF_OTHER_ENGINES, words, strict=True):
        assert bool(result["answers"]) == ("lease" in question), result
    assert all("no words" in result["error"] for result in wordless), wordless
    for result in senseless:
        assert "since" in result["error"] or "needs a value" in result["error"], result
    for question, result in zip(MATCHING_NOTHING, nothing, strict=True):
        assert "error" in result or not result["answers"] or question in ("in:../../.. lease", "in:*** x"), result
    long, *short = odd
    assert len(long["notices"]) == 2
    assert long["answers"]
    assert [bool(result["notices"]) for result in short] == [False, False, True, True, True]
    assert all(result["answers"] for result in short)
    # Nothing of it was taken for a command to the library.
    assert len(indexed("ls", "--json").json["documents"]) == 2
    assert indexed("doctor").code == 0


def test_an_empty_question_says_how_to_ask(indexed: Docqa) -> None:
    for question in ("", " ", "?!", "\n"):
        for command in ("ask", "search"):
            done = indexed(command, question)
            assert (done.code, done.out) == (2, b"")
            assert b"no words" in done.err
    for question in ("in: lease", "since:never lease"):
        done = indexed("search", question)
        assert (done.code, done.out) == (2, b"")
        assert b"as in" in done.err


def test_no_answer_and_an_empty_library_are_exit_code_1_and_said_so(
    docqa: Docqa, indexed: Docqa, tiny_reader: Path, tmp_path: Path
) -> None:
    done = indexed("ask", "--reader", tiny_reader, "zebra")
    assert (done.code, done.err) == (1, b"")
    assert b"Not in your documents" in done.out
    assert indexed("search", "zebra").code == 1
    empty = docqa.on(tmp_path / "empty.docqa")
    (tmp_path / "nothing").mkdir()
    assert empty("index", tmp_path / "nothing").code == 0
    done = empty("ask", "--jsonl", "--reader", tiny_reader, given=b"lease\nthe\nin:x lease\n")
    assert done.code == 1
    assert [result["answers"] for result in done.objects] == [[], [], []]
    assert empty("search", "lease").code == 1
    assert empty("ls").out == b""
    assert empty("doctor").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["without headings", "one passage", "all alike", "one word"])
def test_a_library_with_next_to_nothing_in_it_answers(docqa: Docqa, tmp_path: Path, ask: Ask, kind: str) -> None:
    folder = tmp_path / kind
    folder.mkdir()
    sentence = "The lease ends in May."
    texts = {
        "without headings": [f"{sentence} The rent is {number}." for number in range(5)],
        "one passage": [sentence],
        "all alike": [sentence] * 30,
        "one word": ["the"],
    }[kind]
    for number, text in enumerate(texts):
        (folder / f"{number}.txt").write_text(text)
    assert docqa("index", folder).code == 0
    lease, stop_word, other = ask(docqa, "When does the lease end?", "the", "zebra")
    assert bool(lease["answers"]) == (kind != "one word")
    assert bool(stop_word["answers"]) or kind != "one word"
    assert other["answers"] == []
    for answer in lease["answers"] + stop_word["answers"]:
        for source in answer["sources"]:
            text = Path(source["path"]).read_text()
            start = source["start"] - source["context_start"]
            quote = source["context"][start : start + source["end"] - source["start"]]
            assert text[source["start"] : source["end"]] == quote
        assert 0 <= answer["confidence"] <= 1
    if kind == "all alike":
        # One answer, and all the places where it stands.
        first = lease["answers"][0]
        assert len({os.path.basename(source["path"]) for source in first["sources"]}) > 1
    assert json.dumps(lease)
