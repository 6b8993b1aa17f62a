from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from pathlib import Path
from typing import Any

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.criteria import Sample
from optibid_console.engine.observed import phase_s
from optibid_console.engine.observing import Observers
from optibid_console.runbook.load import load
from optibid_console.runbook.model import PanelSpec, ProbeSpec
from optibid_console.signals import Pulse, Sampled
from optibid_console.state import StepStatus
from probes.probe import Seconds, Status
from tests.engine.bench import Bench, driven
from tests.engine.conftest import CONFIG


async def test_a_criterion_trips_after_it_held_and_starts_the_escalation_clock(bench: Any) -> None:
    await bench.until(lambda state: state.criteria["load"].verdict is e.Verdict.PASS)
    (bench.room / "load").write_text("140\n")
    state = await bench.until(lambda state: state.criteria["load"].verdict is e.Verdict.FAIL)
    assert state.criteria["load"].reason == "load 140, limit 100"
    state = await bench.until(lambda state: state.escalation is not None)
    assert state.escalation.reason == "Load over 100: load 140, limit 100"
    (bench.room / "load").write_text("nothing\n")
    await bench.until(lambda state: state.criteria["load"].verdict is e.Verdict.ERROR)


async def test_an_escalation_ends_when_its_trigger_clears_and_begins_anew(bench: Any) -> None:
    (bench.room / "load").write_text("140\n")
    await bench.until(lambda state: state.escalation is not None)
    (bench.room / "load").write_text("10\n")
    await bench.until(lambda state: state.escalation is None and state.escalation_ended_seq)
    (ended,) = bench.heard.of(e.EscalationEnded)
    assert ended.reason == "cleared: Load over 100: load 10, limit 100"
    (bench.room / "load").write_text("150\n")
    state = await bench.until(lambda state: state.escalation is not None)
    assert state.escalation.reason == "Load over 100: load 150, limit 100"


async def test_a_criterion_of_a_later_phase_is_inconclusive(bench: Any) -> None:
    state = await bench.until(lambda state: "flag" in state.criteria)
    assert state.criteria["flag"].verdict is e.Verdict.INCONCLUSIVE
    assert state.criteria["flag"].reason == "judged from phase 3 (After)"


async def test_the_baseline_is_taken_when_the_deployment_begins(bench: Any) -> None:
    await bench.until(lambda state: state.criteria["load"].verdict is e.Verdict.PASS)
    assert bench.state.baseline == {}
    await bench.step("1b")
    await bench.step("2a")
    state = await bench.until(lambda state: state.baseline)
    assert state.baseline == {"load": 10.0}


async def test_nothing_that_was_read_during_the_deployment_is_in_its_baseline(bench: Any) -> None:
    observers = Observers(bench.loaded, bench.targets, bench.engine.ledger)
    observers.history["probe", "flag"] = deque(
        [
            Sample(10.0, Status.FAILING, took_s=1.0),
            Sample(11.9, Status.OK, took_s=0.5),  # begun before the step, answered after its start
            Sample(12.5, Status.OK),
            Sample(13.0, Status.OK),
        ]
    )
    observers.history["panel", "load"] = deque(
        [Sample(10.0, Status.OK, 5.0), Sample(11.9, Status.OK, 90.0, took_s=0.5)]
    )
    assert observers.usual_health(12.0) == {"flag": "failing"}
    assert observers.baseline(12.0) == {"load": 5.0}
    assert observers.usual_health(10.5) == {}


async def test_readiness_names_what_is_missing(bench: Any) -> None:
    state = await bench.until(
        lambda state: (
            "rollback" in state.readiness
            and "the flag is up: failing" in state.readiness["rollback"].missing
        )
    )
    assert "no backup.path yet (1b)" in state.readiness["rollback"].missing
    await bench.step("1b")
    await bench.step("2a")
    state = await bench.until(lambda state: state.readiness["rollback"].ready)
    assert state.readiness["rollback"].missing == ()


def test_probes_are_spread_over_their_period_and_panels_of_a_page_share_a_scrape() -> None:
    every = Seconds(10.0)
    probes = [ProbeSpec(f"probe-{i}", "http", every=every) for i in range(40)]
    moments = [phase_s(one) for one in probes]
    assert moments == [phase_s(one) for one in probes]
    assert all(0 <= one < every for one in moments)
    assert {int(one) for one in moments} == set(range(10))  # each second of the period has one
    page = {"url": "http://localhost:8000/metrics"}
    panels = [PanelSpec(f"panel-{i}", "metrics", every=every, settings=page) for i in range(5)]
    assert len({phase_s(one) for one in panels}) == 1


async def test_a_probe_is_read_at_once_and_then_at_its_own_moment(
    tmp_path: Path,
) -> None:
    """Its period is a minute, and its moment in the first half second of it."""
    name = "spread-110"
    probe = f'[probes.{name}]\nkind = "command"\non = "local"\nrun = "true"\nevery = "60s"\n\n'
    config = tmp_path / "config.toml"
    room = tmp_path / "room"
    room.mkdir()
    config.write_text(CONFIG.format(dir=room).replace("[panels.load]", f"{probe}[panels.load]"))
    loaded = load(config, {"SECRET": "hunter2-hunter2"})
    assert 0.2 < phase_s(loaded.runbook.probes[name]) < 0.5
    async with driven(loaded, tmp_path / "window.journal", room, Bench) as bench:
        await bench.until_signal(
            lambda: sum(one.reading.probe == name for one in bench.heard.of(Sampled)) == 2
        )


async def test_the_pulse_goes_on_while_a_step_runs(bench: Any) -> None:
    await bench.step("1a")
    before = len(bench.heard.of(Pulse))
    async with asyncio.timeout(60):
        while len(bench.heard.of(Pulse)) < before + 2:
            await asyncio.sleep(0.05)
    assert bench.heard.of(Pulse)[-1].journal_ok


async def test_rollback_stops_at_a_failed_step_and_asks(bench: Any) -> None:
    await bench.step("1b")
    await bench.step("2a")
    reply = await bench.do(c.StartAction("rollback", "rollback"))
    assert isinstance(reply, c.Accepted)
    state = await bench.until(lambda state: state.action() and state.action().stopped_at_step)
    assert state.action().stopped_at_step == "R1"
    assert "exit 1" in state.action().stopped_reason
    (bench.room / "may-roll-back").touch()
    await bench.do(c.Decide("rollback1", e.Choice.RETRY))
    state = await bench.until(
        lambda state: state.step("R2", "rollback1").status is StepStatus.RUNNING
    )
    assert state.step("R1", "rollback1").command.endswith(f"{bench.room}/backup.dump'")
    assert not (bench.room / "flag").exists()
    await bench.do(c.RunStep("R2", "told everybody"))
    state = await bench.until(lambda state: state.action() is None)
    assert state.actions["rollback1"].outcome is e.Outcome.SUCCEEDED
    again = await bench.do(c.StartAction("rollback", "rollback"))
    assert isinstance(again, c.Refused)
    assert "nothing to do" in again.why


async def test_rollback_aborts_what_is_under_way(bench: Any) -> None:
    (bench.room / "may-roll-back").touch()
    for step_id in ("1b", "2a"):
        await bench.step(step_id)
    await bench.do(c.RunStep("2b"))
    await bench.until(lambda state: any(run.launched for run in state.active_runs()))
    await bench.do(c.StartAction("rollback", "rollback"))
    state = await bench.until(lambda state: state.step("R1", "rollback1").status is StepStatus.DONE)
    assert state.step("2b").outcome is e.Outcome.ABORTED


async def test_a_stopped_rollback_is_still_asked_after_a_restart(start_engine: Any) -> None:
    async with start_engine() as first:
        for step_id in ("1b", "2a"):
            await first.step(step_id)
        await first.do(c.StartAction("rollback", "rollback"))
        await first.until(lambda state: state.action() and state.action().stopped_at_step)
    async with start_engine() as second:
        reply = await second.do(c.Decide("rollback1", e.Choice.SKIP, "the flag is gone"))
        assert isinstance(reply, c.Accepted), reply
        state = await second.until(
            lambda state: state.step("R2", "rollback1").status is StepStatus.RUNNING
        )
        assert state.step("R1", "rollback1").status is StepStatus.SKIPPED


async def test_readiness_that_was_not_looked_at_for_long_is_none(bench: Any) -> None:
    await bench.until(lambda state: "rollback" in state.readiness)
    (bench.room / "flag").touch()
    await bench.until(
        lambda state: not any("flag" in one for one in state.readiness["rollback"].missing)
    )
    await bench.engine.generation.judge.look(time.time() + 60)
    told = [one.missing for one in bench.heard.of(e.ReadinessChanged)]
    assert any(re.fullmatch(r"the flag is up: not read since \d\d:\d\d:\d\dZ", one)
               for missing in told for one in missing)  # fmt: skip
