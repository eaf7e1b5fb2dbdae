"""Nothing of a document, a file name or a setting is obeyed by a terminal: asserted on the bytes of every command."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import unicodedata
from pathlib import Path

import click
import pytest
from running import Docqa, Ran

from docqa.cli.commands import docqa as root

ATTACK = "\x1b[2J\x1b]0;title\x07\x1b]52;c;cm0gLXJm\x07\x1b]8;;http://evil\x1b\\link\x9b31m\x08\x0c\x7f\u202e\u2066\u200f\x00"
MARKUP = "[bold]loud[/bold] [@click=app.quit]here[/] [/foo]"
NAME = f"evil {ATTACK[:-1]} [red]name[/red]\n\udcff.txt".replace("/", "|")
# What a terminal may be told by docqa itself: colours, and where to draw a bar.
OWN_SEQUENCES = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]|\x1b\[[0-9]*[AGK]|\r")


def obeyed(shown: bytes) -> set[str]:
    """What a terminal might obey, new lines and tabs aside; the bytes must be UTF-8."""
    return {
        character
        for character in shown.decode("utf-8")
        if (unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") and character not in "\n\t")
        or character in "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
    }


def harmless(run: Ran) -> Ran:
    assert run.out + run.err
    assert obeyed(run.out) == set(), run.out
    assert obeyed(run.err) == set(), run.err
    return run


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A document full of control sequences whose name is no better, a skipped one, and the same as a page."""
    folder = tmp_path / f"hostile {MARKUP.replace('/', '|')}"
    folder.mkdir()
    text = f"The lease {ATTACK} ends {MARKUP} in May. The rent {ATTACK} is {MARKUP} 20.\n"
    (folder / NAME).write_bytes(text.replace("\x00", "").encode() + b"\x1b[31m")
    (folder / f"skipped {NAME}").write_bytes(b"")
    (folder / "page.html").write_text(f"<h1>lease {ATTACK}</h1><p>The lease {ATTACK} &#27;[31m &#x202e; ends.</p>")
    (folder / "head.md").write_text(f"# lease {ATTACK}\n\nThe lease {ATTACK} ends {MARKUP}.\n")
    (folder / "table.csv").write_text(f"name,lease\n{ATTACK[:-1]},{MARKUP}\n")
    return folder


@pytest.fixture
def reading(tiny_reader: Path, tmp_path: Path, docqa: Docqa) -> Docqa:
    """The program with a reader of a hostile name in use, in a place of a hostile name."""
    readers = tmp_path / "readers [red] \x1b[2J"
    added = readers / "evil"
    shutil.copytree(tiny_reader, added)
    config = json.loads((added / "config.json").read_text())
    (added / "config.json").write_text(json.dumps({**config, "name": f"evil {ATTACK} {MARKUP}"}))
    source = {"origin": ATTACK, "revision": ATTACK, "commit": ATTACK, "converted": ATTACK, "docqa": MARKUP}
    (added / "source.json").write_text(json.dumps(source))
    made = docqa.with_variables(DOCQA_READERS=str(readers))
    assert made("reader", "use", "evil").code == 0
    return made


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    """A gold set in which every text is hostile."""
    answer = {"text": f"ends {MARKUP}{ATTACK}", "answer_start": 0}
    questions = [
        {"question": f"When does the lease end? {ATTACK} {number}", "answers": answers, "id": str(number)}
        for number, answers in enumerate(([answer], []))
    ]
    paragraph = {"context": f"The lease {ATTACK} ends {MARKUP}{ATTACK}", "qas": questions}
    paragraph["qas"][1]["is_impossible"] = True  # type: ignore[index]
    file = tmp_path / f"gold {NAME[:20]}.json"
    file.write_text(json.dumps({"version": "v2.0", "data": [{"title": f"title {ATTACK}", "paragraphs": [paragraph]}]}))
    return file


# The commands that this module runs, so that a new one cannot be forgotten.
SHOWN = {
    *(
        "index",
        "ask",
        "search",
        "show",
        "status",
        "ls",
        "rm",
        "formats",
        "calibrate",
        "tui",
        "doctor",
        "roots add",
        "roots rm",
    ),
    *(
        "gold add",
        "gold ls",
        "gold rm",
        "gold import",
        "gold export",
        "eval gold",
        "eval library",
        "eval reading",
        "eval retrieval",
    ),
    *("reader add", "reader ls", "reader use", "reader show", "reader rm", "reader tune"),
}


def test_every_command_is_tried_here() -> None:
    def names(group: click.Group, path: str = "") -> set[str]:
        found: set[str] = set()
        for name, command in group.commands.items():
            found |= names(command, f"{path}{name} ") if isinstance(command, click.Group) else {path + name}
        return found

    # What shows the progress of an index run again, what shows nothing but its own numbers, and what serves a page.
    others = {name for name in names(root) if name in ("watch", "web") or name.split()[0] == "train"}
    assert names(root) - others == SHOWN


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_nothing_of_a_hostile_document_or_name_is_obeyed(
    reading: Docqa, hostile: Path, gold: Path, as_json: bool
) -> None:
    flag, name = ("--json",) if as_json else (), hostile / NAME
    asked = "\n".join(("When does the lease end?", f"lease {ATTACK} {MARKUP}", "in: lease", "?!", f"zebra {ATTACK}"))
    lines = ("--jsonl",) if as_json else ()
    harmless(reading("index", hostile, *flag))
    runs = [
        reading("ask", "--top", 30, "--min-confidence", 0, "--explain", *lines, given=asked.encode()),
        reading("search", "lease", *flag),
        reading("ls", *flag),
        reading("status", *flag),
        reading("doctor", *flag),
        reading("roots", *flag),
        reading("show", name, *flag),
        reading("show", hostile / "page.html", *flag),
        reading("reader", "ls", *flag),
        reading("reader", "show", "evil", *flag),
        reading("gold", "import", gold),
        reading("gold", "ls", *flag),
        reading("eval", "gold", *flag),
        reading("formats", *flag),
    ]
    for run in map(harmless, runs):
        assert run.code == 0
    harmless(reading("index", hostile, *flag))
    harmless(reading("rm", name, *flag))
    if as_json:
        assert all(run.out.isascii() for run in runs)
        assert harmless(reading("gold", "export")).out.isascii()
        # A script reads back what was there.
        listed = {document["path"] for document in runs[2].json["documents"]}
        assert listed == {str(path) for path in hostile.iterdir() if not path.name.startswith("skipped")}
    else:
        assert b"\\x1b]52;c;cm0gLXJm\\x07" in runs[6].out
        assert MARKUP.encode() in runs[6].out
        # Names are shown on one line, whatever they hold.
        assert len(runs[2].out.splitlines()) == 4


def test_nothing_of_a_hostile_argument_is_obeyed(indexed: Docqa, tmp_path: Path, gold: Path) -> None:
    missing = tmp_path / f"{NAME} not there"
    for command in (
        ("index", missing),
        ("show", missing),
        ("rm", missing),
        ("ls", "--library", missing),
        ("status", "--library", gold),
        ("search", f"in:{ATTACK[:-1]}x type: lease"),
        ("search", f"since:{ATTACK[:-1]} lease"),
        ("ask", "--reader", missing, "lease"),
        ("ask", "--since", ATTACK[:-1], "lease"),
        (
            "gold",
            "add",
            f"lease {MARKUP}",
            "--answer",
            f"no such {ATTACK[:-1]}",
            "--file",
            tmp_path / "folder/lease.md",
        ),
        ("gold", "import", missing),
        ("gold", "rm", 7),
        ("eval", "library", missing),
        ("eval", "reading", missing),
        ("eval", "retrieval", missing),
        ("roots", "add", missing),
        ("roots", "rm", missing),
        ("reader", "tune", missing),
        ("reader", "show", ATTACK[:-1]),
        ("reader", "use", f"{MARKUP}{ATTACK[:-1]}"),
        ("reader", "rm", MARKUP),
        ("reader", "add", missing),
        ("calibrate", "--reader", missing),
        (ATTACK[:-1],),
        ("ls", f"--{ATTACK[:-1]}"),
        ("tui",),
    ):
        done = harmless(indexed(*command))
        assert done.code in (1, 2, 3), (command, done)
        assert done.err or command[0] == "rm"


def test_the_sides_of_evaluation_show_nothing_of_its_data(reading: Docqa, gold: Path) -> None:
    assert harmless(reading("eval", "library", gold)).code == 0


def test_colours_do_not_let_the_rest_through(reading: Docqa, hostile: Path) -> None:
    assert reading("index", hostile).code == 0
    shown = reading("search", "--color", "always", "lease").out
    assert b"\x1b[" in shown
    assert obeyed(click.unstyle(shown.decode()).encode()) == set()


def on_a_terminal(docqa: Docqa, *arguments: object) -> bytes:
    """All that a command shows on a terminal of its own."""
    master, terminal = pty.openpty()
    with docqa.start(*arguments, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        shown = b""
        try:
            while part := os.read(master, 65_536):
                shown += part
        except OSError:  # how Linux tells that the other side has closed
            pass
        finally:
            os.close(master)
            process.wait(timeout=60)
    assert b"Traceback" not in shown, shown.decode()
    return shown


def test_the_bar_of_progress_lets_nothing_through(docqa: Docqa, hostile: Path) -> None:
    shown = on_a_terminal(docqa.with_variables(TERM="xterm-256color"), "index", hostile)
    assert b"\x1b[" in shown
    assert b"\\x1b]52;c;cm0gLXJm\\x07" in shown
    assert obeyed(OWN_SEQUENCES.sub("", shown.decode()).encode()) == set()


def test_a_dumb_terminal_gets_lines_and_the_help(docqa: Docqa, hostile: Path) -> None:
    dumb = docqa.with_variables(TERM="dumb")
    for arguments in (("index", hostile), ("search", "lease"), ("status",), ()):
        shown = on_a_terminal(dumb, *arguments).replace(b"\r\n", b"\n")
        assert obeyed(shown) == set()
    assert shown.startswith(b"Usage: docqa")


@pytest.mark.parametrize(
    "variables", [{"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, {"LC_ALL": "C.UTF-8"}]
)
def test_any_locale_shows_any_text(docqa: Docqa, tmp_path: Path, variables: dict[str, str]) -> None:
    folder, docqa = tmp_path / "日本", docqa.with_variables(**variables)
    folder.mkdir()
    (folder / "naïve.txt").write_text("Der Fluß 日本 “heron”.")
    assert docqa("index", folder).code == 0
    for arguments in (("search", "heron"), ("ls",), ("status",), ("search", "heron", "--json")):
        done = docqa(*arguments)
        assert (done.code, done.err) == (0, b"")
        assert obeyed(done.out) == set()


@pytest.mark.parametrize("arguments", [("ls",), ("search", "lease"), ("--help",)])
def test_whoever_stops_listening_is_no_error(indexed: Docqa, arguments: tuple[str, ...]) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with indexed.start(*arguments, stdout=write_end, stdin=subprocess.DEVNULL) as process:
        os.close(write_end)
        _, complaint = process.communicate(timeout=60)
    assert complaint == b""
