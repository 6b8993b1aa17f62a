"""An engine killed at any point of a restore: after its restart one swap, one outcome."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from optibid_console import commands as c
from optibid_console.entries import (
    Choice,
    DatabaseRestored,
    Outcome,
    StepFinished,
)
from optibid_console.state import StepStatus
from tests.crash.conftest import room  # noqa: F401 - a fixture
from tests.crash.place import Place
from tests.migrating.conftest import CONFIG, TOOLS, Window
from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.server("postgres")

R1 = CONFIG[
    CONFIG.index('[[actions.steps]]\nid = "R1"') : CONFIG.index('[[actions.steps]]\nid = "R2"')
]


@pytest.fixture
def place(
    room: Path,  # noqa: F811 - the fixture itself
    window: Window,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Place]:
    monkeypatch.setenv("DB_PASSWORD", PostgresServer.password)
    place = Place(room)
    (room / "migrations").symlink_to(window.room / "migrations")
    place.config.write_text(
        CONFIG.replace(R1, "").format(
            room=room, port=window.server.port, tools=TOOLS, dbname=window.dbname, runner="",
            lock_timeout="10s", evidence_timeout="10s", revision="",
        )
    )  # fmt: skip
    yield place
    place.clear()


@pytest.mark.parametrize("point", ["after-launch", "while-following", "after-end-recorded"])
async def test_a_kill_there_leaves_one_swap_and_one_outcome(
    place: Place, window: Window, point: str
) -> None:
    window.migration("004_market_prices", "ALTER TABLE bids ADD COLUMN x int; DELETE FROM bids;")
    before = window.contents()
    first = await place.engine()
    async with place.attached() as screen:
        for step in ("1b", "2m"):
            assert isinstance(await screen.send(c.RunStep(step)), c.Accepted)
            await screen.until(
                lambda one, step=step: one.state.step(step).status is StepStatus.DONE
            )
    await place.end(first)
    second = await place.engine(stop_at=point)
    async with place.attached() as screen:
        await screen.send(c.StartAction("rollback", "rollback"))
        assert await place.end(second, 0) == -signal.SIGKILL
    third = await place.engine()
    async with place.attached() as screen:
        await screen.until(lambda one: not one.state.action() or one.state.action().stopped_at_step)
        action = screen.state.action()
        if action is not None:
            await screen.send(c.Decide(action.action_run, Choice.RETRY))
        await screen.until(lambda one: not one.state.action())
    await place.end(third)
    assert place.state().actions["rollback1"].outcome is Outcome.SUCCEEDED
    assert len(place.facts(DatabaseRestored)) == 1
    ended = [one.fact.run_id for one in place.facts(StepFinished)]
    assert len(ended) == len(set(ended))
    assert window.contents() == before
    kept = "SELECT count(*) FROM pg_database WHERE datname LIKE 'migrating_%'"
    assert window.server.execute(kept) == [(1,)]
