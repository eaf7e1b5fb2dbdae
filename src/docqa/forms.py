"""When two quotes say the same: one normal form for case, articles, punctuation, numbers and dates."""

from __future__ import annotations

import re

_WHITE_SPACE = re.compile(r"\s+")
_ARTICLE = re.compile(r"^(?:the|an|a)\s+")
# Punctuation only: signs belong to what they stand by, as in C++, C#, -5, €5, 5%.
_EDGES = re.compile(r"^[\s.,;:!?…\"'“”‘’«»()\[\]{}*_|·•]+|[\s.,;:!?…\"'“”‘’«»()\[\]{}*_|·•-]+$")

_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:[,' \u00a0\u202f]\d{3})+(?![\d,])")
# Not in a version or an address, where every number between dots counts: 1.0.1 is not 1.1.
_EMPTY_DECIMALS = re.compile(r"(?<![\d.])(\d+)\.(?:0+|-)(?!\.?\d)")
_NUMBER_WORDS = {
    word: str(number)
    for number, word in enumerate(
        """
        zero one two three four five six seven eight nine ten eleven twelve
        thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty
        """.split()  # noqa: SIM905 (twenty-one quoted words would be harder to read)
    )
}
_NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(_NUMBER_WORDS)})\b")
_CURRENCIES = {"euro": "€", "euros": "€", "eur": "€", "dollars": "$", "usd": "$", "pounds": "£", "gbp": "£"}
_NAMES = "|".join(_CURRENCIES)
_AMOUNT = re.compile(
    rf"\b(?P<before>{_NAMES})\s?(?P<sum>\d[\d.]*)|(?P<number>\d[\d.]*)\s?(?P<after>[€$£]|(?:{_NAMES})\b)"
)
_PER_CENT = re.compile(r"\s*(?:per\s?cent\b|%)")

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan",
            "february feb",
            "march mar",
            "april apr",
            "may",
            "june jun",
            "july jul",
            "august aug",
            "september sept sep",
            "october oct",
            "november nov",
            "december dec",
        ),
        start=1,
    )
    for name in names.split()
}
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>\d{4})"
_DATES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b{_DAY}(?:\s+of)?\s+{_MONTH},?\s+{_YEAR}\b",
        rf"\b{_MONTH}\s+{_DAY},?\s+{_YEAR}\b",
        rf"\b{_YEAR}-(?P<month>\d{{2}})-(?P<day>\d{{2}})\b",
    )
)


def normal_form(text: str) -> str:
    """Reduce a quote to what it says, for comparison with others; never empty unless `text` is.

    `€1,450.00` and `1450 euros`, `the Harbour Board` and `Harbour Board.`, `3rd of May 2024` and `2024-05-03`,
    `six per cent` and `6%` have the same form.
    """
    form = flat = _WHITE_SPACE.sub(" ", text).strip().casefold()
    for pattern in _DATES:
        form = pattern.sub(_iso_date, form)
    form = _THOUSANDS.sub(lambda match: re.sub(r"\D", "", match.group()), form)
    form = _EMPTY_DECIMALS.sub(r"\1", form)
    form = _NUMBER_WORD.sub(lambda match: _NUMBER_WORDS[match.group()], form)
    form = _AMOUNT.sub(_signed_amount, form)
    form = _PER_CENT.sub("%", form)
    # Behind an article there may be quotation marks again.
    return _EDGES.sub("", _ARTICLE.sub("", _EDGES.sub("", form))) or flat or text


def _iso_date(match: re.Match[str]) -> str:
    month = match["month"]
    return f"{match['year']}-{_MONTHS.get(month) or int(month):02}-{int(match['day']):02}"


def _signed_amount(match: re.Match[str]) -> str:
    name = match["before"] or match["after"]
    return _CURRENCIES.get(name, name) + (match["sum"] or match["number"])
