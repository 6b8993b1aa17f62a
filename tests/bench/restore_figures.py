"""A restore of 1,000,000 rows against bare `pg_restore -j` with the same jobs.

The bare one fills a database that is there already. The console's also checks the backup's
checksum, makes the fresh database, takes its statistics and swaps it in: how long it takes to
fill the database is held against `pg_restore` alone, the whole against commands that do the same.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from contextlib import aclosing
from pathlib import Path

from backup_figures import DATABASE, PROGRAMS, ROWS
from figures import Figures

from optibid_console.engine.reports import ReportFilter
from optibid_console.runbook.model import TargetSpec
from optibid_console.runbook.restore_text import restore_text
from optibid_console.runbook.shell_text import fill, guard
from optibid_console.targets.local import LocalTarget
from optibid_console.targets.target import OutputChunk, RunEnd, RunSpec
from tests.servers.postgres import PostgresServer

RATIO = 1.1
JOBS = 2


async def restore(figures: Figures, server: PostgresServer, folder: Path, turns: int) -> None:
    """The console's restore and the bare one in turns, of the same dump."""
    dump = folder / "restored.dir"
    subprocess.run(
        [f"{PROGRAMS}/pg_dump", "--format=directory", f"--jobs={JOBS}", "-f", dump,
         server.dsn(DATABASE)], check=True,
    )  # fmt: skip
    sums = "".join(
        subprocess.run(["sha256sum", *sorted(one.name for one in dump.iterdir())], cwd=dump,
                       check=True, stdout=subprocess.PIPE, text=True).stdout
    ).replace("  ", f"  {dump.name}/")  # fmt: skip
    checksum = subprocess.run(
        ["sha256sum"], input=sums, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.split()[0]
    took = []
    for turn in range(turns + 1):
        bare_s, same_s = _bare_s(server, dump)
        took.append((bare_s, same_s, *await _console_s(server, folder, dump, checksum, turn)))
    bare, same, whole, filling = zip(*took[1:], strict=True)  # the first ones fill the caches
    of = statistics.median
    figures.at_most(
        f"{ROWS:,} rows filled into the database by a restore, against bare pg_restore -j{JOBS}",
        of(filling) / of(bare), RATIO, "times",
        filling_s=round(of(filling), 2), pg_restore_s=round(of(bare), 2), turns=turns,
    )  # fmt: skip
    figures.at_most(
        "the whole restore, against checksum, createdb, pg_restore, ANALYZE and renaming",
        of(whole) / of(same), RATIO, "times",
        restore_s=round(of(whole), 2), commands_s=round(of(same), 2),
    )  # fmt: skip
    figures.told("the whole restore, against pg_restore alone", of(whole) / of(bare), "times")


BARE = """
set -e
began=$(date +%s.%N)
"$1/psql" -q -X -c 'CREATE DATABASE fresh TEMPLATE template0'
(cd "$2" && sha256sum * | sha256sum >/dev/null)
filling=$(date +%s.%N)
"$1/pg_restore" --exit-on-error --jobs="$3" -d fresh "$2"
filled=$(date +%s.%N)
"$1/psql" -q -X -d fresh -c ANALYZE
"$1/psql" -q -X -c 'ALTER DATABASE restored RENAME TO failed' \
  -c 'ALTER DATABASE fresh RENAME TO restored'
echo "$began $filling $filled $(date +%s.%N)"
"""


def _bare_s(server: PostgresServer, dump: Path) -> tuple[float, float]:
    """Seconds: `pg_restore` alone, and all that a person would type."""
    server.recreate("restored")
    env = {
        **os.environ, "PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": server.user,
        "PGPASSWORD": server.password, "PGDATABASE": "postgres",
    }  # fmt: skip
    said = subprocess.run(
        ["/bin/sh", "-c", BARE, "sh", PROGRAMS, dump, str(JOBS)],
        env=env, check=True, stdout=subprocess.PIPE, text=True,
    ).stdout  # fmt: skip
    began, filling, filled, ended = map(float, said.split())
    server.execute("DROP DATABASE restored")
    server.execute("DROP DATABASE failed")
    return filled - filling, ended - began


async def _console_s(
    server: PostgresServer, folder: Path, dump: Path, checksum: str, turn: int
) -> tuple[float, float]:
    """Seconds until the run's end is known, and those of them that filled the database.

    Raises `RuntimeError` when it wasn't restored."""
    server.recreate("restored")
    table = {
        "dbname": "restored", "user": server.user, "password": "${PASSWORD}",
        "port": server.port, "bin": PROGRAMS, "format": "directory", "jobs": JOBS,
    }  # fmt: skip
    text = guard(restore_text({"database": "it"}, table), {"PASSWORD"})
    text = fill(text, {"backup.it.path": str(dump), "backup.it.sha256": checksum})
    target = LocalTarget(TargetSpec("local", kind="local", run_dir=str(folder / "runs")))
    spec = RunSpec(f"bench-{turn}-R2-1", text, 1, 600, {"PASSWORD": server.password})
    reports = ReportFilter(spec.run_id)
    began = time.perf_counter()
    took_s, status, said, restored = 0.0, -1, b"", False
    at: dict[str, float] = {}
    async with aclosing(target.run(spec)) as events:
        async for event in events:
            if isinstance(event, OutputChunk):
                said += reports.feed(event.data)
                for one in reports.take():
                    restored = restored or "restored" in one
                    at.setdefault(str(one.get("progress", {}).get("note")), time.perf_counter())
            elif isinstance(event, RunEnd):
                took_s, status = time.perf_counter() - began, event.exit_status or 0
    await target.close()
    if status or not restored:
        raise RuntimeError(f"not restored: {said.decode(errors='replace')}")
    kept = "SELECT datname FROM pg_database WHERE datname LIKE 'restored%'"
    for (name,) in server.execute(kept):
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    filling = next(moment for note, moment in at.items() if note.startswith("restoring "))
    return took_s, at["restored; taking its statistics"] - filling
