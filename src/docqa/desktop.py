"""What the desktop around the terminal offers: the person's editor, a viewer that opens at a page, a clipboard."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

CLIPBOARD_TIMEOUT_S = 2.0

# A clipboard's command, and the variable without which it has no display to reach.
_CLIPBOARDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("WAYLAND_DISPLAY", ("wl-copy",)),
    ("DISPLAY", ("xclip", "-selection", "clipboard")),
    ("DISPLAY", ("xsel", "--clipboard", "--input")),
)

# Viewers of PDF that can be told a page, by the command that starts them; the page is counted from the first sheet,
# whatever label the file gives it.
_VIEWERS: dict[str, tuple[str, ...]] = {
    "evince": ("--page-index={page}",),
    "okular": ("--page", "{page}"),
    "zathura": ("--page={page}",),
    "atril": ("--page-index={page}",),
    "xreader": ("--page-index={page}",),
    "mupdf": ("{path}", "{page}"),
    "qpdfview": ("--unique", "{path}#{page}"),
}


def editor() -> list[str] | None:
    """The person's editor as a command, from VISUAL or EDITOR; None if they name none. ValueError if it is torn."""
    named = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    return shlex.split(named) or None if named else None


def edit_command(path: str, line: int | None) -> list[str] | None:
    """The command that opens a file in the person's editor, at a line if one is given; None without an editor."""
    command = editor()
    return None if command is None else [*command, *([f"+{line}"] if line else []), path]


def view_command(path: str, page: int | None) -> list[str] | None:
    """The command that opens a file in the system's viewer, at a page where a viewer is known that can.

    None where there is neither.
    """
    if page is not None and path.lower().endswith(".pdf"):
        for viewer, options in _VIEWERS.items():
            if (program := shutil.which(viewer)) is not None and _has_display():
                filled = [option.format(page=page, path=path) for option in options]
                return [program, *filled] if any("{path}" in option for option in options) else [program, *filled, path]
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    if (program := shutil.which(opener)) is not None and (sys.platform == "darwin" or _has_display()):
        return [program, path]
    return None


def start(command: list[str]) -> None:
    """Start a program that lives on its own, with nothing to say here; OSError if it cannot be started."""
    subprocess.Popen(  # noqa: S603 (a viewer found on the person's own path)
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd=Path.home(),
    )


def copy(text: str) -> bool:
    """Put text on the desktop's clipboard; tell whether there was one to take it."""
    command = _clipboard()
    if command is None:
        return False
    try:
        done = subprocess.run(  # noqa: S603 (one of the commands above)
            command,
            input=text.encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=CLIPBOARD_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _clipboard() -> list[str] | None:
    if sys.platform == "darwin":
        return ["pbcopy"]
    for variable, command in _CLIPBOARDS:
        if os.environ.get(variable) and (program := shutil.which(command[0])) is not None:
            return [program, *command[1:]]
    return None


def _has_display() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
