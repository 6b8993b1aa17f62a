"""Two consoles on one PostgreSQL journal: whatever the first one was doing, the second goes on
from the same entry, and there is one launch, one operator, one chain."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from optibid_console.commands import Refused, RunStep
from optibid_console.entries import EngineStarted, Outcome, RunEnded, StepFinished, StepStarted
from optibid_console.journal import places
from optibid_console.signals import Pulse
from optibid_console.state import ACTIVE, StepStatus
from optibid_console.stop_points import STOP_POINTS
from tests.crash.place import Place
from tests.crash.test_stop_points import AT_A_TIME
from tests.servers.namespaces import Cable
from tests.servers.postgres import PostgresServer
from tests.servers.sshd import ssh_target
from tests.servers.team import Team

pytestmark = pytest.mark.server("postgres")

Consoles = Callable[[str], tuple[Place, Place]]


@pytest.fixture
def consoles(room: Path, team: Team, sshd: Any) -> Iterator[Consoles]:
    """Makes two consoles, each with a home of its own, on one window of the team's; its step
    runs on a host that both reach through SSH."""
    made: list[Place] = []
    keys, server = sshd

    def new(name: str) -> tuple[Place, Place]:
        path = room / name
        path.mkdir()
        table = ssh_target(path, keys.spec(server.port))
        address = places.own_address(team.address(window=name), "Little window", rehearsal=False)
        pair = tuple(
            Place(path, "there", table, journal=address, home=room / f"{name}-{who}")
            for who in ("ann", "bob")
        )
        made.extend(pair)
        return pair  # type: ignore[return-value]

    yield new
    for one in made:
        one.clear()


def settled(screen: Any) -> bool:
    return screen.state.step("1.1").status not in ACTIVE


async def suspended(process: subprocess.Popen[str]) -> None:
    await asyncio.to_thread(os.waitid, os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)


@pytest.mark.slow
@pytest.mark.xdist_group("stop points")
@pytest.mark.server("sshd")
async def test_the_second_console_takes_over_at_every_stop_point_of_a_run(
    consoles: Consoles,
) -> None:
    pairs = {point: consoles(point) for point in STOP_POINTS}
    turns = asyncio.Semaphore(AT_A_TIME)
    await asyncio.gather(*(taken_over_at(point, turns, *pair) for point, pair in pairs.items()))


async def taken_over_at(point: str, turns: asyncio.Semaphore, first: Place, second: Place) -> None:
    try:
        async with turns:
            await suspended_and_taken_over(point, first, second)
        recorded_once(first)
    except Exception as error:
        recorded = [one.fact for one in places.entries_of(first.seen)][1:]
        error.add_note(f"taken over at {point}; recorded: {recorded}")
        raise


async def suspended_and_taken_over(point: str, first: Place, second: Place) -> None:
    """Ann's engine is suspended at the point; bob's has the window; then hers wakes up."""
    hers = await first.engine("--as", "ann", stop_at=f"{point}:stop")
    async with first.attached("ann") as ann:
        asked = asyncio.create_task(ann.send(RunStep("1.1")))
        await suspended(hers)
        his = await second.engine("--as", "bob", "--take-over", "no answer", "--of", "ann")
        async with second.attached("bob") as bob:
            assert bob.role.operator
            await bob.until(settled)
            if bob.state.step("1.1").status is not StepStatus.DONE:
                assert point in ("before-step-started", "after-step-started", "before-launch")
                assert bob.state.step("1.1").outcome in (None, Outcome.REFUSED)
                await bob.send(RunStep("1.1"))
                await bob.until(lambda one: one.state.step("1.1").status is StepStatus.DONE)
            hers.send_signal(signal.SIGCONT)
            assert await first.end(hers, 0) == 3
            await ann.until(lambda one: one.role.holder == "bob" and not one.role.operator)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
    assert await second.end(his) == 0


def recorded_once(place: Place) -> None:
    assert place.lines("launches") == 1
    state = place.state()
    assert state.step("1.1").status is StepStatus.DONE
    for entry in place.facts(StepStarted):
        run_id = entry.fact.run_id  # type: ignore[attr-defined]
        for kind in (RunEnded, StepFinished):
            ends = [one for one in place.facts(kind) if one.fact.run_id == run_id]  # type: ignore[attr-defined]
            assert len(ends) == 1
    assert place.output(state.step("1.1").run_id) == place.bare()
    started = [one.fact for one in place.facts(EngineStarted)]
    assert [(one.epoch, one.took_over_from) for one in started] == [(1, ""), (2, "ann")]  # type: ignore[attr-defined]
    assert state.epoch == 2
    assert places.verify(place.seen).problem == ""


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


@pytest.mark.server("network namespaces")
async def test_who_is_cut_off_in_the_middle_of_a_launch_launches_nothing_more(
    room: Path, cable: Cable, far_team: Team
) -> None:
    """Ann's machine loses the journal's server between the entry and the launch; bob, who reaches
    it, takes over and runs the step; then her engine wakes up, and then her cable is plugged."""
    near = places.own_address(far_team.address(), "Little window", rehearsal=False)
    far = replace(near, host=cable.far.address)
    first, second = (
        Place(room, journal=far, home=room / name) for name in ("ann-home", "bob-home")
    )
    first.looked_at = second.looked_at = near
    try:
        hers = await first.engine(
            "--as", "ann", stop_at="before-launch:stop", prefix=cable.near.prefix
        )
        async with first.attached("ann") as ann:
            asked = asyncio.create_task(ann.send(RunStep("1.1")))
            await suspended(hers)
            await asyncio.to_thread(cable.pull)
            his = await second.engine(
                "--as", "bob", "--take-over", "cut off", "--of", "ann", prefix=cable.far.prefix
            )
            async with second.attached("bob") as bob:
                await bob.until(settled)
                assert bob.state.step("1.1").outcome is Outcome.REFUSED
                hers.send_signal(signal.SIGCONT)  # her launch loses on the target
                await bob.send(RunStep("1.1"))
                await bob.until(lambda one: one.state.step("1.1").status is StepStatus.DONE)
                await ann.until(lambda one: has_no_journal(one))
                assert hers.poll() is None  # cut off, she can't know yet that she was deposed
                reply = await ann.send(RunStep("1.1"))
                assert isinstance(reply, Refused)
                await asyncio.to_thread(cable.plug)
                assert await first.end(hers, 0) == 3
                await ann.until(lambda one: one.role.holder == "bob")
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
        assert await second.end(his) == 0
        recorded_once(first)
    finally:
        for one in (first, second):
            one.clear()


def has_no_journal(screen: Any) -> bool:
    pulses = [one for one in screen.events if isinstance(one, Pulse)]
    return bool(pulses) and not pulses[-1].journal_ok
