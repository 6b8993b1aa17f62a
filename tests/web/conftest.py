"""A site over a recorded window, whose door knows a few tokens."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pyte
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from optibid_console.source import SourceError
from optibid_console.web.site import Listening, NotAdmitted, Site

CHILD = (sys.executable, "-m", "tests.web.child")
REPOSITORY = Path(__file__).parents[2]
GOOD = frozenset({"good", "taken-back", "environment", "stubborn", "flood", "simple"})
WITHIN_S = 30.0


class FakeDoor:
    """Takes the tokens that it is told, and counts how often it is asked."""

    def __init__(self) -> None:
        self.good = set(GOOD)
        self.asked: list[str] = []

    async def admit(self, token: str) -> None:
        self.asked.append(token)
        if token == "unreachable":
            raise SourceError("the feed at 127.0.0.1:1 doesn't answer")
        if token not in self.good:
            raise NotAdmitted("no such token")

    def key(self, token: str) -> Mapping[str, str]:
        return {"TEST_TOKEN": token}


class Served:
    """A running site, and what a browser would ask of it."""

    def __init__(self, site: Site, door: FakeDoor, told: list[str], client: httpx.AsyncClient):
        self.site, self.door, self.told, self.client = site, door, told, client

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.site.port}"

    @property
    def cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.client.cookies.items())

    async def enter(self, token: object, **headers: str) -> httpx.Response:
        return await self.client.post(
            "/enter", json={"token": token}, headers={"Origin": self.base, **headers}
        )

    def page(self, query: str = "?width=120&height=40", **headers: str) -> connect:
        """The WebSocket of a page."""
        given = {"Cookie": self.cookie, "Origin": self.base, **headers}
        url = f"ws://127.0.0.1:{self.site.port}/ws{query}"
        return connect(
            url, origin=None, additional_headers={k: v for k, v in given.items() if v},
            compression=None, max_size=None,
        )  # fmt: skip

    async def until(self, holds: Callable[[], object], what: str) -> None:
        give_up = time.monotonic() + WITHIN_S
        while not holds():
            assert time.monotonic() < give_up, what
            await asyncio.sleep(0.02)


async def drawn(page: ClientConnection, *words: str) -> str:
    """What a page of 160x45 shows once all of these words are seen at once."""
    screen = pyte.Screen(160, 45)
    stream = pyte.ByteStream(screen)
    seen = ""
    async with asyncio.timeout(WITHIN_S):
        while not all(word in seen for word in words):
            frame = await page.recv()
            if isinstance(frame, bytes):
                stream.feed(frame)
                seen = "\n".join(screen.display)
    return seen


async def closing(page: ClientConnection) -> tuple[int | None, str | None]:
    """Read to the end; with which code it was closed, and why."""
    async with asyncio.timeout(WITHIN_S):
        with suppress(ConnectionClosed):
            async for _ in page:
                pass
    return page.close_code, page.close_reason


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@asynccontextmanager
async def serving(listening: Listening | None = None) -> AsyncIterator[Served]:
    door, told = FakeDoor(), list[str]()
    site = Site(door, CHILD, listening or Listening("127.0.0.1", 0), "OptiBid <test>", told.append)
    await site.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{site.port}") as client:
            yield Served(site, door, told, client)
    finally:
        await site.close()


@pytest.fixture(autouse=True)
def _children_find_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as it:
        yield it
