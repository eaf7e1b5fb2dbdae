"""Messages as Outlook saves them: the headers that matter, the body, and the attachments that hold text."""

from __future__ import annotations

from collections.abc import Iterator

from oxmsg import Message
from oxmsg.attachment import Attachment
from oxmsg.domain.constants import PID_ATTACH_FILENAME, PID_DISPLAY_NAME

from docqa import extract as formats
from docqa.errors import ExtractionError
from docqa.extract import html
from docqa.extract.draft import Draft
from docqa.extract.nesting import opened
from docqa.records import Extraction

_UNREAD = ("image", "audio", "video")


def extract(data: bytes) -> Extraction:
    """Return a message's headers, body and attachments; those that yield no text are remarked on."""
    message = Message.load(data)
    draft = Draft()
    headers = {name: " ".join(value.split()) for name, value in _headers(message)}
    draft.under(headers["Subject"], level=0)
    draft.block("\n".join(f"{name}: {value}" for name, value in headers.items() if value))
    body = message.body or ""
    draft.embed(Extraction(body) if body.strip() else html.extract_markup(message.html_body or ""))
    with opened() as allowance:
        for attachment in message.attachments:
            allowance.take_members(1)
            allowance.take_bytes(attachment.size)
            _attach(draft, attachment)
    return draft.finish()


def _headers(message: Message) -> Iterator[tuple[str, str]]:
    yield "Subject", message.subject
    yield "From", message.sender or ""
    # A person's name and address are often the same.
    recipients = (dict.fromkeys(filter(None, (each.name, each.email_address))) for each in message.recipients)
    yield "To", ", ".join(" ".join(names) for names in recipients)
    yield "Date", f"{message.sent_date:%a, %d %b %Y %H:%M} UTC" if message.sent_date else ""


def _attach(draft: Draft, attachment: Attachment) -> None:
    properties = attachment.properties
    short, shown = (properties.str_prop_value(each) for each in (PID_ATTACH_FILENAME, PID_DISPLAY_NAME))
    name = " ".join((attachment.file_name or short or shown or "attachment.txt").split())
    if (attachment.mime_type or "").split("/")[0] in _UNREAD:
        return
    try:
        if attachment.file_bytes is None:
            raise ExtractionError("a message or an object inside the message is not read")
        content = formats.extract(name, attachment.file_bytes)[1]
    except ExtractionError as error:
        draft.remark(f"attachment {name}: {error}")
        return
    draft.under(name, level=1)
    draft.embed(content)
