"""E-mail messages, written by the standard library or by hand."""

from __future__ import annotations

import sys
from email.message import EmailMessage
from types import SimpleNamespace

import pytest
from pdf_writer import column, write_pdf

from docqa.extract import extract
from docqa.records import Extraction, Mark


def mail(subject: str = "Trip", body: str = "Hello") -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = "Ann <ann@example.org>"
    message.set_content(body)
    return message


def read(message: EmailMessage) -> Extraction:
    return extract("a.eml", message.as_bytes())[1]


def raw(*lines: bytes) -> str:
    return extract("a.eml", b"\r\n".join(lines))[1].text


def test_headers_come_first_and_the_subject_is_the_heading() -> None:
    message = mail("Größe\tder Tür")
    message["To"] = "bob@example.org"
    message["Date"] = "Mon, 01 Jan 2024 10:00:00 +0100"
    extraction = read(message)
    assert extraction.text.rstrip() == (
        "Subject: Größe der Tür\nFrom: Ann <ann@example.org>\nTo: bob@example.org\n"
        "Date: Mon, 01 Jan 2024 10:00:00 +0100\n\nHello"
    )
    assert extraction.marks == (Mark("heading", 0, "Größe der Tür"),)


def test_plain_text_is_preferred_unless_it_is_blank() -> None:
    message = mail()
    message.add_alternative("<p>Bye", subtype="html")
    assert read(message).text.endswith("Hello")
    message = mail(body="  \n")
    message.add_alternative("<h1>Bye</h1><p>now", subtype="html")
    extraction = read(message)
    assert extraction.text.endswith("Bye\n\nnow")
    assert [mark.value for mark in extraction.marks] == ["Trip", "Trip › Bye"]


def test_attachments_follow_under_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docqa.extract.pdf.reads_pictures", lambda: False)
    message = mail()
    message.add_attachment("# Notes\n\ntext", subtype="markdown", filename="n.md")
    pages = write_pdf([column(["First."]), [], column(["Third."])])
    message.add_attachment(pages, maintype="application", subtype="pdf", filename="plan.pdf")
    message.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="photo.png")
    message.add_attachment(b"PK\0\0", maintype="application", subtype="x", filename="x.rar")
    extraction = read(message)
    assert extraction.text.endswith("Hello\n\nNotes\n\ntext\n\nFirst.\n\nThird.")
    assert [(mark.kind, mark.value) for mark in extraction.marks] == [
        ("heading", "Trip"),
        ("heading", "Trip › n.md"),
        ("heading", "Trip › n.md › Notes"),
        ("heading", "Trip › plan.pdf"),
    ]
    assert extraction.remarks == ("page 2 has no text layer", "attachment x.rar: unknown format '.rar'")


def test_pictures_are_read_where_text_in_them_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    recogniser = SimpleNamespace(extract=lambda data: Extraction(data.decode()))
    monkeypatch.setitem(sys.modules, "docqa.extract.picture", recogniser)
    monkeypatch.setattr("docqa.extract.formats.reads_pictures", lambda: True)
    message = mail()
    message.add_attachment(b"900 euros.", maintype="image", subtype="jpeg", filename="Receipt 3.2024")
    message.add_attachment(b"Paid.", maintype="image", subtype="png", disposition="inline", cid="<a@b>")
    message.add_attachment(b" ", maintype="image", subtype="png", filename="logo.png")
    message.add_attachment(b"\xff", maintype="image", subtype="png", filename="torn.png")
    message.add_attachment(b"<svg>", maintype="image", subtype="svg+xml", filename="drawing.svg")
    message.add_attachment(b"text", maintype="audio", subtype="x", filename="call.txt")
    extraction = read(message)
    assert extraction.text.endswith("Hello\n\n900 euros.\n\nPaid.")
    assert [mark.value for mark in extraction.marks] == ["Trip", "Trip › Receipt 3.2024", "Trip › picture.png"]
    assert [remark.split(" (")[0] for remark in extraction.remarks] == ["attachment torn.png: damaged picture"]


def test_an_attachment_in_rich_text_without_a_name_is_read_as_such() -> None:
    message = mail()
    message.add_attachment(rb"{\rtf1 900 euros.}", maintype="text", subtype="rtf")
    assert read(message).text.endswith("Hello\n\n900 euros.")


def test_an_attachment_without_a_telling_suffix_is_read_by_its_type() -> None:
    message = mail()
    pages = write_pdf([column(["900 euros."])])
    message.add_attachment(pages, maintype="application", subtype="pdf", filename="Invoice 3.2024")
    extraction = read(message)
    assert extraction.text.endswith("900 euros.")
    assert extraction.marks[-1].value == "Trip › Invoice 3.2024"
    assert extraction.remarks == ()


def test_attachments_inside_an_alternative_are_not_lost() -> None:
    message = mail()
    message.add_alternative("<p>Bye", subtype="html")
    html_part = list(message.iter_parts())[1]
    html_part.make_mixed()
    html_part.add_attachment("the list", filename="list.txt")
    text = read(message).text
    assert "the list" in text
    assert "Bye" not in text


@pytest.mark.parametrize("as_file", [False, True])
def test_messages_in_messages_are_read_to_a_depth(as_file: bool) -> None:
    message = mail("level4", "text4")
    for level in range(3, -1, -1):
        outer = mail(f"level{level}", f"text{level}")
        if as_file:
            content = message.as_bytes()
            outer.add_attachment(content, maintype="application", subtype="octet-stream", filename="m.eml")
        else:
            outer.add_attachment(message)
        message = outer
    extraction = read(message)
    assert "text3" in extraction.text
    assert "text4" not in extraction.text
    name = "m.eml" if as_file else "message.eml"
    assert extraction.remarks == (f"attachment {name}: nested too deeply",)
    assert extraction.marks[-1].value == f" › {name} › ".join(f"level{level}" for level in range(4))


def test_broken_encodings_are_decoded_as_well_as_they_can_be() -> None:
    text = raw(
        "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= und Käse".encode("latin-1"),
        b"From: =?no-such?b?aGk=?= <a@b>",
        b"To: =?utf-8?b?!!!!?=",
        b"Content-Type: text/plain; charset=no-such",
        b"Content-Transfer-Encoding: base64",
        b"",
        b"SGVsbG8g/////w!",
    )
    assert text.startswith("Subject: Grüße und Käse\nFrom: hi <a@b>\n")
    assert "Hello" in text


def test_a_declared_charset_is_heeded() -> None:
    assert raw(b"Content-Type: text/plain; charset=windows-1250", b"", "ťuk".encode("cp1250")) == "ťuk"


def test_a_message_without_a_subject_has_no_heading() -> None:
    extraction = extract("a.eml", b"From: a@b\n\nHello")[1]
    assert extraction.text == "From: a@b\n\nHello"
    assert extraction.marks == ()
