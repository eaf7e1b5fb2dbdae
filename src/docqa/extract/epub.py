"""E-books: the chapters in reading order, each through the reader of web pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from docqa.errors import ExtractionError
from docqa.extract import html
from docqa.extract.draft import Draft
from docqa.extract.package import Package, local_name, open_package, resolve
from docqa.records import Extraction

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_PAGES = ("application/xhtml+xml", "text/html", "text/x-oeb1-document")


def extract(data: bytes) -> Extraction:
    """Return the text of a book under its title.

    Raises `ExtractionError` if its chapters are encrypted, as those of books with copy protection are.
    """
    draft = Draft()
    with open_package(data) as package:
        listing_name = _listing_name(package)
        listing = package.xml(listing_name)
        title = next(listing.iter("{*}title"), None)
        if title is not None:
            draft.heading("".join(title.itertext()), level=0)
        locked = _encrypted(package)
        for name in _chapters(listing, listing_name):
            if name in locked:
                raise ExtractionError("encrypted; copy protection keeps its text from being read")
            if name in package:
                draft.embed(html.extract(package.read(name), titled=False))
            else:
                draft.remark(f"chapter {name} is missing")
    return draft.finish()


def _listing_name(package: Package) -> str:
    """Return the name of the part that lists the book's files and their order."""
    for root in package.xml(_CONTAINER).iter("{*}rootfile"):
        return resolve("", root.get("full-path", ""))
    raise ExtractionError("not an e-book")


def _chapters(listing: Any, listing_name: str) -> Iterator[str]:
    items = {item.get("id"): item for item in listing.iter("{*}item")}
    for reference in listing.iter("{*}itemref"):
        item = items.get(reference.get("idref"))
        if item is not None and item.get("media-type") in _PAGES:
            yield resolve(listing_name, item.get("href", ""))


def _encrypted(package: Package) -> frozenset[str]:
    """Return the names of the parts that are encrypted; fonts often are, which does no harm."""
    if _ENCRYPTION not in package:
        return frozenset()
    elements = package.xml(_ENCRYPTION).iter()
    return frozenset(resolve("", each.get("URI", "")) for each in elements if local_name(each) == "CipherReference")
