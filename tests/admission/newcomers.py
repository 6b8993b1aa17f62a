"""Honest newcomers beside a flood: how many are in within three seconds, without a second try."""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from optibid_console.feed.certificate import client_context
from optibid_console.feed.link import Link
from optibid_console.feed.messages import SUBPROTOCOL, Hello
from optibid_console.feed.wire import encode_hello

NICE = 10
"""Attackers are elsewhere: here their own load must not stand in the newcomers' way."""
FLOOD = Path(__file__).with_name("flood.py")
IN_S = 3.0
SHARE = 0.95


@dataclass(frozen=True)
class Attack:
    """Connections at a rate, each from the next one of the source addresses."""

    kind: str
    rate: float
    sources: Sequence[str]


@dataclass(frozen=True)
class Came:
    """What became of the newcomers."""

    took_s: Sequence[float | None]
    """None: not in within three seconds."""
    attackers: dict[str, int]

    @property
    def share(self) -> float:
        return sum(one is not None for one in self.took_s) / len(self.took_s)

    @property
    def slowest_s(self) -> float:
        return max((one for one in self.took_s if one is not None), default=IN_S)


@asynccontextmanager
async def attacked(
    attack: Attack, port: int, seconds: float
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The flood is under way inside of this."""
    flood = await asyncio.create_subprocess_exec(
        "nice", "-n", str(NICE), sys.executable, str(FLOOD), attack.kind, "127.0.0.1", str(port),
        ",".join(attack.sources), str(attack.rate), str(seconds),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert flood.stdout is not None
        assert await asyncio.wait_for(flood.stdout.readline(), 20) == b"ready\n"
        yield flood
    finally:
        if flood.returncode is None:
            flood.kill()
        await flood.wait()


async def newcomers(
    attack: Attack, port: int, come: Callable[[str], Awaitable[None]],
    sources: Sequence[str], count: int, seconds: float, after_s: float,
) -> Came:  # fmt: skip
    """Let `count` newcomers come, spread over these seconds of an attack."""
    origin = itertools.cycle(sources)
    async with attacked(attack, port, seconds + after_s + 30) as flood:
        await asyncio.sleep(after_s)
        tasks = []
        for _ in range(count):
            tasks.append(asyncio.create_task(_one(come, next(origin))))
            await asyncio.sleep(seconds / count)
        took = await asyncio.gather(*tasks)
        assert flood.stdin is not None
        assert flood.stdout is not None
        assert flood.returncode is None, "the attack ended early: nothing was measured"
        flood.stdin.close()
        said = json.loads(await asyncio.wait_for(flood.stdout.readline(), 20))
    return Came(took, said)


async def _one(come: Callable[[str], Awaitable[None]], source: str) -> float | None:
    began = time.monotonic()
    try:
        async with asyncio.timeout(IN_S):
            await come(source)
    except (OSError, TimeoutError, WebSocketException):
        return None
    return time.monotonic() - began


async def watch(link: Link, source: str) -> None:
    """Come in as an observer from this source address, and leave again."""
    ws = await connect(
        f"wss://{link.address}/", ssl=client_context(), subprotocols=[SUBPROTOCOL],
        compression=None, ping_interval=None, proxy=None, open_timeout=None,
        local_addr=(source, 0),
    )  # fmt: skip
    try:
        hello = Hello(f"n{secrets.token_hex(3)}", "watch", token=link.token)
        await ws.send(encode_hello(hello), text=True)
        while b'"caught_up"' not in await ws.recv(decode=False):
            pass
    finally:
        ws.transport.abort()


async def enter(port: int, token: str, source: str, forwarded: str = "") -> None:
    """Open the page and enter with a token. Raises `OSError` when it isn't let in."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    own = f"127.0.0.1:{port}"
    body = json.dumps({"token": token}).encode()
    more = f"X-Forwarded-For: {forwarded}\r\n" if forwarded else ""
    try:
        writer.write(
            f"POST /enter HTTP/1.1\r\nHost: {own}\r\nOrigin: http://{own}\r\n{more}"
            "Content-Type: application/json\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        status = (await reader.readline()).split()[1:2]
        if status != [b"200"]:
            raise OSError(f"not let in: {status}")
    finally:
        writer.transport.abort()
