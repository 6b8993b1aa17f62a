"""A wall clock that jumps by an hour under a run: it ends neither early nor late."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from optibid_console import commands as c
from optibid_console import entries as e

HOUR_S = 3600.0
EITHER_WAY = pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S], ids=["on", "back"])


def jump(monkeypatch: pytest.MonkeyPatch, by_s: float) -> None:
    """Set this process's wall clock, as NTP or a person would."""
    wall = time.time
    monkeypatch.setattr(time, "time", lambda: wall() + by_s)


async def long_one(bench: Any) -> str:
    """Step 2b, which has 70 s and sleeps for 60, under way; gives its run id."""
    for step_id in ("1a", "1b", "2a"):
        await bench.step(step_id)
    await bench.do(c.RunStep("2b"))
    run_id: str = bench.state.last_run
    await bench.until(lambda state: state.runs[run_id].launched)
    return run_id


async def aborted(bench: Any, run_id: str) -> None:
    """Step 2b ends by an abort, after a time that nobody's clock made longer or negative."""
    await bench.do(c.Abort())
    state = await bench.finished("2b")
    ended = state.runs[run_id].ended
    assert ended.outcome is e.Outcome.ABORTED
    assert 0 <= ended.duration_s < 60
    (finished,) = (one for one in bench.heard.of(e.StepFinished) if one.run_id == run_id)
    assert 0 <= finished.duration_s < 60


@EITHER_WAY
async def test_a_jump_under_a_run_changes_neither_its_time_nor_its_limit(
    bench: Any, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    run_id = await long_one(bench)
    (live,) = bench.engine.generation.steps.live()
    before_s = live.left_s()
    jump(monkeypatch, jump_s)
    assert 0 < live.left_s() <= before_s <= 70
    await aborted(bench, run_id)


@EITHER_WAY
async def test_a_jump_between_two_engines_changes_neither_its_time_nor_its_limit(
    start_engine: Any, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    async with start_engine() as first:
        run_id = await long_one(first)
    jump(monkeypatch, jump_s)
    async with start_engine() as second:
        (live,) = second.engine.generation.steps.live()
        assert 0 < live.left_s() <= 70
        await second.until(lambda state: second.heard.of(e.RunLaunched))
        assert not live.timed_out
        await aborted(second, run_id)


@EITHER_WAY
async def test_an_action_takes_as_long_as_it_takes(
    bench: Any, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    (bench.room / "may-roll-back").touch()
    for step_id in ("1b", "2a"):
        await bench.step(step_id)
    await bench.do(c.StartAction("rollback", "rollback"))
    await bench.until(lambda state: state.step("R2", "rollback1").run_id)
    jump(monkeypatch, jump_s)
    async with asyncio.timeout(60):
        await bench.do(c.RunStep("R2"))
        await bench.until(lambda state: state.actions["rollback1"].outcome is not None)
    (finished,) = bench.heard.of(e.ActionFinished)
    assert 0 <= finished.duration_s < 60
