"""Engines on one PostgreSQL journal: one launch, one operator, one chain, whatever happens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from optibid_console import engine_record
from optibid_console.commands import (
    Accepted,
    CloseWindow,
    Leave,
    Refused,
    RunStep,
    TakeOver,
    WriteNote,
)
from optibid_console.engine_process import Wanted, find_or_start
from optibid_console.entries import HANDED_OVER, EngineStarted, Entry
from optibid_console.journal import places
from optibid_console.journal.following import JournalWatch
from optibid_console.signals import Pulse
from optibid_console.source import CaughtUp, Ended
from optibid_console.state import StepStatus, WindowState
from optibid_console.team_source import TeamSource
from tests.crash.attached import Attached
from tests.crash.place import Place
from tests.home import until
from tests.servers.team import Team

pytestmark = pytest.mark.server("postgres")


@pytest.fixture
def place(room: Path, team: Team) -> Iterator[Place]:
    place = Place(room, journal=team.address(window=""))
    yield place
    place.clear()


async def test_a_window_is_run_resumed_and_verified_by_its_address(place: Any) -> None:
    wanted = Wanted(place.config, "Little window", "ann", place.journal)
    record = await find_or_start(wanted)
    address = place.journal = places.newest(place.journal)
    assert record.journal == str(address)
    assert engine_record.find(address) == record
    async with place.attached() as ann:
        await ann.send(RunStep("1.1"))
        await ann.until(lambda one: one.state.step("1.1").status is StepStatus.DONE)
        assert ann.state.epoch == 1
    assert (await find_or_start(wanted)).pid == record.pid
    os.kill(record.pid, 9)
    again = await find_or_start(wanted)
    assert (again.journal, again.pid == record.pid) == (record.journal, False)
    async with place.attached() as ann:
        assert ann.state.step("1.1").status is StepStatus.DONE
        assert ann.state.epoch == 2
    os.kill(again.pid, 15)
    assert places.verify(address).problem == ""
    assert place.lines("launches") == 1


DATABASE = """
[databases.main]
on = "here"
host = "localhost"
port = {port}
dbname = "{dbname}"
user = "postgres"
password = "${{DATABASE_PASSWORD}}"
"""


@pytest.mark.parametrize("same", [True, False])
async def test_a_journal_in_the_database_that_is_deployed_is_refused(
    place: Any, team: Team, same: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", team.server.password)
    dbname = team.dbname if same else "postgres"
    table = DATABASE.format(port=team.server.port, dbname=dbname)
    place.config.write_text(place.config.read_text() + table)
    if same:  # by another name of the same server
        with pytest.raises(
            AssertionError, match=r"error 2\n.*lies in \[databases.main\]"
        ) as caught:
            await place.engine("--as", "ann")
        assert team.server.password not in str(caught.value)
        return
    engine = await place.engine("--as", "ann")
    assert await place.end(engine) == 0


async def test_no_password_is_accepted_in_an_address_nor_shown(place: Any, team: Team) -> None:
    secret = "hunter2-4711"
    address = str(team.address()).replace("optibid_operator@", f"optibid_operator:{secret}@")
    for command in (["run", "--journal", address], ["engine", "--journal", address],
                    ["status", address], ["attach", address], ["verify", address],
                    ["journal", "init", address]):  # fmt: skip
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "optibid_console", *command],
            capture_output=True, text=True, cwd=place.path, check=False,
        )  # fmt: skip
        assert secret not in done.stdout + done.stderr
        if command[0] not in ("run", "attach"):  # which want a terminal first
            assert done.returncode == 2, (command, done.stderr)
            assert "no password in a journal's address" in done.stderr


async def test_the_journals_password_is_in_no_process_no_record_and_no_entry(
    place: Any, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = team.server.password
    monkeypatch.delenv("PGPASSWORD")
    monkeypatch.setenv("OPTIBID_JOURNAL_PASSWORD", secret)
    said = place.config.read_text().replace("echo launched", "env; echo launched")
    place.config.write_text(said)
    record = await find_or_start(Wanted(place.config, "Little window", "ann", place.journal))
    place.journal = places.newest(place.journal)
    async with place.attached() as ann:
        await ann.send(RunStep("1.1"))
        await ann.until(lambda one: one.state.step("1.1").status is StepStatus.DONE)
        assert secret.encode() not in ann.printed(ann.state.step("1.1").run_id)
        assert isinstance(await ann.send(WriteNote("window", f"it is {secret}")), Accepted)
    assert secret.encode() not in Path(f"/proc/{record.pid}/cmdline").read_bytes()
    entries = [str(one) for one in places.entries_of(place.journal)]
    assert not [one for one in entries if secret in one]
    assert [one for one in entries if "it is [REDACTED]" in one]
    kept = [one for one in (place.path / "state").rglob("*") if one.is_file()]
    assert kept
    assert not [one for one in kept if secret.encode() in one.read_bytes()]
    os.kill(record.pid, signal.SIGTERM)


async def test_a_server_that_goes_away_stops_nothing_that_runs_and_starts_nothing_new(
    place: Any, team: Team
) -> None:
    place.config.write_text(place.config.read_text().replace("sleep 0.3", GATE))
    engine = await place.engine("--as", "ann")
    place.journal = places.newest(place.journal)
    async with place.attached() as ann, place.attached("zoe") as zoe:
        await ann.send(RunStep("1.1"))
        await ann.until(lambda one: place.lines("launches"))
        closed(team, "false")
        await ann.until(has_no_journal)
        refused = await ann.send(WriteNote("window", "x"))
        assert isinstance(refused, Refused)
        assert "goes on by itself" in refused.why
        (place.path / "enough").touch()
        await asyncio.to_thread(until, lambda: list((place.path / "runs").glob("*/exit")))
        assert engine.poll() is None
        assert zoe.state.seq == ann.state.seq  # her view is as it was
        closed(team, "true")
        for screen in (ann, zoe):
            await screen.until(lambda one: one.state.step("1.1").status is StepStatus.DONE)
        assert isinstance(await ann.send(WriteNote("window", "again")), Accepted)
    assert await place.end(engine) == 0
    assert place.lines("launches") == 1
    assert places.verify(place.journal).problem == ""


GATE = "while [ ! -e enough ]; do sleep 0.05; done"


def closed(team: Team, opened: str) -> None:
    """Nobody can connect to the database, and who was is thrown out; or all can again."""
    team.server.execute(f"ALTER DATABASE {team.dbname} ALLOW_CONNECTIONS {opened}")
    team.server.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{team.dbname}'"
    )


def has_no_journal(screen: Any) -> bool:
    pulses = [one for one in screen.events if isinstance(one, Pulse)]
    return bool(pulses) and not pulses[-1].journal_ok


async def test_a_window_is_given_away_taken_back_and_nothing_stops(
    room: Path, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ann's screen drives, watches bob drive, and drives again, with each entry once."""
    address = await asyncio.to_thread(
        places.own_address, team.address(), "Little window", rehearsal=False
    )
    hers, his = (Place(room, journal=address, home=room / name) for name in ("ann", "bob"))
    hers.config.write_text(hers.config.read_text().replace("sleep 0.3", GATE))
    for name, value in hers.env.items():
        monkeypatch.setenv(name, value)
    source = TeamSource(Wanted(hers.config, "Little window", "ann", address))
    ann = Attached(room, "ann", "")
    ann.source = source
    task = asyncio.create_task(ann.take())
    try:
        await ann.until(lambda one: one.role.operator)
        await ann.send(RunStep("1.1"))
        await ann.until(lambda one: hers.lines("launches"))
        with pytest.raises(AssertionError, match=r"error 3\n.*--of ann` takes it over"):
            await his.engine("--as", "bob", "--take-over", "mine now")
        assert isinstance(await ann.send(Leave(HANDED_OVER)), Accepted)
        engine = await his.engine("--as", "bob", "--take-over", "handed over", "--of", "ann")
        async with his.attached("bob") as bob:
            await ann.until(lambda one: one.role.holder == "bob" and one.role.elsewhere)
            assert isinstance(await ann.send(RunStep("1.1")), Refused)
            no_name = await ann.send(TakeOver("back"))
            assert isinstance(no_name, Refused)
            assert "--of bob" in no_name.why
            assert isinstance(await bob.send(Leave(HANDED_OVER)), Accepted)
            await ann.until(lambda one: one.role.elsewhere and not one.role.holder)
            assert isinstance(await ann.send(TakeOver()), Accepted)
            await ann.until(lambda one: one.role.operator)
            assert await his.end(engine, 0) == 3
        (room / "enough").touch()
        await ann.until(lambda one: one.state.step("1.1").status is StepStatus.DONE)
        seqs = [one.seq for one in ann.events if isinstance(one, Entry)]
        assert seqs == list(range(1, len(seqs) + 1))
        record = engine_record.find(address)
        assert record is not None
        os.kill(record.pid, signal.SIGTERM)
        await ann.until(lambda one: one.has(Ended))
    finally:
        await source.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for one in (hers, his):
            one.clear()
    assert hers.lines("launches") == 1
    assert [one.fact.epoch for one in hers.facts(EngineStarted)] == [1, 2, 3]
    assert places.verify(address).problem == ""


async def test_who_has_the_observers_role_follows_a_window_that_no_console_serves(
    place: Any, team: Team
) -> None:
    engine = await place.engine("--as", "ann")
    place.journal = places.newest(place.journal)
    async with place.attached() as ann:
        await ann.send(WriteNote("window", "x"))
    assert await place.end(engine) == 0
    watch = JournalWatch(team.address("optibid_observer", ""), "zoe")
    state = WindowState()
    async with asyncio.timeout(30):
        async for event in watch.events():
            if isinstance(event, Entry):
                state = state.apply(event)
            if isinstance(event, CaughtUp):
                break
    await watch.close()
    assert state.runbook is not None  # all that its screens need is in the journal
    assert state == place.state()


async def test_who_follows_the_journal_alone_sees_what_is_true_now(place: Any, team: Team) -> None:
    """With nothing recorded meanwhile: signals that the engine shows beside its journal."""
    engine = await place.engine("--as", "ann")
    place.journal = places.newest(place.journal)
    watch = JournalWatch(team.address("optibid_observer", ""), "zoe")
    pulses: list[Pulse] = []
    async with asyncio.timeout(60):
        async for event in watch.events():
            if isinstance(event, Pulse):
                pulses.append(event)
            if len(pulses) == 2:
                break
    await watch.close()
    assert all(one.journal_ok and abs(one.at - time.time()) < 60 for one in pulses)
    assert await place.end(engine) == 0


async def test_watch_prints_a_teams_window_as_json_without_a_config(
    place: Any, team: Team, tmp_path: Path
) -> None:
    engine = await place.engine("--as", "ann")
    place.journal = places.newest(place.journal)
    async with place.attached() as ann:
        assert isinstance(await ann.send(CloseWindow("abandoned", "not today")), Accepted)
    assert await place.end(engine, 0) == 0
    watched = str(team.address("optibid_observer", ""))
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "optibid_console", "watch", watched, "--json"],
        capture_output=True, text=True, cwd=tmp_path, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    entries = [one["entry"] for one in said if "entry" in one]
    assert [one["hash"] for one in entries] == [
        one.hash for one in places.entries_of(place.journal)
    ]
