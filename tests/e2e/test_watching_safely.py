"""What leaves through the observers' feed, and who is stopped in the middle of it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
from contextlib import aclosing
from pathlib import Path
from urllib.parse import quote

import pytest

from optibid_console import commands as c
from optibid_console import engine_record
from optibid_console.entries import Entry
from optibid_console.feed.client import FeedSource
from optibid_console.feed.link import Link, parse_link
from optibid_console.feed.observer import ObserverSource
from optibid_console.feed.socket_file import responds
from optibid_console.signals import LogLines, Output
from optibid_console.source import CaughtUp, Ended, Source
from tests.e2e.conftest import Home
from tests.home import WITHIN_S, until

SECRET = "hunter2/of the+feed"
LEAKY = """
[window]
name = "Leaky window"
version = "v1"
stack = "systemd"

[probes.beat]
kind = "command"
run = "echo as ${SECRET}; exit 3"
every = "200ms"

[tails.app]
kind = "file"
path = "app.log"

[[phases]]
id = "one"
title = "First phase"
at = "T-5m"

[[phases.steps]]
id = "1.1"
title = "Say it"
on = "local"
run = "echo the secret is ${SECRET}; printf %s ${SECRET} | base64 >&2; exit 0"
"""


def socket_of(home: Home) -> str:
    """Where the engine that was started listens, once it does."""
    until(lambda: bool(engine_record.running()) and responds(Path(home.engine().socket), 2.0))
    return home.engine().socket


class Eavesdropper:
    """A proxy in front of the engine that keeps every byte that it sends."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.sent = bytearray()
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _pass(self, reader, writer) -> None:
        try:
            from_engine, to_engine = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:  # the engine has ended
            writer.transport.abort()
            return

        async def there() -> None:
            while data := await reader.read(65536):
                to_engine.write(data)
            to_engine.close()

        task = asyncio.create_task(there())
        try:
            while data := await from_engine.read(65536):
                self.sent += data
                writer.write(data)
        finally:  # also where the loop ends first
            for one in (writer, to_engine):
                one.transport.abort()
            task.cancel()

    def close(self) -> None:
        self._server.close()


class Collected:
    """A source whose events are kept."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.events: list = []
        self.task = asyncio.create_task(self._take())

    async def _take(self) -> None:
        async with aclosing(self.source.events()) as events:
            async for event in events:
                self.events.append(event)

    async def until(self, holds) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not holds(self.events):
                assert not self.task.done(), self.task.exception()
                await asyncio.sleep(0.02)

    async def end(self) -> None:
        await self.source.close()
        await self.task


@pytest.mark.slow
def test_no_secret_is_in_any_byte_that_leaves(home: Home) -> None:
    home.config.write_text(LEAKY)
    home.go()
    (home.path / "app.log").write_text("")
    home.start("engine", "--journal", str(home.journal), env={**os.environ, "SECRET": SECRET})
    socket = socket_of(home)

    async def play() -> tuple[bytes, list]:
        operator = Collected(FeedSource(Path(socket), "ann", "drive"))
        await operator.until(lambda events: any(isinstance(one, CaughtUp) for one in events))
        send = operator.source.send
        started = await send(c.StartSharing("127.0.0.1:0", plain="127.0.0.1"))
        assert isinstance(started, c.Accepted), started
        link = parse_link((await send(c.Share("press"))).link)
        listening = Eavesdropper(link.port)
        await listening.start()
        near = Link("127.0.0.1", listening.port, link.token)
        observer = Collected(ObserverSource(near, "bob"))
        await observer.until(lambda events: any(isinstance(one, CaughtUp) for one in events))
        with (home.path / "app.log").open("a") as log:
            log.write(f"login with {SECRET}\nand {quote(SECRET, safe='')}\n")
        await send(c.WriteNote("window", f"they use {SECRET}"))
        for step in ("1.1",):
            assert isinstance(await send(c.RunStep(step)), c.Accepted)
            await operator.until(
                lambda events, step=step: any(
                    isinstance(one, Entry) and one.to_plain()["kind"] == "step-finished"
                    and one.fact.step_id == step for one in events
                )
            )  # fmt: skip
        await observer.until(
            lambda events: (
                any(isinstance(one, LogLines) and b"and " in one.data for one in events)
                and any(isinstance(one, Output) and b"the secret is" in one.data for one in events)
            )
        )
        for one in (observer, operator):
            await one.end()
        listening.close()
        return bytes(listening.sent), observer.events

    sent, events = asyncio.run(play())
    raw = SECRET.encode()
    forms = [raw, quote(SECRET).encode(), quote(SECRET, safe="").encode(),
             base64.b64encode(raw)[:-4]]  # fmt: skip
    assert [form for form in forms if form in sent] == []
    assert sent.count(b"[REDACTED]") >= 4
    entries = [one for one in events if isinstance(one, Entry)]
    assert entries == home.entries()[: len(entries)]
    assert SECRET not in home.journal.read_bytes().decode("latin-1")


@pytest.mark.slow
def test_an_observer_that_is_frozen_comes_back_with_nothing_missed(home: Home) -> None:
    home.start("engine", "--journal", str(home.journal))
    socket = socket_of(home)
    told = home.path / "observer.jsonl"

    async def play() -> int:
        operator = Collected(FeedSource(Path(socket), "ann", "drive"))
        await operator.until(lambda events: any(isinstance(one, CaughtUp) for one in events))
        send = operator.source.send
        await send(c.StartSharing("127.0.0.1:0"))
        link = (await send(c.Share("support"))).link
        with told.open("w") as out:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "optibid_console", "watch", "--json", cwd=home.path,
                env={**os.environ, "OPTIBID_LINK": link}, stdout=out,
            )  # fmt: skip
        async with asyncio.timeout(WITHIN_S):
            while "caught_up" not in told.read_text():
                await asyncio.sleep(0.05)
        process.send_signal(signal.SIGSTOP)
        for number in range(300):
            await send(c.WriteNote("window", f"{number} {'x' * 20_000}"))
        process.send_signal(signal.SIGCONT)
        # the engine's end waits a second for what is on its way, and not for all of this
        async with asyncio.timeout(WITHIN_S):
            while '"299 ' not in told.read_text():
                await asyncio.sleep(0.2)
        await send(c.CloseWindow("abandoned", "enough"))
        status = await asyncio.wait_for(process.wait(), WITHIN_S)
        await operator.until(lambda events: any(isinstance(one, Ended) for one in events))
        return status

    assert asyncio.run(play()) == 0
    lines = [json.loads(line) for line in told.read_text().splitlines()]
    seen = [one["entry"] for one in lines if "entry" in one]
    assert [one["seq"] for one in seen] == list(range(1, len(seen) + 1))
    kept = [one.to_plain() for one in home.entries()]
    closed = next(i for i, one in enumerate(kept) if one["kind"] == "window-closed")
    assert seen == kept[: len(seen)]
    assert len(seen) > closed
