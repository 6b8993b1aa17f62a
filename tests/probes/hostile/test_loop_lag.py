"""Hostile answers against hard patterns, through real probes: the event loop goes on meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket

from optibid_console.runbook.model import TargetSpec
from optibid_console.targets.local import LocalTarget
from probes import registry
from probes.command import MAX_BYTES, CommandSettings
from probes.http import HttpSettings
from probes.http_answer import HttpExpect
from probes.metrics_page import MetricsSettings
from probes.postgres import PostgresExpect, PostgresSettings
from probes.probe import Probe, Reading, Status, take
from probes.prometheus import PrometheusSettings
from probes.websocket import WebSocketSettings
from tests.probes.metrics.pages import PageServer

pytestmark = pytest.mark.alone

MOST_CPU_S = 0.1
"""What the loop's thread may work between two turns: a search on it would be seen."""
MOST_HELD_S = 0.3
"""What all threads may work between two turns of the loop: one that kept the GIL would be seen.

Processor time, not the clock's: what other programs take from this one says nothing of it.
"""
LENGTH = 250_000
RUNAWAY = r"^(\w+\s?)*$"
SLOW = r"([ab]{0,90}a){3}c"
"""RE2 can't keep its states here: it takes two seconds and more for a megabyte of as and bs."""
REPEATED = b"a" * LENGTH + b"!"
MIXED = bytes(random.Random(1).choices(b"ab", k=LENGTH)) + b"!"


@dataclass
class Lag:
    """The most processor time between two turns of the loop, of its thread and of all threads."""

    cpu_s: float = 0.0
    held_s: float = 0.0


@asynccontextmanager
async def watched() -> AsyncIterator[Lag]:
    lag = Lag()

    async def watch() -> None:
        while True:
            cpu, held = time.thread_time(), time.process_time()
            await asyncio.sleep(0.005)
            lag.cpu_s = max(lag.cpu_s, time.thread_time() - cpu)
            lag.held_s = max(lag.held_s, time.process_time() - held)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.02)
    try:
        yield lag
        await asyncio.sleep(0.02)  # its next turn, which tells of the last one
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


async def read(probe: Probe, timeout_s: float = 60.0) -> Reading:
    """A reading, for which the loop was never held up."""
    began = time.monotonic()
    async with watched() as lag:
        reading = await take(probe, timeout_s)
    took_s = time.monotonic() - began
    await probe.close()
    assert lag.cpu_s < MOST_CPU_S
    assert lag.held_s < MOST_HELD_S
    assert took_s < timeout_s + 5
    return reading


@pytest.fixture
def page() -> Iterator[Callable[[bytes], PageServer]]:
    servers: list[PageServer] = []

    def serve(body: bytes) -> PageServer:
        servers.append(PageServer(lambda _: (200, body)))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()


Pages = Callable[[bytes], PageServer]


@pytest.mark.parametrize(
    ("pattern", "body"),
    [(RUNAWAY, REPEATED), (RUNAWAY, MIXED), ("(a+)+$", REPEATED), (SLOW, MIXED)],
    ids=["runaway", "runaway mixed", "quadratic", "slow"],
)
async def test_http_text(page: Pages, pattern: str, body: bytes) -> None:
    settings = HttpSettings(url=page(body).url, expect=HttpExpect(text=pattern))
    assert not list(settings.problems())
    reading = await read(registry.build("http", "p", settings, None))
    assert reading.status is Status.FAILING
    assert f"expected a match of /{pattern}/" in reading.summary


async def test_http_json(page: Pages) -> None:
    body = json.dumps({"said": MIXED.decode()}).encode()
    expect = HttpExpect(json={"said": {"matches": SLOW}})
    reading = await read(
        registry.build("http", "p", HttpSettings(page(body).url, expect=expect), None)
    )
    assert reading.status is Status.FAILING


async def test_a_pattern_that_outlasts_the_time_limit_is_told_in_time(page: Pages) -> None:
    body = MIXED[:-1] * 4  # more than two seconds of searching
    settings = HttpSettings(url=page(body).url, expect=HttpExpect(text=SLOW), max_bytes=1_200_000)
    assert not list(settings.problems())
    reading = await read(registry.build("http", "p", settings, None), timeout_s=1.5)
    assert reading.status is Status.ERROR
    assert reading.summary == "the answer of 1,000,000 bytes took longer to search than 1.5 s"


@pytest.mark.parametrize("key", ["expect_stdout", "number"])
@pytest.mark.parametrize("pattern", [r"^(\w+\s?)*$", r"^([a-b]+)*!!$", r"(?:([ab]{0,20}a){3})c"])
async def test_command(tmp_path: Path, key: str, pattern: str) -> None:
    output = tmp_path / "output"
    output.write_bytes(MIXED[-MAX_BYTES + 1 :])
    settings = CommandSettings(run=f"cat {output}", **{key: pattern})
    assert not list(settings.problems())
    probe = registry.build("command", "p", settings, LocalTarget(TargetSpec("here", kind="local")))
    reading = await read(probe)
    assert reading.status is (Status.FAILING if key == "expect_stdout" else Status.ERROR)


async def test_websocket() -> None:
    message = json.dumps({"type": MIXED.decode()})

    async def says(connection: ServerConnection) -> None:
        await connection.send(message)
        await connection.wait_closed()

    async with serve_websocket(says, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        settings = WebSocketSettings(f"ws://127.0.0.1:{port}", first={"type": {"matches": SLOW}})
        reading = await read(registry.build("websocket", "p", settings, None))
    assert reading.status is Status.FAILING


def labelled(lines: int) -> bytes:
    """A page whose labels are as long as they may be."""
    label = MIXED[:60_000].replace(b"!", b"").decode()
    return "".join(f'a{{x="{label}{at}"}} 1\n' for at in range(lines)).encode()


@pytest.mark.parametrize("selector", ['a{x=~"([ab]{0,90}a){3}c"}', r'a{x!~"(\\w+\\s?)*!"}'])
async def test_metrics_label_matchers(page: Pages, selector: str) -> None:
    settings = MetricsSettings(page(labelled(20)).url, gauge=selector, pick="max")
    assert not list(settings.problems())
    reading = await read(registry.build("metrics", "p", settings, None))
    assert reading.summary in ("no data: no value of a", "1")


@pytest.mark.parametrize(
    "line",
    [
        b"a" * 65_000 + b"!",
        b"a " + b" " * 65_000 + b"!",
        b"a " + b"1" * 65_000 + b"!",
        b'a{x="' + b"\\\\" * 32_000,
        b"a{" + b"".join(b'l%d="",' % at for at in range(6_500)) + b'x="} 1',
        b"a{" + b"".join(b'l%d="",' % at for at in range(6_000)) + b"} 1",
    ],
    ids=["name", "spaces", "digits", "escapes", "labels unclosed", "labels"],
)
async def test_metrics_lines_made_against_the_parser(page: Pages, line: bytes) -> None:
    settings = MetricsSettings(page((line + b"\n") * 3).url, gauge="a")
    reading = await read(registry.build("metrics", "p", settings, None))
    assert reading.status is Status.ERROR


async def test_prometheus_many_series(page: Pages) -> None:
    series = {"metric": {"x": "a" * 20}, "value": [1, "1"]}
    body = {"status": "success", "data": {"resultType": "vector", "result": [series] * 20_000}}
    settings = PrometheusSettings(page(json.dumps(body).encode()).url, "up")
    reading = await read(registry.build("prometheus", "p", settings, None))
    assert reading.summary == '20000 series, expected one: sum in the query, or pick = "max"'


@pytest.mark.server("postgres")
async def test_postgres_value(postgres: Any) -> None:
    settings = PostgresSettings(
        url=postgres.dsn(),
        sql=f"SELECT string_agg(chr(97 + (i * i / 7) % 2), '') FROM generate_series(1, {LENGTH}) i",
        expect=PostgresExpect(value={"matches": SLOW}),
    )
    assert not list(settings.problems())
    reading = await read(registry.build("postgres", "p", settings, None))
    assert reading.status is Status.FAILING
