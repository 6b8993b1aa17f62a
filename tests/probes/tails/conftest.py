"""Followed tails."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from probes.probe import Tail, TailBatch


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
