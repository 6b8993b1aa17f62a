"""The log pane keeps up with 50,000 lines a second; limits are generous, for slow machines.

Figures are CPU seconds of this process, so that a busy machine doesn't fail them.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

import pytest

from optibid_console.signals import LogLines
from screens.widgets.ring import Ring

pytestmark = pytest.mark.alone

BATCH_LINES = 2_500
LINE = b"2026-11-24 20:17:42 - main - INFO - request %06d done ".ljust(119, b"x") + b"\n"
SIZE = (160, 45)


def batch(number: int) -> LogLines:
    data = b"".join(LINE % (number * BATCH_LINES + at) for at in range(BATCH_LINES))
    return LogLines("backend", data, BATCH_LINES)


async def test_a_second_of_fifty_thousand_lines_costs_little(pane_app: Any) -> None:
    app = pane_app(None)
    batches = [batch(number) for number in range(20)]
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        adds: list[float] = []
        began = time.process_time()
        for one in batches:
            before = time.process_time()
            app.pane.add(one)
            adds.append(time.process_time() - before)
            await asyncio.sleep(0.05)
        cpu_s = time.process_time() - began
    assert statistics.median(adds) < 0.002
    assert cpu_s < 0.4  # of about one second
    assert app.pane.ring.end == 50_000


async def test_keys_are_answered_while_lines_pour_in(pane_app: Any) -> None:
    app = pane_app(None)
    one = batch(0)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        delays: list[float] = []
        app.pane.filter_by("level:error")
        for _ in range(40):
            app.pane.add(one)
            before = time.process_time()
            app.pane.action_rows(-1)
            app.pane._tick()
            delays.append(time.process_time() - before)
            await asyncio.sleep(0)
    assert max(delays) < 0.08


def test_memory_is_flat_once_the_ring_is_full() -> None:
    ring = Ring(max_lines=20_000)
    one = batch(0).data
    sizes = []
    for _ in range(60):
        ring.append(one, 0)
        sizes.append(ring.size_bytes)
    assert max(sizes[10:]) <= (20_000 + 2 * BATCH_LINES) * len(LINE)


async def test_filtering_a_full_ring_never_holds_up_the_loop(pane_app: Any, settle: Any) -> None:
    app = pane_app(None)
    one = batch(0)
    async with app.run_test(size=SIZE) as pilot:
        for _ in range(40):
            app.pane.add(one)
        app.pane.filter_by(r"/done x+$/ level:info")
        slices: list[float] = []
        index = app.pane.view.index
        while index.scanned < app.pane.ring.end:
            before = time.process_time()
            app.pane._tick()
            slices.append(time.process_time() - before)
        assert len(slices) > 1
        assert max(slices) < 0.05
        await settle(pilot)
        assert len(index) == 100_000
