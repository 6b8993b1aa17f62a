"""What is true now, shown beside a team's journal for who follows that alone."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from optibid_console.engine.ledger import Ledger
from optibid_console.entries import NoteWritten
from optibid_console.feed.hub import Hub
from optibid_console.journal.journal import JournalAway, JournalError
from optibid_console.journal.present import Present

EVERY_S = 1.0
_AGAIN_S = 60.0
"""After the database refused it (a schema from before), in seconds."""


class Stage(Protocol):
    """A journal beside which something can be shown."""

    async def show(self, now: Present) -> None: ...


class Presenting:
    """Shows the newest signals once a second. Nothing waits for it, and nothing ends with it."""

    def __init__(self, ledger: Ledger, hub: Hub, stage: Stage) -> None:
        self._ledger = ledger
        self._hub = hub
        self._stage = stage
        self._told = ""

    async def run(self) -> None:
        """Until cancelled. Raises `Deposed`."""
        while True:
            pause_s = await self._show()
            await asyncio.sleep(pause_s)

    async def _show(self) -> float:
        """After how many seconds to show it again."""
        frames = tuple(frame.data.decode() for frame in self._hub.newest())
        try:
            await self._stage.show(Present(time.time(), self._hub.life, frames))
        except JournalAway:
            return EVERY_S  # the heartbeat says so, and looks for it
        except JournalError as error:
            await self._tell(str(error))
            return _AGAIN_S
        return EVERY_S

    async def _tell(self, why: str) -> None:
        if why != self._told:
            self._told = why
            text = f"who follows this journal sees entries and no readings: {why}"
            await self._ledger.keep(NoteWritten("window", text))
