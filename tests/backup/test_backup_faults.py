"""A backup with a fault in each place: no artifact, what is left is named, the reason is true."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.engine.operations.backup import NO_ARTIFACT
from optibid_console.runbook.operations import REPORTING, TEXTS
from tests.backup.conftest import PROGRAMS, STAMP, WITHIN_S, Place, begun, ended
from tests.crash.test_broken_journal import needs_mount

pytestmark = pytest.mark.server("postgres")

SLOW = """
case $1 in --version) exec "$real" "$@" ;; esac
for one; do case $one in --file=*) echo "a part of a dump" >"${one#--file=}" ;; esac; done
echo $$ >"$(dirname "$0")/pid"
exec sleep 60
"""
"""A pg_dump that has written something and takes its time."""

REMOVED = "the unfinished dump was removed"


async def failed(place: Place, *, left: list[str] | None = None) -> str:
    """Run the step: it must fail without an artifact; gives the reason."""
    step, state, heard = await place.backed_up()
    assert step.outcome is e.Outcome.FAILED, step
    nothing_counts(place, state, heard, left or [])
    return step.reason


def nothing_counts(place: Place, state: Any, heard: Any, left: list[str]) -> None:
    assert not state.artifacts
    assert not heard.of(e.ArtifactRecorded)
    assert "backup.path" not in state.facts
    assert place.kept() == left


async def test_a_table_that_is_missing_makes_it_a_bad_one(place: Place) -> None:
    place.database = 'tables = ["bids", "orders", "market.gone"]'
    reason = await failed(place, left=[f"optibid_{STAMP}.dump.bad"])
    assert reason.startswith("the dump has no data of market.gone, orders; what there is of it is")
    assert reason.endswith(f"/optibid_{STAMP}.dump.bad; it is no backup")


async def test_too_few_rows_make_it_a_bad_one(place: Place) -> None:
    place.database = 'rows = { "public.bids" = 3001, "market.prices" = 0, "odd one" = 4 }'
    reason = await failed(place, left=[f"optibid_{STAMP}.dump.bad"])
    assert "public.bids has 3000 rows, expected at least 3001" in reason
    assert "odd one has 3 rows, expected at least 4" in reason
    assert "market.prices" not in reason


async def test_a_dump_that_is_damaged_before_it_is_read_back_is_a_bad_one(
    place: Place, wrapped: Any
) -> None:
    wrapped("pg_dump", """
        "$real" "$@" || exit
        for one; do case $one in --file=*)
            file=${one#--file=}
            printf XXXXXXXX | dd of="$file" bs=1 conv=notrunc \\
              seek=$(($(wc -c <"$file") / 2)) 2>"$0.said" ;;
        esac; done""")  # fmt: skip
    reason = await failed(place, left=[f"optibid_{STAMP}.dump.bad"])
    assert "the dump can't be read to its end: pg_restore: error: " in reason


async def test_a_killed_dump_says_by_what_and_leaves_nothing(place: Place, wrapped: Any) -> None:
    wrapped("pg_dump", SLOW)
    async with place.engine() as bench:
        await begun(bench)
        os.kill(await dumping(place), signal.SIGKILL)
        state = await ended(bench)
        nothing_counts(place, state, bench.heard, [])
        assert state.step("1.2a").reason == f"pg_dump was killed by signal 9; {REMOVED}"


async def dumping(place: Place) -> int:
    """The process of the slow dump, once it has begun."""
    pid = place.room / "bin" / "pid"
    async with asyncio.timeout(WITHIN_S):
        while not (pid.exists() and pid.read_text().endswith("\n")):
            await asyncio.sleep(0.02)
    return int(pid.read_text())


def processes_of(place: Place) -> list[str]:
    """Command lines that name the place: its run's shells, and the programs that they started."""
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            lines.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return [line for line in lines if f"{place.room}/" in line]


async def test_a_killed_shell_names_what_may_be_left(place: Place, wrapped: Any) -> None:
    wrapped("pg_dump", SLOW)
    async with place.engine() as bench:
        await begun(bench)
        pid = await dumping(place)
        parent = int(re.findall(r"PPid:\s*(\d+)", Path(f"/proc/{pid}/status").read_text())[0])
        os.kill(parent, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        state = await ended(bench)
        part = f"optibid_{STAMP}.dump.part"
        nothing_counts(place, state, bench.heard, [part])
        assert state.step("1.2a").reason.startswith("killed by KILL; ")
        assert state.step("1.2a").reason.endswith(
            f"an unfinished dump may be left: {place.backups / part}"
        )
        async with asyncio.timeout(WITHIN_S):
            while processes_of(place):
                await asyncio.sleep(0.1)
    place.bin = PROGRAMS
    async with place.engine() as bench:  # the next one tidies up
        await begun(bench)
        state = await bench.until(lambda state: state.artifacts, 60)
        assert place.kept() == [f"optibid_{STAMP}.dump", f"optibid_{STAMP}.dump.sha256"]


async def test_an_abort_ends_it_and_removes_what_there_was(place: Place, wrapped: Any) -> None:
    wrapped("pg_dump", SLOW)
    async with place.engine() as bench:
        await begun(bench)
        await dumping(place)
        await bench.do(c.Abort())
        state = await ended(bench)
        step = state.step("1.2a")
        assert (step.outcome, step.reason) == (e.Outcome.ABORTED, f"by oncall-1; {REMOVED}")
        nothing_counts(place, state, bench.heard, [])


async def test_a_server_that_stops_in_the_middle_is_a_lost_connection(
    place: Place, wrapped: Any
) -> None:
    wrapped("pg_dump", """
        case $1 in --version) exec "$real" "$@" ;; esac
        echo $$ >"$(dirname "$0")/pid"
        exec "$real" "$@" """)  # fmt: skip
    holding = psycopg.connect(place.server.dsn(place.dbname))
    holding.execute("LOCK TABLE bids IN ACCESS EXCLUSIVE MODE")  # the dump waits there
    async with place.engine() as bench:
        await begun(bench)
        await dumping(place)
        place.server.stop("immediate")
        try:
            state = await ended(bench)
        finally:
            holding.close()
            place.server.start()
        nothing_counts(place, state, bench.heard, [])
        reason = state.step("1.2a").reason
        assert reason.startswith("pg_dump failed: error: ")
        assert re.search(
            r"server closed the connection|terminating connection|connection to", reason
        )


@needs_mount
async def test_a_disk_that_gets_full_leaves_nothing(place: Place) -> None:
    place.server.execute(
        "INSERT INTO bids SELECT g, md5(g::text) || md5((-g)::text) FROM "
        "generate_series(10001, 60000) g", place.dbname,
    )  # fmt: skip
    place.backups.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "small", str(place.backups)], check=True
    )
    try:
        (place.backups / "optibid_20250101_000000.dump").write_text("a small one, to go by")
        reason = await failed(place, left=["optibid_20250101_000000.dump"])
    finally:
        subprocess.run(["umount", str(place.backups)], check=True)
    assert "No space left on device" in reason
    assert reason.endswith(REMOVED)


@needs_mount
async def test_a_disk_that_is_too_small_is_seen_before(place: Place) -> None:
    place.backups.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "small", str(place.backups)], check=True
    )
    try:
        reason = await failed(place)
    finally:
        subprocess.run(["umount", str(place.backups)], check=True)
    assert re.match(r"\d MB are free in .*/backups, \d+ MB are needed \(the database's own", reason)


async def test_an_older_pg_dump_is_refused_with_a_sentence(place: Place, wrapped: Any) -> None:
    wrapped("pg_dump", "echo 'pg_dump (PostgreSQL) 9.6.24 (Debian 9.6)'")
    reason = await failed(place)
    assert re.match(r"pg_dump 9\.6\.24 can't back up PostgreSQL \d+\.\d+.*: install the cl", reason)


async def test_a_program_that_is_not_there_is_named(place: Place) -> None:
    place.bin = str(place.room)
    reason = await failed(place)
    assert reason.startswith(f"there is no {place.room}/pg_dump on this host")


async def test_a_database_that_does_not_answer_is_named(place: Place) -> None:
    place.dbname = "nowhere"
    reason = await failed(place)
    assert 'database "nowhere" does not exist' in reason


async def test_a_dump_that_can_not_be_restored_is_a_bad_one(place: Place, wrapped: Any) -> None:
    place.database = "try_restore = true"
    wrapped("pg_restore", """
        "$real" "$@" || exit
        case "$*" in *--exit-on-error*) "$(dirname "$0")/psql" -q -d "it's_try_20270115_080000" \\
            -c "UPDATE bids SET price = price + 1 WHERE id = 7" ;; esac""")  # fmt: skip
    reason = await failed(place, left=[f"optibid_{STAMP}.dump.bad"])
    assert reason.startswith("restored, these tables differ from what was dumped: public.bids; ")
    assert place.server.execute("SELECT count(*) FROM pg_database WHERE datname ~ '_try_'") == [
        (0,)
    ]


GOOD = {"path": "/a", "size_bytes": 1, "sha256": "a" * 64, "checks": ["read"], "details": {}}


@pytest.mark.parametrize(
    "said",
    [
        None,
        "yes",
        {**GOOD, "path": "relative"},
        {**GOOD, "path": "/a\x1b[2J"},
        {**GOOD, "size_bytes": 0},
        {**GOOD, "size_bytes": True},
        {**GOOD, "sha256": "0x"},
        {**GOOD, "checks": []},
        {**GOOD, "details": "none"},
    ],
)
async def test_exit_0_without_an_artifact_is_a_failure_with_exactly_that_sentence(
    empty_place: Place, monkeypatch: pytest.MonkeyPatch, said: object
) -> None:
    report = f"report {shlex.quote(json.dumps({'artifact': said}))}" if said else ":"
    monkeypatch.setitem(TEXTS, "backup", lambda step, database: f"{REPORTING}\n{report}")
    assert await failed(empty_place) == NO_ARTIFACT


@pytest.mark.parametrize(
    "point", ["while-following", "after-end-known", "after-end-recorded", "before-outcome-recorded"]
)
async def test_an_engine_that_is_killed_there_records_one_artifact_after_its_restart(
    place: Place, crash: Any, point: str
) -> None:
    crash.config.write_text(place.config(crash.path))
    first = await crash.engine(stop_at=point)
    async with crash.attached() as screen:
        await screen.send(c.RunStep("1.2a"))
        assert await crash.end(first, 0) == -signal.SIGKILL
    again = await crash.engine()
    async with crash.attached() as screen:
        await screen.until(lambda one: one.state.step("1.2a").outcome is not None)
    assert await crash.end(again) == 0
    assert crash.state().step("1.2a").outcome is e.Outcome.SUCCEEDED
    (recorded,) = crash.facts(e.ArtifactRecorded)
    assert Path(recorded.fact.path).stat().st_size == recorded.fact.size_bytes
    assert len([one for one in crash.facts(e.FactRecorded) if one.fact.name == "backup.path"]) == 1
    assert len(list((crash.path / "backups").iterdir())) == 2
