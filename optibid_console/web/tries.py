"""Slows down who tries tokens that open nothing. Knows no HTTP."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

FREE = 3
"""So many failed tries of one address cost nothing: people mistype."""
FIRST_S, MOST_S = 1.0, 30.0
"""How long the next one waits; it doubles."""
FORGET_S = 600.0
WAITING, WAITING_OF_ONE = 32, 4
"""So many tries may wait at once, in all and of one address."""
AT_ONCE = 4
"""So many are looked at at once."""
ADDRESSES = 4096


class TooMany(Exception):
    """This try isn't even looked at: too many are waiting already."""


class Tries:
    """Failed tries by address (an IPv6 network of 64 bits is one)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failed: dict[str, tuple[int, float]] = {}
        self._waiting: dict[str, int] = {}
        self._looking = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def turn(self, peer: str) -> AsyncIterator[None]:
        """This try's turn, after what the failed ones before it cost. Raises `TooMany`."""
        address = network(peer)
        mine = self._waiting.get(address, 0)
        if mine >= WAITING_OF_ONE or sum(self._waiting.values()) >= WAITING:
            raise TooMany
        self._waiting[address] = mine + 1
        try:
            await asyncio.sleep(self.delay_s(peer))
            async with self._looking:
                yield
        finally:
            self._waiting[address] -= 1
            if not self._waiting[address]:
                del self._waiting[address]

    def delay_s(self, peer: str) -> float:
        """For how long the next try of this address waits, in seconds."""
        failed, at = self._failed.get(network(peer), (0, 0.0))
        if failed < FREE or self._clock() - at > FORGET_S:
            return 0.0
        return float(min(MOST_S, FIRST_S * 2.0 ** min(failed - FREE, 16)))

    def failed(self, peer: str) -> int:
        """It opened nothing; gives how many of this address did so lately."""
        now, address = self._clock(), network(peer)
        failed, at = self._failed.pop(address, (0, now))
        if len(self._failed) >= ADDRESSES:
            del self._failed[next(iter(self._failed))]
        count = 1 if now - at > FORGET_S else failed + 1
        self._failed[address] = (count, now)
        return count

    def succeeded(self, peer: str) -> None:
        self._failed.pop(network(peer), None)


def network(peer: str) -> str:
    """What counts as one address."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False).network_address)
    return str(address)
