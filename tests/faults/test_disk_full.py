"""A disk that is full, or a file that may not grow, costs the run in hand and nothing that was there before."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from portrait import portrait
from running import Docqa

SMALL_BYTES = 2_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes; skipped where this user may not make one."""
    place = tmp_path / "small disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_BYTES},mode=0700", "docqa-test", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small file system cannot be mounted here: {getattr(error, 'stderr', None) or error}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A folder whose text does not fit on the small disk, however well it is packed."""
    folder = tmp_path / "large"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.txt").write_text("heron " + " ".join(os.urandom(4).hex() for _ in range(60_000)))
    return folder


def fill(disk: Path) -> Path:
    """Use up what is left of a disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65_536, 4096, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    assert os.statvfs(disk).f_bfree == 0
    return filler


def test_a_disk_that_fills_up_while_indexing_costs_nothing_that_was_there(
    docqa: Docqa, folder: Path, large: Path, small_disk: Path
) -> None:
    docqa = docqa.on(small_disk / "library.docqa")
    assert docqa("index", folder).code == 0
    before = portrait(docqa.library)
    done = docqa("index", large)
    assert (done.code, done.out) == (3, b"")
    assert b"no space left to write" in done.err
    assert b"free some space" in done.err
    assert b"damaged" not in done.err
    assert portrait(docqa.library) == before
    assert docqa("search", "boiler").code == 0
    # What is written afterwards finds its place again.
    (folder / "new.txt").write_text("A heron.")
    assert docqa("index", folder).code == 0
    assert docqa("search", "heron").code == 0


def test_a_disk_without_any_room_still_lets_the_library_be_asked(
    docqa: Docqa, folder: Path, small_disk: Path, tiny_reader: Path
) -> None:
    docqa = docqa.on(small_disk / "library.docqa")
    assert docqa("index", folder).code == 0
    filler = fill(small_disk)
    assert docqa("search", "boiler").code == 0
    assert docqa("ask", "--reader", tiny_reader, "--min-confidence", 0, "boiler").code == 0
    (folder / "new.txt").write_text("A heron.")
    done = docqa("index", folder)
    assert done.code == 3
    assert b"damaged" not in done.err
    filler.unlink()
    assert docqa("index", folder).code == 0
    assert docqa("doctor").code == 0


def test_a_library_is_not_made_by_halves_on_a_full_disk(docqa: Docqa, folder: Path, small_disk: Path) -> None:
    docqa = docqa.on(small_disk / "library.docqa")
    fill(small_disk)
    done = docqa("index", folder)
    assert (done.code, done.out) == (3, b"")
    assert str(docqa.library).encode() in done.err
    assert b"choose another place" in done.err
    assert {path.name for path in small_disk.iterdir()} <= {"filler", "library.docqa.lock"}


def test_a_file_that_may_not_grow_any_further_is_as_it_was(docqa: Docqa, folder: Path, large: Path) -> None:
    assert docqa("index", folder).code == 0
    before = portrait(docqa.library)
    limited = docqa("index", large, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500_000,) * 2))
    assert (limited.code, limited.out) == (3, b"")
    assert b"damaged" not in limited.err
    assert str(docqa.library).encode() in limited.err
    assert portrait(docqa.library) == before
    assert docqa("index", folder).code == 0
