"""Indexing and asking from end to end, on real files, with a reader of random weights."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from portrait import portrait

from docqa import DocQA, LibraryError, UsageError, events
from docqa.answers import source as source_of
from docqa.engine import QUESTION_TERMS, default_library
from docqa.questions import Filters
from docqa.reader.catalogue import shipped_folder
from docqa.reader.lengths import LengthConfiguration
from docqa.records import Document, Result, Timing

QUESTIONS = Path(__file__).parents[1] / "data" / "questions.json"

LEASE = "# Lease\n\nThe lease ends in May. The rent is 20 a year.\n"
BOILER = "The boiler stands in the garden.\nIts number is 4711.\n"

Open = Callable[[Path], DocQA]


@pytest.fixture
def open_library(tiny_reader: Path) -> Iterator[Open]:
    opened: list[DocQA] = []

    def open_(path: Path) -> DocQA:
        opened.append(DocQA(path, reader=tiny_reader, precision="float32"))
        return opened[-1]

    yield open_
    for each in opened:
        each.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two documents."""
    made = tmp_path / "folder"
    made.mkdir()
    (made / "lease.md").write_text(LEASE)
    (made / "boiler.txt").write_text(BOILER)
    return made


def names(documents: list[Document]) -> list[str]:
    return [Path(document.path).name for document in documents]


def timeless(result: Result) -> Result:
    return replace(result, timing_ms=Timing(0, 0, 0))


def assert_quotes_its_documents(result: Result, library: DocQA) -> None:
    for answer in result.answers:
        for number, source in enumerate(answer.sources):
            text = library.text(source.path)
            if number == 0:
                assert text[source.start : source.end] == answer.text
            start = source.start - source.context_start
            assert source.context[start : start + source.end - source.start] == text[source.start : source.end]
            assert text[source.context_start :].startswith(source.context)


# --- answers are quotes (every format) ----------------------------------------------------------------------

FORMATS = ["docx", "eml", "html", "ipynb", "md", "pdf", "py", "txt"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_answers_and_contexts_are_stretches_of_the_text_of_every_format(
    open_library: Open, sample: Path, suffix: str
) -> None:
    library = open_library(sample)
    documents = [each for each in library.documents() if each.path.endswith(f".{suffix}")]
    assert documents
    for document in documents:
        question = " ".join(library.text(document.path).split()[20:30]).replace('"', "")
        result = library.ask(question, top=30, passages=20, filters=Filters(paths=(document.path,)))
        assert result.answers
        assert {source.path for answer in result.answers for source in answer.sources} == {document.path}
        assert_quotes_its_documents(result, library)


def test_every_format_of_the_sample_library_is_tried(sample_folder: Path) -> None:
    assert sorted({path.suffix[1:] for path in sample_folder.rglob("*.*")}) == FORMATS


def test_answers_of_the_shipped_reader_are_quotes(sample: Path) -> None:
    with DocQA(sample) as library:
        result = library.ask("What is the rent for the flat from March 2025?")
        assert result.answers
        assert_quotes_its_documents(result, library)


def test_lines_and_pages_are_true(open_library: Open, sample: Path) -> None:
    library = open_library(sample)
    answered = library.ask("What did the diary say of the garden in 2024?", top=50, passages=20)
    seen = set()
    for source in (source for answer in answered.answers for source in answer.sources):
        seen.add(Path(source.path).suffix)
        if source.path.endswith(".txt"):
            lines = Path(source.path).read_text().split("\n")
            first_line = library.text(source.path)[source.start : source.end].split("\n")[0]
            assert source.line is not None
            assert first_line in lines[source.line - 1]
        if source.path.endswith(".pdf"):
            assert source.page is not None
            assert source.line is None
    assert ".txt" in seen


# --- the same, again and however it came about --------------------------------------------------------------


def test_rows_of_sheets_and_cells_of_notebooks_are_true(open_library: Open, library: Path, tmp_path: Path) -> None:
    made = tmp_path / "sheets"
    made.mkdir()
    with xlsxwriter.Workbook(made / "costs.xlsx") as workbook:
        sheet = workbook.add_worksheet("Costs")
        for row in range(2, 400):
            sheet.write_row(row, 1, [f"item{row}", row])
    cells = [{"cell_type": "markdown", "source": f"Owl number{number}."} for number in range(1, 90)]
    (made / "owls.ipynb").write_text(json.dumps({"nbformat": 4, "cells": cells}))
    engine = open_library(library)
    engine.index([made])
    for question, cell in (("item2", "B3"), ("item301", "B302"), ("item399", "B400"), ("number71", "71")):
        [match] = engine.search(question)
        passage, start = match.source, match.source.context.index(question)
        quote = source_of(
            engine.stretch(passage.path, passage.start, passage.end), (start, start + 3), (start, start + 3)
        )
        assert (quote.cell, quote.line, quote.page) == (cell, None, None)


def test_the_same_question_gives_the_same_bytes(open_library: Open, sample: Path) -> None:
    question = "When does the lease of the flat end?"
    first, again = open_library(sample).ask(question), open_library(sample).ask(question)
    assert json.dumps(asdict(timeless(first))) == json.dumps(asdict(timeless(again)))


@pytest.mark.parametrize("seed", range(4))
def test_a_library_brought_up_to_date_answers_like_one_made_afresh(
    open_library: Open, tmp_path: Path, seed: int
) -> None:
    import random

    dice, folder, library = random.Random(seed), tmp_path / "folder", tmp_path / "old.docqa"
    folder.mkdir()
    words = ["lease", "rent", "boiler", "garden", "river", "capital", "ends", "number", "word", "the", "of", "it"]

    def write(path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        # Twins tie in their scores, which must not bring ids into the order.
        count = dice.choice((3, 3, 200, 400))
        path.write_text("Word. " * 3 if count == 3 else " ".join(dice.choices(words, k=count)) + ".\n")
        os.utime(path, ns=(dice.randrange(10**18), dice.randrange(10**18)))

    def some() -> Path:
        return dice.choice(sorted(path for path in folder.rglob("*.txt")))

    for number in range(12):
        write(folder / f"sub{number % 3}" / f"{number}.txt")
    for step in range(14):
        open_library(library).index([folder])
        for _ in range(dice.randint(1, 3)):
            match dice.choice(("add", "change", "delete", "rename", "touch")):
                case "add":
                    write(folder / f"sub{dice.randrange(3)}" / f"new{step}{dice.randrange(99)}.txt")
                case "change":
                    write(some())
                case "delete":
                    some().unlink()
                case "rename":
                    some().rename(folder / f"sub{dice.randrange(3)}" / f"moved{step}{dice.randrange(99)}.txt")
                case "touch":
                    os.utime(some())
    open_library(library).index([folder])
    open_library(tmp_path / "fresh.docqa").index([folder])
    assert portrait(library) == portrait(tmp_path / "fresh.docqa")
    for question in ("Where is the lease?", "word", "Which river ends the garden?"):
        old, fresh = (open_library(tmp_path / name).ask(question, top=10) for name in ("old.docqa", "fresh.docqa"))
        assert timeless(old) == timeless(replace(fresh, library=old.library))


def test_the_order_of_indexing_does_not_show(open_library: Open, folder: Path, tmp_path: Path) -> None:
    one, other = open_library(tmp_path / "one.docqa"), open_library(tmp_path / "other.docqa")
    one.index([folder])
    other.index([folder / "lease.md"])
    other.index([folder / "boiler.txt"])
    assert portrait(one.library) == portrait(other.library)


# --- what an index run does ---------------------------------------------------------------------------------


def test_a_run_tells_what_happens_and_ends_with_its_report(open_library: Open, library: Path, folder: Path) -> None:
    (folder / "empty.txt").write_text("")
    told = list(open_library(library).index_events([folder]))
    assert told[0] == events.FilesFound(3, len(LEASE) + len(BOILER))
    assert told[1:-1] == [
        events.FileIndexed(str(folder / "boiler.txt"), 1, len(BOILER), ()),
        events.FileSkipped(str(folder / "empty.txt"), "no text in it", 0),
        events.FileIndexed(str(folder / "lease.md"), 1, len(LEASE), ()),
    ]
    assert isinstance(told[-1], events.IndexFinished)
    report = told[-1].report
    assert (report.indexed, report.unchanged, report.removed, report.documents) == (2, 0, 0, 2)
    assert report.skipped == ((str(folder / "empty.txt"), "no text in it"),)
    assert report.bytes == len(LEASE) + len(BOILER)
    assert report.library == str(library)


def test_an_unchanged_file_is_not_read_again(open_library: Open, library: Path, folder: Path) -> None:
    engine = open_library(library)
    engine.index([folder])
    status = (folder / "boiler.txt").stat()
    (folder / "boiler.txt").write_text(BOILER.upper())
    os.utime(folder / "boiler.txt", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert engine.index([folder]).unchanged == 2
    assert engine.text(folder / "boiler.txt") == BOILER


def test_a_touched_file_is_the_same_document_with_a_new_time(open_library: Open, library: Path, folder: Path) -> None:
    engine = open_library(library)
    engine.index([folder])
    os.utime(folder / "boiler.txt", ns=(5, 5))
    assert (engine.index([folder]).unchanged, engine.documents()[0].mtime_ns) == (2, 5)


def test_a_changed_file_is_found_by_its_new_words_only(open_library: Open, library: Path, folder: Path) -> None:
    engine = open_library(library)
    engine.index([folder])
    (folder / "boiler.txt").write_text("A heron.\n")
    report = engine.index([folder])
    assert (report.indexed, report.unchanged, report.removed) == (1, 1, 0)
    assert engine.search("4711") == ()
    assert [match.source.path for match in engine.search("heron")] == [str(folder / "boiler.txt")]


def test_a_file_that_has_gone_is_removed(open_library: Open, library: Path, folder: Path) -> None:
    engine = open_library(library)
    engine.index([folder])
    (folder / "boiler.txt").unlink()
    told = list(engine.index_events([folder]))
    assert events.FileRemoved(str(folder / "boiler.txt")) in told
    assert names(engine.documents()) == ["lease.md"]
    assert engine.search("boiler") == ()


def test_a_file_that_can_no_longer_be_read_is_removed_and_listed(
    open_library: Open, library: Path, folder: Path
) -> None:
    engine = open_library(library)
    engine.index([folder])
    (folder / "boiler.txt").unlink()
    os.mkfifo(folder / "boiler.txt")
    report = engine.index([folder])
    assert (report.removed, report.skipped) == (1, ((str(folder / "boiler.txt"), "not a regular file (FIFO)"),))
    assert engine.status().skipped == report.skipped


def test_what_is_readable_again_is_no_longer_listed_as_skipped(open_library: Open, library: Path, folder: Path) -> None:
    engine = open_library(library)
    (folder / "late.txt").write_text(" ")
    engine.index([folder])
    assert names_of_skipped(engine) == ["late.txt"]
    (folder / "late.txt").write_text("Now it says something.")
    engine.index([folder])
    assert names_of_skipped(engine) == []


def names_of_skipped(engine: DocQA) -> list[str]:
    return [Path(path).name for path, _ in engine.status().skipped]


def test_what_lies_outside_the_given_paths_is_left_alone(
    open_library: Open, library: Path, folder: Path, tmp_path: Path
) -> None:
    beside = tmp_path / "folder beside"
    beside.mkdir()
    (beside / "kept.txt").write_text("A heron.")
    engine = open_library(library)
    engine.index([folder, beside])
    shutil.rmtree(beside)
    (folder / "lease.md").unlink()
    report = engine.index([folder])
    assert report.removed == 1
    assert sorted(names(engine.documents())) == ["boiler.txt", "kept.txt"]


def test_indexing_writes_nothing_into_the_folders(open_library: Open, library: Path, folder: Path) -> None:
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}
    stamp = folder.stat().st_mtime_ns
    open_library(library).index([folder])
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()} == before
    assert folder.stat().st_mtime_ns == stamp


@pytest.mark.parametrize("name", ["library.docqa", "library.db", "notes.txt"])
def test_a_library_inside_its_own_folder_is_not_indexed(open_library: Open, folder: Path, name: str) -> None:
    engine = open_library(folder / name)
    for _ in range(2):
        engine.index([folder])
        assert names(engine.documents()) == ["boiler.txt", "lease.md"]
        assert engine.status().skipped == ()


def test_a_file_named_twice_is_one_document(open_library: Open, library: Path, folder: Path) -> None:
    report = open_library(library).index([folder, folder / "lease.md", folder, f"{folder}/../folder"])
    assert (report.indexed, report.documents) == (2, 2)


def test_a_missing_path_stops_the_run_before_there_is_a_library(open_library: Open, library: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        open_library(library).index([library / "nowhere"])
    assert not library.exists()


def test_a_run_that_is_given_up_keeps_what_was_committed(
    open_library: Open, library: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("docqa.indexing.BATCH_FILES", 1)
    engine = open_library(library)
    run = engine.index_events([folder])
    while not isinstance(next(run), events.FileIndexed):
        pass
    run.close()
    assert names(engine.documents()) == ["boiler.txt"]
    assert engine.index([folder]).unchanged == 1


def test_one_bad_file_does_not_keep_the_others_out(open_library: Open, library: Path, tmp_path: Path) -> None:
    from pypdf import PdfReader, PdfWriter

    from docqa.reader.catalogue import shipped_folder

    tree = tmp_path / "tree"
    tree.mkdir()
    for name in (b"caf\xe9.txt", b"esc\x1b[31m.txt", b"line\nbreak.txt", "日本.txt".encode()):
        Path(os.fsdecode(os.fsencode(tree) + b"/" + name)).write_text("A heron in the garden.")
    (tree / "latin.txt").write_bytes("Der Fluß heißt heron.".encode("latin-1"))
    (tree / "utf16.txt").write_bytes("A heron in UTF-16.".encode("utf-16"))
    (tree / "binary.bin").write_bytes(bytes(range(256)) * 20)
    (tree / "torn.pdf").write_bytes(b"%PDF-1.4\n" + b"garbage" * 100)
    (tree / "torn.docx").write_bytes(b"PK\x03\x04 no")
    pdf = next(Path(shipped_folder().parents[0], "library").rglob("*.pdf"))
    writer = PdfWriter(clone_from=PdfReader(pdf))
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(tree / "locked.pdf")
    os.mkfifo(tree / "pipe.txt")
    (tree / "loop").symlink_to(tree)
    (tree / "dangling.txt").symlink_to(tree / "nowhere")
    (tree / ".env").write_text("PASSWORD=heron")

    engine = open_library(library)
    report = engine.index([tree])
    reasons = {os.path.relpath(path, tree): reason for path, reason in report.skipped}
    assert set(reasons) == {
        *("binary.bin", "torn.pdf", "torn.docx", "locked.pdf", "pipe.txt", "loop", "dangling.txt", ".env"),
    }
    assert "encrypted" in reasons["locked.pdf"]
    assert "damaged" in reasons["torn.pdf"]
    assert "FIFO" in reasons["pipe.txt"]
    assert "symbolic link" in reasons["loop"]
    assert "secret" in reasons[".env"]
    assert all(reasons.values())
    assert engine.status().skipped == tuple(sorted(report.skipped, key=lambda pair: os.fsencode(pair[0])))
    assert {match.source.path for match in engine.search("heron")} == {each.path for each in engine.documents()}
    assert len(engine.documents()) == 6
    assert_quotes_its_documents(engine.ask("Where is the heron?"), engine)


# --- asking -------------------------------------------------------------------------------------------------


@pytest.fixture
def engine(open_library: Open, library: Path, folder: Path) -> DocQA:
    made = open_library(library)
    made.index([folder])
    return made


def test_a_phrase_is_found_below_many_passages_that_match_better(
    open_library: Open, library: Path, folder: Path
) -> None:
    for number in range(150):
        (folder / f"better{number}.txt").write_text("Garden rent. Rent for a garden.\n")
    (folder / "worse.txt").write_text(
        "Much is said here of other things, and that is why no rent garden comes first.\n"
    )
    engine = open_library(library)
    engine.index([folder])
    [match] = engine.search('"rent garden comes"', top=1)
    assert match.source.path.endswith("worse.txt")
    assert len(engine.search("rent -garden", top=50)) == sum("rent" in text.lower() for text in (LEASE, BOILER))


def test_asking_tells_the_candidates_before_the_answer(engine: DocQA) -> None:
    found, answered = engine.ask_events("When does the lease end?")
    assert isinstance(found, events.CandidatesFound)
    assert isinstance(answered, events.Answered)
    assert [Path(each.passage.document.path).name for each in found.candidates] == ["lease.md"]
    assert answered.result.passages == ()
    assert answered.result.reader.name == "tiny"
    assert answered.result.notices == ()


def test_no_matching_passage_is_no_answer(engine: DocQA) -> None:
    result = engine.ask("zebra")
    assert (result.answers, result.passages) == ((), ())


def test_answers_below_the_confidence_asked_for_are_none_but_passages_are_shown(engine: DocQA) -> None:
    result = engine.ask("When does the lease end?", min_confidence=1.0)
    assert result.answers == ()
    assert [Path(match.source.path).name for match in result.passages] == ["lease.md"]


@pytest.mark.parametrize("question", ["", " ", "?!", "___", "\n"])
def test_a_question_without_words_is_a_usage_error(engine: DocQA, question: str) -> None:
    with pytest.raises(UsageError, match="no words"):
        engine.ask(question)
    with pytest.raises(UsageError, match="no words"):
        engine.search(question)


@pytest.mark.parametrize(
    "question",
    [
        "lease C++",
        "a:b lease",
        '"unbalanced lease',
        "lease (NEAR",
        "lease *",
        "'; DROP TABLE documents; --",
        "caf\udce9 lease",
    ],
)
def test_operators_of_other_engines_are_words(engine: DocQA, question: str) -> None:
    engine.ask(question)
    assert len(engine.documents()) == 2


def test_a_very_long_question_is_answered_with_notices(engine: DocQA) -> None:
    result = engine.ask("lease " + " ".join(f"word{number}" for number in range(20_000)))
    assert result.answers
    assert [str(QUESTION_TERMS) in notice or "beginning" in notice for notice in result.notices] == [True, True]


def test_a_length_configuration_is_reported(engine: DocQA) -> None:
    result = engine.ask("lease", lengths=LengthConfiguration((0.5, 0.2)))
    assert result.reader.lengths == (0.5, 0.2)
    assert_quotes_its_documents(result, engine)


def test_the_numbers_of_answers_and_passages_are_bounded_as_asked(open_library: Open, sample: Path) -> None:
    library = open_library(sample)
    found, answered = library.ask_events("garden rent lease", top=3, passages=2)
    assert isinstance(found, events.CandidatesFound)
    assert isinstance(answered, events.Answered)
    assert len(found.candidates) == 2
    assert len(answered.result.answers) == 3
    assert len(library.search("garden rent lease", top=4)) == 4


def test_a_source_says_that_its_file_has_changed_or_gone(engine: DocQA, folder: Path) -> None:
    def states() -> set[str]:
        result = engine.ask("When does the lease end?")
        return {source.state for answer in result.answers for source in answer.sources}

    assert states() == {"unchanged"}
    (folder / "lease.md").write_text(LEASE + "More.")
    assert states() == {"changed"}
    (folder / "lease.md").unlink()
    assert states() == {"gone"}


# --- looking and removing -----------------------------------------------------------------------------------


def test_documents_can_be_listed_below_a_path(engine: DocQA, folder: Path) -> None:
    assert names(engine.documents(folder)) == ["boiler.txt", "lease.md"]
    assert names(engine.documents(folder / "lease.md")) == ["lease.md"]
    assert engine.documents(folder / "nothing") == []


def test_the_text_of_what_is_not_in_the_library_is_a_usage_error(engine: DocQA, folder: Path) -> None:
    with pytest.raises(UsageError, match="not in the library"):
        engine.text(folder / "nothing")


def test_removing_takes_documents_out_of_the_library_and_leaves_files(engine: DocQA, folder: Path) -> None:
    assert engine.remove(folder / "lease.md") == [str(folder / "lease.md")]
    assert (folder / "lease.md").read_text() == LEASE
    assert names(engine.documents()) == ["boiler.txt"]
    assert engine.search("lease") == ()
    assert engine.remove(folder / "lease.md") == []
    assert engine.status().problems == ()


def test_an_empty_path_is_not_the_current_folder(engine: DocQA) -> None:
    for call in (engine.remove, engine.remove_root, engine.documents, lambda path: engine.stretch(path, 0, 1)):
        with pytest.raises(UsageError, match="empty"):
            call("")


def test_a_library_can_be_used_after_closing(engine: DocQA) -> None:
    engine.close()
    assert len(engine.documents()) == 2


@pytest.mark.parametrize("call", ["documents", "status"])
def test_looking_at_a_library_that_is_not_there_makes_none(open_library: Open, library: Path, call: str) -> None:
    with pytest.raises(LibraryError, match="no library at"):
        getattr(open_library(library), call)()
    assert not library.exists()


def test_an_empty_library_is_sound_and_finds_nothing(open_library: Open, library: Path, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    engine = open_library(library)
    assert engine.index([tmp_path / "nothing"]).documents == 0
    assert engine.search("lease") == ()
    assert engine.ask("lease").answers == ()
    assert engine.status().problems == ()


def test_a_library_of_other_rules_of_analysis_is_refused(engine: DocQA, folder: Path) -> None:
    engine._open().set_setting("analysis", "0")
    engine.close()
    for use in (lambda: engine.search("lease"), lambda: engine.index([folder])):
        with pytest.raises(LibraryError, match="other rules of analysis"):
            use()


def test_the_default_library_is_the_one_named_or_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_library() == tmp_path / "docqa" / "library.docqa"
    monkeypatch.setenv("DOCQA_LIBRARY", "/elsewhere/mine.docqa")
    assert DocQA().library == Path("/elsewhere/mine.docqa")


def test_deleted_words_leave_the_file(open_library: Open, library: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "kept.txt").write_text("A harmless text.")
    (folder / "secret.txt").write_text("The password is xyzzyplugh.")
    engine = open_library(library)
    engine.index([folder])
    engine.remove(folder / "secret.txt")
    engine.close()
    assert b"xyzzyplugh" not in library.read_bytes()


def test_nothing_is_read_for_a_search(sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("the reader was loaded")

    monkeypatch.setattr("docqa.reader.weights.load", refuse)
    with DocQA(sample) as library:
        assert library.search("garden")
        assert library.status().documents == 19


def test_one_answer_is_the_first_of_many(sample: Path) -> None:
    with DocQA(sample, reader=shipped_folder()) as engine:
        for entry in json.loads(QUESTIONS.read_text())[::25]:
            (one,) = engine.ask(entry["question"], top=1, min_confidence=0.0).answers
            first, *_ = engine.ask(entry["question"], min_confidence=0.0).answers
            assert (one.text, one.sources) == (first.text, first.sources)
            # Reading may have ended before other passages could add to it or take from it.
            assert one.confidence == pytest.approx(first.confidence, abs=0.05)


def test_better_answers_are_told_while_reading_goes_on(open_library: Open, sample: Path) -> None:
    *steps, _ = open_library(sample).ask_events("What is the rent?", min_confidence=0.0)
    improved = [(step.read, step.passages) for step in steps if isinstance(step, events.AnswersImproved)]
    assert improved == [(3, 10), (6, 10)]
