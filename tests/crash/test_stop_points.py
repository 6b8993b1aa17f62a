"""An engine that is killed at any point: after its restart one launch, one outcome, all output."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest

from optibid_console.commands import RunStep
from optibid_console.entries import Outcome, RunEnded, StepFinished, StepStarted
from optibid_console.journal.chain import verify
from optibid_console.journal.file import entries_of
from optibid_console.state import ACTIVE, StepStatus
from optibid_console.stop_points import STOP_POINTS


def settled(screen: Any) -> bool:
    return screen.state.step("1.1").status not in ACTIVE


AT_A_TIME = 5
"""Points that are tried side by side: most of it is waiting, but engines need time to start."""


@pytest.mark.slow
@pytest.mark.xdist_group("stop points")
async def test_a_kill_there_leaves_one_launch_one_outcome_and_all_output(new_place: Any) -> None:
    turns = asyncio.Semaphore(AT_A_TIME)
    places = {point: new_place(point) for point in STOP_POINTS}
    await asyncio.gather(*(killed_at(point, place, turns) for point, place in places.items()))


async def killed_at(point: str, place: Any, turns: asyncio.Semaphore) -> None:
    try:
        async with turns:
            await engine_killed_at(point, place)
        recorded_once(place)
    except Exception as error:
        recorded = [one.fact for one in entries_of(place.journal)][1:]
        error.add_note(f"the engine was to be killed at {point}; recorded: {recorded}")
        raise


async def engine_killed_at(point: str, place: Any) -> None:
    """A step whose engine is killed at that point; another engine and screen see it through."""
    first = await place.engine(stop_at=point)
    async with place.attached() as screen:
        await screen.send(RunStep("1.1"))
        assert await place.end(first, 0) == -signal.SIGKILL
    again = await place.engine()
    async with place.attached() as screen:
        await screen.until(settled)
        step = screen.state.step("1.1")
        if point in ("before-step-started", "after-step-started", "before-launch"):
            assert place.lines("launches") == 0
            assert step.outcome in (None, Outcome.REFUSED)
            await screen.send(RunStep("1.1"))
            await screen.until(lambda one: one.state.step("1.1").status is StepStatus.DONE)
        run_id, bare = screen.state.step("1.1").run_id, place.bare()
        await screen.until(lambda one: len(one.printed(run_id)) >= len(bare))
        assert screen.printed(run_id) == bare
    assert await place.end(again) == 0


def recorded_once(place: Any) -> None:
    """One launch; one end and one outcome for each start; the output of a bare run."""
    assert place.lines("launches") == 1
    state = place.state()
    assert state.step("1.1").status is StepStatus.DONE
    for entry in place.facts(StepStarted):
        run_id = entry.fact.run_id
        for kind in (RunEnded, StepFinished):
            assert len([one for one in place.facts(kind) if one.fact.run_id == run_id]) == 1
    ended = state.runs[state.step("1.1").run_id].ended
    bare = place.bare()
    assert place.output(ended.run_id) == bare
    assert ended.output_bytes == len(bare)
    assert verify(place.journal).problem == ""
