"""The table of formats, and the formats that other packages add."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from docqa.errors import ExtractionError
from docqa.extract import extract, formats
from docqa.extract.formats import FORMATS, Format
from docqa.records import Extraction, Mark

PLUGIN = """
    from docqa.errors import ExtractionError
    from docqa.records import Extraction, Mark

    class Readers:
        @staticmethod
        def recipe(data):
            if not data.startswith(b"RECIPE"):
                raise ExtractionError("not a recipe")
            return Extraction(data.decode(), (Mark("line", 0, "1"),))

    def broken(data):
        return data["title"]

    def unclean(data):
        return Extraction(data.decode(), ())

    def unordered(data):
        return Extraction(data.decode(), (Mark("line", 3, "1"), Mark("line", 0, "1")))

    def unnumbered(data):
        return Extraction(data.decode(), (Mark("page", 0, "iv"),))
"""

ENTRY_POINTS = """
    [docqa.extractors]
    .recipe = docqa_recipe:Readers.recipe
    .broken = docqa_recipe:broken
    .unclean = docqa_recipe:unclean
    .unordered = docqa_recipe:unordered
    .unnumbered = docqa_recipe:unnumbered
    .gone = docqa_recipe_of_old:extract
    .txt = docqa_recipe:broken
"""

SCRIPT = """
    import json, sys
    from docqa.errors import ExtractionError
    from docqa.extract import extract, is_plain_text

    def outcome(name, data):
        try:
            media_type, extraction = extract(name, data)
        except ExtractionError as error:
            return str(error)
        return [media_type, extraction.text, is_plain_text(name)]

    found = {"a.txt": outcome("a.txt", b"plain"), "searched": "importlib.metadata" in sys.modules}
    for name, data in json.loads(sys.argv[1]).items():
        found[name] = outcome(name, data.encode())
    print(json.dumps(found))
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder in which a package with extractors is installed, as pip would leave it."""
    (tmp_path / "docqa_recipe.py").write_text(dedent(PLUGIN))
    metadata = tmp_path / "docqa_recipe-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: docqa-recipe\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(dedent(ENTRY_POINTS))
    return tmp_path


def test_every_extractor_exists() -> None:
    for each in FORMATS:
        if each.extra != "ocr" or each.is_available:  # too large to be part of every development environment
            assert each.is_available
            assert callable(each.load())


def test_no_suffix_is_given_to_two_formats() -> None:
    suffixes = [suffix for each in FORMATS for suffix in each.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in suffixes)


def test_a_known_suffix_does_not_look_for_other_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise AssertionError

    monkeypatch.setattr(formats, "foreign_formats", refuse)
    assert extract("a.txt", b"text")[1].text == "text"
    assert extract("README", b"text")[1].text == "text"
    assert extract("noname", b"text")[1].text == "text"


def test_an_installed_package_adds_formats(installed: Path, guarded_environment: dict[str, str]) -> None:
    files = {
        "a.recipe": "RECIPE stew",
        "b.RECIPE": "soup",
        "a.broken": "x",
        "a.unclean": "a\r\n",
        "a.unordered": "abcdef",
        "a.unnumbered": "abcdef",
        "a.gone": "x",
        "a.other": "plain",
    }
    path = f"{installed}:{guarded_environment['PYTHONPATH']}"
    done = subprocess.run(
        [sys.executable, "-c", dedent(SCRIPT), json.dumps(files)],
        env={**guarded_environment, "PYTHONPATH": path},
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout) == {
        "a.txt": ["text/plain", "plain", True],
        "searched": False,
        "a.recipe": ["application/x-recipe", "RECIPE stew", False],
        "b.RECIPE": "not a recipe",
        "a.broken": "damaged .broken file (TypeError: byte indices must be integers or slices, not str)",
        "a.unclean": "its extractor returned no Extraction of clean text",
        "a.unordered": "its extractor returned marks out of order or without a value",
        "a.unnumbered": "its extractor returned a page or a line that is no number",
        "a.gone": "damaged .gone file (ModuleNotFoundError: No module named 'docqa_recipe_of_old')",
        "a.other": ["text/plain", "plain", True],
    }


def test_the_example_in_the_documentation_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    document = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
    (tmp_path / "docqa_recipe_example.py").write_text(document.split("```python\n")[1].split("```")[0])
    monkeypatch.syspath_prepend(tmp_path)
    example = Format("recipe", "text/x-recipe", (".recipe",), "docqa_recipe_example:extract", foreign=True)
    monkeypatch.setattr(formats, "foreign_formats", lambda: {".recipe": example})
    assert extract("a.recipe", b"RECIPE\r\nstew")[1] == Extraction("RECIPE\nstew", (Mark("line", 0, "1"),))
    with pytest.raises(ExtractionError, match="not a recipe"):
        extract("a.recipe", b"soup")


def test_every_format_is_documented() -> None:
    document = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
    missing = [
        suffix
        for each in FORMATS
        if not each.is_plain and not each.media_type.startswith(("text/markdown", "text/html"))
        for suffix in each.suffixes
        if f"`{suffix}`" not in document
    ]
    assert missing == []


def test_a_library_that_gives_up_like_a_panic_is_a_damaged_file(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        pass

    def panic(data: bytes) -> Extraction:
        raise PanicException("called `Option::unwrap()` on a `None` value")

    monkeypatch.setattr("docqa.extract.rst.extract", panic)
    with pytest.raises(ExtractionError, match="damaged reStructuredText file"):
        extract("a.rst", b"x")

    def interrupt(data: bytes) -> Extraction:
        raise KeyboardInterrupt

    monkeypatch.setattr("docqa.extract.rst.extract", interrupt)
    with pytest.raises(KeyboardInterrupt):
        extract("a.rst", b"x")


def test_availability_is_told_without_importing_anything() -> None:
    made = Format("x", "x/y", (".x",), needs="no_such_module_at_all", extra="office")
    assert not made.is_available
    assert made.remedy == "needs docqa[office]: pip install 'docqa[office]'"
    assert importlib.util.find_spec("no_such_module_at_all") is None
