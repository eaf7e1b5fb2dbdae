"""The application in a browser of the same machine, through textual-serve.

What a library holds is its owner's business, so nothing but a loopback address is served, and only to whoever knows
the token in the address that is printed: other users of the machine reach its loopback too. They also see with which
address a browser is started, so that one has a ticket instead, which lets in once. The page loads nothing from anywhere
else, and no other site's page can speak to it.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import shlex
import socket
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from docqa.errors import Unavailable, UsageError

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.typedefs import Handler, Middleware

TITLE = "docqa"
COOKIE = "docqa-token"
HTTP_PORT = 80
# A browser that has to start first takes its time.
TICKET_S = 30.0
TEMPLATES = Path(__file__).parent / "page"

_HEADERS = {
    # textual-serve's page brings its scripts and styles along, some of them inline.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self'; connect-src 'self' {socket}; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def loopback(host: str) -> str:
    """Return the address that a name stands for; UsageError unless it is this machine's loopback."""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise UsageError(
            f"{host} is not a loopback address: docqa serves nobody but this machine; use 127.0.0.1, or reach it"
            " from elsewhere through ssh -L"
        )
    return str(address)


def free_port(host: str) -> int:
    """A port that nobody listens on at the moment."""
    with closing(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def command(library: str | os.PathLike[str] | None, reader: str | os.PathLike[str] | None) -> str:
    """The command that runs the application for one page."""
    parts = [sys.executable, "-m", "docqa", "tui"]
    for option, value in (("--library", library), ("--reader", reader)):
        if value is not None:
            parts += [option, os.fspath(value)]
    return shlex.join(parts)


def serve(
    library: str | os.PathLike[str] | None,
    reader: str | os.PathLike[str] | None,
    *,
    host: str,
    port: int,
    announce: Callable[[str], None],
    launch: Callable[[str], object] | None = None,
) -> None:
    """Serve the application until interrupted; `announce` is told the address to open.

    `launch`, if there is one, is told an address that lets in once, and only at once: others may see it.

    UsageError if the host is no loopback address, Unavailable if textual-serve is not installed or the port is taken.
    """
    address = loopback(host)
    try:
        import textual_serve  # noqa: F401
    except ImportError as error:
        raise Unavailable("docqa web needs textual-serve: pip install 'docqa[web]'") from error
    from docqa.tui.server import OwnersServer

    port = port or free_port(address)
    server = OwnersServer(command(library, reader), address, port, secrets.token_urlsafe(24))
    try:
        server.serve_quietly(announce, launch)
    except OSError as error:
        raise Unavailable(f"{address}:{port} cannot be served ({error.strerror}); choose another --port") from error


def origin_of(address: str, port: int) -> str:
    """The origin of the pages served there, as browsers write it: without the port that goes without saying."""
    host = f"[{address}]" if ":" in address else address
    return f"http://{host}" if port == HTTP_PORT else f"http://{host}:{port}"


class Ticket:
    """What lets in once, within TICKET_S of its making."""

    def __init__(self) -> None:
        self._text, self._until = "", 0.0

    def make(self) -> str:
        """Make the ticket; the one before is worth nothing from now on."""
        self._text, self._until = secrets.token_urlsafe(24), time.monotonic() + TICKET_S
        return self._text

    def take(self, shown: str) -> bool:
        """Whether what is shown is the ticket; it is worth nothing after that."""
        good = time.monotonic() < self._until and secrets.compare_digest(shown.encode(), self._text.encode())
        if good:
            self._until = 0.0
        return good


def guard(token: str, origin: str, ticket: Ticket) -> Middleware:
    """Make the middleware that lets in who knows the token or has the ticket, from this page only."""
    from aiohttp import web

    host = origin.partition("//")[2]
    # A browser shows a cookie to all ports of a host: each server has a name of its own for it.
    cookie = f"{COOKIE}-{urlsplit(origin).port or HTTP_PORT}"

    @web.middleware
    async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
        # A name that leads here from elsewhere is not ours; nor is another site's page that opens a socket to us.
        if request.host != host or request.headers.get("Origin", origin) != origin:
            raise web.HTTPForbidden(text="This page is for this machine only.")
        shown = request.query.get("token") or request.cookies.get(cookie, "")
        known = secrets.compare_digest(shown.encode(), token.encode())
        if not known and not ticket.take(request.query.get("ticket", "")):
            raise web.HTTPForbidden(text="Open the address that docqa web printed; it holds the token.")
        response = await handler(request)
        if not response.prepared:
            response.set_cookie(cookie, token, httponly=True, samesite="Strict")
            for name, value in _HEADERS.items():
                response.headers[name] = value.format(socket=origin.replace("http", "ws", 1))
        return response

    return admit
