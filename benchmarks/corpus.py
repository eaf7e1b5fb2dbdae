"""A large corpus of plain text: Debian's package of the Linux sources, or any folder that is named."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import harness

from docqa.errors import DocqaError, UsageError

_SUFFIXES = (".c", ".h", ".S", ".rst", ".txt", ".dts", ".dtsi", ".sh", ".py", ".yaml")
_MAX_FILE_BYTES = 2_000_000


def files(folder: Path | None) -> list[Path]:
    """The text files of a folder, or of the Linux sources, in an order that depends on nothing else."""
    root = folder if folder is not None else _linux_sources()
    found = [
        Path(where, name)
        for where, _, names in os.walk(root)
        for name in names
        if name.endswith(_SUFFIXES) and not os.path.islink(os.path.join(where, name))
    ]
    if not found:
        raise UsageError(f"{root} holds no file with one of the suffixes {', '.join(_SUFFIXES)}")
    found.sort()
    random.Random(0).shuffle(found)
    return found


def texts(paths: list[Path]) -> Iterator[tuple[Path, str]]:
    """The texts of files that are plain UTF-8 and not huge, with their paths."""
    for path in paths:
        if path.stat().st_size > _MAX_FILE_BYTES:
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if text.strip():
            yield path, text.replace("\0", " ")


def _linux_sources() -> Path:
    """Fetch and unpack the package once; DocqaError, saying what to do, where that cannot be done."""
    folder = harness.BENCH / "linux-source"
    done = folder / "done"
    if done.is_file():
        return folder / "tree"
    folder.mkdir(parents=True, exist_ok=True)
    print(f"fetching the Linux sources into {folder}", file=sys.stderr, flush=True)
    try:
        depends = subprocess.run(["apt-cache", "depends", "linux-source"], check=True, capture_output=True, text=True)
        package = next(line.split()[-1] for line in depends.stdout.splitlines() if "Depends: linux-source-" in line)
        subprocess.run(["apt-get", "--quiet", "download", package], check=True, cwd=folder, stdout=sys.stderr)
        [archive] = folder.glob("linux-source-*.deb")
        subprocess.run(["dpkg-deb", "-x", archive, folder / "deb"], check=True)
        [tarball] = (folder / "deb" / "usr" / "src").glob("*.tar.*")
        (folder / "tree").mkdir(exist_ok=True)
        subprocess.run(["tar", "-xf", tarball, "-C", folder / "tree"], check=True)
    except (OSError, subprocess.CalledProcessError, StopIteration, ValueError) as error:
        raise DocqaError(
            f"the Linux sources could not be fetched with apt ({error}); name a folder of text files with --corpus DIR"
        ) from error
    done.touch()
    return folder / "tree"
