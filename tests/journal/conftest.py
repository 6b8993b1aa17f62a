"""Both kinds of journal, for what must hold of every one."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from optibid_console.entries import NoteWritten
from optibid_console.journal import places
from optibid_console.journal.chain import Verified
from optibid_console.journal.lease import this_engine
from optibid_console.journal.postgres import PostgresJournal
from optibid_console.journal_head import Noted
from optibid_console.journal_place import Address, Place
from tests.servers.proxy import Proxy
from tests.servers.team import Team


class Kept:
    """A journal somewhere: `open` it, and do with its rows what its administrator can."""

    def __init__(self, place: Place, team: Team | None = None) -> None:
        self.place = place
        self._team = team

    async def open(self, *, writable: bool = True) -> Any:
        if self._team is not None and writable:
            places.own_address(self.place, "Window", rehearsal=False)  # type: ignore[arg-type]
        return await places.open_journal(self.place, writable=writable)

    async def fill(self, count: int) -> None:
        journal = await self.open()
        for number in range(count):
            await journal.append("oncall-1", NoteWritten("window", f"note {number}"))
        await journal.close()

    def verify(self, noted: Noted | None = None) -> Verified:
        return places.verify(self.place, noted)

    def tamper(self, *statements: str) -> None:
        if self._team is not None:
            for one in statements:
                self._team.execute(one)
            return
        with closing(sqlite3.connect(self.place)) as db, db:  # type: ignore[arg-type]
            for one in statements:
                db.execute(one)


@pytest.fixture
def team(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    """A team's database. Mark the test with `server("postgres")`."""
    monkeypatch.setenv("PGPASSWORD", postgres.password)
    made = Team(postgres)
    yield made
    made.remove()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.server("postgres"))])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    """An empty journal of each kind."""
    if request.param == "sqlite":
        return Kept(tmp_path / "windows" / "one.journal")
    team = request.getfixturevalue("team")
    return Kept(team.address(), team)


@pytest.fixture
def address(team: Team) -> Address:
    return places.own_address(team.address(), "Window", rehearsal=False)


@pytest.fixture
async def wire(team: Team) -> AsyncIterator[Proxy]:
    proxy = await Proxy("127.0.0.1", team.server.port).start()
    yield proxy
    await proxy.close()


@pytest.fixture
async def journal(address: Address, wire: Proxy) -> AsyncIterator[PostgresJournal]:
    journal = await PostgresJournal.open(replace(address, port=wire.port))
    await journal.acquire("ann", this_engine())
    yield journal
    await journal.close()
