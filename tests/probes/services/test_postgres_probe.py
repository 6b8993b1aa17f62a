"""The PostgreSQL probe against a real server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

import pytest

from probes import registry
from probes.postgres import PostgresExpect, PostgresSettings
from probes.postgres_link import Link, statement_limit_ms
from probes.postgres_schema import Migration, judge_migrations
from probes.probe import Probe, Status, take
from tests.servers.raw import FakeHost, hangs

pytestmark = pytest.mark.server("postgres")

SCHEMA = """
CREATE TABLE bids (id int, price numeric);
INSERT INTO bids VALUES (1, 41.5), (2, NULL);
CREATE SCHEMA audit; CREATE TABLE audit.events (id int); CREATE VIEW "Odd" AS SELECT 1 AS one;
CREATE TABLE schema_migrations (version text, name text, applied_at timestamptz,
    execution_time_ms int, checksum text, success boolean, error_message text);
INSERT INTO schema_migrations VALUES
    ('003', 'seed_data', '2026-11-01Z', 412, 'c3', true, NULL),
    ('004', 'market_prices', '2026-11-24 20:00Z', 9, 'c4', false, E'column "x"\\n\\x1b[31mmissing'),
    ('005', 'zones', '2026-11-24 20:01Z', 9, 'c5', false, 'timed out'),
    ('005', 'zones', '2026-11-24 20:02Z', 9, 'c5', true, NULL);
"""


@pytest.fixture
def database(postgres) -> str:
    """The URL of a database with a little of OptiBid's schema."""
    postgres.recreate("optibid")
    postgres.execute(SCHEMA, "optibid")
    place = f"127.0.0.1:{postgres.port}/optibid"
    return f"postgresql://{postgres.user}:{postgres.password}@{place}"


def probe(url: str, host=None, **settings) -> Probe:
    return registry.build("postgres", "db", PostgresSettings(url=url, **settings), host)


async def read(url: str, host=None, timeout_s: float = 5, **settings):
    one = probe(url, host, **settings)
    reading = await take(one, timeout_s)
    await one.close()
    assert "open-sesame" not in repr(reading)
    assert "\n" not in reading.summary
    return reading


async def test_a_database_that_answers_is_ok_with_its_latency(database):
    reading = await read(database)
    assert (reading.status, reading.unit) == (Status.OK, "ms")
    assert reading.value is not None
    assert reading.summary.startswith("answers in ")
    assert (await read(database, warn_ms=0)).status is Status.WARN
    assert (await read(database, max_ms=0)).status is Status.FAILING


@pytest.mark.parametrize(
    ("sql", "expect", "status", "summary", "value"),
    [
        ("SELECT count(*) FROM bids", PostgresExpect(value=2), Status.OK, "2 in ", 2.0),
        (
            "SELECT price FROM bids ORDER BY id",
            PostgresExpect(value={"at_most": 40}, rows={"at_least": 3}, columns=("price", "zone")),
            Status.FAILING,
            "value 41.5, expected at most 40 (+2 more)",
            41.5,
        ),
        ("SELECT NULL::int", PostgresExpect(), Status.OK, "null in ", None),
        (
            "SELECT 1 WHERE false",
            PostgresExpect(value=1),
            Status.FAILING,
            "value missing, expected 1",
            None,
        ),
        ("SELECT 1 LIKE_%", PostgresExpect(), Status.ERROR, "", None),
        ("SELECT 'up' WHERE 'a%b' LIKE '%b'", PostgresExpect(value="up"), Status.OK, '"up" in ', 0),
        ("SELECT * FROM nowhere", PostgresExpect(), Status.FAILING, "", None),
        (
            "SELECT generate_series(1, 1000000)",
            PostgresExpect(),
            Status.FAILING,
            "rows more than 10000, expected at most 10000",
            1.0,
        ),
    ],
)
async def test_a_query_is_judged_and_gives_the_value(database, sql, expect, status, summary, value):
    reading = await read(database, sql=sql, expect=expect, unit="count")
    assert reading.status is status, reading.summary
    assert summary in reading.summary
    if value == 0:
        assert reading.unit == "ms"
    else:
        assert reading.value == value


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM bids RETURNING 1",
        "COMMIT; DELETE FROM bids",
        "SELECT 1; DELETE FROM bids",
        "TRUNCATE bids",
        "COMMIT",
        "SET default_transaction_read_only = off",
    ],
)
async def test_a_probe_cannot_write(postgres, database, sql):
    one = probe(database, sql=sql)
    first = await take(one, 5)
    assert first.status is Status.ERROR, first
    await take(one, 5)
    await one.close()
    assert postgres.execute("SELECT count(*) FROM bids", "optibid") == [(2,)]


async def test_missing_extensions_and_tables_are_named(database):
    reading = await read(database, extensions=("plpgsql", "timescaledb", "postgis"))
    assert (reading.status, reading.summary) == (
        Status.FAILING,
        "extensions without timescaledb, postgis, expected all 3",
    )
    good = await read(database, tables=("bids", "audit.events", "Odd"), extensions=("plpgsql",))
    assert good.status is Status.OK
    assert good.detail["tables"] == "all 3 there"
    reading = await read(database, tables=("bids", "events", "market_prices"))
    assert reading.summary == "tables without events, market_prices, expected all 3"


async def test_a_migration_counts_only_when_its_row_says_success(postgres, database):
    reading = await read(database, migration="003")
    assert reading.status is Status.WARN  # 004 failed
    assert "migration 004_market_prices failed" in reading.summary
    failed = await read(database, migration="4")
    assert (failed.status, failed.summary) == (
        Status.FAILING,
        'migration 004_market_prices failed: column "x" missing, expected 4 applied',
    )
    assert "migration 005_zones" in (await read(database, migration="005")).detail
    absent = await read(database, migration="006")
    assert absent.summary == (
        "migration 006 not there, the latest is 005_zones, expected 006 applied"
    )
    postgres.execute("DROP TABLE schema_migrations", "optibid")
    reading = await read(database, migration="003")
    assert "no table schema_migrations" in reading.summary
    assert reading.status is Status.FAILING


async def test_after_a_restart_the_next_reading_is_right(postgres, database):
    one = probe(database)
    assert (await take(one, 5)).status is Status.OK
    for mode in ("fast", "immediate"):
        postgres.stop(mode)
        down = await take(one, 5)
        assert down.status is Status.FAILING
        assert "refused the connection" in down.summary
        postgres.start()
        assert (await take(one, 5)).status is Status.OK
    postgres.restart()
    assert (await take(one, 5)).status is Status.OK
    await one.close()


async def test_one_connection_is_kept(postgres, database):
    one = probe(database, sql="SELECT pg_backend_pid()")
    pids = {(await take(one, 5)).value for _ in range(3)}
    assert len(pids) == 1
    await one.close()


async def test_a_slow_statement_is_ended_by_the_server(postgres, database):
    one = probe(database, sql="SELECT pg_sleep(30)")
    reading = await take(one, 2)
    assert reading.status is Status.FAILING
    assert reading.summary.endswith("the statement took longer than 2 s")
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND state = "
    assert postgres.execute(f"{running} 'active' AND pid <> pg_backend_pid()") == [(0,)]
    await one.close()


@pytest.mark.parametrize(("left_s", "limit_ms"), [(4.8, 4550), (0.48, 360), (0.001, 1), (0, 1)])
def test_the_servers_limit_is_earlier_than_ours(left_s, limit_ms):
    assert statement_limit_ms(left_s) == limit_ms


async def test_the_servers_word_counts_in_the_moment_in_which_the_line_is_cut(
    database, monkeypatch
):
    @contextlib.contextmanager
    def cut(self, seconds):
        self.hung = True
        yield

    monkeypatch.setattr(Link, "cut_off_after", cut)
    reading = await read(database, timeout_s=1, sql="SELECT pg_sleep(30)")
    assert reading.summary.endswith("the statement took longer than 1 s")


async def test_a_frozen_server_costs_no_more_than_the_timeout(postgres, database):
    one = probe(database, sql="SELECT pg_backend_pid()")
    backend = int((await take(one, 5)).value)
    os.kill(backend, signal.SIGSTOP)
    try:
        reading = await take(one, 4)
    finally:
        os.kill(backend, signal.SIGCONT)
    assert reading.status is Status.FAILING
    assert reading.summary == f"no answer from 127.0.0.1:{postgres.port} within 4 s"
    assert reading.took_ms < 5000
    assert (await take(one, 5)).status is Status.OK
    await one.close()


async def test_what_cannot_be_measured_is_an_error_without_the_password(postgres, database):
    wrong = await read(database.replace("sesame", "barley"))
    assert wrong.status is Status.ERROR
    assert "barley" not in repr(wrong)
    assert 'password authentication failed for user "postgres"' in wrong.summary
    gone = await read(database.replace("/optibid", "/nothing"))
    assert gone.status is Status.FAILING
    assert 'database "nothing" does not exist' in gone.summary
    echoed = await read(database, sql=f"SELECT '{postgres.password}'")
    assert '"[REDACTED]"' in echoed.summary


async def test_settings_replace_parts_of_the_url_and_a_host_leads_elsewhere(postgres):
    host = FakeHost(forwards={("db-1", 5432): ("127.0.0.1", postgres.port)})
    settings = PostgresSettings(
        host="db-1", dbname="postgres", user=postgres.user, password=postgres.password
    )
    one = registry.build("postgres", "db", settings, host)
    reading = await take(one, 5)
    assert reading.status is Status.OK
    assert reading.detail["database"] == "database postgres at db-1:5432"
    await one.close()
    host.lost = True
    lost = await take(one, 5)
    assert (lost.status, lost.summary) == (Status.ERROR, "app-1: connection lost")


async def test_silence_and_garbage_fail_in_time(serve):
    port = await serve(hangs)
    reading = await read(f"postgresql://x@127.0.0.1:{port}/x", timeout_s=0.4)
    assert reading.summary == f"no answer from 127.0.0.1:{port} within 0.4 s"
    assert reading.status is Status.FAILING

    async def babbles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 \x1b[31mBad Request\r\n\r\n")
        await writer.drain()

    port = await serve(babbles)
    reading = await read(f"postgresql://x@127.0.0.1:{port}/x")
    assert reading.status is Status.FAILING
    assert "\x1b" not in reading.summary


def test_the_failed_migration_of_another_version_is_a_warning():
    rows = [Migration("V1", "one", True), Migration("2", "two", False, "boom")]
    statuses = [one.status for one in judge_migrations(rows, "001")]
    assert statuses == [Status.OK, Status.WARN]


def test_each_of_two_migrations_with_one_number_has_to_be_applied():
    rows = [Migration("004_a", "004_a", True), Migration("004_b", "004_b", True)]
    assert [one.status for one in judge_migrations(rows, "4")] == [Status.OK]
    rows[0] = Migration("004_a", "004_a", False, "boom")
    (finding,) = judge_migrations(rows, "004")
    assert finding.status is Status.FAILING
    assert "boom" in finding.found


def test_bad_settings_are_named_without_the_password():
    settings = PostgresSettings(
        url="postgresql://u:sesame@h:x:y/d", expect=PostgresExpect(rows={"at_least": "1"})
    )
    found = list(settings.problems())
    assert [key for key, _ in found] == ["url", "expect", "expect.rows"]
    assert "sesame" not in repr(found)
