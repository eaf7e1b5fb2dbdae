from __future__ import annotations

from pathlib import Path

import pytest

from docqa import desktop


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A desktop with nothing on it but what the test puts into `bin`."""
    for name in ("VISUAL", "EDITOR", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("docqa.desktop.sys.platform", "linux")
    return folder


def program(folder: Path, name: str, script: str = "") -> str:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return str(file)


def test_the_editor_gets_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert desktop.edit_command("/a.txt", 3) is None
    monkeypatch.setenv("EDITOR", "vi -R")
    assert desktop.edit_command("/a.txt", 3) == ["vi", "-R", "+3", "/a.txt"]
    assert desktop.edit_command("/a.txt", None) == ["vi", "-R", "/a.txt"]
    monkeypatch.setenv("VISUAL", "code --wait")
    assert desktop.edit_command("/a.txt", 3) == ["code", "--wait", "+3", "/a.txt"]


def test_a_viewer_that_knows_pages_is_preferred(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opener, viewer = program(bare, "xdg-open"), program(bare, "zathura")
    assert desktop.view_command("/a.pdf", 3) is None  # no display
    monkeypatch.setenv("DISPLAY", ":0")
    assert desktop.view_command("/a.pdf", 3) == [viewer, "--page=3", "/a.pdf"]
    assert desktop.view_command("/a.pdf", None) == [opener, "/a.pdf"]
    assert desktop.view_command("/a.docx", 3) == [opener, "/a.docx"]


@pytest.mark.parametrize("name", ["evince", "atril", "xreader"])
def test_a_page_is_counted_and_not_looked_for_by_its_label(
    bare: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    viewer = program(bare, name)
    monkeypatch.setenv("DISPLAY", ":0")
    assert desktop.view_command("/a.pdf", 3) == [viewer, "--page-index=3", "/a.pdf"]


def test_a_viewer_that_wants_the_page_behind_the_file(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = program(bare, "mupdf")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert desktop.view_command("/a.pdf", 3) == [viewer, "/a.pdf", "3"]


def test_the_clipboard_of_the_display_is_used(bare: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(bare, "wl-copy", f'while IFS= read -r line; do echo "$line" >> "{tmp_path}/copied"; done')
    assert desktop.copy("text") is False
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert desktop.copy("ein Zitat\n漢字\n") is True
    assert (tmp_path / "copied").read_text() == "ein Zitat\n漢字\n"


def test_a_clipboard_that_fails_is_none(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bare, "xclip", "exit 1")
    monkeypatch.setenv("DISPLAY", ":0")
    assert desktop.copy("text") is False


def test_a_clipboard_that_hangs_is_given_up(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bare, "xclip", "while :; do :; done")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(desktop, "CLIPBOARD_TIMEOUT_S", 0.2)
    assert desktop.copy("text") is False
