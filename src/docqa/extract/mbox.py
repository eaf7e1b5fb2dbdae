"""Mailboxes: one message after the other, each under its subject, read as single messages are."""

from __future__ import annotations

import email
import re
from collections.abc import Iterator

from docqa.errors import ExtractionError
from docqa.extract import email as message_format
from docqa.extract.draft import Draft
from docqa.extract.nesting import opened
from docqa.records import Extraction

# A line of the body can begin with "From ", too: only one after an empty line and with a time begins a message.
_BEGINNING = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\r\n]{0,300}\d\d:\d\d[^\r\n]{0,100}\r?\n")
_ESCAPED = re.compile(rb"^>(>*From )", re.MULTILINE)


def extract(data: bytes) -> Extraction:
    """Return all messages with their attachments; a message that cannot be read is remarked on."""
    draft = Draft()
    with opened():
        for number, content in enumerate(_messages(data), start=1):
            try:
                message_format.write(draft, email.message_from_bytes(content), untitled=f"message {number}")
            except (RecursionError, ValueError, LookupError, TypeError, AttributeError) as error:
                draft.remark(f"message {number} is damaged ({type(error).__name__})")
    return draft.finish()


def _messages(data: bytes) -> Iterator[bytes]:
    begins = [match.span() for match in _BEGINNING.finditer(data)]
    if not begins or data[: begins[0][0]].strip():
        raise ExtractionError("not a mailbox")
    ends = [*(start for start, _ in begins[1:]), len(data)]
    for (_, start), end in zip(begins, ends, strict=True):
        yield _ESCAPED.sub(rb"\1", data[start:end])
