"""A screen without a terminal: what the engine tells, and commands to it."""

from __future__ import annotations

import asyncio
import signal
from argparse import Namespace
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.cli.person import name_of
from optibid_console.engine_process import Wanted, find_or_start, found_or_started, until_gone
from optibid_console.engine_record import EngineRecord
from optibid_console.feed.client import FeedSource
from optibid_console.journal_place import Place
from optibid_console.launch_clock import format_span
from optibid_console.runbook.load import Loaded
from optibid_console.signals import Output
from optibid_console.source import (
    CaughtUp,
    ControlSource,
    Ended,
    Lost,
    Role,
    Snapshot,
    SourceError,
)
from optibid_console.state import WindowState

R = TypeVar("R")

Heard = Callable[[e.Entry | Output, WindowState], None]
"""Told of each entry and output that comes after the talk has begun, with the state then."""


class Declined(Exception):
    """The engine doesn't do it; the message says why."""


class EngineGone(SourceError):
    """The engine ended in the middle of a talk; what runs goes on on its target."""

    exit_code = 4


class Interrupted(Exception):
    """INT or TERM ended the talk; nothing is stopped by it."""

    def __init__(self, exit_status: int) -> None:
        super().__init__("interrupted")
        self.exit_status = exit_status


class Talk:
    """One conversation with an engine; `state` is the window as far as it was told."""

    def __init__(self, source: ControlSource, heard: Heard, note: Callable[[str], None]) -> None:
        self.state = WindowState()
        self._source = source
        self._heard = heard
        self._note = note
        self._role = Role(False)
        self._caught_up = False
        self._ended = ""
        self._news = asyncio.Event()
        self._over: frozenset[str] = frozenset()
        """Runs that had ended before this conversation began: the engine replays their output."""
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Talk:
        self._reading = asyncio.create_task(self._read())
        await self._until(lambda: self._caught_up)
        return self

    async def __aexit__(self, *raised: object) -> None:
        assert self._reading is not None  # entered
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def until(self, true: Callable[[WindowState], object]) -> WindowState:
        """Wait until the state is so. Raises `EngineGone`, `SourceError`."""
        await self._until(lambda: bool(true(self.state)))
        return self.state

    async def drive(self, take_over: str = "") -> None:
        """Become the operator. Raises `Declined`: who drives is named."""
        if self._role.operator:
            return
        holder, since = self._role.holder, self._role.since
        if holder and not take_over:
            span = format_span(max(self.state.at - since, 0.0))
            raise Declined(
                f"{holder} drives this window, for {span}: ask there, or take it over with "
                f'--take-over "REASON"'
            )
        reply = await self._source.send(c.TakeOver(take_over))
        if isinstance(reply, c.Refused):
            raise Declined(f"this window can't be driven: {reply.why}")

    async def ask(self, command: c.Command) -> str:
        """Send a command and wait until what it recorded is in `state`; gives what the engine
        said. Raises `Declined`, `EngineGone`, `SourceError`."""
        return (await self.accepted(command)).said

    async def accepted(self, command: c.Command) -> c.Accepted:
        """As `ask`; gives the whole reply."""
        reply = await self._source.send(command)
        if isinstance(reply, c.Refused):
            raise Declined(reply.why)
        seq = reply.seq
        await self._until(lambda: self.state.seq >= seq)
        return reply

    async def end_engine(self, why: str) -> bool:
        """Ask the engine to end, should nobody else need it; whether it does."""
        if not self._role.operator and not self._role.holder:
            await self._source.send(c.TakeOver())
        reply = await self._source.send(c.StopEngine(why, True))
        return isinstance(reply, c.Accepted)

    async def _until(self, true: Callable[[], bool]) -> None:
        assert self._reading is not None  # entered
        while not true():
            if self._reading.done():
                self._reading.result()  # raises why the engine can't be reached
                raise EngineGone(f"the engine ended: {self._ended or 'the feed is over'}")
            self._news.clear()
            news = asyncio.create_task(self._news.wait())
            try:
                either = {news, self._reading}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()

    async def _read(self) -> None:
        async for event in self._source.events():
            match event:
                case e.Entry():
                    self.state = self.state.apply(event)
                    if self._caught_up:
                        self._heard(event, self.state)
                case Output():
                    if self._caught_up and event.run_id not in self._over:
                        self._heard(event, self.state)
                case Snapshot():
                    self.state = event.state
                case Role():
                    self._role = event
                case CaughtUp():
                    if not self._caught_up:
                        runs = self.state.runs
                        self._over = frozenset(one for one in runs if runs[one].ended is not None)
                    self._caught_up = True
                case Lost():
                    self._note(f"{event.why}; retry {event.attempt}")
                case Ended():
                    self._ended = event.reason
            self._news.set()


async def engine_of(
    options: Namespace, loaded: Loaded, journal: Place
) -> tuple[FeedSource, EngineRecord, bool]:
    """A source of this window's engine, its record, and whether it was started just now.

    Raises `SourceError`.
    """
    name = name_of(options)
    wanted = Wanted(
        options.config, loaded.runbook.window.name, name, journal, options.t0, options.take_over,
        options.of, options.accept_runbook, loaded.digest, options.rehearse,
    )  # fmt: skip
    record, started = await found_or_started(wanted)
    same = Wanted(
        options.config, loaded.runbook.window.name, name, journal, rehearsal=options.rehearse
    )

    async def dial() -> Path:
        """The engine again; one that was killed is started again, for the same journal."""
        return Path((await find_or_start(same)).socket)

    return FeedSource(dial, name, "watch"), record, started


async def with_engine(
    options: Namespace,
    loaded: Loaded,
    journal: Place,
    heard: Heard,
    note: Callable[[str], None],
    work: Callable[[Talk, bool], Awaitable[R]],
) -> R:
    """Do `work` in a talk with this window's engine, found or started; gives what it gives.

    `work` is told whether the engine was started for it; such a one is ended afterwards, unless
    somebody else needs it. Raises what `work` raises, `Interrupted`, `SourceError`.
    """
    source, record, started = await engine_of(options, loaded, journal)
    ends = False
    try:
        async with Talk(source, heard, note) as talk:
            result = await unless_interrupted(work(talk, started))
            ends = started and await _ended(talk, options.command)
    finally:
        await source.close()
    if ends:
        await until_gone(record)
    return result


async def _ended(talk: Talk, command: str) -> bool:
    """Whether the engine ends now; one whose window was closed has ended by itself."""
    if talk.state.closed is not None:
        return True
    return await talk.end_engine(f"{command} is over")


async def unless_interrupted(work: Awaitable[R]) -> R:
    """Returns the result of `work`. Raises `Interrupted` when INT or TERM comes first."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[int] = loop.create_future()

    def tell(number: int) -> None:
        if not told.done():
            told.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, tell, number)
    working = asyncio.ensure_future(work)
    try:
        await asyncio.wait((working, told), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise Interrupted(128 + told.result())
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
