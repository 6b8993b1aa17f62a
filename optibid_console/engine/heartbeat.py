"""The engine's hold on its journal: kept by a beat, lost to whoever takes it over."""

from __future__ import annotations

import asyncio

from optibid_console.engine.ledger import Ledger
from optibid_console.journal.journal import JournalError
from optibid_console.journal.lease import BEAT_S, Deposed


class Heartbeat:
    """Beats, and notices with each beat whether the journal can be written again."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def run(self) -> None:
        """Until cancelled. Raises `Deposed` when another engine has taken the journal over."""
        while True:
            try:
                await self._ledger.beat()
            except Deposed:
                raise
            except JournalError as error:
                self._ledger.problem = str(error)
            await asyncio.sleep(BEAT_S)
