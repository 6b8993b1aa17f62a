"""A window as its journal records it: for who only watches, and while no engine answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from optibid_console.commands import Command, Refused, Reply
from optibid_console.entries import (
    HANDED_OVER,
    EngineStarted,
    Entry,
    OperatorLeft,
    OperatorTook,
    WindowClosed,
)
from optibid_console.journal.journal import JournalError
from optibid_console.journal.lease import BEAT_S, SILENT_S, Held
from optibid_console.journal.places import newest, open_journal
from optibid_console.journal.shown import ShownSignals
from optibid_console.journal_place import Address, Place
from optibid_console.source import CaughtUp, Ended, Event, Lost, Role

if TYPE_CHECKING:
    from optibid_console.journal.postgres import PostgresJournal
    from optibid_console.journal.sqlite import SqliteJournal

_AT_ONCE = 1000


class JournalWatch:
    """A `Source` over a journal: entries as they are committed, and what its engine shows beside
    them once a second (a team's alone; never log lines or output). It only reads, and has no
    `send`.

    `events()` is iterated once. A journal that can't be opened at first raises `JournalError`;
    one that is away later gives `Lost`, and goes on from the last entry.
    """

    def __init__(self, place: Place, name: str, after: int = 0) -> None:
        self.name = name
        self._place = place
        self._seq = after
        self._hash = ""
        """Of the last entry that was given; empty: it isn't known."""
        self._closing = asyncio.Event()
        self._opened = False
        self._told: Role | None = None
        self._caught_up = False
        self._shown = ShownSignals()
        self._closed = ""
        self.handed_over = False
        """Whether who drove has given the window away, and nobody took it yet."""
        self.lease_holder = ""
        self.left = False
        """Whether it ended because somebody wanted to go on elsewhere."""

    async def events(self) -> AsyncGenerator[Event, None]:
        attempt = 0
        while not self._closing.is_set():
            try:
                async for event in self._follow():
                    attempt = 0
                    yield event
                return
            except JournalError as error:
                if not self._opened:
                    raise
                attempt += 1
                yield Lost(str(error), attempt, BEAT_S)
                await self._pause(BEAT_S)

    async def leave(self) -> None:
        """End it, to go on from the last entry in another way."""
        self.left = True
        self._closing.set()

    async def close(self) -> None:
        self._closing.set()

    async def _follow(self) -> AsyncGenerator[Event, None]:
        self._place = await asyncio.to_thread(newest, self._place)
        journal = await open_journal(self._place, writable=False)
        self._opened = True
        try:
            if self._hash:
                last = await journal.read(self._seq - 1, 1)
                if [one.hash for one in last] != [self._hash]:
                    raise JournalError(_went_back(self._place, self._seq))
            while not self._closing.is_set():
                role = self._role_of(await journal.held(), await self._unmerged())
                if role != self._told:
                    self._told = role
                    yield role
                while entries := await journal.read(self._seq, _AT_ONCE):
                    if self._hash not in ("", entries[0].prev):
                        raise JournalError(_went_back(self._place, self._seq))
                    for entry in entries:
                        self._seq, self._hash = entry.seq, entry.hash
                        yield entry
                        self._note(entry)
                if not self._caught_up:
                    self._caught_up = True
                    yield CaughtUp(self._seq)
                if self._closed:
                    yield Ended(f"the window is closed: {self._closed}")
                    return
                if isinstance(self._place, Address):
                    for signal in await self._shown.news(cast("PostgresJournal", journal)):
                        yield signal
                await self._wait(journal)
        finally:
            await journal.close()

    def _note(self, entry: Entry) -> None:
        match entry.fact:
            case WindowClosed(outcome=outcome):
                self._closed = outcome
            case OperatorLeft(how=how):
                self.handed_over = how == HANDED_OVER
            case OperatorTook() | EngineStarted():
                self.handed_over = False

    async def _unmerged(self) -> str:
        """What waits on this machine to be brought into the journal, and how."""
        place = self._place
        if not isinstance(place, Address):
            return ""
        from optibid_console.journal import delivering

        return await asyncio.to_thread(lambda: delivering.said(place, delivering.waiting(place)))

    def _role_of(self, now: Held, unmerged: str) -> Role:
        self.lease_holder = now.lease.holder
        holder = "" if self.handed_over else now.lease.holder
        silent_s = round(now.beat_age_s) if now.beat_age_s > SILENT_S and holder else 0
        return Role(False, holder, now.lease.taken_at, silent_s, True, unmerged)

    async def _wait(self, journal: SqliteJournal | PostgresJournal) -> None:
        news = asyncio.create_task(journal.news(BEAT_S))
        closing = asyncio.create_task(self._closing.wait())
        try:
            await asyncio.wait((news, closing), return_when=asyncio.FIRST_COMPLETED)
            if news.done():
                news.result()
        finally:
            for task in (news, closing):
                task.cancel()
            await asyncio.gather(news, closing, return_exceptions=True)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()


def _went_back(place: Place, seq: int) -> str:
    return (
        f"the journal {place} went back: entry {seq} isn't what it was, or not there any more; a "
        "standby that didn't have it was probably promoted. Close this screen and open it again "
        "to see what is recorded there now"
    )


class JournalSource(JournalWatch):
    """The same for a screen that could drive: it is told why nobody does what it asks."""

    async def send(self, command: Command) -> Reply:
        """Nobody is there who could do it."""
        return Refused('this screen reads the journal alone; `run --take-over "REASON"` drives')
