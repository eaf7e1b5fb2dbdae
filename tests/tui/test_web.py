"""The application in a browser: who gets in, and that it works there."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from docqa.errors import UsageError
from docqa.tui import web
from docqa.tui.web import TEMPLATES, Ticket, command, loopback

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


@contextmanager
def served(python: str, *arguments: str, **environment: str) -> Iterator[str]:
    """Run `docqa web`; yields the address that it prints."""
    process = subprocess.Popen(
        [python, "-m", "docqa", "web", *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        process.stdout.close()


@pytest.fixture
def address(sample: Path, tiny_reader: Path, python: str) -> Iterator[str]:
    with served(python, "--library", str(sample), "--reader", str(tiny_reader)) as printed:
        yield printed


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


def test_the_address_that_a_browser_is_started_with_lets_in_once(python: str, tmp_path: Path) -> None:
    starter, told = tmp_path / "xdg-open", tmp_path / "told"
    starter.write_text(f'#!/bin/sh\nprintf %s "$1" > {told}.part && mv {told}.part {told}\n')
    starter.chmod(0o755)
    with served(python, "--open", PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}") as printed:
        deadline = time.monotonic() + 20
        while not told.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        launched = told.read_text()
        token, bare = printed.partition("token=")[2], printed.partition("?")[0]
        assert launched.startswith(bare)
        assert token not in launched
        visitor = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        for url in (launched, bare, launched):  # who has been let in stays so
            with visitor.open(url, timeout=20) as page:
                assert page.status == 200
        assert status(launched) == 403
        assert status(f"{bare}?ticket=") == 403
        assert status(printed) == 200


def test_a_ticket_is_worth_nothing_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(web, "time", SimpleNamespace(monotonic=lambda: now))
    ticket = Ticket()
    assert not ticket.take("")
    shown = ticket.make()
    assert not ticket.take("guessed")
    assert ticket.take(shown)
    assert not ticket.take(shown)
    late = ticket.make()
    now += web.TICKET_S
    assert not ticket.take(late)


def test_browsers_leave_the_usual_port_out() -> None:
    from aiohttp.test_utils import make_mocked_request
    from aiohttp.web import HTTPForbidden, Request, Response

    async def page(_: Request) -> Response:
        return Response()

    async def visit(origin: str, host: str) -> int:
        admit = web.guard("known", origin, Ticket())
        request = make_mocked_request("GET", "/?token=known", headers={"Host": host, "Origin": f"http://{host}"})
        try:
            return (await admit(request, page)).status
        except HTTPForbidden:
            return 403

    assert asyncio.run(visit(web.origin_of("127.0.0.1", 80), "127.0.0.1")) == 200
    assert asyncio.run(visit(web.origin_of("::1", 80), "[::1]")) == 200
    assert asyncio.run(visit(web.origin_of("127.0.0.1", 8080), "127.0.0.1:8080")) == 200
    assert asyncio.run(visit(web.origin_of("127.0.0.1", 8080), "127.0.0.1")) == 403


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
