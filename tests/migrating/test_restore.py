"""A restore gives the database back as it was backed up, or leaves it as it is."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.action_plan import action_plan
from optibid_console.entries import Outcome
from optibid_console.signals import Progress
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


async def test_several_jobs_at_once_count_each_item_once(window: Window) -> None:
    window.database = 'format = "directory"\njobs = 2'
    window.migration("004_market_prices", ADD)
    before = window.contents()
    async with window.open() as bench:
        await window.record_backup()
        await window.migrate()
        outcome, reason = await window.roll_back()
        assert outcome is Outcome.SUCCEEDED, reason
        run_id = bench.state.step("R2", "rollback1").run_id
        told = [one for one in bench.heard.of(Progress) if one.run_id == run_id and one.total]
    assert [one.done for one in told] == list(range(1, len(told) + 1))
    assert told[-1].done <= told[-1].total
    notes = [one.note for one in told]
    assert "TABLE public.bids" in notes
    assert any(one.startswith("data of public.") for one in notes)
    assert len(notes) == len(set(notes))
    assert window.contents() == before


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
        assert reason.startswith("exit 3: ")
        assert "isn't the backup that was verified" in reason
        assert reason.endswith("; the database is as it was")
        run = bench.state.runs[bench.state.step("R2", "rollback1").run_id]
        assert "isn't the backup that was verified" in run.ended.last_lines[-1]
        databases = window.server.execute("SELECT datname FROM pg_database")
        assert ("migrating_restoring",) not in databases
    assert window.contents() == migrated


@pytest.mark.parametrize("how", ["abort", "kill"])
async def test_one_that_ends_in_the_middle_changes_nothing_and_is_retried(
    window: Window, how: str
) -> None:
    window.sql("CREATE MATERIALIZED VIEW slow AS SELECT pg_sleep(1)::text")
    window.migration("004_market_prices", ADD)
    before = window.contents()
    async with window.open() as bench:
        await window.record_backup()
        await bench.until(lambda state: state.databases["optibid"].backup_schema)
        await window.migrate()
        migrated = window.contents()
        reply = await bench.do(c.StartAction("rollback", "rollback"))
        assert isinstance(reply, c.Accepted), reply
        await asyncio.to_thread(_filling, window)
        run_id = bench.state.step("R2", "rollback1").run_id
        if how == "abort":
            await bench.do(c.Abort(run_id))
        else:
            noted = (window.room / "runs" / run_id / "command.pid").read_text()
            os.killpg(int(noted.split()[0]), signal.SIGKILL)
        await bench.until(lambda state: state.actions["rollback1"].stopped_at_step)
        reason = bench.state.step("R2", "rollback1").reason
        said = "by oncall-1" if how == "abort" else "killed by KILL"
        assert reason == f"{said}; the database is as it was"
        assert window.contents() == migrated
        await bench.do(c.Decide("rollback1", e.Choice.RETRY))
        await bench.until(lambda state: state.actions["rollback1"].outcome, 60)
        assert bench.state.actions["rollback1"].outcome is Outcome.SUCCEEDED
    assert window.contents() == before


def _filling(window: Window) -> None:
    """Wait until the fresh database is being filled: its last object takes a second."""
    sql = (
        "SELECT count(*) FROM pg_sleep(0.05), pg_stat_activity"
        " WHERE datname = 'migrating_restoring' AND query LIKE 'REFRESH%' AND state = 'active'"
    )
    deadline = time.monotonic() + 30
    while window.server.execute(sql) != [(1,)]:
        assert time.monotonic() < deadline


async def test_what_was_swapped_in_is_judged_and_never_swapped_twice(window: Window) -> None:
    window.migration("004_market_prices", ADD)
    window.sql("DELETE FROM bids WHERE id > 2")  # the runbook expects three
    async with window.open() as bench:
        await window.record_backup()
        await window.migrate()
        outcome, reason = await window.roll_back()
        few = "it was swapped in, but bids has 2 rows, expected at least 3"
        assert (outcome, reason) == (Outcome.FAILED, few)
        await bench.do(c.Decide("rollback1", e.Choice.RETRY))
        await bench.until(
            lambda state: (
                state.step("R2", "rollback1").attempt == 2
                and state.actions["rollback1"].stopped_at_step
            )
        )
        step = bench.state.step("R2", "rollback1")
        assert step.reason == few
        assert bench.state.runs[step.run_id].ended.last_lines == (
            "migrating was restored and swapped in already: nothing is done again",
        )
    kept = "SELECT count(*) FROM pg_database WHERE datname LIKE 'migrating_%'"
    assert window.server.execute(kept) == [(1,)]
    comment = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
    with window.session() as session:
        (said,) = session.execute(comment, ["migrating"]).fetchone()
    assert said.startswith("bids and prices [restored by optibid-console: ")
