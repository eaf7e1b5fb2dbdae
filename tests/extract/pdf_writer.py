"""A PDF writer small enough to read: Helvetica lines at given places, one content stream a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One line of text; `x` and `y` are the points from the page's lower left corner to its baseline."""

    x: float
    y: float
    text: str
    size: float = 11


def column(lines: Iterable[str], *, x: float = 72, top: float = 720, pitch: float = 14, size: float = 11) -> list[Line]:
    """Lines one below the other; an empty one leaves a gap of half a line."""
    placed, y = [], top
    for text in lines:
        if text:
            placed.append(Line(x, y, text, size))
        y -= pitch if text else pitch / 2
    return placed


def write_pdf(pages: Sequence[Sequence[Line]]) -> bytes:
    """A PDF 1.4 file with the given pages, in US letter format."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, lines in enumerate(pages):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
            b"/Resources << /Font << /F1 3 0 R >> >> /Contents %d 0 R >>" % (5 + 2 * number)
        )
        content = b"\n".join(map(_show, lines))
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    return _assemble(objects)


def _show(line: Line) -> bytes:
    text = line.text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
    return b"BT /F1 %.2f Tf %.2f %.2f Td (%s) Tj ET" % (line.size, line.x, line.y, text)


def _assemble(objects: Sequence[bytes]) -> bytes:
    body, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = len(body)
    body += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for offset in offsets:
        body += b"%010d 00000 n \n" % offset
    body += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(body)
