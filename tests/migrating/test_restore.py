"""A restore gives the database back as it was backed up, or leaves it as it is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.action_plan import action_plan
from optibid_console.entries import Outcome
from tests.migrating.conftest import Window

pytestmark = pytest.mark.server("postgres")

ADD = "ALTER TABLE bids ADD COLUMN settlement_price numeric(10, 2);"


async def test_what_was_migrated_is_back_as_it_was(window: Window) -> None:
    window.migration("004_market_prices", ADD + "UPDATE bids SET price = 0;")
    before = window.contents()
    async with window.open() as bench:
        await window.record_backup()
        await bench.until(lambda state: state.databases["optibid"].backup_schema)
        await window.migrate()
        window.sql("INSERT INTO bids (price) VALUES (99)")
        assert window.contents() != before
        outcome, reason = await window.roll_back()
        assert (outcome, bench.state.action()) == (Outcome.SUCCEEDED, None), reason
        assert "schema objects are as when it was backed up; bids has 3 rows or more" in reason
        assert window.contents() == before
        (restored,) = bench.heard.of(e.DatabaseRestored)
        assert bench.state.point_of_no_return() is None
        kept = window.server.execute("SELECT max(price) FROM bids", restored.kept_as)
        assert kept == [(99,)]
        # and again: nothing is left to undo
        reply = await bench.do(c.StartAction("rollback", "rollback"))
    assert isinstance(reply, c.Refused)
    assert "there is nothing to do" in reply.why


async def test_code_alone_is_rolled_back_without_a_restore(window: Window) -> None:
    async with window.open() as bench:
        await window.record_backup()
        assert await window.migrate() == (
            Outcome.SUCCEEDED, "nothing was pending, and nothing was changed"
        )  # fmt: skip
        await bench.step("3d")
        rollback = bench.state.runbook.action("rollback")
        plan = {one.step_id: one for one in action_plan(bench.state, rollback)}
        assert not plan["R2"].included
        assert plan["R2"].because == (
            "code only: no migration of optibid was applied in this window"
        )
        assert await window.roll_back() == (None, "")
        assert bench.state.actions["rollback1"].steps == ("R1",)


async def test_a_backup_that_was_changed_is_not_restored(window: Window) -> None:
    window.migration("004_market_prices", ADD)
    async with window.open() as bench:
        await window.record_backup()
        await window.migrate()
        migrated = window.contents()
        with (window.room / "optibid.dump").open("ab") as dump:
            dump.write(b"x")
        outcome, reason = await window.roll_back()
        assert outcome is Outcome.FAILED
        assert reason == "exit 3; the database is as it was"
        run = bench.state.runs[bench.state.step("R2", "rollback1").run_id]
        assert "isn't the backup that was verified" in run.ended.last_lines[-1]
    assert window.contents() == migrated


async def test_one_killed_in_the_middle_is_retried(window: Window) -> None:
    window.migration("004_market_prices", ADD)
    before = window.contents()
    async with window.open() as bench:
        await window.record_backup()
        await bench.until(lambda state: state.databases["optibid"].backup_schema)
        await window.migrate()
        with window.session() as held:  # it waits for this one's database to be free
            held.execute("SELECT 1")
            window.server.execute("CREATE DATABASE migrating_restoring")
            reply = await bench.do(c.StartAction("rollback", "rollback"))
            assert isinstance(reply, c.Accepted), reply
            run = "R2"
            await bench.until(lambda state: state.step(run, "rollback1").run_id)
            run_id = bench.state.step(run, "rollback1").run_id
            pid = await _pid(window.room / "runs" / run_id)
            await bench.do(c.Abort(run_id))
            await bench.until(lambda state: state.actions["rollback1"].stopped_at_step)
            assert pid
            held.rollback()
        reason = bench.state.step(run, "rollback1").reason
        assert reason.startswith("by oncall-1; ")
        await bench.do(c.Decide("rollback1", e.Choice.RETRY))
        await bench.until(lambda state: state.actions["rollback1"].outcome, 60)
        assert bench.state.actions["rollback1"].outcome is Outcome.SUCCEEDED
    assert window.contents() == before


async def _pid(run: Path) -> str:
    for _ in range(400):
        if (run / "command.pid").exists():
            return (run / "command.pid").read_text()
        await asyncio.sleep(0.01)
    raise AssertionError(f"no command in {run}")
