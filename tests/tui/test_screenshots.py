from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from docqa.tui.screenshots import take


@pytest.mark.slow
def test_the_pictures_are_the_same_each_time(tmp_path: Path) -> None:
    pictures = [asyncio.run(take(tmp_path / name)) for name in ("one", "two")]
    assert [path.name for path in pictures[0]] == [
        "welcome.svg",
        "search.svg",
        "answers.svg",
        "document.svg",
        "library.svg",
        "commands.svg",
    ]
    for one, two in zip(*pictures, strict=True):
        assert one.read_text() == two.read_text()
        assert str(tmp_path) not in one.read_text()
