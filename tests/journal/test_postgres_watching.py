"""Who may do what in a journal on a server, and what is seen by who only follows it."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from optibid_console.entries import (
    Entry,
    Held,
)
from optibid_console.feed.hub import Hub
from optibid_console.journal import places, postgres_link
from optibid_console.journal.following import JournalWatch
from optibid_console.journal.journal import JournalError
from optibid_console.journal.lease import this_engine
from optibid_console.journal.postgres import PostgresJournal
from optibid_console.journal.present import Present
from optibid_console.journal_place import Address
from optibid_console.signals import LogLines, Pulse, Sampled
from probes.probe import Reading, Status
from tests.servers.team import Team

pytestmark = pytest.mark.server("postgres")


FORBIDDEN = [
    "UPDATE optibid_console.entries SET actor = 'mallory'",
    "DELETE FROM optibid_console.entries",
    "TRUNCATE optibid_console.entries",
    "DELETE FROM optibid_console.journals",
    "UPDATE optibid_console.journals SET epoch = 0",
    "UPDATE optibid_console.journals SET token = 'mine'",
    "UPDATE optibid_console.journals SET name = 'other'",
    "ALTER TABLE optibid_console.entries DISABLE TRIGGER ALL",
    "DROP TABLE optibid_console.entries",
    "CREATE TABLE optibid_console.other (x int)",
]


def refused(address: Address, statement: str, says: str | None = None) -> None:
    with (
        closing(postgres_link.connect_any(address, writable=True)) as db,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match=says),
    ):
        db.execute(statement.encode())


async def test_an_operator_appends_and_changes_nothing(team: Team, address: Address) -> None:
    journal = await PostgresJournal.open(address)
    await journal.acquire("ann", this_engine())
    await journal.append("ann", Held("x"))
    await journal.close()
    for statement in FORBIDDEN:
        refused(address, statement)
    for statement in FORBIDDEN[:4]:  # nor does its owner, without meaning to
        refused(team.address("postgres"), statement, "append only")
    assert places.verify(address).entries == 1


WRITES = (
    "INSERT INTO optibid_console.journals (name, title, rehearsal) VALUES ('x', 'x', false)",
    "INSERT INTO optibid_console.entries VALUES ('one', 9, 1, 1, 'a', 'held', '{}', '', '')",
    "SELECT token FROM optibid_console.journals",
)


async def test_an_observer_only_reads(team: Team, address: Address) -> None:
    for statement in (*FORBIDDEN, *WRITES):
        refused(team.observer, statement)
    assert places.verify(team.observer).problem == ""


async def test_who_watches_issues_no_statement_that_writes(team: Team, address: Address) -> None:
    """Its sessions are read only, and all that it asks is in the server's own count."""
    journal = await PostgresJournal.open(address)
    await journal.acquire("ann", this_engine())
    entry = await journal.append("ann", Held("x"))
    team.server.execute(f"ALTER DATABASE {team.dbname} SET log_statement = 'all'")
    log = team.server.directory / "log"
    before = log.stat().st_size
    watch = JournalWatch(replace(team.observer, window=""), "bob")
    async with asyncio.timeout(30):
        async for event in watch.events():
            if event == entry:
                break
    await watch.close()
    team.server.execute(f"ALTER DATABASE {team.dbname} RESET log_statement")
    asked = [
        line
        for line in log.read_bytes()[before:].decode().splitlines()
        if "LOG:  statement:" in line or "LOG:  execute" in line
    ]
    said = [line.partition(": ")[2].partition(": ")[2].strip() for line in asked]
    mine = [one for one in said if not one.startswith("ALTER DATABASE")]
    assert len(mine) > 3
    assert {one.split()[0] for one in mine if one} <= {"SELECT", "LISTEN", "UNLISTEN"}, mine
    await journal.close()


def sampled(probe: str, at: float, value: float) -> Sampled:
    return Sampled("probe", Reading(probe, Status.OK, "fine", at, 0.1, value, "ms"))


async def test_who_follows_the_journal_sees_what_the_engine_showed_last_and_once(
    journal: PostgresJournal, team: Team
) -> None:
    hub = Hub()
    watch = JournalWatch(team.observer, "bob")
    seen: list[Any] = []

    async def look() -> None:
        async for event in watch.events():
            seen.append(event)

    looking = asyncio.create_task(look())
    for value in (1.0, 2.0):
        hub.signal(sampled("db", 100.0 + value, value))
        hub.signal(LogLines("backend", b"not here\n", 1))
        hub.signal(Pulse(time.time(), 1.0))
        frames = tuple(one.data.decode() for one in hub.newest())
        await journal.show(Present(time.time() - 500, hub.life, frames))  # its clock is late
        wanted = sampled("db", 100.0 + value, value)
        async with asyncio.timeout(60):
            while wanted not in seen:
                await asyncio.sleep(0.05)
    await asyncio.sleep(1.5)  # it looks once more, and finds what it has
    assert [one for one in seen if isinstance(one, Sampled)] == [
        sampled("db", 101.0, 1.0), sampled("db", 102.0, 2.0),
    ]  # fmt: skip
    assert not [one for one in seen if isinstance(one, LogLines)]
    pulses = [one for one in seen if isinstance(one, Pulse)]
    assert abs(pulses[-1].at - (time.time() - 500)) < 30  # the engine's clock, as it is now
    await watch.close()
    looking.cancel()


async def test_what_an_engine_showed_is_its_own_and_needs_no_room(
    journal: PostgresJournal, team: Team, address: Address
) -> None:
    await journal.show(Present(1.0, "a", ("{}",)))
    refused(team.observer, "UPDATE optibid_console.present SET body = ''")
    refused(address, "DELETE FROM optibid_console.present")
    second = await PostgresJournal.open(address)
    await second.acquire("bob", this_engine(), "ann sleeps", "ann")
    await journal.show(Present(2.0, "a", ("{}",)))  # ann was deposed, and is late to know
    shown = await second.shown()
    assert shown is not None
    assert shown.at == 1.0
    await second.show(Present(3.0, "b", ()))
    assert team.execute("SELECT count(*), max(life) FROM present") == [(1, "b")]
    await second.close()


async def test_a_journal_without_room_for_readings_is_followed_all_the_same(
    journal: PostgresJournal, team: Team
) -> None:
    team.execute("DROP TABLE present")  # made by a version before
    await journal.append("ann", Held("x"))
    with pytest.raises(JournalError, match="present"):
        await journal.show(Present(1.0, "a", ()))
    await journal.append("ann", Held("y"))  # an entry never waits for it
    watch = JournalWatch(team.observer, "bob")
    async with asyncio.timeout(60):
        numbers = []
        async for event in watch.events():
            if isinstance(event, Entry):
                numbers.append(event.seq)
            if len(numbers) == 2:
                await watch.close()
    assert numbers == [1, 2]
