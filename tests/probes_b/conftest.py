"""What these tests share: this machine as a host whose link can be cut, and real servers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager

import pytest

from probes.probe import Completed, HostError, Tail, TailBatch
from tests.probes_b.pages import Answer, PageServer


class CuttableHost:
    """This machine through `/bin/sh`; `cut` loses all its streams, as a dead link does."""

    name = "here"

    def __init__(self) -> None:
        self.streams = 0
        self.is_down = False
        self._cuts: set[asyncio.Event] = set()

    def cut(self, *, down: bool = False) -> None:
        self.is_down = down
        for cut in self._cuts:
            cut.set()

    async def execute(
        self,
        command: str,
        *,
        timeout_s: float,
        env: Mapping[str, str] | None = None,
        max_bytes: int = 1_000_000,
    ) -> Completed:
        raise NotImplementedError

    @asynccontextmanager
    async def stream(self, command: str) -> AsyncIterator[AsyncIterator[bytes]]:
        if self.is_down:
            raise HostError("here: connection refused")
        self.streams += 1
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", command, stdout=asyncio.subprocess.PIPE, start_new_session=True
        )
        cut = asyncio.Event()
        self._cuts.add(cut)
        try:
            yield self._chunks(process, cut)
        finally:
            self._cuts.discard(cut)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.communicate()

    async def _chunks(
        self, process: asyncio.subprocess.Process, cut: asyncio.Event
    ) -> AsyncIterator[bytes]:
        assert process.stdout is not None
        cutting = asyncio.ensure_future(cut.wait())
        reading: asyncio.Task[bytes] | None = None
        try:
            while True:
                reading = asyncio.ensure_future(process.stdout.read(1 << 18))
                await asyncio.wait({cutting, reading}, return_when=asyncio.FIRST_COMPLETED)
                if cut.is_set():
                    raise HostError("here: link lost")
                if not (data := await reading):
                    return
                yield data
        finally:
            cutting.cancel()
            if reading is not None:
                reading.cancel()

    async def reach(self, host: str, port: int) -> tuple[str, int]:
        return host, port

    async def knock(self, host: str, port: int) -> None:
        return

    async def reach_socket(self, path: str) -> str:
        return path


class Follower:
    """Takes a tail's batches in the background and waits for what they should hold."""

    def __init__(self, tail: Tail) -> None:
        self.data = b""
        self.count = 0
        self.batches: list[TailBatch] = []
        self.notices: list[str] = []
        self._tail = tail
        self._changed = asyncio.Condition()
        self._task = asyncio.create_task(self._take())

    async def _take(self) -> None:
        stream = self._tail.batches()
        try:
            async for batch in stream:
                async with self._changed:
                    self.data += batch.data
                    self.count += batch.count
                    self.batches.append(batch)
                    if batch.notice:
                        self.notices.append(batch.notice)
                    self._changed.notify_all()
        finally:
            await stream.aclose()  # type: ignore[attr-defined]  # batches is a generator

    def lines(self) -> list[str]:
        return self.data.decode().splitlines()

    async def until(self, holds: Callable[[], bool], timeout_s: float = 60) -> None:
        """Wait until it holds. Raises `AssertionError` with what there was instead."""
        if self._task.done():
            self._task.result()
        try:
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(holds)
        except TimeoutError:
            raise AssertionError(f"{self.notices} {self.count} {self.data[-400:]!r}") from None

    async def until_line(self, line: str) -> None:
        wanted = line.encode() + b"\n"
        await self.until(lambda: self.data.endswith(wanted))

    async def until_notice(self, words: str) -> None:
        await self.until(lambda: any(words in notice for notice in self.notices))

    async def stop(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


class ForwardingHost(CuttableHost):
    """A host behind a forward: whatever it is asked to reach is a port here."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.reached: list[tuple[str, int]] = []
        self._port = port

    async def reach(self, host: str, port: int) -> tuple[str, int]:
        self.reached.append((host, port))
        return "127.0.0.1", self._port


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[str], Answer]], PageServer]]:
    """Starts HTTP servers that answer what the test says."""
    servers: list[PageServer] = []

    def start(answer: Callable[[str], Answer]) -> PageServer:
        servers.append(PageServer(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def host() -> CuttableHost:
    return CuttableHost()


@pytest.fixture
async def follow() -> AsyncIterator[Callable[[Tail], Follower]]:
    """Follows tails until the test ends."""
    followers: list[Follower] = []

    def start(tail: Tail) -> Follower:
        followers.append(Follower(tail))
        return followers[-1]

    yield start
    for follower in followers:
        await follower.stop()
