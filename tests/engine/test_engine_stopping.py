"""Stopping an action: its step ends, no other one begins; and an abort that comes too late."""

from __future__ import annotations

from typing import Any

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.permit import permit
from optibid_console.plan import next_move
from optibid_console.state import StepStatus

ROLLBACK = c.StartAction("rollback", "rollback")
STOP = c.StopAction("rollback1")


async def to_rollback(bench: Any, *flags: str) -> None:
    """The window up to 2a, and a rollback whose R1 behaves as `flags` say."""
    for step_id in ("1a", "1b", "2a"):
        await bench.step(step_id)
    for flag in flags:
        (bench.room / flag).touch()
    assert isinstance(await bench.do(ROLLBACK), c.Accepted)


async def test_what_runs_ends_and_the_next_step_does_not_begin(bench: Any) -> None:
    await to_rollback(bench, "slowly", "may-roll-back")
    await bench.until(lambda state: state.active_runs() and state.active_runs()[0].launched)
    reply = await bench.do(STOP)
    said = "stopping rollback: R1 is told to end, no other step begins"
    assert isinstance(reply, c.Accepted)
    assert reply.said == said
    state = await bench.until(lambda state: state.actions["rollback1"].stopped_at_step)
    assert state.actions["rollback1"].stopped_reason == "aborted: by oncall-1"
    assert state.step("R2", "rollback1").status is StepStatus.PENDING
    assert (await bench.do(STOP)) == c.Refused("rollback has stopped already, at R1")


async def test_a_stop_that_the_step_outran_holds_before_the_next_one(
    bench: Any, monkeypatch: Any
) -> None:
    """R1 ends while the dialog is read: the stop comes between it and R2."""
    steps = bench.engine.generation.steps
    see_through = steps.see_through

    async def stopped_in_between(live: Any) -> Any:
        outcome = await see_through(live)
        if live.step.id == "R1":
            reply = await bench.do(STOP)
            assert isinstance(reply, c.Accepted)
            assert reply.said == "stopping rollback: no step of it runs now, no other step begins"
        return outcome

    monkeypatch.setattr(steps, "see_through", stopped_in_between)
    await to_rollback(bench, "may-roll-back")
    state = await bench.until(lambda state: state.actions["rollback1"].stopped_at_step == "R2")
    assert state.step("R1", "rollback1").outcome is e.Outcome.SUCCEEDED
    assert state.step("R2", "rollback1").status is StepStatus.PENDING
    assert state.actions["rollback1"].stopped_reason == "by oncall-1, before it began"
    assert await bench.do(c.Decide("rollback1", e.Choice.RETRY)) == c.Accepted(seq=bench.state.seq)
    await bench.until(lambda state: state.active_runs() and state.active_runs()[0].step_id == "R2")
    assert isinstance(await bench.do(c.RunStep("R2")), c.Accepted)
    state = await bench.until(lambda state: state.actions["rollback1"].outcome)
    assert state.actions["rollback1"].outcome is e.Outcome.SUCCEEDED


async def test_an_engine_that_starts_again_begins_no_step_of_a_stopped_action(
    start_engine: Any,
) -> None:
    async with start_engine() as first:
        await to_rollback(first, "slowly", "may-roll-back")
        await first.until(lambda state: state.active_runs() and state.active_runs()[0].launched)
        # as if it had died between the journal's entry and the abort of the run
        await first.engine.ledger.record(e.ActionStopAsked("rollback1"), "oncall-1")
        (first.room / "slowly").unlink()
    async with start_engine() as second:
        run_id = second.state.last_run
        await second.do(c.Abort(run_id))
        await second.until(lambda state: state.actions["rollback1"].stopped_at_step)
        assert second.state.actions["rollback1"].stop_asked_by == "oncall-1"
        assert not [one for one in second.state.runs.values() if one.step_id == "R2"]


async def test_an_abort_of_a_run_that_ended_says_so_and_what_goes_on(bench: Any) -> None:
    await to_rollback(bench, "may-roll-back")
    state = await bench.until(lambda state: state.active_runs() and state.last_run.endswith("R2-1"))
    first = next(run.run_id for run in state.runs.values() if run.step_id == "R1")
    said = "R1 had ended (succeeded): nothing was aborted; rollback goes on with R2: x stops it"
    assert await bench.do(c.Abort(first)) == c.Refused(said)
    await bench.do(c.RunStep("R2"))
    await bench.until(lambda state: state.actions["rollback1"].outcome)
    assert await bench.do(STOP) == c.Refused("rollback had ended (succeeded): nothing was stopped")


async def test_an_abort_of_a_step_that_ended_says_what_is_next(bench: Any) -> None:
    for step_id in ("1a", "1b"):
        await bench.step(step_id)
    said = "1b had ended (succeeded): nothing was aborted; next is 2a"
    assert await bench.do(c.Abort(bench.state.last_run)) == c.Refused(said)


async def test_after_a_rollback_no_engine_and_no_other_screen_goes_forward(
    start_engine: Any,
) -> None:
    async with start_engine() as first:
        await to_rollback(first, "may-roll-back")
        await first.until(lambda state: state.active_runs() and state.last_run.endswith("R2-1"))
        await first.do(c.RunStep("R2"))
        await first.until(lambda state: state.actions["rollback1"].outcome)
    async with start_engine() as second:
        assert next_move(second.state).kind == "over"
        reply = await second.do(c.RunStep("2a"))
        assert isinstance(reply, c.Refused)
        assert reply.why.startswith("rolled back: the previous release is in service")
        assert isinstance(await second.do(c.GoForward("yes")), c.Refused)
        assert isinstance(await second.do(c.GoForward("forward", "fixed")), c.Accepted)
        assert second.heard.of(e.WentForward) == [e.WentForward("rollback1", "fixed")]
        assert permit(second.state, c.RunStep("2a")) == ""
        state = await second.step("2a")
        assert state.step("2a").status is StepStatus.DONE
