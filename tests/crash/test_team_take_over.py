"""Two consoles on one PostgreSQL journal: whatever the first one was doing, the second goes on
from the same entry, and there is one launch, one operator, one chain."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from optibid_console.commands import RunStep
from optibid_console.entries import EngineStarted, Outcome, RunEnded, StepFinished, StepStarted
from optibid_console.journal import places
from optibid_console.state import ACTIVE, StepStatus
from optibid_console.stop_points import STOP_POINTS
from tests.crash.conftest import Place, ssh_target
from tests.servers.team import Team

pytestmark = [pytest.mark.server("postgres"), pytest.mark.server("sshd")]

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
async def test_the_second_console_takes_over_at_every_stop_point_of_a_run(
    consoles: Consoles,
) -> None:
    pairs = {point: consoles(point) for point in STOP_POINTS}
    await asyncio.gather(*(taken_over_at(point, *pair) for point, pair in pairs.items()))


async def taken_over_at(point: str, first: Place, second: Place) -> None:
    try:
        await suspended_and_taken_over(point, first, second)
        recorded_once(first)
    except Exception as error:
        recorded = [one.fact for one in places.entries_of(first.journal)][1:]
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
    assert places.verify(place.journal).problem == ""
