"""What only a journal on a server can meet: roles, a server that goes, answers that are lost."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from optibid_console.cli.main import main
from optibid_console.entries import (
    ActionStarted,
    Held,
    OperatorTook,
    SpillMerged,
    SpillOpened,
    StepStarted,
    WindowClosed,
    seal,
)
from optibid_console.journal import places, postgres_link, postgres_schema, postgres_table
from optibid_console.journal.following import JournalWatch
from optibid_console.journal.journal import JournalAway, JournalError
from optibid_console.journal.lease import Deposed, Standing, this_engine
from optibid_console.journal.postgres import PostgresJournal
from optibid_console.journal.postgres_table import worth
from optibid_console.journal.spilling import SpillingJournal
from optibid_console.journal_place import Address
from optibid_console.source import Lost
from tests.servers.postgres import PostgresServer
from tests.servers.proxy import Proxy
from tests.servers.team import Team

pytestmark = pytest.mark.server("postgres")


async def until_back(journal: PostgresJournal) -> None:
    """As the heartbeat does."""
    async with asyncio.timeout(60):
        while True:
            try:
                await journal.beat()
                return
            except JournalAway:
                await asyncio.sleep(0.1)


async def test_entries_are_told_at_once_and_what_was_not_told_is_found(
    journal: PostgresJournal, team: Team
) -> None:
    reader = await PostgresJournal.open(team.observer, writable=False)
    news = asyncio.create_task(reader.news(25.0))
    await asyncio.sleep(0.05)
    entry = await journal.append("ann", Held("x"))
    async with asyncio.timeout(20):
        await news
    assert await reader.read(0, 10) == [entry]
    await reader.news(0.01)  # nobody told anything: it ends by itself
    await reader.close()


async def test_a_session_that_the_server_ended_is_made_again_and_nobody_notices(
    journal: PostgresJournal, team: Team
) -> None:
    await journal.append("ann", Held("before"))
    team.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    entry = await journal.append("ann", Held("after"))
    assert entry.seq == 2


@pytest.mark.parametrize("fact", [Held("x"), OperatorTook("bob", 9)])
async def test_what_was_committed_when_its_answer_was_lost_is_there_once(
    journal: PostgresJournal, wire: Proxy, address: Address, fact: Any
) -> None:
    wire.swallows = True
    entry = await journal.append("ann", fact)
    assert entry.seq == 1
    assert (await journal.append("ann", Held("next"))).seq == 2
    assert places.verify(address).entries == 2


async def test_what_was_committed_while_the_server_went_away_is_found_when_it_is_back(
    journal: PostgresJournal, wire: Proxy, address: Address
) -> None:
    wire.swallows = wire.refuses = True
    with pytest.raises(JournalAway):
        await journal.append("ann", Held("lost or not"))
    with pytest.raises(JournalAway, match="goes on by itself"):
        await journal.append("ann", Held("fails at once"))
    wire.refuses = False
    await until_back(journal)
    if journal.head()[0]:  # it was committed: the second try gets it, and adds nothing
        assert (await journal.append("ann", Held("lost or not"))).seq == 1
    assert (await journal.append("ann", Held("next"))).seq == journal.head()[0]
    assert places.verify(address).problem == ""


@pytest.mark.parametrize("fact", [Held("sent before"), Held("another")])
async def test_what_a_frozen_server_commits_when_it_wakes_up_is_gone_on_from(
    journal: PostgresJournal, wire: Proxy, address: Address, fact: Held
) -> None:
    """It was sent, its connection was lost, it wasn't there when that was looked for; now it is."""
    sent = seal(1, 1.0, 1.0, "ann", Held("sent before"), journal.head()[1])
    journal._doubtful = (sent,)
    wire.cut(refuses=False)
    await until_back(journal)
    with closing(postgres_link.connect_any(address, writable=True)) as db:
        postgres_table.append(db, address.window, journal._token, journal._epoch, sent)
    entry = await journal.append("ann", fact)
    assert entry.seq == (1 if fact == sent.fact else 2)
    assert (await journal.append("ann", Held("next"))).seq == entry.seq + 1
    assert places.verify(address).problem == ""


async def test_a_server_that_is_frozen_is_given_up_in_time(
    journal: PostgresJournal, team: Team, address: Address
) -> None:
    sessions = team.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND application_name LIKE 'optibid-console%'"
    )
    assert sessions
    for (pid,) in sessions:
        os.kill(pid, signal.SIGSTOP)
    try:
        loop = asyncio.get_running_loop()
        began = loop.time()
        with suppress(JournalAway):  # else it is by another session already
            await journal.append("ann", Held("x"))
        assert loop.time() - began < 20
        await until_back(journal)
        assert (await journal.append("ann", Held("x"))).seq <= 2
    finally:
        for (pid,) in sessions:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    assert (await journal.append("ann", Held("y"))).seq == journal.head()[0]
    assert places.verify(address).problem == ""


async def test_a_forced_rollback_is_spilled_and_merged_when_the_server_is_back(
    journal: PostgresJournal, wire: Proxy, address: Address, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    spilling = SpillingJournal(journal, tmp_path / "team" / "one", address)
    await spilling.append("ann", Held("before"))
    wire.cut()
    with pytest.raises(JournalAway):
        await spilling.append("ann", StepStarted("1.1", "r", 1, "run"))
    await spilling.force("rollback")
    forced = [
        await spilling.append("ann", one)
        for one in (
            ActionStarted("rollback", "rollback1", ("R1",)),
            StepStarted("R1", "r1", 1, "run", action_run="rollback1"),
        )
    ]
    with pytest.raises(JournalError):
        await spilling.mend()
    wire.refuses = False
    await until_back(journal)
    wire.swallows = True  # the answer to the merge is lost, and it is tried again
    while spilling.problem:
        try:
            merged = await spilling.mend()
        except JournalAway:
            await until_back(journal)
    assert isinstance(merged[-1].fact, SpillMerged)
    kinds = [type(one.fact) for one in places.entries_of(address)]
    # the first step's start was sent when the server went: it may have been committed then
    assert kinds == [Held, StepStarted, SpillOpened, ActionStarted, StepStarted, SpillMerged]
    assert [one.hash for one in await journal.read(3, 2)] == [one.hash for one in forced]
    assert places.verify(address).problem == ""
    await spilling.close()


async def test_who_watches_is_told_that_the_server_is_away_and_misses_nothing(
    journal: PostgresJournal, wire: Proxy, team: Team
) -> None:
    far = await Proxy("127.0.0.1", team.server.port).start()
    watch = JournalWatch(replace(team.observer, port=far.port), "bob")
    events = watch.events()
    seen = []
    async with asyncio.timeout(60):
        first = await journal.append("ann", Held("1"))
        async for event in events:
            seen.append(event)
            if event == first:
                break
        far.cut()
        async for event in events:
            if isinstance(event, Lost):
                break
        second = await journal.append("ann", Held("2"))
        far.refuses = False
        async for event in events:
            seen.append(event)
            if event == second:
                break
    assert [one for one in seen if one in (first, second)] == [first, second]
    await watch.close()
    await events.aclose()
    await far.close()


async def test_an_engine_elsewhere_is_judged_by_the_servers_clock_and_never_dead(
    journal: PostgresJournal, team: Team, address: Address
) -> None:
    now = await journal.held()
    assert now.standing is Standing.LIVE
    assert now.lease.engine is not None
    far = replace(now.lease, engine=replace(now.lease.engine, host="host-2", boot_id="other"))
    assert worth(far, far.beat_at + 1) is Standing.LIVE
    assert worth(far, far.beat_at + 3600) is Standing.SILENT
    same_name = replace(now.lease, engine=replace(now.lease.engine, boot_id="other"))
    assert worth(same_name, same_name.beat_at + 1) is Standing.LIVE


async def test_windows_follow_each_other_in_one_database(team: Team) -> None:
    whole = team.address(window="")
    one = await asyncio.to_thread(places.own_address, whole, "Window", rehearsal=False)
    assert await asyncio.to_thread(places.own_address, whole, "Window", rehearsal=False) == one
    other = await asyncio.to_thread(places.own_address, whole, "Window", rehearsal=True)
    assert other != one
    team.execute(
        "INSERT INTO entries VALUES "
        f"('{one.window}', 1, 1, 1, 'a', 'window-closed', '{{\"outcome\":\"x\"}}', '', '')"
    )
    new = await asyncio.to_thread(places.own_address, whole, "Window", rehearsal=False)
    assert new not in (one, other)
    assert await asyncio.to_thread(places.newest, whole) == new


BAD = [
    ("missing database", {"dbname": "no_such"}, r"can't be opened: .*no_such.*CREATE DATABASE"),
    ("wrong role", {"user": "nobody_here"}, r"can't be opened: .*check the role"),
    ("no server", {"port": 1}, "can't be opened: .*goes on by itself once the server answers"),
    ("no schema", {"dbname": "postgres"}, "there is no journal in .*`optibid-console journal init"),
    ("no such window", {"window": "other"}, "there is no journal other in this database"),
]


@pytest.mark.parametrize(("what", "changes", "says"), BAD, ids=[one[0] for one in BAD])
async def test_what_is_wrong_is_said_without_a_password(
    team: Team, address: Address, what: str, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(JournalError, match=says) as caught:
        await PostgresJournal.open(replace(address, **changes))
    assert team.server.password not in str(caught.value)


def test_init_again_changes_nothing_and_refuses_what_it_must(team: Team) -> None:
    admin = team.address("postgres")
    with closing(postgres_link.connect_any(admin, writable=True)) as db:
        assert postgres_schema.init(db, admin).roles == ()
        with pytest.raises(JournalError, match="superuser"):
            postgres_schema.init(db, admin, operator="postgres")
        team.execute("UPDATE about SET format = 9")
        with pytest.raises(JournalError, match="newer version"):
            postgres_schema.init(db, admin)


@pytest.mark.server("postgresql 15")
async def test_the_oldest_server_that_is_known_to_do_holds_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = PostgresServer(programs=Path("/usr/lib/postgresql/15/bin"))
    monkeypatch.setenv("PGPASSWORD", server.password)
    try:
        server.start()
        team = Team(server)
        address = places.own_address(team.address(), "Window", rehearsal=False)
        one, other = await PostgresJournal.open(address), await PostgresJournal.open(address)
        await one.acquire("ann", this_engine())
        await one.append("ann", OperatorTook("ann", 2))
        await one.append("ann", Held("x"))
        await other.acquire("bob", this_engine(), "a reason", "ann")
        with pytest.raises(Deposed):
            await one.append("ann", Held("late"))
        assert (await other.append("bob", WindowClosed("completed"))).seq == 3
        assert (await other.identity()).name == team.dbname
        await one.close()
        await other.close()
        assert places.verify(team.observer).entries == 3
        with (
            closing(postgres_link.connect_any(address, writable=True)) as db,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            db.execute(b"DELETE FROM optibid_console.entries")
    finally:
        server.remove()


async def test_no_append_of_the_deposed_one_comes_behind_a_take_over(
    team: Team, address: Address
) -> None:
    """Both at full speed, again and again: the second sees every entry of the first that counts."""
    journals = [await PostgresJournal.open(address) for _ in range(2)]
    lost = 0
    for turn in range(12):
        one, other = journals[turn % 2], journals[1 - turn % 2]
        await one.acquire(f"p{turn}", this_engine(), "x", f"p{turn - 1}")

        async def writes(journal: PostgresJournal = one, by: str = f"p{turn}") -> None:
            while True:
                await journal.append(by, Held(by))

        writing = asyncio.create_task(writes())
        await asyncio.sleep(0.02)
        await other.acquire(f"p{turn}", this_engine(), "x", f"p{turn}")
        seen = other.head()
        await asyncio.wait({writing})
        lost += isinstance(writing.exception(), Deposed)
        assert (await other.append("next", Held("next"))).prev == seen[1]
        await other.release()
    assert lost == 12
    for one in journals:
        await one.close()
    assert places.verify(address).problem == ""


def test_journal_init_says_what_it_made_and_what_is_left_to_do(
    team: Team, capsys: pytest.CaptureFixture[str]
) -> None:
    team.server.recreate("fresh_team")
    url = str(replace(team.address("postgres", ""), dbname="fresh_team"))
    roles = ["--operator", "op_of_fresh", "--observer", "ob_of_fresh"]
    try:
        assert main(["journal", "init", url, *roles]) == 0
        said = capsys.readouterr().out
        assert "\\password op_of_fresh" in said
        assert "fsync is off on this server" in said
        assert f"--journal {url.replace('postgres@', 'op_of_fresh@')}" in said
        assert main(["journal", "init", url, *roles]) == 0
        assert "\\password" not in capsys.readouterr().out
        assert main(["journal", "init", "a.journal"]) == 2
        assert "is a file" in capsys.readouterr().err
    finally:
        team.server.execute("DROP DATABASE fresh_team WITH (FORCE)")
        team.server.execute("DROP ROLE op_of_fresh; DROP ROLE ob_of_fresh")
