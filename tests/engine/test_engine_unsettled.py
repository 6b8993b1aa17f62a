"""Runs that are gone without a trace: nothing starts again, and the operator's word settles it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.engine import late_answers
from optibid_console.state import StepStatus, WindowState

GONE = "it is gone from local without an exit status"


def pids_of(run: Path) -> tuple[int, int, int] | None:
    """Its wrapper, the shell around its command, and the command, once that leads a process
    group of its own."""
    with contextlib.suppress(FileNotFoundError, IndexError, ProcessLookupError):
        wrapper, inner, command = (
            int((run / one).read_text().split()[0])
            for one in ("wrapper.pid", "status", "command.pid")
        )
        if os.getpgid(command) == command:
            return wrapper, inner, command
    return None


async def wipe_out(bench: Any, run_id: str) -> Path:
    """Kill a run's processes, as an out-of-memory killer does; gives its place."""
    run: Path = bench.room / "runs" / run_id
    async with asyncio.timeout(60):
        while not (pids := pids_of(run)):
            await asyncio.sleep(0.02)
    wrapper, inner, command = pids
    os.kill(wrapper, signal.SIGKILL)
    os.kill(inner, signal.SIGKILL)
    os.killpg(command, signal.SIGKILL)
    return run


async def lost_2b(bench: Any) -> tuple[WindowState, Path]:
    for step_id in ("1b", "2a"):
        await bench.step(step_id)
    await bench.do(c.RunStep("2b"))
    await bench.until(lambda state: any(run.launched for run in state.active_runs()))
    out = bench.room / "runs" / bench.state.last_run / "out"
    async with asyncio.timeout(60):
        while not out.exists() or out.read_bytes() != b"begun\n":
            await asyncio.sleep(0.02)
    place = await wipe_out(bench, bench.state.last_run)
    return await bench.until(lambda state: state.step("2b").status is StepStatus.UNSETTLED), place


async def lost_rollback(bench: Any) -> tuple[WindowState, Path]:
    (bench.room / "slowly").touch()
    for step_id in ("1b", "2a"):
        await bench.step(step_id)
    await bench.do(c.StartAction("rollback", "rollback"))
    await bench.until(lambda state: any(run.launched for run in state.active_runs()))
    place = await wipe_out(bench, bench.state.last_run)
    (bench.room / "slowly").unlink()
    return await bench.until(lambda now: now.action() and now.action().stopped_at_step), place


def settle(state: WindowState, outcome: e.Outcome, reason: str = "seen in the database") -> Any:
    (run,) = state.unsettled_runs()
    return c.Settle(run.step_id, run.run_id, outcome, reason)


async def test_a_run_without_a_trace_is_unknown_and_its_evidence_is_taken_once(bench: Any) -> None:
    state, _ = await lost_2b(bench)
    assert state.step("2b").outcome is e.Outcome.UNKNOWN
    assert state.step("2b").reason == GONE
    taken = [one for one in bench.heard.of(e.EvidenceTaken) if one.step_id == "2b"]
    assert [one.probe for one in taken[0].readings] == ["flag"]
    assert len(taken) == 1
    assert state.step("2b").evidence == taken[0].readings
    for command in (c.RunStep("2b"), c.RunStep("3a")):
        reply = await bench.do(command)
        assert reply == c.Refused("2b's outcome is unknown: settle it first")


async def test_the_operators_word_settles_it_once_with_a_reason(bench: Any) -> None:
    state, _ = await lost_2b(bench)
    reply = await bench.do(settle(state, e.Outcome.SUCCEEDED, " "))
    assert reply == c.Refused("settling needs a reason: what says so?")
    assert isinstance(await bench.do(settle(state, e.Outcome.UNKNOWN)), c.Refused)
    assert isinstance(await bench.do(settle(state, e.Outcome.SUCCEEDED)), c.Accepted)
    seen = bench.state.step("2b")
    assert (seen.status, seen.outcome) == (StepStatus.DONE, e.Outcome.SUCCEEDED)
    assert (seen.settled_by, seen.reason) == ("oncall-1", "seen in the database")
    again = await bench.do(settle(state, e.Outcome.FAILED))
    assert isinstance(again, c.Refused)
    assert isinstance(await bench.do(c.RunStep("3a")), c.Accepted)


async def test_settled_as_failed_it_can_be_run_again(bench: Any) -> None:
    state, _ = await lost_2b(bench)
    await bench.do(settle(state, e.Outcome.FAILED))
    assert bench.state.step("2b").status is StepStatus.FAILED
    assert isinstance(await bench.do(c.RunStep("2b")), c.Accepted)
    assert bench.state.step("2b").attempt == 2


async def test_it_is_still_asked_after_a_restart_and_never_started_again(start_engine: Any) -> None:
    async with start_engine() as first:
        await lost_2b(first)
    async with start_engine() as second:
        assert second.state.step("2b").status is StepStatus.UNSETTLED
        await second.do(settle(second.state, e.Outcome.FAILED))
        assert second.state.step("2b").attempt == 1
        assert len(second.heard.of(e.StepStarted)) == 0


async def test_a_rollback_goes_over_an_open_question(bench: Any) -> None:
    await lost_2b(bench)
    (bench.room / "may-roll-back").touch()
    reply = await bench.do(c.StartAction("rollback", "rollback"))
    assert isinstance(reply, c.Accepted)
    await bench.until(lambda state: state.step("R1", "rollback1").status is StepStatus.DONE)
    assert bench.state.step("2b").status is StepStatus.UNSETTLED
    assert isinstance(await bench.do(settle(bench.state, e.Outcome.FAILED)), c.Accepted)


async def test_an_action_goes_on_behind_a_step_that_was_settled_as_done(bench: Any) -> None:
    state, _ = await lost_rollback(bench)
    assert state.action().stopped_reason == f"unknown: {GONE}"
    for choice in e.Choice:
        reply = await bench.do(c.Decide("rollback1", choice, "on"))
        assert reply == c.Refused("R1's outcome is unknown: settle it first")
    await bench.do(settle(state, e.Outcome.SUCCEEDED))
    state = await bench.until(lambda now: now.step("R2", "rollback1").status is StepStatus.RUNNING)
    assert state.action().stopped_at_step == ""
    assert [one.step_id for one in bench.heard.of(e.StepStarted)].count("R1") == 1


async def test_an_action_asks_how_to_go_on_when_it_was_settled_as_failed(bench: Any) -> None:
    state, _ = await lost_rollback(bench)
    (bench.room / "may-roll-back").touch()
    await bench.do(settle(state, e.Outcome.FAILED, "the flag is still up"))
    why = "failed: settled by oncall-1: the flag is still up"
    assert bench.state.action().stopped_reason == why
    assert isinstance(await bench.do(c.Decide("rollback1", e.Choice.RETRY)), c.Accepted)
    await bench.until(lambda now: now.step("R2", "rollback1").status is StepStatus.RUNNING)


async def test_an_action_that_stopped_there_is_settled_after_a_restart(start_engine: Any) -> None:
    async with start_engine() as first:
        await lost_rollback(first)
    async with start_engine() as second:
        await second.do(settle(second.state, e.Outcome.SUCCEEDED))
        await second.until(lambda now: now.step("R2", "rollback1").status is StepStatus.RUNNING)
        assert [one.step_id for one in second.heard.of(e.StepStarted)] == ["R2"]


@pytest.mark.parametrize("outcome", [e.Outcome.UNKNOWN, e.Outcome.FAILED])
async def test_an_action_whose_engine_died_before_it_could_stop_starts_nothing_again(
    start_engine: Any, outcome: e.Outcome
) -> None:
    async with start_engine() as first:
        for step_id in ("1b", "2a"):
            await first.step(step_id)
        ledger, run_id = first.engine.ledger, "w-rollback1-R1-1"
        await ledger.record(e.ActionStarted("rollback", "rollback1", ("R1", "R2")), "oncall-1")
        await ledger.record(
            e.StepStarted("R1", run_id, 1, "run", "local", "true", 1, 9.0, "rollback1")
        )
        await ledger.record(e.RunEnded(run_id, outcome, "so it is"))
        await ledger.record(e.StepFinished("R1", run_id, outcome, "so it is"))
    async with start_engine() as second:
        state = await second.until(lambda now: now.action() and now.action().stopped_at_step)
        assert state.action().stopped_reason == f"{outcome.value}: so it is"
        assert second.heard.of(e.StepStarted) == []


@pytest.fixture
def asked_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_answers, "ASK_AGAIN_S", 0.1)


@pytest.mark.usefixtures("asked_often")
async def test_an_exit_status_that_turns_up_is_recorded_with_its_evidence(bench: Any) -> None:
    _, place = await lost_2b(bench)
    (place / "exit").write_text("0 6 whole 0\n")
    state = await bench.until(lambda now: now.step("2b").status is StepStatus.DONE)
    assert state.runs[state.last_run].ended.outcome is e.Outcome.SUCCEEDED
    assert state.runs[state.last_run].ended.last_lines == ("begun",)
    assert state.step("2b").evidence[0].probe == "flag"
    assert len([one for one in bench.heard.of(e.EvidenceTaken) if one.step_id == "2b"]) == 2


@pytest.mark.usefixtures("asked_often")
async def test_an_action_goes_on_when_its_target_comes_back_with_success(bench: Any) -> None:
    _, place = await lost_rollback(bench)
    (place / "exit").write_text("0 0 whole 0\n")
    state = await bench.until(lambda now: now.step("R2", "rollback1").status is StepStatus.RUNNING)
    assert state.step("R1", "rollback1").outcome is e.Outcome.SUCCEEDED


@pytest.mark.usefixtures("asked_often")
async def test_a_late_exit_status_never_overwrites_the_operators_word(bench: Any) -> None:
    state, place = await lost_2b(bench)
    await bench.do(settle(state, e.Outcome.FAILED))
    (place / "exit").write_text("0 6 whole 0\n")
    run = state.runs[state.last_run]
    end = await bench.targets["local"].ended(run.run_id)
    assert end.exit_status == 0
    await bench.engine.generation.steps.came_back(run, end)
    await bench.engine.ledger.record(e.RunEnded(run.run_id, e.Outcome.SUCCEEDED, "exit 0", 0))
    await bench.engine.ledger.record(e.StepFinished("2b", run.run_id, e.Outcome.SUCCEEDED))
    assert bench.state.step("2b").status is StepStatus.FAILED
    assert bench.state.step("2b").settled_by == "oncall-1"
