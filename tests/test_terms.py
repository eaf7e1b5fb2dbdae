from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_postings import plain

from docqa.postings import Postings, count_lists
from docqa.terms import _QUESTION_WORDS, _Memory, document_terms, passage_postings, passage_terms, question_terms

# Text with many accents, compatibility forms and scripts beside what Hypothesis finds by itself.
words = st.text() | st.text(alphabet="aàâÅéïñöſßΣσςİıKﬁＡ𝐀𝚨½²Жжअ中日ーא' _-.\u0301", max_size=12)


@given(words)
def test_a_question_looks_for_what_a_document_is_found_by(text: str) -> None:
    found_by = document_terms(text)
    assert set(question_terms(text)) <= set(found_by)
    assert set(found_by) - set(question_terms(text)) <= set(document_terms(" ".join(_QUESTION_WORDS)))


@given(words)
def test_a_question_has_terms_exactly_if_a_document_of_its_words_has(text: str) -> None:
    assert bool(question_terms(text)) == bool(document_terms(text))


@given(words)
def test_a_question_looks_for_each_term_once(text: str) -> None:
    terms = question_terms(text)
    assert len(terms) == len(set(terms))


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("Café", "cafe"),
        ("cafe\u0301", "CAFÉ"),
        ("naïve Ångström", "naive angstrom"),
        ("STRASSE", "straße"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("ｆｕｌｌ", "full"),
        ("𝐇ello", "hello"),
        ("the ﬁle", "file"),
        ("leases", "lease"),
        ("Running", "runs"),
        ("max_retry_count", "max retry count"),
        ("tenant's", "tenant"),
        ("tenant’s", "tenant"),
        ("Привет", "привет"),
    ],
)
def test_what_is_written_otherwise_is_found_all_the_same(written: str, asked: str) -> None:
    assert set(question_terms(asked)) <= set(document_terms(written))


def test_document_terms_keep_order_and_repetition() -> None:
    assert document_terms("Rent, lease, rent!") == ["rent", "leas", "rent"]


def test_documents_keep_the_words_that_questions_lose() -> None:
    assert document_terms("To be or not to be") == ["to", "be", "or", "not", "to", "be"]


def test_question_terms_come_in_the_order_of_first_appearance() -> None:
    assert question_terms("Which rent does the lease name as rent?") == ["rent", "leas", "name"]


def test_a_question_of_question_words_alone_keeps_them() -> None:
    assert question_terms("Who am I?") == ["who", "am", "i"]
    assert question_terms("What's it?") == ["what", "s", "it"]


@pytest.mark.parametrize(
    ("question", "terms"),
    [
        ("Who pays the rent in May?", ["pay", "rent", "may"]),
        ("May the tenant keep it with us?", ["tenant", "keep"]),
        ("What did Will say?", ["say", "will"]),
        ("Will the US office move?", ["us", "offic", "move"]),
        ("IT budget", ["it", "budget"]),
        ("WHERE IS IT BOUGHT", ["bought"]),
        ("How long may it take?", ["long", "take"]),
    ],
)
def test_question_words_that_are_names_are_looked_for(question: str, terms: list[str]) -> None:
    assert sorted(question_terms(question)) == sorted(terms)


@pytest.mark.parametrize("question", ["", " ", "?!", "\n\t", "___", "— …", "\x00", "\udcff"])
def test_a_question_without_words_has_no_terms(question: str) -> None:
    assert question_terms(question) == []


@pytest.mark.parametrize(
    "question", ["C++", "a:b", "-x", '"unbalanced', "x* OR y", "(", "NEAR(a b)", "'; DROP TABLE --"]
)
def test_operators_are_separators_like_any_punctuation(question: str) -> None:
    assert all(term.isalnum() for term in question_terms(question))


pieces = st.lists(
    words
    | st.text(alphabet="aB1_ -\n", max_size=12)
    | st.sampled_from(["internationalization", "characteristically1", "Leases", "exactly8", "sixteenletters16"]),
    max_size=6,
)


def counted_and_listed(passages: list[tuple[str, str]]) -> tuple[Postings, Postings]:
    path = "/letters/Lease-2025.txt"
    listed = [passage_terms(path, heading, text) for heading, text in passages]
    return passage_postings((path, *each) for each in passages), count_lists(listed)


@given(st.lists(st.tuples(st.sampled_from(["", "Über uns", "Annex A", "\0"]), pieces.map(" ".join)), max_size=4))
def test_postings_count_the_terms_of_passages(passages: list[tuple[str, str]]) -> None:
    counted, listed = counted_and_listed(passages)
    assert plain(counted) == plain(listed)
    assert counted.lengths.tolist() == listed.lengths.tolist()


def test_words_that_share_a_slot_keep_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docqa.numbering._SLOT_BITS", 1)
    monkeypatch.setattr("docqa.terms._memory", _Memory())
    text = " ".join(f"word{number % 7} x{number % 5}" for number in range(60))
    for _ in range(3):
        counted, listed = counted_and_listed([("", text[:200]), ("", text[200:])])
        assert plain(counted) == plain(listed)


def test_postings_do_not_depend_on_what_was_counted_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docqa.terms._VOCABULARY", 3)
    passages = [("/a.txt", "", "rent lease."), ("/a.txt", "", "boiler garden rents")]
    first = passage_postings(passages)
    passage_postings([("/b.txt", "", "a b c d e f g")])
    assert plain(passage_postings(passages)) == plain(first)
