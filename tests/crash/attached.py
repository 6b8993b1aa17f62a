"""A screen's end of an engine's feed, without a screen: sends commands, folds what it gets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from optibid_console.commands import Command, Reply
from optibid_console.entries import Entry
from optibid_console.feed.client import FeedSource
from optibid_console.signals import Output
from optibid_console.source import Event, Role
from optibid_console.state import WindowState

WITHIN_S = 120.0


class Attached:
    """A screen's end of the feed: sends commands, folds what it gets."""

    def __init__(self, socket: Path, name: str, take_over: str) -> None:
        self.source = FeedSource(socket, name, "drive", take_over=take_over)
        self.state = WindowState()
        self.role = Role(False)
        self.events: list[Event] = []
        self.error: Exception | None = None
        self._news = asyncio.Event()

    async def take(self) -> None:
        try:
            async with contextlib.aclosing(self.source.events()) as events:
                async for event in events:
                    self._took(event)
        except Exception as error:
            self.error = error
            self._news.set()

    def _took(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Entry):
            self.state = self.state.apply(event)
        if isinstance(event, Role):
            self.role = event
        self._news.set()

    async def until(self, true: Callable[[Attached], object]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not true(self):
                if self.error is not None:
                    raise self.error
                self._news.clear()
                await self._news.wait()

    async def send(self, command: Command) -> Reply:
        return await self.source.send(command)

    def printed(self, run_id: str) -> bytes:
        """What it got of a run's output, each piece where the one before ended."""
        got = b""
        for one in self.events:
            if isinstance(one, Output) and one.run_id == run_id:
                assert one.offset == len(got)
                got += one.data
        return got

    def has(self, kind: type) -> bool:
        return any(isinstance(event, kind) for event in self.events)
