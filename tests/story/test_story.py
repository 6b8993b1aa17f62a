"""The whole story with 1,000,000 rows: backup, migrate, a bad release, rollback; the engine dies
in each step of the rollback and another goes on; the database is the one that was backed up."""

from __future__ import annotations

import time

import pytest

from optibid_console import commands as c
from optibid_console.entries import DatabaseRestored, Outcome, StepFinished, StepStarted
from optibid_console.journal.chain import verify
from optibid_console.plan import preview
from tests.servers.postgres import PostgresServer
from tests.story.conftest import BIG, filled
from tests.story.portrait import differences, rows
from tests.story.stage import Stage, step

pytestmark = [pytest.mark.server("postgis"), pytest.mark.server("sshd"), pytest.mark.slow]


async def test_a_bad_release_of_a_million_rows_is_rolled_back_by_one_engine_after_another(
    cluster: PostgresServer, stage: Stage
) -> None:
    filled(cluster, "big", BIG)
    stage.take_database("big")
    cluster.execute("DROP DATABASE big")
    stage.configure(bids=600_000)
    stage.backend("start")
    backed_up = stage.portrait()
    assert rows(backed_up) > BIG
    async with stage.played() as screen:
        for one in ("1a", "1b", "1c", "2a", "3a"):
            ended = await step(screen, one)
            assert ended.outcome is Outcome.SUCCEEDED, (one, ended)
        assert "004_settlement" in screen.state.databases["optibid"].to_restore
        await screen.until(lambda one: one.state.readiness["rollback"].ready)
        # it looked well, and goes bad
        (stage.host / "releases" / "v2" / "broken").touch()
        await screen.until(lambda one: "can't be priced" in one.state.criteria["health"].reason)
        await screen.until(lambda one: one.state.failing_criteria() == ("health",))
        await screen.until(lambda one: one.state.databases["optibid"].cost is not None)
        seen = preview(screen.state, "rollback", time.time())
        assert "bids can't be priced" in seen.why_now[0]
        assert not seen.refused
        assert not seen.not_ready, seen.not_ready
        assert [one.step_id for one in seen.steps if one.included] == ["R1", "R2", "R3", "R4", "R5"]
        assert "of WAL since then are lost" in seen.costs[0]

    first = await stage.engine(stop_at="after-launch")
    async with stage.attached("ann") as screen:
        assert isinstance(await screen.send(c.StartAction("rollback", "rollback")), c.Accepted)
        await stage.killed(first)
    # each takes over what the one before had launched, and dies in the next step
    for killed_in in ("R2", "R3", "R4"):
        await stage.killed(await stage.engine(stop_at="after-launch"))
        assert begun_last(stage) == killed_in
    await stage.killed(await stage.engine(stop_at="after-step-started"))
    assert begun_last(stage) == "R5"
    async with stage.played() as screen:
        await screen.until(lambda one: one.state.action() is None)
        action = screen.state.actions["rollback1"]
        assert (action.outcome, action.by) == (Outcome.SUCCEEDED, "ann")
        assert not screen.state.failing_criteria()

    assert differences(backed_up, stage.portrait()) == []
    assert stage.runs() == "v1"
    (restored,) = stage.facts(DatabaseRestored)
    assert stage.databases() == sorted(["optibid", restored.fact.kept_as])
    assert stage.sql("SELECT count(*) FROM bids WHERE price = 0", restored.fact.kept_as)[0][0] > 0
    ended = [one.fact.step_id for one in stage.facts(StepFinished)]
    assert ended == ["1a", "1b", "1c", "2a", "3a", "R1", "R2", "R3", "R4", "R5"]
    assert verify(stage.journal).problem == ""


def begun_last(stage: Stage) -> str:
    return str(stage.facts(StepStarted)[-1].fact.step_id)
