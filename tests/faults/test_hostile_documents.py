"""Documents made to do harm: each costs itself at most, with a reason, and the run goes on."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pypdf
import pytest
from running import Docqa

from docqa import DocQA

# The writers of formats that the extractors' own tests have.
sys.path.append(str(Path(__file__).parents[1] / "extract"))

from office_files import OFFICE_FILES
from packing import edited, encrypted, packed, with_size
from pdf_writer import column, write_pdf

WORD = "word/document.xml"
FILE_SECONDS = 3
PARAGRAPH = b"<w:p><w:r><w:t>%b</w:t></w:r></w:p>"


def word_file(body: bytes, prolog: bytes = b"") -> bytes:
    """A Word document of this body."""
    import docx

    made = io.BytesIO()
    docx.Document().save(made)
    space = b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    part = b'%b<w:document xmlns:w="%b"><w:body>%b</w:body></w:document>' % (prolog, space, body)
    return edited(made.getvalue(), lambda name, content: part if name == WORD else content)


def entities(*, quoted: str) -> bytes:
    return f'<?xml version="1.0"?><!DOCTYPE w:document [{quoted}]>'.encode()


def reaching_for(file: Path) -> bytes:
    return entities(quoted=f'<!ENTITY stolen SYSTEM "{file.as_uri()}">')


def laughs() -> bytes:
    levels = [f'<!ENTITY e{level} "{f"&e{level - 1};" * 10 if level else "lol" * 10}">' for level in range(10)]
    return entities(quoted="".join(levels))


def locked_pdf() -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(write_pdf([column(["private"])])))
    writer.encrypt("secret", "owner", algorithm="RC4-128")
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


def pdf_of_loops() -> bytes:
    """A PDF whose tree of pages contains itself."""
    data = write_pdf([column(["text"])])
    return data.replace(b"/Kids [4 0 R]", b"/Kids [2 0 R]")


def bomb_of_bombs() -> bytes:
    inner = packed({f"{number}.txt": b"a " * 5_000_000 for number in range(20)})
    return packed({f"{number}.zip": packed({f"{each}.zip": inner for each in range(20)}) for number in range(20)})


def hostile_files(private: Path) -> dict[str, tuple[bytes, str]]:
    """Hostile files by name, with a part of the reason for which each must be skipped."""
    external = reaching_for(private)
    sheet = OFFICE_FILES[".xlsx"]()
    padding = b"<!--" + b" " * 210_000_000 + b"-->"
    inflated = edited(sheet, lambda name, data: data + padding if name == "xl/worksheets/sheet1.xml" else data)
    return {
        "bomb.xlsx": (inflated, "expands to more than 200 MB"),
        "lying.xlsx": (with_size(inflated, "xl/worksheets/sheet1.xml", 1000), "damaged"),
        "bombs.zip": (bomb_of_bombs(), "expands to more than 200 MB"),
        "bomb.txt.gz": (gzip.compress(bytes(10_000_000)) * 21, "expands to more than 200 MB"),
        "members.zip": (packed({str(number): "" for number in range(10_001)}), "holds more than 10,000 files"),
        "method.zip": (packed({"a.txt": bytes(50_000_000)}, method=zipfile.ZIP_BZIP2), "compressed in an uncommon way"),
        "laughs.odt": (packed({"content.xml": laughs() + b"<x>&e9;</x>"}), "damaged"),
        "stolen.odt": (packed({"content.xml": external + b"<x>&stolen;</x>"}), "declares XML entities"),
        "laughs.docx": (word_file(PARAGRAPH % b"&e9;", laughs()), "damaged"),
        "deep.docx": (word_file(b"<w:p>" * 200_000), "damaged"),
        "deep.odt": (packed({"content.xml": b"<x>" * 200_000}), "damaged"),
        "deep.zip": (nested(8), "nested too deeply"),
        "corrupt.pdf": (b"%PDF-1.4\n" + b"garbage" * 100, "damaged PDF"),
        "torn.pdf": (write_pdf([column(["text"])])[:300], "damaged PDF"),
        "loops.pdf": (pdf_of_loops(), "no text layer"),
        "locked.pdf": (locked_pdf(), "encrypted; remove the password"),
        "locked.zip": (encrypted(packed({"a.txt": "text"}), "a.txt"), "encrypted"),
        "torn.docx": (word_file(PARAGRAPH % b"text")[:-30], "damaged"),
        "torn.xlsx": (sheet[: len(sheet) // 2], "damaged"),
        "none.docx": (b"PK\x03\x04 no", "damaged"),
        "nothing.pdf": (b"", "damaged PDF"),
        "noise.xls": (bytes.fromhex("d0cf11e0a1b11ae1") + os.urandom(5000), "damaged"),
        "noise.bin": (bytes(range(256)) * 20, "unknown format"),
        "nuls.dat": (bytes(5000), "unknown format"),
    }


def nested(depth: int) -> bytes:
    data = b"innermost"
    for level in range(depth):
        data = packed({f"{level}.zip" if level else "a.txt": data})
    return data


@pytest.mark.slow
def test_every_hostile_document_is_skipped_with_its_reason_and_the_others_are_read(
    docqa: Docqa, folder: Path, tmp_path: Path
) -> None:
    private = tmp_path / "private.txt"
    private.write_text("heron stolen from elsewhere")
    hostile = hostile_files(private)
    for name, (data, _) in hostile.items():
        assert len(data) < 2_000_000, name
        (folder / name).write_bytes(data)
    # What an entity reaches for stays where it is, even where the rest of the document is read.
    (folder / "egret.docx").write_bytes(
        word_file(PARAGRAPH % b"egret" + PARAGRAPH % b"&stolen;", reaching_for(private))
    )
    report = docqa("index", "--json", folder).json
    reasons = {os.path.basename(path): reason for path, reason in report["skipped"]}
    assert reasons.keys() == hostile.keys()
    for name, reason in reasons.items():
        assert hostile[name][1] in reason, (name, reason)
    assert {os.path.basename(each["path"]) for each in docqa("ls", "--json").json["documents"]} == {
        *("lease.md", "boiler.txt", "egret.docx")
    }
    assert docqa("search", "egret").code == 0
    assert docqa("search", "stolen elsewhere lol").code == 1
    assert docqa("search", "boiler").code == 0


def test_parsers_that_hang_crash_or_eat_memory_cost_their_file_alone(docqa: Docqa, folder: Path) -> None:
    quick = docqa.with_limits(f"docqa.workers.WorkerPool.__init__.__kwdefaults__['timeout_s'] = {FILE_SECONDS}")
    for name in ("hang", "spin", "crash", "leave", "eat", "nest", "talk", "sound"):
        (folder / f"a.{name}").write_text("The heron is here.")
    # So many empty paragraphs take a library for Word documents longer than anybody waits.
    (folder / "paragraphs.docx").write_bytes(word_file(b"<w:p/>" * 2_000_000))
    done = quick("index", "--json", folder)
    assert done.code == 0
    reasons = {os.path.basename(path): reason for path, reason in done.json["skipped"]}
    paragraphs = reasons.pop("paragraphs.docx", "no text in it")
    assert paragraphs.startswith(("not read within", "no text", "Word document"))
    assert reasons.keys() == {f"a.{name}" for name in ("hang", "spin", "crash", "leave", "eat", "nest")}
    assert f"not read within {FILE_SECONDS} seconds" in reasons["a.hang"]
    assert "not read within" in reasons["a.spin"] or "processor" in reasons["a.spin"]
    assert "crashes the program that reads it" in reasons["a.crash"]
    assert "crashes the program that reads it" in reasons["a.leave"]
    assert "more memory than there is" in reasons["a.eat"]
    assert "nested too deeply" in reasons["a.nest"]
    read = {os.path.basename(each["path"]) for each in docqa("ls", "--json").json["documents"]}
    assert read == {"lease.md", "boiler.txt", "a.sound", "a.talk"}
    assert b"a.hang: not read within" in docqa("status").out


def test_what_breaks_its_parser_is_left_alone_until_it_changes(docqa: Docqa, folder: Path, tmp_path: Path) -> None:
    tries, file = tmp_path / "tries", folder / "a.count"
    file.write_text(f"{tries} once")
    assert docqa("index", folder).code == 0
    # With the others, then alone, then once more.
    assert len(tries.read_text()) in (2, 3)
    tries.write_text("")
    assert docqa("index", "--json", folder).json["skipped"] == [[str(file), "crashes the program that reads it"]]
    assert tries.read_text() == ""
    file.write_text(f"{tries} again")
    assert docqa("index", folder).code == 0
    assert tries.read_text()


def test_a_gigabyte_of_nothing_and_a_line_without_end(docqa: Docqa, folder: Path) -> None:
    with (folder / "sparse.txt").open("wb") as file:
        file.truncate(1 << 30)
    line = "heron " + "word " * 1_000_000 + "egret " + "x" * 5_000_000 + " stork"
    (folder / "line.txt").write_text(line)
    done = docqa("index", "--json", folder)
    assert done.json["skipped"] == [[str(folder / "sparse.txt"), "larger than 100 MB"]]
    # A passage is a few sentences' worth, whatever the file looks like.
    with DocQA(docqa.library) as library:
        for question in ("heron", "egret", "stork"):
            [match] = library.search(question)
            assert question in match.source.context
            assert len(match.source.context) < 20_000
            assert line[match.source.start : match.source.end] == match.source.context
    assert docqa("search", "heron", "egret", "stork").code == 0


def test_the_memory_of_a_run_does_not_follow_what_a_bomb_promises(docqa: Docqa, folder: Path) -> None:
    (folder / "bomb.txt.gz").write_bytes(gzip.compress(bytes(10_000_000)) * 100)
    script = (
        "import resource, subprocess, sys\n"
        "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode\n"
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    measured = subprocess.run(
        [docqa.python, "-c", script, *map(os.fspath, docqa.command("index", folder))],
        env={**docqa.environment, "DOCQA_LIBRARY": str(docqa.library)},
        capture_output=True,
        check=True,
    )
    code, peak_kb = map(int, measured.stdout.split())
    assert code == 0
    assert peak_kb < 700_000
