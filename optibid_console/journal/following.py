"""A window as its journal records it, for who only watches while no engine answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

from optibid_console.commands import Command, Refused, Reply
from optibid_console.entries import WindowClosed
from optibid_console.journal.lease import BEAT_S, Lease
from optibid_console.journal.sqlite import SqliteJournal
from optibid_console.source import CaughtUp, Ended, Event, Role

_AT_ONCE = 1000


class JournalSource:
    """A `Source` over a journal's file: entries as they are committed, no signals."""

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        self._path = path
        self._closing = asyncio.Event()

    async def events(self) -> AsyncGenerator[Event, None]:
        journal = await SqliteJournal.open(self._path, writable=False)
        seq, role, closed = 0, None, ""
        caught_up = False
        try:
            while not self._closing.is_set():
                held = _role(await journal.lease())
                if held != role:
                    role = held
                    yield held
                while entries := await journal.read(seq, _AT_ONCE):
                    for entry in entries:
                        yield entry
                        if isinstance(entry.fact, WindowClosed):
                            closed = entry.fact.outcome
                    seq = entries[-1].seq
                if not caught_up:
                    caught_up = True
                    yield CaughtUp(seq)
                if closed:
                    yield Ended(f"the window is closed: {closed}")
                    return
                await self._pause()
        finally:
            await journal.close()

    async def send(self, command: Command) -> Reply:
        """Nobody is there who could do it."""
        return Refused('this screen reads the journal alone; `run --take-over "REASON"` drives')

    async def close(self) -> None:
        self._closing.set()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(BEAT_S):
                await self._closing.wait()
        except TimeoutError:
            return


def _role(lease: Lease) -> Role:
    return Role(False, lease.holder, lease.taken_at)
