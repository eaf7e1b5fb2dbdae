"""The command `docqa formats`: what kinds of files can be read here."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

import click

from docqa.cli.options import as_json_text, option_json
from docqa.display import one_line

if TYPE_CHECKING:
    from docqa.extract.formats import Format


@click.command()
@option_json
def formats(as_json: bool) -> None:
    """List the formats that can be read, their suffixes, and what to install for those that cannot."""
    from docqa.extract.formats import all_formats

    # Neighbours of one name, such as the programming languages, are one line.
    rows = [_row(list(group)) for _, group in groupby(all_formats(), key=attrgetter("name"))]
    click.echo(as_json_text({"formats": rows}) if as_json else "\n".join(map(_line, rows)))


def _row(group: list[Format]) -> dict[str, object]:
    first = group[0]
    return {
        "name": first.name,
        "media_types": [each.media_type for each in group],
        "suffixes": [suffix for each in group for suffix in each.suffixes],
        "available": first.is_available,
        "install": None if first.is_available else f"docqa[{first.extra}]",
        "extractor": first.target,
    }


def _line(row: dict[str, object]) -> str:
    suffixes = " ".join(row["suffixes"]) if isinstance(row["suffixes"], list) else ""
    missing = f"  (needs {row['install']}: pip install '{row['install']}')" if row["install"] else ""
    return f"{one_line(str(row['name'])):<26}{one_line(suffixes)}{missing}"
