"""Questions taken apart: words, filters, phrases, excluded words."""

import time
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docqa.errors import UsageError
from docqa.questions import Filters, make_filter, parse_question, restrictions, without
from docqa.records import Document
from docqa.terms import document_terms


def document(path: str, media_type: str = "text/plain", day: str = "2024-05-01") -> Document:
    mtime_ns = int(datetime.fromisoformat(day).timestamp() * 1e9)
    return Document(path, media_type, 1, mtime_ns, "", 1, 1)


def test_a_plain_question_is_itself() -> None:
    parsed = parse_question("When does the lease end?")
    assert parsed.text == "When does the lease end?"
    assert parsed.terms == ("leas", "end")
    assert not parsed.filters
    assert parsed.accepts("anything")


def test_filters_leave_the_text() -> None:
    parsed = parse_question("what pressure in:home/ type:PDF since:2024-05 -garden")
    assert parsed.text == "what pressure"
    assert parsed.filters.paths == ("home/",)
    assert parsed.filters.types == ("pdf",)
    assert parsed.filters.since == datetime(2024, 5, 1).timestamp()
    assert parsed.excluded == {"garden"}


def test_a_phrase_must_stand_word_for_word() -> None:
    parsed = parse_question('who wrote "The Star Spangled Banner?"')
    assert parsed.accepts("It was the star-spangled  banner, then.")
    assert not parsed.accepts("a banner, star spangled")
    assert not parsed.accepts("the star spangled banners")


@pytest.mark.parametrize(
    ("question", "phrase"),
    [
        ('what does "log in: failed" mean', "log in: failed"),
        ('"look in:here now" please', "look in:here now"),
        ('send "e -mail" today', "e -mail"),
    ],
)
def test_a_phrase_is_taken_as_it_stands(question: str, phrase: str) -> None:
    parsed = parse_question(question)
    assert parsed.text == question.replace('"', "")
    assert parsed.accepts(f"It says {phrase}.")
    assert not parsed.accepts("It says something else.")
    assert not parsed.filters
    assert [each.text for each in restrictions(question)] == [f'"{phrase}"']


def test_what_follows_a_phrase_without_a_space_is_a_word() -> None:
    parsed = parse_question('"heat"-exchanger')
    assert (parsed.phrases, parsed.excluded) == ((" heat ",), frozenset())
    assert len(restrictions('"heat"-exchanger')) == 1


def test_quotes_around_no_word_ask_for_no_phrase() -> None:
    assert parse_question('rent "_"').accepts("The rent is due.")


def test_a_quote_without_a_partner_costs_no_more_than_its_text() -> None:
    started = time.process_time()
    assert restrictions('"' + "word " * 20_000) == []
    assert time.process_time() - started < 1.0


def test_words_of_a_phrase_are_looked_for_even_if_they_only_glue() -> None:
    assert set(document_terms("to be or not to be")) <= set(parse_question('who said "to be or not to be"').terms)


def test_excluded_words_are_compared_by_their_stem() -> None:
    parsed = parse_question("boiler -valves")
    assert not parsed.accepts("The valve opens.")
    assert parsed.accepts("The pump runs.")


@pytest.mark.parametrize(
    "question", ["C++ or a:b?", 'an "unbalanced quote', "https://example.org/x?y=z", "5 - 3", "x AND y"]
)
def test_other_operators_are_words(question: str) -> None:
    parsed = parse_question(question)
    assert parsed.text == question
    assert not parsed.phrases
    assert not parsed.excluded
    assert not parsed.filters


@pytest.mark.parametrize("question", ["", "  ", "?!", "in:notes/", "-word", "type:pdf -x"])
def test_nothing_to_look_for_is_an_error(question: str) -> None:
    with pytest.raises(UsageError, match="no words"):
        parse_question(question)


@pytest.mark.parametrize("question", ["rent since:yesterday", "rent since:2024-13-01", "rent type:", "rent in:"])
def test_malformed_filters_say_how_to_write_them(question: str) -> None:
    with pytest.raises(UsageError, match=r"since:2024-05-01|type:pdf|in:notes/"):
        parse_question(question)


@pytest.mark.parametrize(
    ("pattern", "path", "accepted"),
    [
        ("notes", "/home/me/notes/a.txt", True),
        ("notes/", "/home/me/notes/deep/a.txt", True),
        ("notes", "/home/me/footnotes/a.txt", False),
        ("*.pdf", "/home/me/Lease.PDF", True),
        ("me/*.txt", "/home/me/a.txt", True),
        ("/home/me", "/home/me/a.txt", True),
        ("/home/m", "/home/me/a.txt", False),
        ("100%_[1].txt", "/x/100%_[1].txt", False),
        ("100%_[[]1].txt", "/x/100%_[1].txt", True),
        ("'; DROP TABLE documents; --", "/x/a.txt", False),
    ],
)
def test_path_filters(pattern: str, path: str, accepted: bool) -> None:
    assert make_filter("in", pattern).accept(document(path)) is accepted


def test_a_value_with_a_space_is_put_in_quotes() -> None:
    parsed = parse_question('rent in:"My Documents/" "heat exchanger"')
    assert (parsed.text, parsed.filters.paths) == ("rent heat exchanger", ("My Documents/",))
    assert [each.text for each in restrictions('rent in:"My Documents/"')] == ['in:"My Documents/"']


def test_a_path_is_followed_to_where_its_documents_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    lease = document(f"{tmp_path.resolve()}/real/lease.pdf")
    assert make_filter("in", f"{tmp_path}/link/").accept(lease)
    assert make_filter("in", f"{tmp_path}/link/*.pdf").accept(lease)
    monkeypatch.chdir(tmp_path)
    assert make_filter("in", "./link").accept(lease)
    assert not make_filter("in", "/\0").accept(lease)


def test_a_hidden_folder_is_a_name_like_any_other() -> None:
    assert make_filter("in", ".github/").accept(document("/x/.github/workflows/ci.yml"))


def test_types_by_suffix_or_media_type() -> None:
    assert make_filter("type", ".md").accept(document("/a.md", "text/markdown"))
    assert make_filter("type", "markdown").accept(document("/a.mdown", "text/markdown"))
    assert not make_filter("type", "pdf").accept(document("/a.md", "text/markdown"))


def test_dates_are_inclusive() -> None:
    assert make_filter("since", "2024-05-01").accept(document("/a", day="2024-05-01"))
    assert not make_filter("since", "2024-05-02").accept(document("/a", day="2024-05-01"))


def test_several_of_a_kind_are_alternatives_and_kinds_add_up() -> None:
    filters = make_filter("in", "a").combined(make_filter("in", "b")).combined(make_filter("type", "txt"))
    assert filters.accept(document("/x/b/n.txt"))
    assert not filters.accept(document("/x/b/n.md"))
    assert not filters.accept(document("/x/c/n.txt"))


@given(st.text())
def test_any_text_is_parsed_or_refused_with_advice(question: str) -> None:
    try:
        parsed = parse_question(question, Filters())
    except UsageError:
        return
    assert parsed.terms


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("rent", []),
        ("in:home type:pdf rent", [("in", "in:home"), ("type", "type:pdf")]),
        ('"the rent" -flat -"no pets"', [("phrase", '"the rent"'), ("without", "-flat"), ("without", '-"no pets"')]),
        ("since:2024 a-b SINCE:2025", [("since", "since:2024"), ("since", "SINCE:2025")]),
    ],
)
def test_restrictions_are_found_where_they_stand(question: str, found: list[tuple[str, str]]) -> None:
    parts = restrictions(question)
    assert [(each.kind, each.text) for each in parts] == found
    assert all(question[each.start : each.end] == each.text for each in parts)


@given(st.lists(st.sampled_from(["a", "b-c", " ", " ", '"', "-", "_", "in:", "TYPE:", "x/"])).map("".join))
def test_no_part_of_a_question_is_read_twice(question: str) -> None:
    parts = restrictions(question)
    assert all(question[each.start : each.end] == each.text for each in parts)
    assert all(one.end <= other.start for one, other in pairwise(parts))


def test_a_restriction_is_taken_out_and_a_phrases_words_stay() -> None:
    question = 'in:home what "the rent" -flat'
    first, phrase, last = restrictions(question)
    assert without(question, first) == 'what "the rent" -flat'
    assert without(question, phrase) == "in:home what the rent -flat"
    assert without(question, last) == 'in:home what "the rent"'
