"""Web pages."""

from __future__ import annotations

import time

import pytest

from docqa.extract import extract
from docqa.records import Extraction, Mark


def html(markup: str) -> Extraction:
    return extract("a.html", markup.encode())[1]


def test_blocks_become_paragraphs_and_spaces_collapse() -> None:
    markup = "<body>one\n  <b>two</b>&nbsp;&nbsp;three<p>four<br>five<div>six<div>seven</div>in&shy;side</div>"
    assert html(markup).text == "one two three\n\nfour\nfive\n\nsix\n\nseven\n\ninside"


def test_what_no_reader_sees_is_dropped() -> None:
    markup = (
        "<head><style>a{}</style><meta></head><script>x()</script><noscript>n</noscript><template>t</template>"
        "<!-- c --><ul hidden><li>h</ul><svg><title>s</title></svg><p>seen"
    )
    assert html(markup).text == "seen"


def test_headings_make_paths() -> None:
    extraction = html("<h1>A</h1>x<h3>B <i>b</i></h3>y<h2>C</h2><h2></h2>z")
    assert extraction.text == "A\n\nx\n\nB b\n\ny\n\nC\n\nz"
    assert extraction.marks == (
        Mark("heading", 0, "A"),
        Mark("heading", 6, "A › B b"),
        Mark("heading", 14, "A › C"),
    )


def test_the_title_is_the_first_heading_unless_a_heading_says_it() -> None:
    page = "<title>Page</title><h1>{}</h1>x"
    assert [mark.value for mark in html(page.format("Other")).marks] == ["Page", "Page › Other"]
    assert [mark.value for mark in html(page.format("Page")).marks] == ["Page"]
    assert html("<title>Page</title>x").text == "Page\n\nx"


def test_a_heading_that_is_never_closed_does_not_swallow_the_page() -> None:
    extraction = html("<h1>Title<p>text<p>more")
    assert extraction.text == "Title\n\ntext\n\nmore"
    assert [mark.value for mark in extraction.marks] == ["Title"]


def test_list_items_stand_one_per_line() -> None:
    markup = "a<ul><li>b<li><p>c</p><p>d</p><ol><li>e</ol></ul><ul><li>f</ul>g"
    assert html(markup).text == "a\n\n- b\n- c\nd\n  - e\n\n- f\n\ng"


def test_table_rows_stand_one_per_line() -> None:
    markup = "<table><caption>T</caption><tr><th>a<th>b<tr><td><p>1</p><p>2</p><td><tr><td></table>after"
    assert html(markup).text == "T\na | b\n1 2 | \n\nafter"


def test_tables_that_lay_out_a_page_are_read_cell_by_cell() -> None:
    markup = "<table><tr><td><h1>A</h1><p>b</p><td><table><tr><td>1<td>2</table></table>"
    extraction = html(markup)
    assert extraction.text == "A\n\nb\n\n1 | 2"
    assert [mark.value for mark in extraction.marks] == ["A"]


def test_pre_is_verbatim() -> None:
    assert html("a<pre>  b\n\n   <b>c</b>\n<div>d</div>e</pre>f").text == "a\n\n  b\n\n   c\nd\ne\n\nf"


def test_images_are_read_by_their_description() -> None:
    assert html("a <img alt='the  map'> b<img>").text == "a the map b"


@pytest.mark.parametrize("declaration", ['<meta charset="{}">', '<?xml version="1.0" encoding="{}"?>'])
def test_a_declared_encoding_is_heeded(declaration: str) -> None:
    page = declaration.format("windows-1250") + "<p>čeština ťuk"
    assert extract("a.html", page.encode("cp1250"))[1].text == "čeština ťuk"


@pytest.mark.parametrize("tag", ["div", "b", "ul><li", "table><tr><td", "blockquote", "pre", "h1", "select"])
def test_deep_nesting_is_walked_without_recursion(tag: str) -> None:
    begin = time.monotonic()
    assert "needle" in html("first" + f"<{tag}>" * 10_000 + "needle</select>needle").text
    assert time.monotonic() - begin < 20


def test_pages_have_no_line_marks() -> None:
    assert {mark.kind for mark in html("<h1>a</h1>\n\n<p>b").marks} == {"heading"}
