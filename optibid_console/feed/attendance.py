"""Who watches, over all listeners: told as one signal, at most twice a second."""

from __future__ import annotations

import asyncio

from optibid_console.feed.hub import Hub
from optibid_console.signals import Presence

SOON_S = 0.5
NAMES = 50
"""So many names are told; of the others the number."""


class Attendance:
    """Each listener says whom it has; everybody is told when that changes."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._present: dict[str, tuple[str, ...]] = {}
        self._told = Presence(())
        self._soon: asyncio.TimerHandle | None = None
        self._next = 0.0

    def set(self, listener: str, names: tuple[str, ...]) -> None:
        """These watch through this listener now."""
        self._present[listener] = names
        if self._soon is None:
            loop = asyncio.get_running_loop()
            if loop.time() >= self._next:
                self._tell()
            else:
                self._soon = loop.call_at(self._next, self._tell)

    def presence(self) -> Presence:
        names = [name for one in self._present.values() for name in one]
        return Presence(tuple(names[:NAMES]), max(len(names) - NAMES, 0))

    def close(self) -> None:
        if self._soon is not None:
            self._soon.cancel()

    def _tell(self) -> None:
        self._soon = None
        self._next = asyncio.get_running_loop().time() + SOON_S
        presence = self.presence()
        if presence != self._told:
            self._told = presence
            self._hub.signal(presence)
