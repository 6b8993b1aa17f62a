"""What tests of the observers' feed share: a listener with links, and sources on it."""

from __future__ import annotations

import time
from pathlib import Path

from optibid_console.feed.attendance import Attendance
from optibid_console.feed.certificate import server_context
from optibid_console.feed.doorway import open_doorway
from optibid_console.feed.link import Link, new_token
from optibid_console.feed.listener import ObserverListener, Pass
from optibid_console.feed.snapshot import Snapshots


class Shared:
    """A window (see conftest) shared on a free port of 127.0.0.1."""

    def __init__(self, window) -> None:
        self.window = window
        self.passes: dict[str, Pass] = {}
        self.attendance = Attendance(window.hub)
        self.snapshots: Snapshots | None = None
        self.door = open_doorway("127.0.0.1", 0)
        self.port = self.door.getsockname()[1]
        self.context, self.fingerprint = server_context()

    async def start(self) -> None:
        self.listener = self._new()
        await self.listener.start(self.door, self.context)

    async def restart(self) -> None:
        """Another engine's listener, at the same place."""
        self.door = open_doorway("127.0.0.1", self.port)
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
