"""Plain text and source code."""

from __future__ import annotations

import pytest

from docqa.extract import extract
from docqa.records import Mark


def test_text_stays_as_it_is_from_line_one() -> None:
    media_type, extraction = extract("a.py", b"\n  def f():\r\n\treturn 1\f\n")
    assert media_type == "text/x-python"
    assert extraction.text == "\n  def f():\n\treturn 1\f\n"
    assert extraction.marks == (Mark("line", 0, "1"),)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("ISO-8859-2", "Žluťoučký kůň"),
        ("ISO-8859-5", "Привет"),
        ("ISO-8859-7", "Αθήνα"),
        ("ISO-8859-9", "Şişli ığdır"),
        ("Shift_JIS", "図書館"),
        ("windows-1251", "Привет"),
        ("windows-1257", "Ąžuolas"),
    ],
)
@pytest.mark.parametrize("name", ["a.xml", "a.txt"])
def test_the_encoding_that_xml_declares_is_believed(name: str, encoding: str, text: str) -> None:
    document = f"<?xml version='1.0' encoding = '{encoding}'?>\n<a>{text}</a>"
    assert extract(name, document.encode(encoding))[1].text == document


def test_a_declaration_of_xml_that_is_wrong_or_elsewhere_is_passed_over() -> None:
    for document in (
        '<?xml version="1.0" encoding="ISO-8859-5"?><a>Größe</a>',
        '<?xml version="1.0" encoding="no-such"?><a>Größe</a>',
        '<?xml version="1.0"?><a encoding="ISO-8859-5">Größe</a>',
    ):
        assert extract("a.xml", document.encode())[1].text == document
    document = 'Größe <?xml encoding="ISO-8859-5"?>'
    assert extract("a.txt", document.encode("cp1252"))[1].text == document
