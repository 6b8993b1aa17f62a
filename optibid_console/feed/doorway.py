"""A TCP listener that lets only so many in: what is above is closed before it costs anything."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections import Counter

MAX_CONNECTIONS = 400
"""Open connections, greeted or not: file descriptors are the journal's and the targets' too."""
MAX_FROM_ONE = 300
"""Of one address: many observers come through one office's gateway."""
AT_ONCE = 256
A_SECOND = 64.0
"""New connections: each costs the engine's loop a handshake. Who is closed comes again later."""


class Doorway(socket.socket):
    """A listening socket that counts who is inside."""

    def __init__(self, family: int, most: int, most_from_one: int) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self._most = most
        self._most_from_one = most_from_one
        self._inside: Counter[str] = Counter()
        self._count = 0
        self._credit, self._accepted_at = float(AT_ONCE), time.monotonic()
        self.turned_away = 0
        """How many were closed because too many were inside, or came at once."""

    @property
    def inside(self) -> int:
        return self._count

    def accept(self) -> tuple[socket.socket, object]:
        """As `socket.accept`; who is too many is closed, and asyncio told that it went away."""
        accepted, address = super().accept()
        one = _Inside(self.family, self.type, self.proto, fileno=accepted.detach())
        one.door, one.address = self, origin(str(address[0]))
        self._count += 1
        self._inside[one.address] += 1
        many = self._count > self._most or self._inside[one.address] > self._most_from_one
        if many or self._too_soon():
            self.turned_away += 1
            one.close()
            raise ConnectionAbortedError
        return one, address

    def _too_soon(self) -> bool:
        now = time.monotonic()
        earned = (now - self._accepted_at) * A_SECOND
        self._credit, self._accepted_at = min(self._credit + earned, float(AT_ONCE)), now
        if self._credit < 1:
            return True
        self._credit -= 1
        return False

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


def origin(address: str) -> str:
    """Who counts as one: an IPv4 address, or an IPv6 network of 64 bits, for whoever has one
    has all its addresses (RFC 6177)."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv4Address):
        return address
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(ipaddress.ip_network((known, 64), strict=False))
