"""The application in a browser: who gets in, and that it works there."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from docqa.errors import UsageError
from docqa.tui.web import TEMPLATES, command, loopback

pytest.importorskip("textual_serve", reason="textual-serve is not installed (docqa[web])")

from tests.tui.browser import CHROMIUM, browser


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.53", "::1", "localhost"])
def test_loopback_addresses_are_served(host: str) -> None:
    assert loopback(host) in ("127.0.0.1", "127.0.0.53", "::1")


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "", "127.0.0.1.example.org", "::ffff:10.0.0.1"]
)
def test_any_other_address_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match="loopback"):
        loopback(host)


def test_the_command_refuses_other_addresses(python: str) -> None:
    done = subprocess.run(
        [python, "-m", "docqa", "web", "--host", "0.0.0.0"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "0.0.0.0 is not a loopback address" in done.stderr


def test_paths_reach_the_application_whole() -> None:
    import shlex

    assert shlex.split(command("a b.docqa", None))[-2:] == ["--library", "a b.docqa"]


def test_the_page_names_no_other_machine() -> None:
    page = (TEMPLATES / "app_index.html").read_text()
    assert "http" not in page.replace("application.http", "")
    assert "//" not in page


@pytest.fixture
def address(sample: Path, tiny_reader: Path, python: str, tmp_path: Path) -> Iterator[str]:
    arguments = [python, "-m", "docqa", "web", "--library", str(sample), "--reader", str(tiny_reader)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        process.stdout.close()


def status(url: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_only_who_knows_the_token_gets_in(address: str) -> None:
    bare = address.partition("?")[0]
    assert address.startswith("http://127.0.0.1:")
    assert status(address) == 200
    assert status(bare) == 403
    assert status(f"{bare}ws") == 403
    assert status(f"{bare}?token=guessed") == 403
    assert status(f"{bare}static/js/textual.js") == 403
    # Another site's page, and a name that was made to lead here.
    assert status(address, Origin="http://evil.example") == 403
    assert status(address, Host="evil.example") == 403


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_a_question_is_asked_and_answered_in_a_browser(address: str, tmp_path: Path) -> None:
    async def session() -> None:
        async with browser(tmp_path / "profile") as page:
            await page.open(address)
            await page.until(lambda: "19 documents" in page.screen)
            await page.evaluate("document.querySelector('.xterm-helper-textarea').focus()")
            page.forget()
            await page.type("boiler pressure")
            await page.until(lambda: "Aurel boiler manual.pdf" in page.screen)
            page.forget()
            await page.enter()
            await page.until(lambda: "Answers" in page.screen and "passages read" in page.screen)
            assert "%" in page.screen
            assert page.errors == []
            origin = address.partition("/?")[0]
            elsewhere = [url for url in page.requested if not url.startswith((origin, "data:", "about:"))]
            assert elsewhere == [origin.replace("http", "ws") + url[url.index("/ws") :] for url in elsewhere]

    asyncio.run(session())
