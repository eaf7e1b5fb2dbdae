"""E-mail messages: the headers that matter, the body, and the attachments that hold text.

Messages are parsed under the lenient `compat32` policy: the modern one parses headers as it hands them
out, and raises on broken ones. What is broken is decoded as well as it can be.
"""

from __future__ import annotations

import email
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message

from docqa import extract as formats
from docqa.errors import ExtractionError
from docqa.extract import html
from docqa.extract.decoding import decode
from docqa.extract.draft import Draft
from docqa.extract.formats import may_hold_text
from docqa.records import Extraction

_SHOWN_HEADERS = ("Subject", "From", "To", "Date")
_MAX_DEPTH = 3
_BODIES = ("text/plain", "text/html")
_NAMES = {
    "text/html": "page.html",
    "text/markdown": "text.md",
    "application/pdf": "document.pdf",
    "application/rtf": "document.rtf",
    "text/rtf": "document.rtf",
    **{f"image/{kind}": f"picture.{kind}" for kind in ("png", "jpeg", "tiff", "webp", "bmp")},
    "message/rfc822": "message.eml",
}


def extract(data: bytes) -> Extraction:
    """Return a message's headers, body and attachments; those that yield no text are remarked on."""
    draft = Draft()
    write(draft, email.message_from_bytes(data))
    return draft.finish()


def write(draft: Draft, message: Message, *, depth: int = 0, untitled: str = "") -> None:
    """Append a message, `depth` messages inside others, under its subject, else under `untitled`."""
    headers = {name: _header(message, name) for name in _SHOWN_HEADERS}
    if headers["Subject"] or untitled:
        draft.under(headers["Subject"] or untitled, level=2 * depth)
    draft.block("\n".join(f"{name}: {value}" for name, value in headers.items() if value))
    leaves = list(_leaves(message))
    for leaf in leaves:
        if _is_body(leaf):
            draft.embed(_body(leaf))
    for leaf in leaves:
        if not _is_body(leaf):
            _attachment(draft, leaf, depth)


def _leaves(message: Message) -> Iterator[Message]:
    """Yield the parts that hold content; of alternative bodies, only the one that reads best as text."""
    children = message.get_payload()
    if message.get_content_type() == "message/rfc822" or not isinstance(children, list):
        yield message
        return
    branches = [list(_leaves(child)) for child in children if isinstance(child, Message)]
    chosen = min(branches, key=_distance_from_plain, default=None)
    is_choice = message.get_content_type() == "multipart/alternative"
    for branch in branches:
        # Some programs put the attachments inside one of the alternatives.
        yield from (leaf for leaf in branch if not is_choice or branch is chosen or not _is_body(leaf))


def _distance_from_plain(leaves: list[Message]) -> int:
    bodies = [leaf for leaf in leaves if _is_body(leaf) and _bytes(leaf).strip()]
    return min((_BODIES.index(body.get_content_type()) for body in bodies), default=len(_BODIES))


def _is_body(part: Message) -> bool:
    return (
        part.get_content_type() in _BODIES
        and part.get_content_disposition() != "attachment"
        and not part.get_filename()
    )


def _body(part: Message) -> Extraction:
    text = decode(_bytes(part), part.get_content_charset())
    return html.extract_markup(text) if part.get_content_type() == "text/html" else Extraction(text)


def _attachment(draft: Draft, part: Message, depth: int) -> None:
    telling_name = _NAMES.get(part.get_content_type())
    name = _decoded(part.get_filename() or "") or telling_name or "attachment.txt"
    # A suffix that says nothing, as in `Invoice 3.2024`, leaves the word to the type.
    read_as = name if formats.media_type_of(name) else telling_name or name
    if not may_hold_text(read_as, part.get_content_type()):
        return
    try:
        inner = _inner_message(part, read_as)
        if inner is None:
            content = formats.extract(read_as, _bytes(part))[1]
        elif depth == _MAX_DEPTH:
            raise ExtractionError("nested too deeply")
    except ExtractionError as error:
        if formats.is_worth_a_remark(read_as, error):
            draft.remark(f"attachment {name}: {error}")
        return
    draft.under(name, level=2 * depth + 1)
    if inner is None:
        draft.embed(content)
    else:
        write(draft, inner, depth=depth + 1)


def _inner_message(part: Message, name: str) -> Message | None:
    payload = part.get_payload()
    if isinstance(payload, list):
        return next((child for child in payload if isinstance(child, Message)), None)
    if formats.media_type_of(name) == "message/rfc822":
        return email.message_from_bytes(_bytes(part))
    return None


def _bytes(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _header(message: Message, name: str) -> str:
    # The raw value, since headers may hold bytes that nobody declared; the parser made them surrogates.
    values = (str(value) for key, value in message.raw_items() if key.lower() == name.lower())
    return _decoded(next(values, ""))


def _decoded(value: str) -> str:
    """Decode encoded words and undeclared bytes, on one line."""
    text = decode(value.encode("utf-8", "surrogateescape"))
    try:
        pieces = [_piece(content, charset) for content, charset in decode_header(text)]
    except (HeaderParseError, ValueError):
        pieces = [text]
    return " ".join("".join(pieces).split())


def _piece(content: bytes | str, charset: str | None) -> str:
    if isinstance(content, str):
        return content
    # `decode_header` escapes what it leaves as it was.
    return decode(content, charset) if charset else content.decode("raw-unicode-escape", "replace")
