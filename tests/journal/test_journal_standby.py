"""The journal's primary dies and a standby is promoted: it goes on with all that was acknowledged,
or says that something is missing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from optibid_console.entries import Entry, Held
from optibid_console.journal import places
from optibid_console.journal.following import JournalWatch
from optibid_console.journal.journal import JournalError, JournalWentBack
from optibid_console.journal.lease import this_engine
from optibid_console.journal.postgres import PostgresJournal
from optibid_console.journal_place import Address, parse_address
from optibid_console.source import Lost
from tests.servers.postgres import DEBIAN, PostgresServer
from tests.servers.standby import NAME, Standby
from tests.servers.team import Team

pytestmark = [pytest.mark.server("postgresql 15"), pytest.mark.slow]
Pair = tuple[PostgresServer, Standby, Address]


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """A primary and a standby that follows it, and the address that names both."""
    primary = PostgresServer(DEBIAN)
    monkeypatch.setenv("PGPASSWORD", primary.password)
    servers = [primary]
    try:
        primary.start()
        team = Team(primary)
        standby = Standby(primary)
        servers.append(standby)
        standby.start()
        until(lambda: follows(primary, "streaming"))
        hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
        address = parse_address(f"postgresql://optibid_operator@{hosts}/{team.dbname}")
        assert parse_address(str(address)) == address
        yield primary, standby, places.own_address(address, "Window", rehearsal=False)
    finally:
        for one in servers:
            one.remove()


def until(true: Callable[[], object]) -> None:
    ends = time.monotonic() + 60
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)


def follows(primary: PostgresServer, state: str) -> bool:
    """Whether the standby is in this state (`streaming`), or synchronous (`sync`)."""
    return (state,) in primary.execute(
        f"SELECT unnest(ARRAY[state, sync_state]) FROM pg_stat_replication "
        f"WHERE application_name = '{NAME}'"
    )


async def back(journal: PostgresJournal) -> None:
    """Beat until the server is found. Raises `JournalWentBack`."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await journal.beat()
            except JournalWentBack:
                raise
            except JournalError:
                await asyncio.sleep(0.1)


async def test_with_a_synchronous_standby_nothing_that_was_acknowledged_is_lost(pair: Pair) -> None:
    primary, standby, address = pair
    primary.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{NAME}'")
    primary.execute("SELECT pg_reload_conf()")
    await asyncio.to_thread(until, lambda: follows(primary, "sync"))
    journal = await PostgresJournal.open(address)
    lease = await journal.acquire("ann", this_engine())
    acknowledged: list[Entry] = []

    async def writes() -> None:
        with suppress(JournalError):
            while True:
                acknowledged.append(await journal.append("ann", Held(str(len(acknowledged)))))

    writing = asyncio.create_task(writes())
    while len(acknowledged) < 50:
        await asyncio.sleep(0.01)
    await asyncio.to_thread(primary.stop, "immediate")
    await writing
    await asyncio.to_thread(standby.promote)
    await back(journal)
    after = await journal.append("ann", Held("after"))
    found = list(places.entries_of(address))
    assert found[: len(acknowledged)] == acknowledged
    assert found[-1] == after
    assert len(found) <= len(acknowledged) + 2  # one may have been on its way
    assert places.verify(address).problem == ""
    assert (await journal.lease()).epoch == lease.epoch
    await journal.close()


async def test_a_standby_that_lacks_acknowledged_entries_is_not_gone_on_with(pair: Pair) -> None:
    primary, standby, address = pair
    journal = await PostgresJournal.open(address)
    await journal.acquire("ann", this_engine())
    await journal.append("ann", Held("both have it"))
    await asyncio.to_thread(until, lambda: len(list(entries_at(address, standby))) == 1)
    await asyncio.to_thread(standby.stop)
    lost = [await journal.append("ann", Held("the primary alone has it")) for _ in range(3)]
    watch = JournalWatch(replace(address, user="optibid_observer"), "zoe")
    events = watch.events()
    async with asyncio.timeout(60):
        async for event in events:
            if event == lost[-1]:
                break
        await asyncio.to_thread(primary.stop, "immediate")
        await asyncio.to_thread(standby.start)
        await asyncio.to_thread(standby.promote)
        with pytest.raises(JournalWentBack, match="entries 2 to 4, which it had acknowledged"):
            await back(journal)
        with pytest.raises(JournalWentBack, match="Bring the old primary back"):
            await journal.append("ann", Held("would fork it"))
        assert len(list(entries_at(address, standby))) == 1
        async for event in events:
            if isinstance(event, Lost) and "went back" in event.why:
                break
        assert "entry 4 isn't what it was" in event.why
    await watch.close()
    await events.aclose()
    await journal.close()
    assert places.verify(address).problem == ""


def entries_at(address: Address, server: PostgresServer) -> Iterator[Entry]:
    """What this one of the two has."""
    return places.entries_of(replace(address, port=server.port, others=(), options=()))
