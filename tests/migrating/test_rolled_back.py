"""After a rollback: no probe is red for what it meant, and what it kept is listed until dropped."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from optibid_console.cli.action_result import over
from optibid_console.engine import database_watch
from optibid_console.entries import Outcome
from optibid_console.plan import preview
from optibid_console.source import CaughtUp
from optibid_console.status import describe, lines
from probes.probe import Status
from screens.view import View
from screens.widgets.probes import probes_lines
from tests.migrating.conftest import Window
from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.server("postgres")

ADD = "ALTER TABLE bids ADD COLUMN settlement_price numeric(10, 2);"
PROBE = """
[probes.applied]
kind = "postgres"
title = "migrations applied"
host = "127.0.0.1"
port = {port}
dbname = "migrating"
user = "postgres"
password = "${{DB_PASSWORD}}"
migration = "004"
brought_by = ["2m"]
every = "200ms"
"""


async def test_what_a_rollback_meant_is_not_red_and_what_it_kept_is_listed_until_it_is_dropped(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_watch, "_RIGHTS_EVERY_S", 0.2)
    monkeypatch.setattr(database_watch, "EVERY_S", 0.2)
    window.database = PROBE.format(port=window.server.port)
    window.migration("004_market_prices", ADD)
    async with window.open() as bench:
        await window.record_backup()
        await bench.until(lambda state: state.databases["optibid"].backup_schema)
        state = await bench.until(lambda state: state.readings.get("applied"))
        (failing,) = describe(state, Path("j"), None).failing_probes
        assert failing.startswith("applied: ")  # it isn't there yet: nothing was rolled back
        assert (await window.migrate())[0] is Outcome.SUCCEEDED
        await bench.until(lambda state: state.readings["applied"].status is Status.OK)
        assert (await window.roll_back())[0] is Outcome.SUCCEEDED
        await bench.until(lambda state: state.readings["applied"].status is Status.FAILING)
        state = bench.state
        status = describe(state, Path("j"), None, state.at)
        said = "rolled back (2m): migration 004 not there, the latest is 003_seed"
        assert status.failing_probes == ()
        assert [one.partition(", wanted")[0] for one in status.rolled_back_probes]
        assert status.rolled_back_probes[0].startswith("applied: rolled back (2m): migration 004")
        assert "the latest is 003_seed" in status.rolled_back_probes[0]
        view = View("ann", clock=lambda: state.at)
        for entry in bench.heard.entries:
            view.take(entry)
        view.take(CaughtUp(state.seq))
        assert view.health("applied", state.readings["applied"].at) == "undone"
        drawn = [one.text for one in probes_lines(view, 80, state.readings["applied"].at)]
        assert drawn[0].startswith("↶ migrations applied")
        assert drawn[0].endswith("rolled back")
        assert drawn[1].strip().startswith(said[:40])
        await _listed_until_dropped(window, view)


async def _listed_until_dropped(window: Window, view: View) -> None:
    bench = window.bench
    restored = bench.state.databases["optibid"].restored
    assert restored is not None
    status = describe(bench.state, Path("j"), None, bench.state.at)
    (kept,) = status.kept
    assert kept.startswith(f"{restored.kept_as} on local: ")
    assert " MB, kept for 0:0" in kept
    assert f"kept {kept}" in list(lines(status))
    (way_on,) = over(bench.state, bench.state.actions["rollback1"]).way_on
    command = kept.partition("; drop it: ")[2]
    assert way_on.endswith(command)
    assert preview(view.state, "rollback", bench.state.at).costs == ()
    done = await asyncio.to_thread(
        subprocess.run, ["/bin/sh", "-c", command],
        env={**os.environ, "PGPASSWORD": PostgresServer.password}, check=True,
    )  # fmt: skip
    assert done.returncode == 0
    await bench.until(lambda state: state.databases["optibid"].kept == ())
    names = window.server.execute("SELECT datname FROM pg_database WHERE datname LIKE 'migrating%'")
    assert names == [("migrating",)]
