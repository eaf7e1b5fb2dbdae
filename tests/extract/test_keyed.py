"""JSON, YAML and TOML."""

from __future__ import annotations

import json

import pytest

from docqa.extract import extract
from docqa.records import Mark


@pytest.mark.parametrize("indent", [1, 2, 4, "\t"])
def test_the_outermost_keys_of_json_are_headings(indent: int | str) -> None:
    text = json.dumps({"name": "x", "deep": {"inner": [1]}, "last key": 2}, indent=indent)
    extraction = extract("a.json", text.encode())[1]
    assert extraction.text == text
    assert extraction.marks == (
        Mark("line", 0, "1"),
        *(Mark("heading", text.rindex("\n", 0, text.index(key)) + 1, key) for key in ("name", "deep", "last key")),
    )


@pytest.mark.parametrize("value", [[1, {"a": 2}], {"a": {"b": 1}}, "a: b"])
def test_other_json_has_lines_only(value: object) -> None:
    assert extract("a.json", json.dumps(value).encode())[1].marks == (Mark("line", 0, "1"),)


def test_the_outermost_keys_of_yaml_are_headings() -> None:
    text = "# x: y\nname: x\n'my list':\n- a: 1\n  b: 2\nurl: http://x\nnot-a-key:no\n"
    extraction = extract("a.yaml", text.encode())[1]
    assert extraction.text == text
    assert [mark.value for mark in extraction.marks] == ["1", "name", "my list", "url"]


def test_the_tables_of_toml_are_headings() -> None:
    text = 'x = "a"\n[tool.a]\ny = [\n  1,\n]\n[[ "b c" ]]\n'
    assert [mark.value for mark in extract("a.toml", text.encode())[1].marks] == ["1", "tool.a", '"b c"']


def test_what_looks_like_a_key_or_a_table_inside_a_string_of_toml_is_none() -> None:
    text = (
        'about = """\nnote: no \\""" key\n[no table]\n"""\n[first] # one\nraw = \'\'\'\n[no]\n\'\'\'\n'
        "# it's a \"comment\n[[second]]\nx = 'a\"'\n"
    )
    assert [mark.value for mark in extract("a.toml", text.encode())[1].marks] == ["1", "first", "second"]


def test_deep_nesting_and_references_to_itself_are_only_text() -> None:
    for name, text in (("a.json", "[" * 300_000), ("a.yaml", "a: &a [*a, *a]\n"), ("a.yaml", "a " * 300_000)):
        assert extract(name, text.encode())[1].text == text
