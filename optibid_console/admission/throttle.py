"""Failed authentication is answered later each time, and logged within bounds."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from optibid_console.admission.sources import source_of
from probes.text import counted

MAX_KNOWN = 4_096
"""Addresses and networks that are remembered."""
LOG_LINES, LOG_LINES_S = 20, 60.0
"""Lines in the log in a period of this length, however many addresses fail."""


@dataclass(frozen=True, slots=True)
class ThrottlePolicy:
    """How long the answer to a failure is delayed."""

    first_s: float
    most_s: float
    """The delay doubles with each failure up to this."""
    free: int = 0
    """The first failures of an address that are answered at once: people mistype."""
    network_free: int = 16
    """The same of a network."""
    forget_s: float = 600.0
    waiting: int = 1_000
    """The failures of one address whose answers are delayed at the same time, at most."""
    waiting_in_all: int = 1_000
    """The same of all addresses: each holds a connection with its buffers."""

    def delay_s(self, of_address: int, of_network: int) -> float:
        """Returns the delay after so many failures of an address and of its network."""
        failures = max(of_address - self.free, of_network - self.network_free)
        if failures < 1:
            return 0.0
        return min(self.first_s * 2.0 ** min(failures - 1, 16), self.most_s)


class TooManyFailures(Exception):
    """Enough answers to failures are delayed already; this one needn't be."""


class AuthThrottle:
    """Delays the answers to failures. A valid token has nothing to do with it: whoever holds one
    is let in before, whatever else comes from the same address."""

    def __init__(
        self,
        policy: ThrottlePolicy,
        line: str,
        log: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`line` is a format with `{address}`, `{why}` and `{count}`; `log` gets at most
        `LOG_LINES` lines in `LOG_LINES_S` seconds."""
        self._policy = policy
        self._line = line
        self._clock = clock
        self._log = _BoundedLog(log, clock)
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        """Address or network → failures, and when the last one was."""
        self._waiting: Counter[str] = Counter()
        self._closed = asyncio.Event()

    async def failed(self, peer: str, why: str) -> None:
        """Count a failure of this address, log it, and let the delay pass. `why` must not quote
        what was sent. Raises `TooManyFailures` without a delay."""
        source, now = source_of(peer), self._clock()
        count = self._count(source.address, now)
        of_network = self._count(f"network {source.network}", now)
        if count & (count - 1) == 0:  # the 1st, 2nd, 4th, …: a flood doesn't fill the disk
            times = counted(count, "time")
            self._log.write(self._line.format(address=source.address, why=why, count=times))
        delay_s = self._policy.delay_s(count, of_network)
        if delay_s and self._many_wait(source.address):
            raise TooManyFailures
        self._waiting[source.address] += 1
        try:
            await self._delay(delay_s)
        finally:
            self._waiting[source.address] -= 1
            if not self._waiting[source.address]:
                del self._waiting[source.address]

    def _many_wait(self, address: str) -> bool:
        of_all = self._waiting.total() >= self._policy.waiting_in_all
        return of_all or self._waiting[address] >= self._policy.waiting

    def close(self) -> None:
        """Answer at once from now on, also the failures whose answers are delayed."""
        self._closed.set()

    async def _delay(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closed.wait()

    def succeeded(self, peer: str) -> None:
        """Forget the failures of this address."""
        self._failures.pop(source_of(peer).address, None)

    def _count(self, key: str, now: float) -> int:
        failures, at = self._failures.pop(key, (0, now))
        count = 1 if now - at > self._policy.forget_s else failures + 1
        self._failures[key] = (count, now)
        if len(self._failures) > MAX_KNOWN:
            self._failures.popitem(last=False)
        return count


class _BoundedLog:
    """Drops what is above the limit, and says later how many lines that were."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._write = write
        self._clock = clock
        self._lines = 0
        self._since = clock()
        self._dropped = 0

    def write(self, line: str) -> None:
        now = self._clock()
        if now - self._since > LOG_LINES_S:
            self._lines, self._since = 0, now
        self._lines += 1
        if self._lines > LOG_LINES:
            self._dropped += 1
            return
        more = f"; {self._dropped} more such lines were left out" if self._dropped else ""
        self._dropped = 0
        self._write(f"{line}{more}")
