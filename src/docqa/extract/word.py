"""What Word's formats have in common: styles that are told by their names, and what stands around the pages."""

from __future__ import annotations

import re
from collections.abc import Iterable

from docqa.extract.draft import Draft

_HEADING_STYLE = re.compile(r"heading (\d)", re.IGNORECASE)


def heading_level(style_name: str) -> int | None:
    """Return the level of the headings of this style, below a title's 1; None if it is none for headings."""
    if style_name.lower() == "title":
        return 1
    match = _HEADING_STYLE.fullmatch(style_name)
    return int(match[1]) + 1 if match else None


def write_headers(draft: Draft, headers: Iterable[tuple[str, str]]) -> None:
    """Append the headers and footers of a document's pages, each as its kind and text, under a heading of their own.

    Every section has some, often the same ones, and some are no more than a page number.
    """
    draft.under("Headers and footers", level=0)
    for kind, text in dict.fromkeys((kind, _without_gaps(text)) for kind, text in headers):
        if any(map(str.isalpha, text)):
            draft.block(f"{kind}: {text}")


def _without_gaps(text: str) -> str:
    return "\n".join(" ".join(line.split()) for line in text.split("\n") if line.strip())
