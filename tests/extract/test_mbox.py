"""Mailboxes, written by the standard library."""

from __future__ import annotations

import mailbox
import time
from email.message import EmailMessage
from pathlib import Path

import pytest
from packing import packed

from docqa.errors import ExtractionError
from docqa.extract import extract


def mail(subject: str, body: str) -> EmailMessage:
    message = EmailMessage()
    if subject:
        message["Subject"] = subject
    message["From"] = "ann@example.org"
    message.set_content(body)
    return message


def box(folder: Path, *messages: EmailMessage) -> bytes:
    path = folder / "box.mbox"
    made = mailbox.mbox(path)
    for message in messages:
        made.add(message)
    made.close()
    return path.read_bytes()


def test_each_message_stands_under_its_subject(tmp_path: Path) -> None:
    second = mail("", "two\n\nFrom here on 10:00 it rains.\n")
    second.add_attachment("# Notes\n\ntext", subtype="markdown", filename="n.md")
    extraction = extract("a.mbox", box(tmp_path, mail("First", "one"), second))[1]
    assert extraction.text == (
        "Subject: First\nFrom: ann@example.org\n\none\n\nFrom: ann@example.org\n\ntwo\n\nFrom here on 10:00 it rains."
        "\n\nNotes\n\ntext"
    )
    assert [mark.value for mark in extraction.marks] == [
        "First",
        "message 2",
        "message 2 › n.md",
        "message 2 › n.md › Notes",
    ]


def test_what_is_no_mailbox_says_so() -> None:
    for data in (b"hello", b"Subject: x\n\nFrom a 10:00\n", b"From a " + b"00:00" * 200_000):
        with pytest.raises(ExtractionError, match="not a mailbox"):
            extract("a.mbox", data)


def test_mailboxes_in_messages_in_mailboxes_end(tmp_path: Path) -> None:
    message = mail("level 9", "innermost")
    for level in range(8, -1, -1):
        folder = tmp_path / str(level)
        folder.mkdir()
        data = box(folder, message)
        message = mail(f"level {level}", "text")
        message.add_attachment(data, maintype="application", subtype="mbox", filename="in.mbox")
    begun = time.monotonic()
    extraction = extract("a.mbox", box(tmp_path, message))[1]
    assert "level 2" in extraction.text
    assert "innermost" not in extraction.text
    assert any("nested too deeply" in remark for remark in extraction.remarks)
    assert time.monotonic() - begun < 5


def test_archives_in_messages_are_read(tmp_path: Path) -> None:
    message = mail("Trip", "see below")
    message.add_attachment(packed({"a.txt": "packed"}), maintype="application", subtype="zip", filename="x.zip")
    extraction = extract("a.mbox", box(tmp_path, message))[1]
    assert extraction.marks[-1].value == "Trip › x.zip › a.txt"
    assert extraction.text.endswith("\n\npacked")
