"""How far what was sent may be ahead of what a page has taken."""

from __future__ import annotations

import asyncio

AHEAD_BYTES = 512 * 1024
ASLEEP_S = 150.0
"""A page that takes nothing for so long sleeps. A hidden one's timers run once a minute."""


class Asleep(Exception):
    """The page takes nothing any more."""


class Flow:
    """Counts bytes: a page in the background gets no more than it can keep (a browser queues
    without a bound what its terminal had no time to draw)."""

    def __init__(self, ahead: int = AHEAD_BYTES, asleep_s: float = ASLEEP_S) -> None:
        self._ahead, self._asleep_s = ahead, asleep_s
        self._sent = self._taken = 0
        self._moved = asyncio.Event()

    async def room(self) -> None:
        """Wait until more may be sent. Raises `Asleep`."""
        while self._sent - self._taken >= self._ahead:
            self._moved.clear()
            try:
                async with asyncio.timeout(self._asleep_s):
                    await self._moved.wait()
            except TimeoutError:
                raise Asleep from None

    def sent(self, size: int) -> None:
        self._sent += size

    def taken(self, total: int) -> None:
        """The page has taken so many bytes in all; what can't be true is ignored."""
        if self._taken < total <= self._sent:
            self._taken = total
            self._moved.set()
