"""Windows that follow each other in a team's database know of each other's measures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from optibid_console.commands import Accepted, CloseWindow, RunStep
from optibid_console.journal import places
from optibid_console.state import StepStatus
from tests.crash.place import Place
from tests.servers.team import Team

pytestmark = pytest.mark.server("postgres")


@pytest.fixture
def place(room: Path, team: Team) -> Iterator[Place]:
    place = Place(room, journal=team.address(window=""))
    yield place
    place.clear()


async def test_a_window_knows_how_long_the_steps_of_the_one_before_took(
    place: Any, team: Team
) -> None:
    engine = await place.engine("--as", "ann")
    whole, place.journal = place.journal, places.newest(place.journal)
    async with place.attached() as ann:
        await ann.send(RunStep("1.1"))
        await ann.until(lambda one: one.state.step("1.1").status is StepStatus.DONE)
        first = ann.state.window_id
        assert ann.state.earlier is None
        assert isinstance(await ann.send(CloseWindow("abandoned", "again")), Accepted)
    assert await place.end(engine, 0) == 0
    place.journal = whole
    engine = await place.engine("--as", "ann")
    place.journal = places.newest(whole)
    async with place.attached() as ann:
        await ann.until(lambda one: one.state.earlier)
        assert ann.state.earlier.windows == (first,)
        assert ann.state.earlier.steps["1.1"].seconds > 0
    assert await place.end(engine) == 0
