"""A single document that is packed by gzip."""

from __future__ import annotations

import gzip
import io
import os

from docqa import extract as formats
from docqa.errors import ExtractionError
from docqa.extract.nesting import opened
from docqa.files import is_secret
from docqa.records import Extraction

_CHUNK_BYTES = 1 << 20


def extract(data: bytes, name: str) -> Extraction:
    """Return the text of the document inside, whose name is the file's without `.gz`.

    Raises `ExtractionError` if it expands too far, looks like a secret, or is of no known format.
    """
    inner = os.path.splitext(name)[0]
    if is_secret(os.path.basename(inner)):
        raise ExtractionError("looks like a secret")
    unpacked = bytearray()
    with opened() as allowance:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                allowance.take_bytes(len(chunk))
                unpacked += chunk
        return formats.extract(inner, bytes(unpacked))[1]
