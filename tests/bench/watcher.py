"""A second screen without a terminal: attached to the same window, it counts what it is told."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from pathlib import Path

from optibid_console.commands import Command, Reply
from optibid_console.feed.client import FeedSource
from optibid_console.signals import LogLines, Missed, Sampled


class Watcher:
    """Runs its own event loop in a thread; counts are read from outside at any time."""

    def __init__(self, socket: Path, name: str, want: str) -> None:
        self.readings: Counter[str] = Counter()
        """Probe or panel id → how many readings were told."""
        self.lines: Counter[str] = Counter()
        """Tail → its lines; `TAIL dropped` → lines lost on the way; `missed` → for this screen."""
        self._loop = asyncio.new_event_loop()
        self._source = FeedSource(socket, name, want)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        if not self._ready.wait(20):
            raise RuntimeError("the engine told a second screen nothing for 20 s")

    def send(self, command: Command) -> Reply:
        return asyncio.run_coroutine_threadsafe(self._source.send(command), self._loop).result(10)

    def readings_over(self, seconds: float) -> Counter[str]:
        """How many readings of each probe came within the next `seconds`."""
        before = self.readings.copy()
        time.sleep(seconds)
        return self.readings - before

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._source.close(), self._loop).result(10)
        self._thread.join(10)

    def _run(self) -> None:
        self._loop.run_until_complete(self._count())
        self._loop.close()

    async def _count(self) -> None:
        async for event in self._source.events():
            self._ready.set()
            if isinstance(event, Sampled):
                self.readings[event.reading.probe] += 1
            elif isinstance(event, LogLines):
                self.lines[event.tail] += event.count
                self.lines[f"{event.tail} dropped"] += event.dropped
            elif isinstance(event, Missed):
                self.lines["missed"] += event.lines
