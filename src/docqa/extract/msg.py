"""Messages as Outlook saves them: the headers that matter, the body, and the attachments that hold text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from olefile import OleFileIO, isOleFile
from oxmsg import Message
from oxmsg.attachment import Attachment
from oxmsg.domain.constants import PID_ATTACH_FILENAME, PID_DISPLAY_NAME
from oxmsg.storage import Storage, Stream

from docqa import extract as formats
from docqa.errors import ExtractionError
from docqa.extract import html
from docqa.extract.draft import Draft
from docqa.extract.formats import may_hold_text
from docqa.extract.nesting import opened
from docqa.records import Extraction

# Where an attachment holds a message instead of bytes, and where a message has its properties (MS-OXMSG 2.2, 2.4).
_INNER_MESSAGE = "__substg1.0_3701000D"
_PROPERTIES = "__properties_version1.0"
# The properties of a message inside another begin after so many bytes, those of the outermost eight bytes later.
_INNER_HEADER_BYTES = 24


def extract(data: bytes) -> Extraction:
    """Return a message's headers, body and attachments; those that yield no text are remarked on."""
    if not isOleFile(data=data):
        raise ExtractionError("not an Outlook message")
    with OleFileIO(data) as file:
        storage = Storage.from_ole(file)
    draft = Draft()
    _write(draft, storage)
    return draft.finish()


def _write(draft: Draft, storage: Storage, *, depth: int = 0, untitled: str = "") -> None:
    """Append a message, `depth` messages inside others, under its subject, else under `untitled`."""
    with opened() as allowance:
        message = Message(storage)
        headers = {name: " ".join(value.split()) for name, value in _headers(message)}
        if title := headers["Subject"] or untitled:
            draft.under(title, level=depth)
        draft.block("\n".join(f"{name}: {value}" for name, value in headers.items() if value))
        body = message.body or ""
        draft.embed(Extraction(body) if body.strip() else html.extract_markup(message.html_body or ""))
        for attached in storage.iter_attachment_storages():
            attachment = Attachment(attached)
            allowance.take_members(1)
            allowance.take_bytes(attachment.size)
            _attach(draft, attachment, _inner_message(attached), depth)


def _headers(message: Message) -> Iterator[tuple[str, str]]:
    yield "Subject", message.subject
    yield "From", message.sender or ""
    # A person's name and address are often the same.
    recipients = (dict.fromkeys(filter(None, (each.name, each.email_address))) for each in message.recipients)
    yield "To", ", ".join(" ".join(names) for names in recipients)
    yield "Date", f"{message.sent_date:%a, %d %b %Y %H:%M} UTC" if message.sent_date else ""


def _inner_message(attached: Storage) -> Storage | None:
    """The message that an attachment is, in the form of one that is not inside another; None if it is none."""
    for inner in attached.storages:
        streams = {stream.name: stream for stream in inner.streams}
        if inner.name == _INNER_MESSAGE and (properties := streams.get(_PROPERTIES)) is not None:
            header, rest = properties.bytes_[:_INNER_HEADER_BYTES], properties.bytes_[_INNER_HEADER_BYTES:]
            streams[_PROPERTIES] = Stream(properties.path, header + bytes(8) + rest)
            return replace(inner, streams=tuple(streams.values()))
    return None


def _attach(draft: Draft, attachment: Attachment, message: Storage | None, depth: int) -> None:
    properties = attachment.properties
    short, shown = (properties.str_prop_value(each) for each in (PID_ATTACH_FILENAME, PID_DISPLAY_NAME))
    name = " ".join((attachment.file_name or short or shown or "attachment.txt").split())
    if not may_hold_text(name, attachment.mime_type or ""):
        return
    try:
        if message is not None:
            _write(draft, message, depth=depth + 1, untitled=name)
            return
        if attachment.file_bytes is None:
            raise ExtractionError("an object inside the message is not read")
        content = formats.extract(name, attachment.file_bytes)[1]
    except ExtractionError as error:
        if formats.is_worth_a_remark(name, error):
            draft.remark(f"attachment {name}: {error}")
        return
    draft.under(name, level=depth + 1)
    draft.embed(content)
