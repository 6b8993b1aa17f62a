"""A console that is cut off forces a rollback by itself, and loses the window meanwhile: what it
did reaches who drives now, and nothing of theirs moves."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.journal import places
from optibid_console.permit import forced_words
from optibid_console.signals import Pulse
from optibid_console.state import StepStatus
from tests.crash.place import Place
from tests.servers.namespaces import Cable
from tests.servers.postgres import PostgresServer
from tests.servers.team import Team

pytestmark = [pytest.mark.server("postgres"), pytest.mark.server("network namespaces")]


@pytest.fixture
def cable() -> Iterator[Cable]:
    cable = Cable()
    yield cable
    cable.remove()


@pytest.fixture
def far_team(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    """A PostgreSQL on the far machine."""
    server = PostgresServer(machine=cable.far)
    monkeypatch.setenv("PGPASSWORD", server.password)
    server.start()
    yield Team(server)
    server.remove()


def has_no_journal(screen: Any) -> bool:
    pulses = [one for one in screen.events if isinstance(one, Pulse)]
    return bool(pulses) and not pulses[-1].journal_ok


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["lives", "is killed"])
async def test_what_a_cut_off_console_rolled_back_reaches_who_drives_now(
    room: Path, cable: Cable, far_team: Team, engine: str
) -> None:
    near = places.own_address(far_team.address(), "Little window", rehearsal=False)
    far = replace(near, host=cable.far.address)
    first, second = (
        Place(room, journal=far, home=room / name) for name in ("ann-home", "bob-home")
    )
    first.looked_at = second.looked_at = near
    try:
        hers = await first.engine("--as", "ann", prefix=cable.near.prefix)
        async with first.attached("ann") as ann:
            await ann.send(c.RunStep("1.1"))
            await ann.until(lambda one: one.state.step("1.1").status is StepStatus.DONE)
            await asyncio.to_thread(cable.pull)
            await ann.until(has_no_journal)
            words = forced_words(ann.state.runbook.action("rollback"))
            rollback = c.StartAction("rollback", words, forced=True)
            assert isinstance(await ann.send(rollback), c.Accepted)
            await ann.until(lambda one: one.state.actions and not one.state.action_run)
            spill = Path(ann.state.spill)
        his = await second.engine(
            "--as", "bob", "--take-over", "cut off", "--of", "ann", prefix=cable.far.prefix
        )
        async with second.attached("bob") as bob:
            if engine == "is killed":
                await first.end(hers, 9)
            await asyncio.to_thread(cable.plug)
            if engine == "is killed":
                await says_what_waits_and_delivers(first, cable, spill)
            else:
                assert await first.end(hers, 0) == 3
            await bob.until(lambda one: one.state.delivered)  # by the beat alone
            assert "ann's console" in bob.state.delivered
            assert "R1 succeeded" in bob.state.delivered
            assert (bob.state.operator, bob.state.epoch) == ("bob", 2)
            assert not bob.state.actions
            noted = await bob.send(c.WriteNote("window", "looked at R1: all is as before"))
            assert isinstance(noted, c.Accepted)
            await bob.until(lambda one: not one.state.delivered)
        assert await second.end(his) == 0
    finally:
        for one in (first, second):
            one.clear()
    assert not spill.exists()
    assert first.lines("undone") == 1
    assert places.verify(near).problem == ""
    (delivered,) = [one.fact for one in first.facts(e.SpillDelivered)]
    assert isinstance(delivered, e.SpillDelivered)
    kinds = [json.loads(one)["kind"] for one in delivered.entries]
    assert "action-started" in kinds
    assert kinds[-1] in ("action-finished", "operator-left", "readiness-changed")


async def says_what_waits_and_delivers(first: Place, cable: Cable, spill: Path) -> None:
    """Her engine is gone: who follows the journal there is told what to do, and that does."""
    command = f"`optibid-console journal deliver '{first.journal}'`"
    watch = subprocess.Popen(
        [*cable.near.prefix, sys.executable, "-m", "optibid_console", "watch", str(first.journal),
         "--json"],
        env={**os.environ, **first.env}, stdout=subprocess.PIPE, text=True, cwd=first.path,
    )  # fmt: skip
    with watch:
        assert watch.stdout is not None
        roles = (json.loads(line) for line in watch.stdout if '"role"' in line)
        said = (await asyncio.to_thread(next, roles))["role"]["unmerged"]
        watch.terminate()
    assert f"{spill}; {command}" in said
    deliver = [*cable.near.prefix, sys.executable, "-m", "optibid_console", "journal", "deliver",
               str(first.journal)]  # fmt: skip
    for says in (" entries are in ", "nothing waits here"):
        done = await asyncio.to_thread(
            subprocess.run, deliver, env={**os.environ, **first.env}, capture_output=True,
            text=True, check=False, cwd=first.path, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert says in done.stdout
