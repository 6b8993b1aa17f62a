"""A migration is judged by the database, never by its exit status alone."""

from __future__ import annotations

import asyncio

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.action_plan import action_plan
from optibid_console.database.locks import session_name
from optibid_console.engine.operations import migrating
from optibid_console.entries import Outcome
from optibid_console.signals import LockWaits
from tests.migrating.conftest import Window

pytestmark = pytest.mark.server("postgres")

ADD = "ALTER TABLE bids ADD COLUMN settlement_price numeric(10, 2);"
LONELY = "ALTER TABLE lonely ADD COLUMN x int;"
"""On a table that no view needs: a view's definition can't be read while its table is locked."""


async def test_exit_0_with_nothing_applied_is_a_failure_with_that_sentence(window: Window) -> None:
    window.migration("004_market_prices", ADD)
    window.runner = "echo all good"
    async with window.open():
        await window.record_backup()
        outcome, reason = await window.migrate()
    assert outcome is Outcome.FAILED, reason
    assert reason == "exit 0, but nothing was applied: 004_market_prices is still pending"


async def test_two_are_applied_and_what_they_changed_is_named(window: Window) -> None:
    window.migration("004_market_prices", ADD)
    window.migration("005_notes", "CREATE TABLE notes (id int PRIMARY KEY, text text);")
    async with window.open() as bench:
        await window.record_backup()
        outcome, reason = await window.migrate()
        state = bench.state
    assert (outcome, reason) == (
        Outcome.SUCCEEDED, "004_market_prices, 005_notes applied; 6 schema changes"
    )  # fmt: skip
    known = state.databases["optibid"]
    assert known.applied_here == ("004_market_prices", "005_notes")
    assert "+ column bids.settlement_price numeric(10,2)" in known.changes
    point = state.point_of_no_return()
    assert point is not None
    assert point.migration == "004_market_prices"
    rows = window.sql("SELECT version, name, success FROM schema_migrations ORDER BY 1")
    assert rows[1:] == [("004", "004_market_prices", True), ("005", "005_notes", True)]


async def test_one_that_fails_half_way_is_named_with_what_was_done(window: Window) -> None:
    window.migration("004_market_prices", ADD)
    window.migration("005_bad", "CREATE TABLE halfway (id int);\nALTER TABLE nowhere ADD x int;")
    window.migration("006_last", "CREATE TABLE last (id int);")
    async with window.open() as bench:
        await window.record_backup()
        outcome, reason = await window.migrate()
        failed = bench.state.databases["optibid"].read.failed
    assert outcome is Outcome.FAILED, reason
    assert reason.startswith(
        'exit 1: ERROR: relation "nowhere" does not exist; 004_market_prices applied; '
        "005_bad failed; "
    )
    assert "006_last not applied" in reason
    assert "1 schema change (+ column bids.settlement_price numeric(10,2))" in reason
    assert list(failed) == ["005_bad"]


async def test_a_row_without_its_effect_is_a_failure_unless_the_file_says_data_only(
    window: Window,
) -> None:
    window.migration("004_claimed", "ALTER TABLE bids ADD COLUMN x int;")
    row = (
        "INSERT INTO schema_migrations (version, name, success) VALUES ('004', '004_claimed', true)"
    )
    window.runner = f'PGPASSWORD=${{DB_PASSWORD}} {window_psql(window)} -c "{row}"'
    async with window.open():
        await window.record_backup()
        outcome, reason = await window.migrate()
        assert outcome is Outcome.FAILED, reason
        assert "says 004_claimed was applied, but the schema is as before" in reason
        window.sql("DELETE FROM schema_migrations WHERE version = '004'")
        window.migration("004_claimed", "-- data-only\nUPDATE bids SET price = price + 1;")
        outcome, reason = await window.migrate()
    assert (outcome, reason) == (Outcome.SUCCEEDED, "004_claimed applied; the schema is as before")


def window_psql(window: Window) -> str:
    from tests.migrating.conftest import TOOLS

    return f"{TOOLS}/psql -X -h 127.0.0.1 -p {window.server.port} -U postgres -d {window.dbname}"


async def test_without_a_verified_backup_it_is_locked_until_somebody_says_why(
    window: Window,
) -> None:
    window.migration("004_market_prices", ADD)
    missing = "this window has no verified backup of optibid (step 1b)"
    async with window.open() as bench:
        assert await bench.do(c.RunStep("2m")) == c.Refused(missing)
        words = "migrate without backup"
        refused = await bench.do(c.StartAction("migrate", "migrate"))
        assert refused == c.Refused(f"{missing}; type {words!r} to do it all the same")
        refused = await bench.do(c.StartAction("migrate", words, forced=True))
        assert refused == c.Refused("migrating without a backup needs a reason")
        reply = await bench.do(c.StartAction("migrate", words, forced=True, reason="no time"))
        assert isinstance(reply, c.Accepted)
        await bench.until(lambda state: state.step("2m").outcome is not None)
        assert bench.state.step("2m").outcome is Outcome.SUCCEEDED
        (said,) = bench.heard.of(e.BackupOverridden)
        assert (said.database, said.reason) == ("optibid", "no time")


async def test_what_it_waits_for_is_shown_and_lock_timeout_ends_it(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "_LONG_WAIT_S", 1.0)
    window.migration("004_market_prices", LONELY)
    window.lock_timeout = "3s"
    async with window.open() as bench:
        await window.record_backup()
        with window.session() as held:
            held.execute("LOCK TABLE lonely IN ACCESS EXCLUSIVE MODE")
            outcome, reason = await window.migrate()
            held.rollback()
        waits = [one for one in bench.heard.signals if isinstance(one, LockWaits) and one.waits]
        (waited,) = bench.heard.of(e.LockWaited)
        assert bench.state.point_of_no_return() is None
    assert outcome is Outcome.FAILED, reason
    assert "004_market_prices failed; " in reason
    assert "canceling statement due to lock timeout" in reason
    assert "the schema is as before" in reason
    (blocker,) = waits[0].waits[0].blockers
    assert (blocker.user, blocker.application) == ("postgres", "reports")
    assert "LOCK TABLE lonely" in blocker.query
    assert waited.wait.waiter.query.startswith("ALTER TABLE lonely")
    assert waited.wait.waiter.for_s >= 1


async def test_an_abort_while_it_waits_leaves_nothing_and_says_so(window: Window) -> None:
    window.migration("004_first", "CREATE TABLE first (id int);")
    window.migration("005_waits", LONELY)
    window.lock_timeout = "50s"
    async with window.open() as bench:
        await window.record_backup()
        with window.session() as held:
            held.execute("LOCK TABLE lonely IN ACCESS EXCLUSIVE MODE")
            running = asyncio.create_task(window.migrate())
            await bench.until(lambda state: state.point_of_no_return())
            assert bench.state.point_of_no_return().migration == "004_first"
            await bench.do(c.Abort())
            outcome, reason = await running
            held.rollback()
        name = session_name(bench.state.step("2m").run_id)
        left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
        with window.session() as looking:
            assert looking.execute(left, [name]).fetchone() == (0,)
        plan = action_plan(bench.state, bench.state.runbook.action("rollback"))
        assert [(one.step_id, one.because) for one in plan if one.included] == [
            ("R1", "undoes 2m"), ("R2", "004_first was applied"),
        ]  # fmt: skip
    assert (outcome, reason) == (
        Outcome.ABORTED,
        "by oncall-1; 004_first applied; 005_waits not applied; "
        "2 schema changes (+ column first.id integer, + table first owner postgres)",
    )


async def test_a_database_that_goes_away_in_the_middle_is_judged_when_it_is_back(
    window: Window,
) -> None:
    window.migration("004_slow", "CREATE TABLE slow (id int); SELECT pg_sleep(60);")
    window.evidence_timeout = "40s"
    async with window.open() as bench:
        await window.record_backup()
        running = asyncio.create_task(window.migrate())
        await bench.until(lambda state: state.runs and list(state.runs.values())[-1].launched)
        await asyncio.to_thread(window.server.stop, "immediate")
        await bench.until(lambda state: list(state.runs.values())[-1].ended)
        assert not running.done()
        await asyncio.to_thread(window.server.start)
        outcome, reason = await running
    assert outcome is Outcome.FAILED
    assert "nothing was applied; 004_slow not applied; the schema is as before" in reason


async def test_one_that_can_t_be_judged_is_a_failure_and_needs_a_restore(window: Window) -> None:
    window.migration("004_market_prices", ADD)
    window.evidence_timeout = "1s"
    window.runner = "touch begun; until [ -e go ]; do sleep 0.05; done"
    async with window.open() as bench:
        await window.record_backup()
        running = asyncio.create_task(window.migrate())
        await bench.until(lambda state: state.runs and list(state.runs.values())[-1].launched)
        await asyncio.to_thread(window.server.stop)
        (window.room / "go").touch()
        outcome, reason = await running
        plan = action_plan(bench.state, bench.state.runbook.action("rollback"))
        restore = next(one for one in plan if one.step_id == "R2")
    assert outcome is Outcome.FAILED
    assert reason.startswith("exit 0; what it did can't be judged: optibid, seen from local: 127")
    assert restore.included
    assert restore.because.endswith("did isn't known")


async def test_who_locks_what_it_has_to_read_is_named_and_nothing_is_started(
    window: Window,
) -> None:
    window.migration("004_market_prices", ADD)
    async with window.open() as bench:
        await window.record_backup()
        await bench.until(lambda state: state.databases["optibid"].backup_schema)
        with window.session() as held:
            held.execute("LOCK TABLE bids IN ACCESS EXCLUSIVE MODE")
            outcome, reason = await window.migrate()
            held.rollback()
        assert not bench.state.databases["optibid"].to_restore
    assert outcome is Outcome.REFUSED
    assert "can't be read, a table is locked by pid " in reason
    assert "(postgres, reports): LOCK TABLE bids" in reason
    assert reason.endswith("; nothing was started")
