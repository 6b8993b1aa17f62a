"""What tests of the observers' feed share: a listener with links, and sources on it."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from optibid_console.admission.listener import open_listener
from optibid_console.feed.attendance import Attendance
from optibid_console.feed.certificate import client_context, server_context
from optibid_console.feed.link import Link, new_token
from optibid_console.feed.listener import ObserverListener, Pass, listener_limits
from optibid_console.feed.messages import SUBPROTOCOL
from optibid_console.feed.snapshot import Snapshots

WITHIN_S = 30


class Shared:
    """A window (see conftest) shared on a free port of 127.0.0.1."""

    def __init__(self, window) -> None:
        self.window = window
        self.passes: dict[str, Pass] = {}
        self.attendance = Attendance(window.hub)
        self.snapshots: Snapshots | None = None
        self.door = open_listener("127.0.0.1", 0, listener_limits())
        self.port = self.door.port
        self.context, self.fingerprint = server_context()

    async def start(self) -> None:
        self.listener = self._new()
        await self.listener.start(self.door, self.context)

    async def restart(self) -> None:
        """Another engine's listener, at the same place."""
        self.door = open_listener("127.0.0.1", self.port, listener_limits())
        self.attendance = Attendance(self.window.hub)
        await self.start()

    def link(self, name: str = "support", lasts_s: float = 3600.0) -> Link:
        token = new_token()
        self.passes[token] = Pass(name, time.time() + lasts_s)
        return Link("127.0.0.1", self.port, token, self.fingerprint)

    def admit(self, token: str) -> Pass | str:
        return self.passes.get(token, "no such link")

    def _new(self) -> ObserverListener:
        window = self.window
        return ObserverListener(
            window.hub, window.journal, self.admit, self.attendance, self.snapshots
        )


def own_state(folder: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))


async def raw(link: Link, **more):
    """A connection that isn't greeted yet."""
    given = {"subprotocols": [SUBPROTOCOL], "compression": None, "ping_interval": None, **more}
    return await connect(f"wss://{link.address}/", ssl=client_context(), proxy=None, **given)


async def closed_with(ws) -> int:
    async with asyncio.timeout(WITHIN_S):
        with suppress(ConnectionClosed):
            while True:
                await ws.recv()
    return ws.close_code
