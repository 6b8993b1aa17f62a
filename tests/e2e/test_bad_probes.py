"""Probes that hang, get garbage or a gigabyte: said as they are, and the others go on."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from optibid_console import engine_record
from optibid_console.feed.client import FeedSource
from optibid_console.signals import Sampled
from probes.probe import Reading
from tests.e2e.conftest import RUNBOOK, Home
from tests.e2e.terminal import WITHIN_S

BAD = ("hang", "garbage", "gigabyte")
PROBE = """
[probes.{name}]
kind = "http"
url = "http://127.0.0.1:{port}/{name}"
every = "500ms"
timeout = "400ms"
"""
COMMANDS = """
[probes.sleeps]
kind = "command"
run = "sleep 1000"
every = "500ms"
timeout = "400ms"

[probes.floods]
kind = "command"
run = "exec cat /dev/zero"
every = "500ms"
timeout = "400ms"
"""
WATCHED_S = 4.0


@pytest.fixture
def port() -> Iterator[int]:
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("endless_server.py"))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with server:
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.communicate()


@pytest.fixture
def misbehaving(home: Home, port: int) -> Home:
    bad = "".join(PROBE.format(name=name, port=port) for name in BAD)
    home.config.write_text(RUNBOOK.replace("[[phases]]", bad + COMMANDS + "\n[[phases]]", 1))
    return home


def peak_mb(pid: int) -> float:
    """The most memory that a process ever had, proc(5)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) / 1000


def test_probe_prints_what_happened_and_that_it_is_no_measurement(misbehaving: Home) -> None:
    ended = misbehaving.run("probe", "--json", "beat", *BAD, "sleeps", "floods")
    found = {one["probe"]: one for one in json.loads(ended.stdout)}
    assert ended.returncode in (1, 4)
    assert found["beat"]["status"] == "ok"
    for name in ("hang", "garbage", "gigabyte", "sleeps", "floods"):
        assert found[name]["status"] in ("error", "failing")
        assert found[name]["took_ms"] < 1500
    assert len({found[name]["summary"] for name in BAD}) == len(BAD)
    text = misbehaving.run("probe", *BAD).stdout
    assert len(text.splitlines()) == len(BAD)
    assert "\x1b" not in text
    assert "owned\x07" not in text


@pytest.mark.alone
async def test_the_others_keep_their_cadence(misbehaving: Home) -> None:
    screen = await asyncio.to_thread(misbehaving.console)
    (engine,) = engine_record.running()
    source = FeedSource(Path(engine.socket), "watcher", "watch")
    seen: dict[str, list[Reading]] = defaultdict(list)

    async def watch() -> None:
        async with aclosing(source.events()) as events:
            async for event in events:
                if isinstance(event, Sampled):
                    seen[event.reading.probe].append(event.reading)

    watching = asyncio.create_task(watch())
    async with asyncio.timeout(WITHIN_S):
        while not all(seen[name] for name in (*BAD, "sleeps", "floods", "beat")):
            await asyncio.sleep(0.05)
    before = Counter({name: len(found) for name, found in seen.items()})
    await asyncio.sleep(WATCHED_S)
    counts = Counter({name: len(found) for name, found in seen.items()}) - before
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert counts["beat"] >= WATCHED_S / 0.2 - 3
    for name in (*BAD, "sleeps", "floods"):
        assert counts[name] >= WATCHED_S / 0.5 / 2 - 1
        assert all(one.status.value in ("error", "failing") for one in seen[name])
    assert peak_mb(engine.pid) < 200
    await asyncio.to_thread(screen.until, "✓ beat")
    assert "\x1b]0;owned" not in screen.raw
