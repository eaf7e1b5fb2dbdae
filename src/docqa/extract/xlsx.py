"""Excel workbooks: sheet by sheet, a line a row, numbers and dates about as the sheet shows them.

Read as XML: libraries that hand out whole sheets make room for every cell between the first and the last,
and one cell at the far corner of a sheet asks for half a terabyte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from docqa.extract import open_xml
from docqa.extract.draft import Draft
from docqa.extract.package import Package, local_name, open_package
from docqa.extract.table import TableWriter
from docqa.records import Extraction

NumberKind = Literal["number", "date", "time", "duration", "percent"]

_KINDS_OF_BUILT_IN: dict[int, NumberKind] = {
    **dict.fromkeys((9, 10), "percent"),
    **dict.fromkeys((*range(14, 18), 22, *range(27, 37), *range(50, 59)), "date"),
    **dict.fromkeys((*range(18, 22), 45, 47), "time"),
    46: "duration",
}
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?![hms]+\])[^\]]*\]', re.IGNORECASE)
_ELAPSED = re.compile(r"\[(?:h+|m+|s+)\]", re.IGNORECASE)
_DATE_LETTER = re.compile(r"[ymdhs]", re.IGNORECASE)
_TIME_LETTERS = re.compile(r"[^yd]*[hs][^yd]*", re.IGNORECASE)  # where m stands for minutes
_EPOCH, _EPOCH_OF_OLD_MACS = datetime(1899, 12, 30), datetime(1904, 1, 1)
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")  # what XML cannot hold, carriage returns most often
_REFERENCE = re.compile(r"([A-Z]{1,3})\d+")
_MAX_EXACT_DIGITS = 15
_MAX_CODE_CHARACTERS = 255


def extract(data: bytes) -> Extraction:
    """Return the rows of all sheets under the sheets' names."""
    draft = Draft()
    with open_package(data) as package:
        main = open_xml.main_part(package)
        workbook = package.xml(main)
        cells = _Cells(_shared_texts(package, main), _number_kinds(package, main), _epoch(workbook))
        sheets = list(workbook.iter("{*}sheet"))
        for sheet, part in open_xml.referred(package, main, sheets):
            draft.under(sheet.get("name", "") or "sheet", level=1)
            table = TableWriter(draft)
            number = 0
            for row in package.elements(part, "{*}row"):
                following = number + 1
                number = int(row.get("r", following))
                if number > following:  # empty rows are left out of the file
                    table.write({})
                table.write(cells.of_row(row), number=number)
    return draft.finish()


def _shared_texts(package: Package, main: str) -> list[str]:
    parts = open_xml.related(package, main, "sharedStrings")
    return [_rich_text(item) for part in parts for item in package.elements(part, "{*}si")]


def _rich_text(item: Any) -> str:
    """Join the runs of a text, without the reading aids that stand beside Japanese."""
    runs = (run for run in item.iter("{*}t") if local_name(run.getparent()) != "rPh")
    return _unescaped("".join(run.text or "" for run in runs))


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda escape: chr(int(escape[1], 16)), text)


def _number_kinds(package: Package, main: str) -> list[NumberKind]:
    """Return for each cell style what its number format makes of a number."""
    for part in open_xml.related(package, main, "styles"):
        styles = package.xml(part)
        kinds = dict(_KINDS_OF_BUILT_IN)
        for made in styles.iter("{*}numFmt"):
            kinds[int(made.get("numFmtId"))] = kind_of(made.get("formatCode", ""))
        formats = (each for listing in styles.iter("{*}cellXfs") for each in listing.iterchildren("{*}xf"))
        return [kinds.get(int(each.get("numFmtId", "0")), "number") for each in formats]
    return []


def kind_of(code: str) -> NumberKind:
    """Tell what a number format, such as `yyyy-mm-dd`, makes of a number."""
    bare = _LITERAL.sub("", code[:_MAX_CODE_CHARACTERS])
    if _ELAPSED.search(bare):
        return "duration"
    if _DATE_LETTER.search(bare) and "General" not in bare:
        return "time" if _TIME_LETTERS.fullmatch(bare) else "date"
    return "percent" if "%" in bare else "number"


def _epoch(workbook: Any) -> datetime:
    properties = next(workbook.iter("{*}workbookPr"), None)
    is_old = properties is not None and properties.get("date1904") in ("1", "true")
    return _EPOCH_OF_OLD_MACS if is_old else _EPOCH


@dataclass(frozen=True, slots=True)
class _Cells:
    """What is needed to tell the text of a cell."""

    shared_texts: Sequence[str]
    kinds: Sequence[NumberKind]
    epoch: datetime

    def of_row(self, row: Any) -> dict[int, str]:
        """Return the texts of a row's cells by column."""
        texts: dict[int, str] = {}
        for column, cell in _placed(row):
            texts[column] = self._text(cell)
        return texts

    def _text(self, cell: Any) -> str:
        value = cell.findtext("{*}v") or ""
        match cell.get("t", "n"):
            case "s":
                index = int(value or -1)
                return self.shared_texts[index] if 0 <= index < len(self.shared_texts) else ""
            case "inlineStr":
                return "".join(map(_rich_text, cell.iterchildren("{*}is")))
            case "b":
                return "yes" if value == "1" else "no"
            case "n":
                return self._number(value, int(cell.get("s", "0")))
            case _:
                return _unescaped(value)

    def _number(self, value: str, style: int) -> str:
        kind = self.kinds[style] if 0 <= style < len(self.kinds) else "number"
        try:
            number = float(value)
            if kind == "date":
                return as_date(number, self.epoch)
            if kind == "time":
                return as_date(number % 1)
            if kind == "duration":
                return as_duration(number)
        except (ValueError, OverflowError):
            return value
        return f"{100 * number:.10g} %" if kind == "percent" else f"{number:.{_MAX_EXACT_DIGITS}g}"


def _placed(row: Any) -> Iterator[tuple[int, Any]]:
    """Yield cells with their columns, counting on where a cell does not name its own."""
    column = -1
    for cell in row.iterchildren("{*}c"):
        reference = _REFERENCE.fullmatch(cell.get("r", ""))
        column = _column(reference[1]) if reference else column + 1
        yield column, cell


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1


def as_date(days: float, epoch: datetime = _EPOCH) -> str:
    """Write a day number as a date, its fraction as a time; raises `OverflowError` if there is no such day."""
    moment = epoch + timedelta(seconds=round(days * 86_400))
    time = moment.strftime("%H:%M:%S").removesuffix(":00")
    if 0 <= days < 1:
        return time
    return moment.date().isoformat() + (f" {time}" if days % 1 else "")


def as_duration(days: float) -> str:
    """Write a number of days as hours and minutes; raises `OverflowError` or `ValueError` if it is no number."""
    hours, seconds = divmod(round(days * 86_400), 3600)
    return f"{hours}:{seconds // 60:02}:{seconds % 60:02}".removesuffix(":00")
