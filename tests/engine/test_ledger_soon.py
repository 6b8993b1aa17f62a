"""What must not wait for the journal doesn't, and is recorded once all the same."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from optibid_console.engine.ledger import Ledger
from optibid_console.entries import AbortAsked, Entry
from optibid_console.feed.hub import Hub
from optibid_console.journal.spilling import SpillingJournal
from optibid_console.journal.sqlite import SqliteJournal
from optibid_console.runbook.secrets import Secrets


class Frozen(SpillingJournal):
    """As one whose server says nothing, until `thawed`."""

    thawed: asyncio.Event

    async def append(self, *given: Any, **more: Any) -> Entry:
        await self.thawed.wait()
        return await super().append(*given, **more)


async def test_an_abort_does_not_wait_for_a_journal_that_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    journal = Frozen(await SqliteJournal.open(path, create=True), path)
    journal.thawed = asyncio.Event()
    ledger = Ledger(journal, Hub(), Secrets())
    async with asyncio.timeout(20):
        await ledger.keep_soon(AbortAsked("r1"), "ann")  # comes back, with nothing recorded
        assert ledger.state.seq == 0
        journal.thawed.set()
        while not ledger.state.seq:
            await ledger.changed()
    (entry,) = await journal.read(0, 10)
    assert entry.fact == AbortAsked("r1")
    await journal.close()
