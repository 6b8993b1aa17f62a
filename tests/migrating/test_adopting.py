"""A database that has migrations and doesn't record them: refused, said, adopted by name."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.engine import database_watch
from optibid_console.entries import Outcome
from optibid_console.plan import preview
from optibid_console.signals import LockWaits
from tests.migrating.conftest import Window
from tests.migrating.test_migrate import window_psql as psql

pytestmark = pytest.mark.server("postgres")

PRICES = "ALTER TABLE bids ADD COLUMN settlement_price numeric(10, 2);"
TWO_FIRST = ("001_fix_audit_action_enum", "001_initial_schema")


def adopt(*names: str, typed: str = "adopt optibid") -> c.AdoptMigrations:
    return c.AdoptMigrations("optibid", names, "they were applied by hand in 2025", typed)


@pytest.fixture
def unrecorded(window: Window) -> Window:
    """The platform as it is: tables, two files with the number 001, no `schema_migrations`."""
    window.sql("DROP TABLE schema_migrations")
    (window.room / "migrations" / "003_seed.sql").unlink()
    for name in TWO_FIRST:
        window.migration(name, "CREATE TABLE bids (id int);")
    window.migration("002_prices", PRICES)
    return window


async def test_what_isn_t_recorded_is_refused_until_it_is_adopted_by_name(
    unrecorded: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = unrecorded
    monkeypatch.setattr(database_watch, "EVERY_S", 0.3)
    async with window.open() as bench:
        await window.record_backup()
        state = await bench.until(lambda state: state.databases["optibid"].read)
        why = (
            "optibid: no table schema_migrations, but 2 other tables: what it has isn't recorded; "
            "adopt those that it has: optibid-console adopt optibid NAME …"
        )
        shown = preview(state, "migrate", state.at)
        assert f"2m: {why}" in shown.not_ready
        assert shown.pending[-1] == (
            "  2 files have the number 001: 001_fix_audit_action_enum, 001_initial_schema; each is "
            "recorded by its name, and applied in this order"
        )
        assert await window.migrate() == (Outcome.REFUSED, f"{why}; nothing was started")
        before = window.contents()
        reply = await bench.do(adopt(*TWO_FIRST))
        assert isinstance(reply, c.Accepted), reply
        assert reply.said == (
            "2 migrations recorded as applied: 001_fix_audit_action_enum, 001_initial_schema"
        )
        (begun,) = bench.heard.of(e.AdoptionBegun)
        assert begun.reason == "they were applied by hand in 2025"
        rows = window.sql("SELECT version, name, checksum, success FROM schema_migrations")
        digest = hashlib.sha256(b"CREATE TABLE bids (id int);").hexdigest()
        assert sorted(rows) == [(name, name, digest, True) for name in TWO_FIRST]
        after = window.contents()
        del after["rows"]["schema_migrations"]
        assert before["rows"] == after["rows"]
        await bench.until(lambda state: state.databases["optibid"].read.pending == ("002_prices",))
        assert bench.state.point_of_no_return() is None
        assert not bench.state.databases["optibid"].to_restore
        assert await window.migrate() == (
            Outcome.SUCCEEDED, "002_prices applied; 1 schema change"
        )  # fmt: skip
        assert bench.state.databases["optibid"].applied_here == ("002_prices",)


async def test_two_new_files_with_one_number_are_both_applied(window: Window) -> None:
    window.migration("004_a", "CREATE TABLE a (id int);")
    window.migration("004_b", "CREATE TABLE b (id int);")
    async with window.open():
        await window.record_backup()
        outcome, reason = await window.migrate()
        assert (outcome, reason) == (Outcome.SUCCEEDED, "004_a, 004_b applied; 4 schema changes")
        rows = window.sql("SELECT version, name FROM schema_migrations ORDER BY 1")
        assert rows == [("003", "seed"), ("004_a", "004_a"), ("004_b", "004_b")]


async def test_a_row_that_may_be_either_of_two_files_is_refused(window: Window) -> None:
    window.migration("004_a", "CREATE TABLE a (id int);")
    window.migration("004_b", "CREATE TABLE b (id int);")
    window.sql("CREATE TABLE b (id int)")
    window.sql("INSERT INTO schema_migrations VALUES ('004', 'by hand', now(), 1, NULL, true)")
    async with window.open() as bench:
        await window.record_backup()
        outcome, reason = await window.migrate()
        assert outcome is Outcome.REFUSED
        assert "row 004_by hand of schema_migrations may be 004_a or 004_b; adopt" in reason
        await bench.until(lambda state: state.databases["optibid"].read)
        assert isinstance(await bench.do(adopt("004_b")), c.Accepted)
        assert await window.migrate() == (Outcome.SUCCEEDED, "004_a applied; 2 schema changes")


async def test_an_adoption_is_refused_by_name_and_writes_all_or_nothing(window: Window) -> None:
    window.migration("004_prices", PRICES)
    window.migration("005_notes", "CREATE TABLE notes (id int);")
    window.sql("ALTER TABLE schema_migrations ADD CHECK (version <> '005')")
    async with window.open() as bench:
        await bench.until(lambda state: state.databases.get("optibid") is not None)
        reply = await bench.do(adopt("004_prices", typed="yes"))
        assert reply == c.Refused("type 'adopt optibid' to record them as applied")
        reply = await bench.do(adopt("004_prices", "006_no"))
        assert reply == c.Refused("006_no is not pending; pending are 004_prices, 005_notes")
        reply = await bench.do(adopt("004_prices", "005_notes"))
        assert isinstance(reply, c.Refused)
        assert "violates check constraint" in reply.why
        assert reply.why.endswith("; nothing was recorded")
        (ended,) = bench.heard.of(e.AdoptionEnded)
        assert ended.problem
        assert bench.state.databases["optibid"].adopting is None
        assert window.sql("SELECT version FROM schema_migrations") == [("003",)]


@pytest.mark.parametrize("committed", [True, False])
async def test_an_engine_that_died_in_an_adoption_reads_what_became_of_it(
    window: Window, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    window.migration("004_prices", PRICES)
    from optibid_console.engine.operations.databases import Database

    wrote = asyncio.Event()
    adopted = Database.adopt

    async def cut_off(database: Database, rows: object) -> None:
        if committed:
            await adopted(database, rows)
        wrote.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(Database, "adopt", cut_off)
        async with window.open() as bench:
            await bench.until(lambda state: state.databases.get("optibid") is not None)
            asking = asyncio.create_task(bench.do(adopt("004_prices")))
            await wrote.wait()
            asking.cancel()
    async with window.open() as bench:
        await bench.until(lambda state: state.databases["optibid"].adopting is None)
        (ended,) = bench.heard.of(e.AdoptionEnded)
        assert (ended.problem == "") is committed
        assert bench.state.databases["optibid"].adopted == (("004_prices",) if committed else ())


async def test_a_migration_that_the_server_s_death_cut_off_tells_its_own_error(
    window: Window,
) -> None:
    window.migration("004_slow", "ALTER TABLE lonely ADD COLUMN x int;")
    window.lock_timeout = "50s"
    window.sql(
        "INSERT INTO schema_migrations (version, name, success, error_message) VALUES"
        " ('004', '004_slow', false, 'ERROR: out of cheese')"
    )
    window.evidence_timeout = "40s"
    async with window.open() as bench:
        await window.record_backup()
        held = await asyncio.to_thread(window.session)
        held.execute("LOCK TABLE lonely IN ACCESS EXCLUSIVE MODE")
        running = asyncio.create_task(window.migrate())
        while not any(isinstance(one, LockWaits) and one.waits for one in bench.heard.signals):
            bench.heard.news.clear()
            await bench.heard.news.wait()
        await asyncio.to_thread(window.server.stop, "immediate")
        held.close()
        await bench.until(lambda state: list(state.runs.values())[-1].ended)
        await asyncio.to_thread(window.server.start)
        outcome, reason = await running
    assert outcome is Outcome.FAILED
    assert "cheese" not in reason
    assert "004_slow failed: " in reason
    assert "server closed the connection unexpectedly" in reason
    assert "the schema is as before" in reason


async def test_a_runner_that_records_nothing_isn_t_given_the_error_of_the_try_before(
    window: Window,
) -> None:
    window.migration("004_prices", PRICES)
    window.sql(
        "INSERT INTO schema_migrations (version, name, success, error_message) VALUES"
        " ('004', '004_prices', false, 'ERROR: out of cheese')"
    )
    window.runner = "echo 'psql: error: connection to server was lost' >&2; exit 2"
    async with window.open():
        await window.record_backup()
        outcome, reason = await window.migrate()
    assert outcome is Outcome.FAILED
    assert reason == (
        "exit 2: psql: error: connection to server was lost; nothing was applied; 004_prices not "
        "applied; the schema is as before"
    )


async def test_a_table_of_another_shape_is_read_and_not_written(window: Window) -> None:
    window.migration("004_prices", PRICES)
    window.sql("DROP TABLE schema_migrations")
    window.sql("CREATE TABLE schema_migrations (version bigint, dirty boolean)")
    window.sql("INSERT INTO schema_migrations VALUES (3, false)")
    async with window.open() as bench:
        await window.record_backup()
        state = await bench.until(lambda state: state.databases["optibid"].read)
        read = state.databases["optibid"].read
        assert (read.applied, read.pending) == (("003_seed",), ("004_prices",))
        outcome, reason = await window.migrate()
        assert outcome is Outcome.REFUSED
        assert reason == (
            "optibid: schema_migrations lacks name, applied_at, execution_time_ms, checksum, "
            "success, error_message: the console's runner can't record in it; give the step a run "
            "of its own; nothing was started"
        )


async def test_a_runner_of_its_own_is_judged_by_the_runbook_s_query(window: Window) -> None:
    window.migration("004_prices", PRICES)
    window.sql("ALTER TABLE schema_migrations RENAME TO ours")
    sql = "ALTER TABLE bids ADD settlement_price int; INSERT INTO ours VALUES ('4', 'x', now())"
    window.runner = f'PGPASSWORD=${{DB_PASSWORD}} {psql(window)} -c "{sql}"'
    window.sql("ALTER TABLE ours ALTER success SET DEFAULT true")
    window.revision = 'applied = "SELECT version, name FROM ours"'
    async with window.open() as bench:
        await window.record_backup()
        state = await bench.until(lambda state: state.databases["optibid"].read)
        assert state.databases["optibid"].read.applied == ("003_seed",)
        assert await window.migrate() == (Outcome.SUCCEEDED, "004_prices applied; 1 schema change")
        reply = await bench.do(adopt("004_prices"))
        assert reply == c.Refused(
            "optibid: its applied says what it has, nothing is recorded beside it"
        )


async def test_another_tool_s_table_is_named(window: Window) -> None:
    window.sql("DROP TABLE schema_migrations")
    window.sql("CREATE TABLE alembic_version (version_num text)")
    window.migration("004_prices", PRICES)
    async with window.open():
        await window.record_backup()
        outcome, reason = await window.migrate()
    assert outcome is Outcome.REFUSED
    assert "its migrations are recorded in alembic_version (Alembic), none in " in reason
