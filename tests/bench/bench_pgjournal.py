"""What a team's journal costs: an append under its lease beside a bare insert and commit."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from pathlib import Path

import psycopg

sys.path.insert(0, str(Path(__file__).parents[2]))

from optibid_console import entries as e
from optibid_console.journal import entry_row, places
from optibid_console.journal.lease import this_engine
from optibid_console.journal.postgres import PostgresJournal
from probes.probe import Reading, Status
from tests.bench.figures import Figures
from tests.servers.postgres import PostgresServer
from tests.servers.team import Team

APPENDS = 600
FACT = e.ProbeChanged(Reading("backend", Status.FAILING, 'status "error"', 1.0, 12.0))
BARE = """
CREATE TABLE bare (journal text, seq bigint, at float8 NOT NULL, mono float8 NOT NULL,
    actor text NOT NULL, kind text NOT NULL, body text NOT NULL, prev text NOT NULL,
    hash text NOT NULL, PRIMARY KEY (journal, seq))
"""
INSERT = f"INSERT INTO bare VALUES ({', '.join(['%s'] * 9)})"


def main() -> int:
    figures = Figures()
    server = PostgresServer(settings=("fsync=on", "synchronous_commit=on"))
    try:
        server.start()
        os.environ["PGPASSWORD"] = server.password
        asyncio.run(_appends(Team(server), figures))
    finally:
        server.remove()
    return figures.status


async def _appends(team: Team, figures: Figures) -> None:
    """Interleaved, so that the disk is as busy for the one as for the other."""
    address = places.own_address(team.address(), "Bench", rehearsal=False)
    journal = await PostgresJournal.open(address)
    await journal.acquire("bench", this_engine())
    durable_ms, bare_ms, single_ms = [], [], []
    with psycopg.connect(team.dsn) as bare, psycopg.connect(team.dsn, autocommit=True) as single:
        bare.execute(BARE.encode())
        bare.commit()
        for number in range(1, APPENDS + 1):
            began = time.perf_counter()
            entry = await journal.append("bench", FACT)
            durable_ms.append((time.perf_counter() - began) * 1000)
            row = ("bare", number, *entry_row.row_of(entry)[1:])
            began = time.perf_counter()
            bare.execute(INSERT.encode(), row)
            bare.commit()
            bare_ms.append((time.perf_counter() - began) * 1000)
            began = time.perf_counter()
            single.execute(INSERT.encode(), ("single", *row[1:]))
            single_ms.append((time.perf_counter() - began) * 1000)
    await journal.close()
    durable, insert = statistics.median(durable_ms), statistics.median(bare_ms)
    one = statistics.median(single_ms)
    figures.at_most(
        "an append under the lease, of a bare psycopg insert and commit", durable / insert, 1.5,
        "times", append_ms=round(durable, 3), insert_ms=round(insert, 3), appends=APPENDS,
    )  # fmt: skip
    figures.told(
        "an append under the lease, of a bare autocommitted insert", durable / one, "times",
        insert_ms=round(one, 3),
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
