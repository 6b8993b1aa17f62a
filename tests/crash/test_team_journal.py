"""Engines on one PostgreSQL journal: one launch, one operator, one chain, whatever happens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from optibid_console import engine_record
from optibid_console.commands import RunStep
from optibid_console.engine_process import Wanted, find_or_start
from optibid_console.journal import places
from optibid_console.state import StepStatus
from tests.crash.conftest import Place
from tests.servers.team import Team

pytestmark = pytest.mark.server("postgres")


@pytest.fixture
def place(room: Path, team: Team) -> Iterator[Place]:
    place = Place(room, journal=team.address(window=""))
    yield place
    place.clear()


async def test_a_window_is_run_resumed_and_verified_by_its_address(place: Any) -> None:
    wanted = Wanted(place.config, "Little window", "ann", place.journal)
    record = await find_or_start(wanted)
    address = place.journal = places.newest(place.journal)
    assert record.journal == str(address)
    assert engine_record.find(address) == record
    async with place.attached() as ann:
        await ann.send(RunStep("1.1"))
        await ann.until(lambda one: one.state.step("1.1").status is StepStatus.DONE)
        assert ann.state.epoch == 1
    assert (await find_or_start(wanted)).pid == record.pid
    os.kill(record.pid, 9)
    again = await find_or_start(wanted)
    assert (again.journal, again.pid == record.pid) == (record.journal, False)
    async with place.attached() as ann:
        assert ann.state.step("1.1").status is StepStatus.DONE
        assert ann.state.epoch == 2
    os.kill(again.pid, 15)
    assert places.verify(address).problem == ""
    assert place.lines("launches") == 1
