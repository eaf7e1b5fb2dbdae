"""Outlook messages, written byte by byte as Outlook does."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from extract.msg_writer import Mail, write_msg
from extract.pdf_writer import Line, write_pdf

from docqa.errors import ExtractionError
from docqa.extract import extract
from docqa.records import Extraction

pytest.importorskip("oxmsg", reason="docqa[office] is not installed")


def read(mail: Mail) -> Extraction:
    media_type, extraction = extract("mail.msg", write_msg(mail))
    assert media_type == "application/vnd.ms-outlook"
    return extraction


def headings(extraction: Extraction) -> list[tuple[str, str]]:
    """The path of headings with the beginning of what stands there."""
    return [
        (mark.value, extraction.text[mark.start :].split("\n")[0])
        for mark in extraction.marks
        if mark.kind == "heading"
    ]


def test_a_message_reads_as_a_person_sees_it() -> None:
    mail = Mail(
        subject="Class trip",
        sender=("Ann Farrow", "ann@example.org"),
        to=[("Bo", "bo@example.org"), ("cy@example.org", "cy@example.org")],
        sent=datetime(2024, 5, 3, 10, 30, tzinfo=UTC),
        body="We meet at eight.\r\n\r\nBring a coat.",
    )
    extraction = read(mail)
    assert extraction.text == (
        'Subject: Class trip\nFrom: "Ann Farrow" <ann@example.org>\nTo: Bo bo@example.org, cy@example.org\n'
        "Date: Fri, 03 May 2024 10:30 UTC\n\nWe meet at eight.\n\nBring a coat."
    )
    assert headings(extraction) == [("Class trip", "Subject: Class trip")]


def test_a_body_in_html_is_read_where_there_is_no_other() -> None:
    extraction = read(Mail(subject="Rent", html="<p>The rent is <b>20 €</b>.</p>".encode()))
    assert extraction.text.endswith("The rent is 20 €.")


def test_a_long_body_is_read_to_its_end() -> None:
    body = "\n\n".join(f"Paragraph {number} of a long letter." for number in range(2_000))
    assert read(Mail(body=body)).text.endswith(body)


def test_attachments_stand_under_their_names() -> None:
    extraction = read(
        Mail(
            subject="Papers",
            body="See below.",
            attachments=[
                ("lease.pdf", "application/pdf", write_pdf([[Line(72, 700, "The lease ends in May.")]])),
                ("notes.txt", "text/plain", b"A heron."),
                ("logo.png", "image/png", b"\x89PNG"),
            ],
        )
    )
    assert headings(extraction)[1:] == [
        ("Papers › lease.pdf", "The lease ends in May."),
        ("Papers › notes.txt", "A heron."),
    ]
    assert extraction.remarks == ()


def test_pictures_are_read_where_text_in_them_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    recogniser = SimpleNamespace(extract=lambda data: Extraction(data.decode()))
    monkeypatch.setitem(sys.modules, "docqa.extract.picture", recogniser)
    monkeypatch.setattr("docqa.extract.formats.reads_pictures", lambda: True)
    pictures = [("rent.jpg", "image/jpeg", b"900 euros."), ("a.png", "image/png", b" "), ("a.gif", "image/gif", b"G")]
    extraction = read(Mail(subject="Papers", body="See below.", attachments=pictures))
    assert headings(extraction)[1:] == [("Papers › rent.jpg", "900 euros.")]
    assert extraction.remarks == ()


def test_a_message_without_a_subject_has_no_heading() -> None:
    extraction = read(Mail(body="See below.", attachments=[("notes.txt", "text/plain", b"A heron.")]))
    assert headings(extraction) == [("notes.txt", "A heron.")]


def test_a_heading_is_as_clean_as_the_text() -> None:
    assert headings(read(Mail(subject="Rent\0", body="x")))[0] == ("Rent�", "Subject: Rent�")


def test_what_cannot_be_read_is_remarked_on() -> None:
    extraction = read(
        Mail(
            body="See below.",
            attachments=[("torn.docx", "application/x", b"PK torn"), ("drawing", "application/x", None)],
        )
    )
    assert [remark.split(":")[0] for remark in extraction.remarks] == ["attachment torn.docx", "attachment drawing"]
    assert "is not read" in extraction.remarks[1]


def test_a_message_inside_a_message_is_read_with_its_attachments() -> None:
    first = Mail(
        subject="Rent",
        sender=("Ann Farrow", "ann@example.org"),
        to=[("Bo", "bo@example.org")],
        sent=datetime(2024, 5, 3, 10, 30, tzinfo=UTC),
        body="The rent is 20 a year.",
        attachments=[("notes.txt", "text/plain", b"A heron.")],
    )
    untitled = Mail(html=b"<p>No subject.</p>")
    extraction = read(
        Mail(
            subject="Fwd: Rent",
            body="See below.",
            attachments=[("Rent", "", first), ("untitled", "", untitled), ("last.txt", "text/plain", b"The end.")],
        )
    )
    assert headings(extraction) == [
        ("Fwd: Rent", "Subject: Fwd: Rent"),
        ("Fwd: Rent › Rent", "Subject: Rent"),
        ("Fwd: Rent › Rent › notes.txt", "A heron."),
        ("Fwd: Rent › untitled", "No subject."),
        ("Fwd: Rent › last.txt", "The end."),
    ]
    assert 'From: "Ann Farrow" <ann@example.org>\nTo: Bo bo@example.org\nDate: Fri, 03 May 2024' in extraction.text
    assert "The rent is 20 a year." in extraction.text
    assert extraction.remarks == ()


def test_messages_inside_messages_end_somewhere() -> None:
    inner = Mail(subject="innermost", body="Found.")
    for number in range(6):
        inner = Mail(subject=f"level {number}", attachments=[("inner", "", inner)])
    extraction = read(inner)
    assert "level 5" in extraction.text
    assert "Found." not in extraction.text
    assert extraction.remarks == ("attachment inner: nested too deeply",)


def test_a_message_in_a_message_in_a_message_ends_somewhere() -> None:
    inner = write_msg(Mail(subject="innermost", body="Found."))
    for number in range(6):
        inner = write_msg(Mail(subject=f"level {number}", attachments=[("inner.msg", "application/x", inner)]))
    extraction = extract("mail.msg", inner)[1]
    assert "level 5" in extraction.text
    assert "Found." not in extraction.text
    assert any("nested too deeply" in remark for remark in extraction.remarks)


@pytest.mark.parametrize("cut", [0, 4, 512, 700, 1_500])
def test_what_is_damaged_is_an_error(cut: int) -> None:
    whole = write_msg(Mail(subject="Rent", body="The rent is 20 a year."))
    with pytest.raises(ExtractionError):
        extract("mail.msg", whole[:cut] + b"\xff" * 40)
