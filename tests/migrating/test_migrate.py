"""A migration is judged by the database, never by its exit status alone."""

from __future__ import annotations

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.entries import Outcome
from tests.migrating.conftest import Window

pytestmark = pytest.mark.server("postgres")

ADD = "ALTER TABLE bids ADD COLUMN settlement_price numeric(10, 2);"


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
    assert reason.startswith("exit 1; 004_market_prices applied; 005_bad failed: ")
    assert 'relation "nowhere" does not exist' in reason
    assert "006_last not applied" in reason
    assert "1 schema change (+ column bids.settlement_price numeric(10,2))" in reason
    assert list(failed) == ["005_bad"]


async def test_a_row_without_its_effect_is_a_failure_unless_the_file_says_data_only(
    window: Window,
) -> None:
    window.migration("004_claimed", "ALTER TABLE bids ADD COLUMN x int;")
    row = "INSERT INTO schema_migrations (version, name, success) VALUES ('004', '004_claimed', true)"
    window.runner = (
        f'PGPASSWORD=${{DB_PASSWORD}} {window_psql(window)} -c "{row}"'
    )
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

    return (
        f"{TOOLS}/psql -X -h 127.0.0.1 -p {window.server.port} -U postgres -d {window.dbname}"
    )


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
