"""The links of a window as its entries tell them, to find out what a token is worth without
asking the engine about each one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing

from optibid_console.entries import (
    Entry,
    SharingStopped,
    WatchRevoked,
    WatchShared,
    WindowOpened,
)
from optibid_console.feed.link import Link, token_hash
from optibid_console.feed.observer import ObserverSource
from optibid_console.source import CaughtUp, Ended, Lost, Snapshot, SourceError

READ_S = 15.0
AGAIN_S = 0.5
"""From the beginning of one look to that of the next, however many unknown tokens come."""


class LinkDirectory:
    """Knows the SHA-256 of each link's token. Looks for later entries when a token is unknown,
    once for all who wait."""

    def __init__(self, link: Link, clock: Callable[[], float] = time.monotonic) -> None:
        self.window = ""
        """The window's name; empty: it isn't known yet."""
        self._link = link
        self._clock = clock
        self._hashes: dict[str, str] = {}
        """A link's name → its token's SHA-256."""
        self._seq = 0
        self._reading: asyncio.Task[None] | None = None
        self._read_at = self._begun_at = float("-inf")
        """When the last look that succeeded began, and the last one at all."""

    def knows(self, token: str) -> bool:
        """Returns whether a link had this token when the entries were last read; one that has
        expired counts, since the engine says that better."""
        return token_hash(token) in self._hashes.values()

    async def find(self, token: str) -> bool:
        """The same, and reads the later entries before it returns False. Raises `SourceError`."""
        asked_at = self._clock()
        while not self.knows(token):
            if self._read_at >= asked_at:
                return False
            await self._read_once()
        return True

    async def read(self, *, whole: bool = True) -> None:
        """Read the entries that aren't known yet, or only the first one. Raises `SourceError`."""
        source = ObserverSource(self._link, "browser", self._seq, snapshot=not self._seq)
        try:
            async with asyncio.timeout(READ_S), aclosing(source.events()) as events:
                async for event in events:
                    if isinstance(event, CaughtUp):
                        return
                    if isinstance(event, Snapshot):
                        self._begin(event)
                    elif isinstance(event, Entry):
                        self._take(event)
                    if self.window and not whole:
                        return
                    elif isinstance(event, Lost | Ended):
                        break
        except TimeoutError:
            pass
        raise SourceError(f"the engine at {self._link.address} says nothing of its window")

    async def _read_once(self) -> None:
        """Wait for a look at the entries that begins no sooner than `AGAIN_S` after the last."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_later())
            # whoever waited for it may have left
            self._reading.add_done_callback(lambda one: one.cancelled() or one.exception())
        await asyncio.shield(self._reading)

    async def _read_later(self) -> None:
        try:
            await asyncio.sleep(max(self._begun_at + AGAIN_S - self._clock(), 0.0))
            self._begun_at = self._clock()
            await self.read()
            self._read_at = self._begun_at
        finally:
            self._reading = None

    def _begin(self, snapshot: Snapshot) -> None:
        state = snapshot.state
        self._seq = state.seq
        self._hashes = {name: one.token_sha256 for name, one in state.sharing.links.items()}
        if state.runbook is not None:
            self.window = state.runbook.window.name

    def _take(self, entry: Entry) -> None:
        self._seq = entry.seq
        match entry.fact:
            case WindowOpened(name=name):
                self.window = name
            case WatchShared(name=name, token_sha256=sha256):
                self._hashes[name] = sha256
            case WatchRevoked(name=name):
                self._hashes.pop(name, None)
            case SharingStopped():
                self._hashes.clear()
