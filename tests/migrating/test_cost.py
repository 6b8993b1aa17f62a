"""What going back would lose, measured all the time, and said also when it can't be."""

from __future__ import annotations

import asyncio

import pytest

from optibid_console import entries as e
from optibid_console.engine import database_watch
from optibid_console.plan import preview
from optibid_console.state import WindowState
from tests.migrating.conftest import Window

pytestmark = pytest.mark.server("postgres")


def changed_rows(state: WindowState) -> tuple[int, ...]:
    cost = state.databases["optibid"].cost
    return cost.rows.get("bids", ()) if cost else ()


async def test_what_was_written_since_the_backup_is_counted(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_watch, "EVERY_S", 0.3)
    monkeypatch.setattr(database_watch, "_RETELL_S", 0.0)
    window.migration("004_data", "-- data-only\nUPDATE bids SET price = price + 1 WHERE id < 4;")
    async with window.open() as bench:
        await window.record_backup()
        await bench.until(lambda state: state.databases["optibid"].mark)
        await window.migrate()
        with window.session() as writing:
            for _ in range(20):
                writing.execute("INSERT INTO bids (price) VALUES (7)")
                writing.commit()
        await bench.until(lambda state: changed_rows(state) == (20, 3, 0), 30)
        cost = bench.state.databases["optibid"].cost
        # its own 20, the migration's one, and the few of the server's own statistics
        assert 21 <= cost.transactions <= 26
        assert cost.wal_bytes > 1000
        said = preview(bench.state, "rollback", cost.measured_at + 4).costs
        assert said[0].startswith(f"optibid returns to 20:05:11Z; {cost.transactions} transactions")
        assert said[0].endswith("of WAL since then are lost (measured 0:04 ago)")
        assert said[1] == ("rows changed since: bids 20 new, 3 changed; schema_migrations 1 new")
        await asyncio.to_thread(window.server.stop)
        await bench.until(lambda state: state.databases["optibid"].cost.problem)
        cost = bench.state.databases["optibid"].cost
        said = preview(bench.state, "rollback", cost.failed_at + 2).costs
    assert said[0].startswith("optibid can't be measured (0:02 ago: optibid, seen from local: ")
    assert "transactions" in said[1]
    assert "(was known last 0:" in said[1]


async def test_the_rows_of_partitions_are_told_as_their_tables(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_watch, "EVERY_S", 0.3)
    monkeypatch.setattr(database_watch, "_RETELL_S", 0.0)
    window.sql(
        "CREATE TABLE ticks (id int, day int) PARTITION BY RANGE (day);"
        "CREATE TABLE ticks_1 PARTITION OF ticks FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE ticks_2 PARTITION OF ticks FOR VALUES FROM (10) TO (20)"
    )
    async with window.open() as bench:
        await window.record_backup()
        await bench.until(lambda state: state.databases["optibid"].mark)
        window.sql("INSERT INTO ticks SELECT g, g % 20 FROM generate_series(1, 40) g")

        def rows(state: WindowState) -> dict[str, tuple[int, ...]]:
            cost = state.databases["optibid"].cost
            return dict(cost.rows) if cost else {}

        state = await bench.until(lambda state: "ticks" in rows(state), 30)
        assert rows(state) == {"ticks": (40, 0, 0)}


async def test_pending_that_cannot_be_read_is_recorded_and_so_is_its_end(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_watch, "EVERY_S", 0.3)
    async with window.open() as bench:
        await bench.until(lambda state: state.databases["optibid"].read)
        files = window.room / "migrations"
        files.rename(window.room / "away")
        state = await bench.until(lambda state: state.databases["optibid"].unread)
        why = state.databases["optibid"].unread
        assert why.startswith("can't list migrations on local: ")
        (line, *_) = preview(state, "migrate", state.at + 3).pending
        assert line == f"optibid: what is pending can't be read for 0:03: {why}"
        (window.room / "away").rename(files)
        await bench.until(lambda state: not state.databases["optibid"].unread)
        told = [one.why for one in bench.heard.of(e.MigrationsUnread)]
    assert told == [why, ""]
