"""The engine's hold on its journal: kept by a beat, lost to whoever takes it over; and its eye
on what lies there already."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from optibid_console.engine.ledger import Ledger
from optibid_console.journal.journal import JournalError
from optibid_console.journal.lease import BEAT_S, Deposed


class Heartbeat:
    """Beats, and notices with each beat whether the journal can be written again."""

    def __init__(self, ledger: Ledger, settle: Callable[[], Awaitable[None]]) -> None:
        """`settle` records what is owed to a journal that was away. Raises `JournalError`."""
        self._ledger = ledger
        self._settle = settle

    async def run(self) -> None:
        """Until cancelled. Raises `Deposed` when another engine has taken the journal over."""
        while True:
            try:
                await self._ledger.beat()
                await self._settle()
            except Deposed:
                raise
            except JournalError as error:
                self._ledger.problem = str(error)
            await asyncio.sleep(BEAT_S)


class Scrubber:
    """Reads the journal again, a piece a second: apart from the heartbeat, which must go on
    while a disk that goes bad lets a read wait."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._ledger.scrub()
            await asyncio.sleep(BEAT_S)
