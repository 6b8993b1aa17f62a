"""The connections of a listener by network and address, and which of them makes room for the
next one. Decides only; opens and closes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice
from typing import Generic, TypeVar

from optibid_console.admission.sources import Source


class Standing(IntEnum):
    """How far a connection has come."""

    FAILED = 0
    """Its authentication failed and the answer is delayed: evicted before all others."""
    SILENT = 1
    """Nothing was received."""
    QUEUED = 2
    """The first bytes are there; it waits for its handshake."""
    HANDSHAKING = 3
    ANONYMOUS = 4
    """The handshake is done."""
    KNOWN = 5
    """Its browser has a session: evicted when there are no others of its address."""
    AUTHENTICATED = 6
    """Never evicted."""


_STRANGERS = frozenset((Standing.SILENT, Standing.QUEUED, Standing.HANDSHAKING, Standing.ANONYMOUS))


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections there may be at once, whatever their standing."""

    total: int
    of_address: int
    of_network: int


class ConnectionsFull(Exception):
    """All connections that could make room are authenticated."""


T = TypeVar("T", bound=Hashable)
_Members = tuple[dict[T, None], ...]


class ConnectionTable(Generic[T]):
    """Every open connection with its source, its standing and since when it has that."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._entries: dict[T, tuple[Source, Standing, float]] = {}
        self._members: dict[str, _Members[T]] = {}
        """Address → by standing, the one that has had it for longest first."""
        self._by_age: dict[str, dict[T, None]] = {}
        """Address → in the order in which they came or were last active."""
        self._addresses: dict[str, set[str]] = {}
        """Network → its addresses."""
        self._of_address: Counter[str] = Counter()
        self._of_network: Counter[str] = Counter()
        self._evictable: Counter[str] = Counter()
        """Network → connections that aren't authenticated; trusted sources aren't counted."""
        self._proxies: set[str] = set()
        """Addresses of trusted sources."""
        self._standing: Counter[Standing] = Counter()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: T) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[T]:
        return iter(self._entries)

    def count(self, standing: Standing) -> int:
        return self._standing[standing]

    def make_room(self, source: Source) -> T | None:
        """Returns the connection that has to go before one from this source is added; None:
        there is room. Raises `ConnectionsFull`."""
        limits = self.limits
        if not source.trusted:
            if self._of_address[source.address] >= limits.of_address:
                return self._or_full(self._lowest(source.address))
            if self._of_network[source.network] >= limits.of_network:
                return self._or_full(self._of_busiest_address(source.network))
        if len(self._entries) >= limits.total:
            return self._or_full(self.next_evicted())
        return None

    def next_evicted(self) -> T | None:
        """Returns a connection of the busiest address in the busiest network, of a proxy only
        when there are no others. None: all are authenticated."""
        if self._evictable:
            return self._of_busiest_address(max(self._evictable, key=self._evictable.__getitem__))
        proxies = [one for one in self._proxies if self._count_evictable(one)]
        return self._lowest(max(proxies, key=self._count_evictable)) if proxies else None

    def oldest(self, standing: Standing) -> T | None:
        """Returns the oldest connection of this standing, of the address with most of them in the
        network with most of them."""
        networks: Counter[str] = Counter()
        for network, addresses in self._addresses.items():
            networks[network] = sum(len(self._members[one][standing]) for one in addresses)
        if not networks or not max(networks.values()):
            return None
        busiest = max(networks, key=networks.__getitem__)
        address = max(self._addresses[busiest], key=lambda one: len(self._members[one][standing]))
        return next(iter(self._members[address][standing]))

    def overdue(self, standing: Standing, before: float) -> list[T]:
        """Returns the connections that have had this standing since before that time."""
        return [
            key
            for key, (_, has, since) in self._entries.items()
            if has is standing and since < before
        ]

    def add(self, key: T, source: Source, now: float) -> None:
        self._entries[key] = (source, Standing.SILENT, now)
        if source.address not in self._members:
            self._members[source.address] = tuple({} for _ in Standing)
            self._by_age[source.address] = {}
            self._addresses.setdefault(source.network, set()).add(source.address)
            if source.trusted:
                self._proxies.add(source.address)
        self._of_address[source.address] += 1
        self._of_network[source.network] += 1
        self._by_age[source.address][key] = None
        self._enter(key, source, Standing.SILENT)

    def move(self, key: T, standing: Standing, now: float) -> None:
        """Give a connection this standing from now on; the one that it has: it was active. Does
        nothing when it is gone."""
        entry = self._entries.get(key)
        if entry is not None:
            if entry[1] is standing:
                by_age = self._by_age[entry[0].address]
                by_age[key] = by_age.pop(key)
            self._leave(key, entry[0], entry[1])
            self._entries[key] = (entry[0], standing, now)
            self._enter(key, entry[0], standing)

    def standing(self, key: T) -> Standing | None:
        entry = self._entries.get(key)
        return entry[1] if entry else None

    def remove(self, key: T) -> None:
        """Does nothing when it is gone."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        source, standing, _ = entry
        self._leave(key, source, standing)
        del self._by_age[source.address][key]
        _decrease(self._of_network, source.network)
        _decrease(self._of_address, source.address)
        if source.address not in self._of_address:
            del self._members[source.address], self._by_age[source.address]
            self._proxies.discard(source.address)
            self._addresses[source.network].discard(source.address)
            if not self._addresses[source.network]:
                del self._addresses[source.network]

    def _enter(self, key: T, source: Source, standing: Standing) -> None:
        self._members[source.address][standing][key] = None
        self._standing[standing] += 1
        if standing is not Standing.AUTHENTICATED and not source.trusted:
            self._evictable[source.network] += 1

    def _leave(self, key: T, source: Source, standing: Standing) -> None:
        del self._members[source.address][standing][key]
        self._standing[standing] -= 1
        if standing is not Standing.AUTHENTICATED and not source.trusted:
            _decrease(self._evictable, source.network)

    def _of_busiest_address(self, network: str) -> T | None:
        own = self._addresses.get(network, set()) - self._proxies
        return self._lowest(max(own, key=self._count_evictable)) if own else None

    def _count_evictable(self, address: str) -> int:
        authenticated = len(self._members[address][Standing.AUTHENTICATED])
        return self._of_address[address] - authenticated

    def _lowest(self, address: str) -> T | None:
        """Returns the connection of this address that is evicted first. Of those that aren't known
        it is one of the older half: a newcomer has the time of as many others to get ahead, and
        what has got ahead outlasts what hasn't."""
        members = self._members[address]
        if members[Standing.FAILED]:
            return next(iter(members[Standing.FAILED]))
        strangers = sum(len(members[one]) for one in _STRANGERS)
        if not strangers:
            return next(iter(members[Standing.KNOWN]), None)
        ages = (key for key in self._by_age[address] if self._entries[key][1] in _STRANGERS)
        return min(islice(ages, (strangers + 1) // 2), key=lambda key: self._entries[key][1])

    @staticmethod
    def _or_full(key: T | None) -> T:
        if key is None:
            raise ConnectionsFull
        return key


def _decrease(counts: Counter[str], key: str) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
