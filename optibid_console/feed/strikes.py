"""Who failed to greet is answered later each time, and logged; forgotten after a while."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict

from optibid_console.feed.doorway import origin

FIRST_DELAY_S = 0.5
MOST_DELAY_S = 8.0
FORGET_S = 300.0
MAX_KNOWN = 4_096
LINES = 20
LINES_S = 60.0
"""So many lines of the log in so many seconds, however many addresses fail."""
log = logging.getLogger(__name__)


class Strikes:
    """Bounded in memory and in what it logs."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._lines = 0
        self._lines_since = 0.0
        self._unlogged = 0

    async def failed(self, address: str, why: str) -> None:
        """Log it and let time pass. `why` must not quote what was sent."""
        now, address = time.monotonic(), origin(address)
        count, at = self._known.pop(address, (0, now))
        count = 1 if now - at > FORGET_S else count + 1
        self._known[address] = (count, now)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        if count & (count - 1) == 0:  # the 1st, 2nd, 4th, …: a flood doesn't fill the disk
            self._log(now, f"observer from {address} turned away: {why} ({count} times)")
        await asyncio.sleep(min(FIRST_DELAY_S * 2.0 ** min(count - 1, 10), MOST_DELAY_S))

    def came_in(self, address: str) -> None:
        self._known.pop(origin(address), None)

    def _log(self, now: float, line: str) -> None:
        if now - self._lines_since > LINES_S:
            self._lines, self._lines_since = 0, now
        self._lines += 1
        if self._lines > LINES:
            self._unlogged += 1
            return
        more = f"; {self._unlogged} more such lines were left out" if self._unlogged else ""
        self._unlogged = 0
        log.warning("%s%s", line, more)
