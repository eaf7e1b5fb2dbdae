"""textual-serve's server with docqa's page, and a guard before it."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable

from aiohttp import web
from textual_serve.server import Server

from docqa.tui.web import TEMPLATES, TITLE, Ticket, guard, origin_of


class OwnersServer(Server):
    """Serves the application to whoever knows the token; says nothing but the address."""

    def __init__(self, command: str, host: str, port: int, token: str) -> None:
        super().__init__(
            command,
            host=host,
            port=port,
            title=TITLE,
            public_url=origin_of(host, port),
            templates_path=os.fspath(TEMPLATES),
        )
        self.token = token
        self.ticket = Ticket()

    @property
    def address(self) -> str:
        """What to open."""
        return f"{self.public_url}/?token={self.token}"

    def serve_quietly(self, announce: Callable[[str], None], launch: Callable[[str], object] | None) -> None:
        """Serve until interrupted. OSError if the port is taken."""
        logging.getLogger("textual-serve").setLevel(logging.ERROR)
        asyncio.set_event_loop(loop := asyncio.new_event_loop())

        def listening(*_: object) -> None:
            announce(self.address)
            if launch is not None:
                launch(f"{self.public_url}/?ticket={self.ticket.make()}")

        web.run_app(self._make_app(), host=self.host, port=self.port, loop=loop, print=listening, access_log=None)

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(guard(self.token, self.public_url, self.ticket))
        return app

    async def on_startup(self, app: web.Application) -> None:
        """Say nothing yet: nobody listens."""
