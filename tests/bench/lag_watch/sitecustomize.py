"""Watches the event loops of the processes that a benchmark starts.

Python imports a module of this name at its start (site(5) module). With
`OPTIBID_BENCH_LAG=DIR` in the environment, the console's processes and the idle peer write
how late each of their loop's timers was, so the product needs no hook for it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

EVERY_S = 0.02
ROLES = {"engine": "engine", "attach": "screen", "run": "screen"}


def role_of(argv: list[str]) -> str:
    """What this process is to the benchmark; empty: nothing."""
    if argv and argv[0].endswith("idle_loop.py"):
        return "idle"
    return ROLES.get(argv[1], "") if len(argv) > 1 and "optibid_console" in argv[0] else ""


class Watch:
    """Sets a timer again and again, and notes how much too late each fired."""

    def __init__(self, loop: asyncio.AbstractEventLoop, path: Path) -> None:
        self._loop = loop
        self._path = path
        self._lags: list[tuple[float, float]] = []
        self._due = 0.0

    def set(self) -> None:
        self._due = self._loop.time() + EVERY_S
        self._loop.call_at(self._due, self._fired)

    def _fired(self) -> None:
        self._lags.append((round(time.time(), 3), round((self._loop.time() - self._due) * 1000, 2)))
        if len(self._lags) >= 50:
            with self._path.open("a") as file:
                file.write(json.dumps(self._lags) + "\n")
            self._lags.clear()
        self.set()


def install(folder: Path) -> None:
    """From now on the first loop that runs in this process is watched."""
    run_forever = asyncio.BaseEventLoop.run_forever
    watched: set[asyncio.BaseEventLoop] = set()

    def watched_run_forever(self: asyncio.BaseEventLoop) -> None:
        role = role_of(sys.argv)
        if role and not watched:
            watched.add(self)
            Watch(self, folder / f"{role}-{os.getpid()}.lag").set()
        run_forever(self)

    asyncio.BaseEventLoop.run_forever = watched_run_forever  # type: ignore[method-assign]


if "OPTIBID_BENCH_LAG" in os.environ:
    install(Path(os.environ["OPTIBID_BENCH_LAG"]))
