"""A TCP listener that lets only so many in: what is above is closed before it costs anything."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import Counter, OrderedDict

MAX_CONNECTIONS = 400
"""Open connections, greeted or not: file descriptors are the journal's and the targets' too."""
MAX_FROM_ONE = 300
"""Of one address: many observers come through one office's gateway."""
FIRST_DELAY_S = 0.5
MOST_DELAY_S = 8.0
FORGET_S = 300.0
MAX_KNOWN = 4_096
log = logging.getLogger(__name__)


class Doorway(socket.socket):
    """A listening socket that counts who is inside."""

    def __init__(self, family: int, most: int, most_from_one: int) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self._most = most
        self._most_from_one = most_from_one
        self._inside: Counter[str] = Counter()
        self._count = 0
        self.turned_away = 0
        """How many were closed because too many were inside."""

    @property
    def inside(self) -> int:
        return self._count

    def accept(self) -> tuple[socket.socket, object]:
        """As `socket.accept`; who is too many is closed, and asyncio told that it went away."""
        accepted, address = super().accept()
        one = _Inside(self.family, self.type, self.proto, fileno=accepted.detach())
        one.door, one.address = self, str(address[0])
        self._count += 1
        self._inside[one.address] += 1
        if self._count > self._most or self._inside[one.address] > self._most_from_one:
            self.turned_away += 1
            one.close()
            raise ConnectionAbortedError
        return one, address

    def left(self, address: str) -> None:
        self._count -= 1
        self._inside[address] -= 1
        if not self._inside[address]:
            del self._inside[address]


class _Inside(socket.socket):
    """An accepted connection, counted until it is closed."""

    door: Doorway | None = None
    address = ""

    def close(self) -> None:
        door, self.door = self.door, None
        if door is not None:
            door.left(self.address)
        super().close()


def open_doorway(
    host: str, port: int, most: int = MAX_CONNECTIONS, most_from_one: int = MAX_FROM_ONE
) -> Doorway:
    """Listen at an address, port 0: one that is free. Blocks (looks the name up). Raises
    `OSError`."""
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    door = Doorway(family, most, most_from_one)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(address)
        door.listen(128)
        door.setblocking(False)
    except OSError:
        door.close()
        raise
    return door


class Strikes:
    """Who failed to greet is answered later each time, and logged; forgotten after a while."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[int, float]] = OrderedDict()

    async def failed(self, address: str, why: str) -> None:
        """Log it and let time pass. `why` must not quote what was sent."""
        now = time.monotonic()
        count, at = self._known.pop(address, (0, now))
        count = 1 if now - at > FORGET_S else count + 1
        self._known[address] = (count, now)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        if count & (count - 1) == 0:  # the 1st, 2nd, 4th, …: a flood doesn't fill the disk
            log.warning("observer from %s turned away: %s (%d times)", address, why, count)
        await asyncio.sleep(min(FIRST_DELAY_S * 2.0 ** min(count - 1, 10), MOST_DELAY_S))

    def came_in(self, address: str) -> None:
        self._known.pop(address, None)
