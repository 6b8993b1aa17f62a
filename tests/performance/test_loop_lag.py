"""The engine's event loop is watched: it stays quick under a flood, and a block is noticed.

Limits are three times what `tests/bench` asks, for machines that are busy otherwise.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from optibid_console.engine.judging import PulseTaker
from optibid_console.engine_process import Wanted, find_or_start
from optibid_console.engine_record import EngineRecord
from optibid_console.feed.client import FeedSource
from optibid_console.signals import LogLines, Missed, Pulse, Signal
from tests.bench.figures import percentile
from tests.bench.measured import LAG_DIR, lags

pytestmark = pytest.mark.alone

BENCH = Path(__file__).parents[1] / "bench"
LINES_S, FLOOD_S = 20_000, 4.0
LAG_MS = 150.0
CONFIG = """
[window]
name = "Flood"
version = "v1"
stack = "directory"

[targets.local]
kind = "local"
run_dir = "{dir}/runs"
cwd = "{dir}"

[tails.flood]
path = "{dir}/flood.log"

[[phases]]
id = "only"
title = "Only"
at = "T-5m"

[[phases.steps]]
id = "1"
title = "Look"
kind = "manual"
"""


@dataclass
class Taken:
    """What a screen got of a flood."""

    lines: int = 0
    lost: int = 0
    pulses: list[Pulse] = field(default_factory=list)

    def take(self, event: object) -> None:
        if isinstance(event, LogLines):
            self.lines += event.count
            self.lost += event.dropped
        elif isinstance(event, Missed):
            self.lost += event.lines
        elif isinstance(event, Pulse):
            self.pulses.append(event)


@pytest.fixture
async def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EngineRecord]:
    """A real engine on a config with one tail, its loop watched from inside."""
    (tmp_path / "flood.log").touch()
    (tmp_path / "lag").mkdir()
    config = tmp_path / "config.toml"
    config.write_text(CONFIG.format(dir=tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv(LAG_DIR, str(tmp_path / "lag"))
    path = [str(BENCH / "lag_watch"), str(BENCH.parents[1])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    record = await find_or_start(Wanted(config, "Flood", "oncall-1", tmp_path / "w.journal"))
    yield record
    os.kill(record.pid, signal.SIGTERM)


async def test_the_loop_stays_quick_while_a_log_pours_in(
    engine: EngineRecord, tmp_path: Path
) -> None:
    taken = Taken()
    source = FeedSource(Path(engine.socket), "watcher", "watch")
    began = time.time()
    writer: asyncio.subprocess.Process | None = None
    async with asyncio.timeout(60):
        events = source.events()
        async for event in events:
            taken.take(event)
            if writer is None and isinstance(event, LogLines) and "connected" in event.notice:
                writer = await asyncio.create_subprocess_exec(
                    sys.executable, str(BENCH / "flood_writer.py"), str(tmp_path / "flood.log"),
                    str(LINES_S), str(FLOOD_S), stdout=PIPE,
                )  # fmt: skip
            if taken.lines >= LINES_S * FLOOD_S:
                break
        await cast(Any, events).aclose()
    assert writer is not None
    said, _ = await writer.communicate()
    assert taken.lines == json.loads(said)["lines"]
    assert taken.lost == 0
    late = lags(tmp_path / "lag", "engine", began, time.time())
    assert percentile(late, 99) < LAG_MS
    assert taken.pulses


class Told:
    """A ledger that keeps what it is told, and says when it is told something."""

    def __init__(self) -> None:
        self.problem = ""
        self.signals: asyncio.Queue[Signal] = asyncio.Queue()

    def silence(self) -> str:
        return ""

    def signal(self, signal: Signal) -> None:
        self.signals.put_nowait(signal)


async def test_a_call_that_blocks_the_loop_is_told() -> None:
    told = Told()
    taker = PulseTaker(cast(Any, told))
    running = asyncio.create_task(taker.run())
    try:
        async with asyncio.timeout(10):
            calm = cast(Pulse, await told.signals.get())
            time.sleep(0.4)  # what nobody may do in the engine
            blocked = cast(Pulse, await told.signals.get())
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert calm.lag_ms < LAG_MS < blocked.lag_ms
    assert round(taker.worst_ms, 1) >= blocked.lag_ms


def test_lags_are_read_per_process_and_within_a_time(tmp_path: Path) -> None:
    (tmp_path / "engine-1.lag").write_text("[[10.0, 1.5], [11.0, 9.0]]\n[[12.0, 2.0]]\n")
    (tmp_path / "screen-2.lag").write_text("[[11.0, 70.0]]\n")
    assert lags(tmp_path, "engine", 10.5, 12.5) == [9.0, 2.0]
    assert percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert percentile([float(one) for one in range(1, 101)], 99) == 99.0
