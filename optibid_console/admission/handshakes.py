"""The order in which handshakes begin, and how many a second. Decides only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Generic, TypeVar

from optibid_console.admission.sources import Source

HALVED_AFTER_S = 2.0
T = TypeVar("T", bound=Hashable)


class HandshakeRate:
    """A token bucket: `burst` handshakes at once, and `per_s` a second from then on."""

    def __init__(self, burst: int, per_s: float, now: float) -> None:
        self._burst, self._per_s = float(burst), per_s
        self._credit, self._at = self._burst, now

    def take(self, now: float) -> float:
        """Take one. Returns for how many seconds there is none yet; 0: it was taken."""
        self._credit = min(self._credit + (now - self._at) * self._per_s, self._burst)
        self._at = now
        if self._credit < 1:
            return (1 - self._credit) / self._per_s
        self._credit -= 1
        return 0.0


class HandshakeQueue(Generic[T]):
    """Connections that wait for their handshake. Next is one of the network, and there of the
    address, that had the fewest handshakes lately; of one address the newest, since the oldest
    is about to be evicted when there are too many."""

    def __init__(self, now: float) -> None:
        self._waiting: dict[str, dict[str, dict[T, None]]] = {}
        self._sources: dict[T, Source] = {}
        self._lately: Counter[str] = Counter()
        """Network or address → handshakes; halved from time to time."""
        self._halved_at = now

    def __len__(self) -> int:
        return len(self._sources)

    def add(self, key: T, source: Source) -> None:
        self._sources[key] = source
        addresses = self._waiting.setdefault(source.network, {})
        addresses.setdefault(source.address, {})[key] = None

    def remove(self, key: T) -> None:
        """Does nothing when it isn't there."""
        source = self._sources.pop(key, None)
        if source is None:
            return
        addresses = self._waiting[source.network]
        del addresses[source.address][key]
        if not addresses[source.address]:
            del addresses[source.address]
        if not addresses:
            del self._waiting[source.network]

    def take(self, now: float) -> T:
        """Take the next one. Raises `ValueError` when nobody waits."""
        self._forget(now)
        network = min(self._waiting, key=self._lately.__getitem__)
        addresses = self._waiting[network]
        address = min(addresses, key=lambda one: self._lately[_in(network, one)])
        key = next(reversed(addresses[address]))
        self._lately[network] += 1
        self._lately[_in(network, address)] += 1
        self.remove(key)
        return key

    def _forget(self, now: float) -> None:
        if now - self._halved_at >= HALVED_AFTER_S:
            self._halved_at = now
            self._lately = Counter({key: n // 2 for key, n in self._lately.items() if n > 1})


def _in(network: str, address: str) -> str:
    # an address and its network may be the same text when it is no IP address
    return f"{network} {address}"
