"""`docqa formats`."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from docqa.cli.formats import formats
from docqa.extract.formats import FORMATS, Format


def lines() -> list[str]:
    return CliRunner().invoke(formats, catch_exceptions=False).output.splitlines()


def test_every_format_is_listed_once() -> None:
    shown = lines()
    assert len(shown) == len({each.name for each in FORMATS})
    assert any(line.startswith("PDF ") and line.endswith(" .pdf") for line in shown)
    assert all("pip install" not in line for line in shown if not line.startswith("picture "))


def test_json_has_this_shape() -> None:
    listed = json.loads(CliRunner().invoke(formats, ["--json"], catch_exceptions=False).output)["formats"]
    assert next(each for each in listed if each["name"] == "old Excel workbook") == {
        "name": "old Excel workbook",
        "media_types": ["application/vnd.ms-excel"],
        "suffixes": [".xls"],
        "available": True,
        "install": None,
        "extractor": "docqa.extract.xls:extract",
    }


def test_what_is_missing_and_what_others_add_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Format, "is_available", property(lambda made: made.needs is None))
    added = Format(".reci\x1b[31mpe file", "application/x-recipe", (".recipe",), "recipes:extract", foreign=True)
    monkeypatch.setattr("docqa.extract.formats.foreign_formats", lambda: {".recipe": added})
    shown = "\n".join(lines())
    assert "pip install 'docqa[office]'" in shown
    assert ".recipe" in shown
    assert "\x1b" not in shown
