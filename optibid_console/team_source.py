"""A screen on a window that a team shares: it drives where its engine is here, else it follows
the journal, and takes over when it is asked to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

from optibid_console.commands import Accepted, Command, Refused, Reply, TakeOver
from optibid_console.engine_process import Wanted, find_or_start, the_journal
from optibid_console.engine_record import find
from optibid_console.entries import Entry
from optibid_console.feed.client import FeedSource
from optibid_console.journal.following import JournalWatch
from optibid_console.journal.journal import JournalError
from optibid_console.journal.lease import Held, Standing
from optibid_console.journal.places import held
from optibid_console.journal_place import Place
from optibid_console.source import Event, Snapshot, SourceError
from probes.text import one_line


class _HeldElsewhere(Exception):
    """Another console's engine has the window: this one follows the journal."""


class TeamSource:
    """A `ControlSource` over a team's journal. Entries are given once, in order, whatever they
    come from; `events()` is iterated once."""

    def __init__(self, wanted: Wanted) -> None:
        self.name = wanted.operator
        self._wanted = wanted
        self._place: Place | None = wanted.journal
        self._seq = 0
        self._feed: FeedSource | None = None
        self._watch: JournalWatch | None = None
        self._closing = False

    async def events(self) -> AsyncGenerator[Event, None]:
        """Raises `SourceError`, `JournalError` when the window can't be opened at first."""
        self._place = await self._resolved()
        while not self._closing:
            source = await self._source()
            async with aclosing(source.events()) as events:
                try:
                    async for event in events:
                        if isinstance(event, Entry):
                            self._seq = event.seq
                        elif isinstance(event, Snapshot):
                            self._seq = event.state.seq
                        yield event
                except _HeldElsewhere:
                    self._feed = None
                    continue
            if source is self._watch and self._watch.left:
                self._watch = None
                continue
            return

    async def send(self, command: Command) -> Reply:
        """Ask the engine here. Where there is none, `TakeOver` starts one."""
        if self._feed is not None:
            return await self._feed.send(command)
        if not isinstance(command, TakeOver):
            return Refused("another console drives this window: `l` takes it over")
        return await self._take_over(command)

    async def close(self) -> None:
        self._closing = True
        for source in (self._feed, self._watch):
            if source is not None:
                await source.close()

    async def _resolved(self) -> Place:
        wanted = self._wanted
        return await asyncio.to_thread(
            lambda: the_journal(
                wanted.journal, wanted.config, wanted.window, wanted.digest,
                rehearsal=wanted.rehearsal,
            )
        )  # fmt: skip

    async def _source(self) -> FeedSource | JournalWatch:
        """Where the window can be had from now."""
        assert self._place is not None
        wanted = replace(self._wanted, journal=self._place)
        if not wanted.take_over and await self._is_held_elsewhere():
            return self._follow(self._place)
        try:
            await find_or_start(wanted)
        except SourceError:  # somebody was quicker
            if wanted.take_over or not await self._is_held_elsewhere():
                raise
            return self._follow(self._place)
        # given once: this window is taken over, and its runbook accepted
        self._wanted = replace(wanted, take_over="", take_over_of="", t0=None, accept_runbook=False)
        self._feed = FeedSource(
            self._dial, self.name, "drive", self._seq, take_over=wanted.take_over
        )
        return self._feed

    def _follow(self, place: Place) -> JournalWatch:
        self._watch = JournalWatch(place, self.name, self._seq)
        return self._watch

    async def _dial(self) -> Path:
        """The engine here, again; one that was killed is started again. Raises `SourceError`."""
        if await self._is_held_elsewhere():
            raise _HeldElsewhere
        return Path((await find_or_start(replace(self._wanted, journal=self._place))).socket)

    async def _is_held_elsewhere(self) -> bool:
        """Whether another console's engine has the window. While the journal is away: as far as
        is known here, no."""
        assert self._place is not None
        now = await asyncio.to_thread(_held, self._place)
        if now is None or now.standing in (Standing.FREE, Standing.DEAD):
            return False
        record, engine = find(self._place), now.lease.engine
        return record is None or engine is None or record.pid != engine.pid

    async def _take_over(self, command: TakeOver) -> Reply:
        watch, place = self._watch, self._place
        if watch is None or place is None:
            return Refused("the window is still being opened")
        of = command.of
        if not of and watch.handed_over:
            of = watch.lease_holder  # they gave it away: nothing is taken from anybody
        reason = command.reason.strip() or "nobody held it"
        wanted = replace(self._wanted, journal=place, take_over=reason, take_over_of=of)
        try:
            await find_or_start(wanted)
        except (SourceError, JournalError) as error:
            return Refused(one_line(str(error), 400))
        await watch.leave()
        return Accepted("the window is yours: runs under way go on", self._seq)


def _held(place: Place) -> Held | None:
    try:
        return held(place)
    except JournalError:
        return None
