"""A whole window on something that was sick before it: no page, and a rollback that succeeds."""

from __future__ import annotations

from pathlib import Path

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.runbook.load import load
from optibid_console.state import StepStatus
from tests.engine.bench import Bench, driven
from tests.engine.conftest import CONFIG

WAIT = """[[actions.steps]]
id = "R4a"
title = "Wait until it is as before"
kind = "wait"
wait_for = ["flag"]
as_before = true
timeout = "20s"

[[actions.steps]]
id = "R2"
"""
TRIGGER = """fail_when = "probe.flag is failing"
as_before = true
"""


async def test_what_was_sick_before_trips_nothing_and_a_rollback_to_it_succeeds(
    tmp_path: Path,
) -> None:
    room = tmp_path / "room"
    room.mkdir()
    (room / "load").write_text("10\n")
    (room / "may-roll-back").touch()
    text = CONFIG.replace('[[actions.steps]]\nid = "R2"\n', WAIT)
    text = text.replace('fail_when = "probe.flag is failing"\nactive_from = "after"\n', TRIGGER)
    config = tmp_path / "config.toml"
    config.write_text(text.format(dir=room))
    loaded = load(config, {"SECRET": "hunter2-hunter2"})
    async with driven(loaded, tmp_path / "window.journal", room, Bench) as bench:
        state = await bench.until(lambda state: "flag" in state.criteria)
        state = await bench.until(lambda s: s.criteria["flag"].verdict is e.Verdict.AS_BEFORE)
        assert state.criteria["flag"].reason.startswith("flag failing: ")
        assert state.escalation is None
        await bench.step("1b")
        await bench.step("2a")  # raises the flag
        state = await bench.until(lambda state: state.baseline_at)
        assert state.before["flag"] == "failing"
        await bench.until(lambda state: state.criteria["flag"].verdict is e.Verdict.PASS)
        await bench.do(c.StartAction("rollback", "rollback"))  # lowers it: as sick as it was
        state = await bench.until(
            lambda state: state.step("R2", "rollback1").status is StepStatus.RUNNING
        )
        waited = state.step("R4a", "rollback1")
        assert waited.status is StepStatus.DONE
        assert waited.reason.startswith("as before: flag failing: ")
        assert waited.as_before == (waited.reason.removeprefix("as before: "),)
        await bench.do(c.RunStep("R2", "told everybody"))
        state = await bench.until(lambda state: state.action() is None)
        done = state.actions["rollback1"]
        assert done.outcome is e.Outcome.SUCCEEDED
        assert done.reason == waited.reason
        assert state.criteria["flag"].verdict is not e.Verdict.FAIL
        assert not bench.heard.of(e.EscalationStarted)
