"""Jupyter notebooks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from docqa.errors import ExtractionError
from docqa.extract import extract
from docqa.records import Extraction, Mark


def notebook(*cells: dict[str, Any]) -> Extraction:
    return extract("a.ipynb", json.dumps({"nbformat": 4, "cells": cells}).encode())[1]


def test_cells_are_marked_and_headings_reach_over_them() -> None:
    extraction = notebook(
        {"cell_type": "markdown", "source": ["# *A*\n", "text"]},
        {"cell_type": "code", "source": "x = 1\n\ny = 2\n", "outputs": []},
        {"cell_type": "code", "source": ""},
        {"cell_type": "markdown", "source": "## B"},
    )
    assert extraction.text == "A\n\ntext\n\nx = 1\n\ny = 2\n\nB"
    assert extraction.marks == (
        Mark("cell", 0, "1"),
        Mark("heading", 0, "A"),
        Mark("cell", 9, "2"),
        Mark("cell", 23, "4"),
        Mark("heading", 23, "A › B"),
    )


def test_text_outputs_follow_their_cell_and_pictures_do_not() -> None:
    outputs = [
        {"output_type": "stream", "text": ["one\n", "two\n"]},
        {"output_type": "execute_result", "data": {"text/plain": "42", "text/html": "<b>42</b>"}},
        {"output_type": "display_data", "data": {"image/png": "AAAA"}},
    ]
    assert notebook({"cell_type": "code", "source": "f()", "outputs": outputs}).text == "f()\n\none\ntwo\n\n42"


def test_a_long_output_is_cut_with_a_remark() -> None:
    outputs = [{"output_type": "stream", "text": "x" * 12_345}]
    extraction = notebook({"cell_type": "code", "source": "f()", "outputs": outputs})
    assert extraction.text == "f()\n\n" + "x" * 10_000
    assert extraction.remarks == ("cell 1: an output of 12,345 characters is cut to 10,000",)


def test_format_3_is_read() -> None:
    cells = [
        {"cell_type": "heading", "level": 2, "source": "Head"},
        {"cell_type": "code", "input": ["a\n", "b"], "outputs": [{"output_type": "pyout", "text": "7"}]},
    ]
    data = json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}]}).encode()
    extraction = extract("a.ipynb", data)[1]
    assert extraction.text == "Head\n\na\nb\n\n7"
    assert [mark.value for mark in extraction.marks] == ["1", "Head", "2"]


@pytest.mark.parametrize("data", [b"{", b"[]", b"{}", b'"x"', b'{"worksheets": 3}'])
def test_what_is_no_notebook_says_so(data: bytes) -> None:
    with pytest.raises(ExtractionError, match="not a notebook"):
        extract("a.ipynb", data)
