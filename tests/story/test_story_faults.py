"""The story with a fault in each place: what is said is true, nothing is lost, and there is a
way on that leads to the good end."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import subprocess

import pytest

from optibid_console import commands as c
from optibid_console.entries import Outcome
from optibid_console.plan import preview
from optibid_console.signals import LockWaits
from tests.crash.attached import Attached
from tests.crash.test_broken_journal import needs_mount
from tests.story.acts import BACKED_UP, BEFORE, DEPLOYED, Acts
from tests.story.faults import (
    backed_up_now,
    is_back,
    kill_dump,
    launched,
    no_backup,
    offers_a_retry_and_no_skip,
    retried,
    rolled_back,
    small_disk,
    start,
    stops,
    until,
)
from tests.story.portrait import differences
from tests.story.shown import on_screen

pytestmark = [
    pytest.mark.server("postgis"), pytest.mark.server("sshd"), pytest.mark.usefixtures("home"),
]  # fmt: skip
HANGS = """
for one; do case $one in --file=*) echo "a part of a dump" >"${one#--file=}" ;; esac; done
case $1 in --version) exec "$real" "$@" ;; esac
echo $$ >"$(dirname "$0")/pid"
exec sleep 60
"""
"""A pg_dump that has written something and takes its time."""
BREAKS = """
case "$*" in *--exit-on-error*) ;; *) exec "$real" "$@" ;; esac
mkfifo "$0.said"
"$real" "$@" 2>"$0.said" &
while read -r line; do
  echo "$line" >&2
  case $line in *"processing data for table"*)
    kill -STOP $!
    "$(dirname "$0")/psql" -X -q -A -t -d postgres -c "SELECT pg_terminate_backend(pid)
      FROM pg_stat_activity WHERE datname = 'optibid_restoring'" >"$0.ended"
    kill -CONT $! ;;
  esac
done <"$0.said"
wait $!
"""
"""A pg_restore whose session the server ends once it is well into it."""


async def test_a_dump_that_is_killed_is_no_backup_and_is_made_anew(acts: Acts) -> None:
    stage = acts.take(BEFORE)
    stage.wrap("pg_dump", HANGS)
    async with stage.played() as screen:
        await start(screen, "backup")
        await until(lambda: (stage.programs / "pid").exists())
        await asyncio.to_thread(kill_dump, stage)
        said = "pg_dump was killed by signal 9; the unfinished dump was removed"
        await stops(screen, "1a", f"failed: {said}")
        no_backup(stage, screen.state)
        await offers_a_retry_and_no_skip(stage, screen.state, said)
        stage.unwrap("pg_dump")
        await retried(screen, "backup1")
        backed_up_now(stage, screen.state)


@needs_mount
async def test_a_backup_that_fills_the_disk_is_none_and_is_made_anew(acts: Acts) -> None:
    stage = acts.take(BEFORE)
    with small_disk(stage.host / "backups"):
        # the space that is asked for goes by the last backup, which was far smaller
        (stage.host / "backups" / "optibid_20250101_000000.dump").write_text("of last year")
        async with stage.played() as screen:
            await start(screen, "backup")
            action = await stops(screen, "1a", "No space left on device")
            assert action.endswith("the unfinished dump was removed")
            no_backup(stage, screen.state, "optibid_20250101_000000.dump")
            await offers_a_retry_and_no_skip(stage, screen.state, "No space left on device")
    async with stage.played() as screen:  # somebody has made room
        await retried(screen, "backup1")
        backed_up_now(stage, screen.state)


async def test_a_migration_that_fails_half_way_is_named_and_rolled_back(acts: Acts) -> None:
    stage = acts.take(BACKED_UP)
    (stage.host / "migrations" / "005_halves.sql").write_text(
        "CREATE TABLE halves (id int); SELECT 1 / 0;"
    )
    async with stage.played() as screen:
        await start(screen, "migrate")
        said = await stops(screen, "2a", "004_settlement applied")
        assert "005_halves" in said
        assert "division by zero" in said
        known = screen.state.databases["optibid"]
        assert known.applied_here == ("004_settlement",)
        assert stage.sql("SELECT to_regclass('halves')") == [(None,)]
        assert known.no_return.migration == "004_settlement"
        seen = await offers_a_retry_and_no_skip(stage, screen.state, said.removeprefix("failed: "))
        assert "004_settlement" in seen
        await rolled_back(stage, screen, acts.backed_up)


async def test_a_migration_that_waits_for_a_lock_names_who_holds_it_and_gives_up(
    acts: Acts,
) -> None:
    stage = acts.take(BACKED_UP)
    with stage.session() as reports:
        reports.execute("SELECT count(*) FROM bids")  # its lock lasts until its transaction ends
        async with stage.played() as screen:
            await start(screen, "migrate")
            await screen.until(lambda one: "reports" in blockers(one))
            said = await stops(screen, "2a", "lock timeout")
            assert not screen.state.databases["optibid"].applied_here
            assert screen.state.point_of_no_return() is None
            await offers_a_retry_and_no_skip(stage, screen.state, said.removeprefix("failed: "))
            reports.rollback()
            await retried(screen, "migrate1")
            assert screen.state.databases["optibid"].applied_here == ("004_settlement",)


def blockers(screen: Attached) -> str:
    waits = [one for one in screen.events if isinstance(one, LockWaits) and one.waits]
    return " ".join(each.application for each in waits[-1].waits[0].blockers) if waits else ""


async def test_a_restore_that_breaks_in_the_middle_leaves_the_database_and_is_done_again(
    acts: Acts,
) -> None:
    stage = acts.take(DEPLOYED)
    stage.backend("stop")
    migrated = stage.portrait()
    stage.backend("start")
    stage.wrap("pg_restore", BREAKS)
    async with stage.played() as screen:
        await start(screen, "rollback")
        said = await stops(screen, "R2", "; the database is as it was")
        lines = screen.state.runs[screen.state.step("R2", "rollback1").run_id].ended.last_lines
        assert re.search("terminating connection|server closed the connection", " ".join(lines))
        assert stage.databases() == ["optibid"]
        # v2 had written a little before it was stopped
        assert set(differences(migrated, stage.portrait())) <= {
            '"public"."bids"', '"public"."audit_logs"', "sequences",
        }  # fmt: skip
        await offers_a_retry_and_no_skip(stage, screen.state, said)
        stage.unwrap("pg_restore")
        await retried(screen, "rollback1")
    is_back(stage, acts.backed_up)


async def test_a_console_that_is_stuck_in_the_restore_is_taken_over_by_a_second_one(
    acts: Acts,
) -> None:
    stage = acts.take(DEPLOYED)
    first = await stage.engine("--as", "ann")
    async with stage.attached("ann") as screen:
        await start(screen, "rollback")
        await screen.until(lambda one: launched(one.state, "R2"))
        first.send_signal(signal.SIGSTOP)
    second = await stage.engine("--as", "ben", "--take-over", "ann's console is stuck")
    async with stage.attached("ben") as screen:
        await screen.until(lambda one: one.state.actions["rollback1"].outcome)
        assert screen.state.actions["rollback1"].outcome is Outcome.SUCCEEDED
        assert screen.state.operator == "ben"
        seen = await on_screen(stage)
        assert "operator ben" in seen
    first.send_signal(signal.SIGCONT)
    assert await stage.end(first, 0) == 3
    assert await stage.end(second) == 0
    is_back(stage, acts.backed_up)


async def test_a_database_that_is_away_when_R_is_pressed_is_said_and_waited_for(
    acts: Acts,
) -> None:
    stage = acts.take(DEPLOYED)
    refused = f"127.0.0.1:{stage.server.port} refused the connection"
    async with stage.played() as screen:
        await screen.until(lambda one: one.state.databases["optibid"].cost is not None)
        stage.server.stop("immediate")
        try:
            await screen.until(lambda one: one.state.databases["optibid"].cost.problem)
            seen = preview(screen.state, "rollback", screen.state.at)
            assert refused in seen.costs[0]
            assert "returns to" in seen.costs[1]  # what was known last
            assert not seen.refused
            assert refused in await on_screen(stage, "R")
            await start(screen, "rollback")
            said = await stops(screen, "R2", refused)
            await offers_a_retry_and_no_skip(stage, screen.state, said)
        finally:
            stage.server.start()
        await retried(screen, "rollback1")
    is_back(stage, acts.backed_up)


async def test_a_previous_release_that_is_gone_darkens_the_lamp_and_is_unpacked_again(
    acts: Acts,
) -> None:
    stage = acts.take(DEPLOYED)
    shutil.rmtree(stage.host / "releases" / "v1")
    missing = "the previous release is there: failing"
    async with stage.played() as screen:
        await screen.until(lambda one: missing in one.state.readiness["rollback"].missing)
        seen = await on_screen(stage, "R")
        assert missing in seen
        refused = await screen.send(c.StartAction("rollback", "rollback"))
        assert "the previous release is there: exit 1" in refused.why
        await start(screen, "rollback", refused.words, anyway=True)
        await stops(screen, "R3", "exit 1")
        kept = stage.host / "backups" / "release.tar.gz"
        run = screen.state.runs[screen.state.step("R3", "rollback1").run_id]
        assert run.ended.last_lines[-1] == f"releases/v1 is missing: unpack {kept}"
        assert stage.runs() == "v2"
        await offers_a_retry_and_no_skip(stage, screen.state, run.ended.last_lines[-1])
        subprocess.run(["tar", "-xzf", kept, "-C", stage.host], check=True)
        await retried(screen, "rollback1")
    is_back(stage, acts.backed_up)
