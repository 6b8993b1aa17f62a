"""While a forced rollback is recorded beside the journal, the screen says so, and where."""

from __future__ import annotations

import pytest

from optibid_console import entries as e
from optibid_console.signals import Pulse
from tests.screens import recording as rec
from tests.screens.conftest import Start

PLACE = "/home/deploy/.local/state/optibid-console/windows/optibid-20261124_195800.spill"


def spilling() -> rec.Recorder:
    r = rec.tripped()
    r.add(e.SpillOpened(PLACE, "the disk is full"), actor="console")
    return r


@pytest.mark.parametrize("size", [(160, 45), (80, 24)])
async def test_why_nothing_is_recorded_is_said_and_what_can_be_done(
    console: Start, size: tuple[int, int]
) -> None:
    problem = "the journal /srv/a.journal can't be written: database or disk is full; make space"
    async with console(rec.tripped(), size=size) as it:
        it.source.push(Pulse(rec.NOW, 0.1, False, problem))
        await it.settle()
        assert "✗ NOT RECORDING" in it.seen("header")
        assert "NOT RECORDING: nothing new can start" in it.seen("banner")
        assert "database or disk is full; make space" in it.seen("banner")
        assert "R  forced rollback" in it.seen("banner")
        await it.press("R")
        assert any("you are asked once more" in one for one in it.sheet_lines())
        await it.press("escape", "l")
        assert "Nothing is recorded now" in it.sheet()


@pytest.mark.parametrize("size", [(160, 45), (80, 24)])
async def test_the_header_says_spill_and_the_window_names_the_file_whole(
    console: Start, size: tuple[int, int]
) -> None:
    recorder = spilling()
    async with console(recorder, size=size) as it:
        it.source.push(Pulse(rec.NOW, 0.1, False, "the disk is full"))
        await it.settle()
        assert "● SPILL" in it.seen("header")
        assert "NOT RECORDING" not in it.seen("header")
        assert "The journal is away" in it.seen("banner")
        await it.press("l")
        assert PLACE in "".join(it.sheet().split())
        assert "(the disk is full)" in it.sheet()
        await it.press("escape")
        recorder.add(e.SpillMerged(40, 47, PLACE), actor="console")
        it.source.push(recorder.entries[-1], Pulse(rec.NOW, 0.1))
        await it.settle()
        assert "SPILL" not in it.seen("header")
        assert "● rec" in it.seen("header")
        assert "The journal is away" not in it.seen("banner")
