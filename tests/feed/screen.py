"""A source whose events are collected, for tests that wait for some of them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress

from optibid_console.entries import Entry
from optibid_console.feed.reading import TurnedAway
from optibid_console.source import CaughtUp, Event, Source

WITHIN_S = 30


class Screen:
    """A source whose events are collected."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.events: list[Event] = []
        self._news = asyncio.Condition()
        self.task = asyncio.create_task(self._collect())

    async def _collect(self) -> None:
        try:
            async with aclosing(self.source.events()) as events:
                async for event in events:
                    self.events.append(event)
                    async with self._news:
                        self._news.notify_all()
        finally:
            async with self._news:
                self._news.notify_all()

    async def until(self, holds) -> None:
        async with self._news, asyncio.timeout(WITHIN_S):
            await self._news.wait_for(lambda: holds(self.events) or self.task.done())
        if not holds(self.events):
            self.task.result()
            raise AssertionError(f"the source ended without it: {self.events[-3:]}")

    def seqs(self) -> list[int]:
        return [one.seq for one in self.events if isinstance(one, Entry)]

    def of(self, kind):
        return [one for one in self.events if isinstance(one, kind)]

    async def close(self) -> None:
        await self.source.close()
        with suppress(TurnedAway):  # seen by `until`
            await asyncio.wait_for(self.task, WITHIN_S)


def caught_up(seq: int):
    return lambda events: CaughtUp(seq) in events


def has_entry(seq: int):
    return lambda events: any(isinstance(one, Entry) and one.seq >= seq for one in events)
