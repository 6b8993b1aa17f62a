"""Floods at the observers' port, shortened; `./run bench door` has them whole."""

from __future__ import annotations

import asyncio
import logging
import os
from functools import partial
from pathlib import Path

import pytest

from optibid_console.admission.connections import Standing
from optibid_console.admission.throttle import LOG_LINES
from optibid_console.source import CaughtUp, Lost
from tests.admission.newcomers import SHARE, Attack, attacked, newcomers, watch
from tests.feed.observing import Shared, own_state

ATTACKER, ELSEWHERE = ("127.0.1.1",), ("127.0.2.1", "127.0.2.2", "127.0.3.1")
WITHIN_S = 30


@pytest.fixture
async def guarded(window, tmp_path, monkeypatch):
    """A shared window with the limits and delays that it has in production."""
    own_state(tmp_path, monkeypatch)
    shared = Shared(window)
    await shared.start()
    yield shared
    await shared.listener.close("over")


@pytest.mark.alone
@pytest.mark.parametrize(
    ("attack", "sources"),
    [
        (Attack("bare", 600, ATTACKER), ELSEWHERE),
        (Attack("silent", 600, ATTACKER), ATTACKER),
        (Attack("token", 100, ATTACKER), ATTACKER),
        (Attack("half-open", 600, ATTACKER), ELSEWHERE),
    ],
    ids=["bare", "silent, own address", "wrong tokens, own address", "half-open"],
)
async def test_newcomers_come_in_beside_a_flood(guarded, caplog, attack, sources) -> None:
    caplog.set_level(logging.WARNING)
    come = partial(watch, guarded.link())
    came = await newcomers(attack, guarded.port, come, sources, 20, seconds=1.0, after_s=0.8)
    assert came.share >= SHARE, came
    assert came.attackers["opened"] >= attack.rate
    assert len(caplog.records) <= LOG_LINES
    assert guarded.door.refused == 0


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.alone
async def test_half_open_connections_cost_little_and_are_gone_in_time(guarded) -> None:
    from optibid_console.feed.observer import ObserverSource
    from tests.feed.screen import Screen

    one = Screen(ObserverSource(guarded.link(), "bob"))
    await one.until(lambda events: any(isinstance(event, CaughtUp) for event in events))
    before, most = resident_bytes(), 0
    async with attacked(Attack("half-open", 1_000, ATTACKER), guarded.port, 1.5) as flood:
        while flood.returncode is None:
            await asyncio.sleep(0.02)
            most = max(most, resident_bytes())
            assert guarded.door.count(Standing.HANDSHAKING) <= 128
            assert guarded.door.inside <= 400
    assert guarded.door.evicted > 500
    assert most - before < 40_000_000
    async with asyncio.timeout(WITHIN_S):
        while guarded.door.inside > 1:
            await asyncio.sleep(0.02)
    assert guarded.listener.watchers == 1
    assert one.of(Lost) == []
    await one.close()
