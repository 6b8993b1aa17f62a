"""A whole engine in the test's own process, and the person who drives it: no screen."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from optibid_console import commands as c
from optibid_console.engine.engine import Engine
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.opening import opening
from optibid_console.entries import Entry, Fact
from optibid_console.journal.lease import this_engine
from optibid_console.journal.spilling import SpillingJournal
from optibid_console.journal.sqlite import SqliteJournal
from optibid_console.runbook.load import Loaded
from optibid_console.signals import Signal
from optibid_console.source import Role
from optibid_console.state import WindowState
from optibid_console.targets import open_targets
from optibid_console.targets.target import Target

OPENED_AT = 1_800_000_000.0


class Heard:
    """What the engine told: every entry and signal."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.signals: list[Signal] = []
        self.roles: list[tuple[str, Role]] = []
        self.forgotten: list[tuple[str, str]] = []
        self.news = asyncio.Event()
        """Set with each signal."""

    def entry(self, entry: Entry) -> None:
        self.entries.append(entry)

    def signal(self, signal: Signal) -> None:
        self.signals.append(signal)
        self.news.set()

    def forget(self, kind: str, name: str) -> None:
        self.forgotten.append((kind, name))

    def of(self, kind: type[Any]) -> list[Any]:
        facts = [one.fact for one in self.entries if isinstance(one.fact, kind)]
        return facts or [one for one in self.signals if isinstance(one, kind)]


class Screen:
    """A screen that is attached to the engine."""

    def __init__(self, name: str, want: str = "drive") -> None:
        self.id = f"screen-of-{name}"
        self.name = name
        self.want = want

    def stalled_s(self) -> float:
        return 0.0


class Bench:
    """One engine and the person who drives it."""

    def __init__(
        self,
        engine: Engine,
        heard: Heard,
        journal: SqliteJournal,
        room: Path,
        loaded: Loaded,
        targets: Mapping[str, Target],
    ) -> None:
        self.engine = engine
        self.heard = heard
        self.journal = journal
        self.room = room
        self.loaded = loaded
        self.targets = targets
        self.driver = Screen("oncall-1")

    @property
    def state(self) -> WindowState:
        return self.engine.ledger.state

    async def do(self, command: c.Command, screen: Screen | None = None) -> c.Reply:
        return await self.engine.handle(command, screen or self.driver)

    async def until(self, true: Callable[[WindowState], Any], limit_s: float = 15.0) -> WindowState:
        """Wait for entries until the state is so; what isn't there yet is not so."""
        async with asyncio.timeout(limit_s):
            while True:
                with contextlib.suppress(KeyError):
                    if true(self.state):
                        return self.state
                await self.engine.ledger.changed()

    async def until_signal(self, true: Callable[[], Any], limit_s: float = 15.0) -> None:
        """Wait for signals until it is so."""
        async with asyncio.timeout(limit_s):
            while not true():
                self.heard.news.clear()
                await self.heard.news.wait()

    async def finished(self, step_id: str) -> WindowState:
        return await self.until(lambda state: state.step(step_id).outcome is not None)

    async def step(self, step_id: str) -> WindowState:
        reply = await self.do(c.RunStep(step_id))
        assert isinstance(reply, c.Accepted), reply
        return await self.finished(step_id)


B = TypeVar("B", bound=Bench)


def own_targets(loaded: Loaded) -> Callable[[str], Mapping[str, Target]]:
    """The runbook's targets, whichever the window is."""
    return lambda window_id: open_targets(loaded.runbook, lambda state: None)


@contextlib.asynccontextmanager
async def driven(
    loaded: Loaded,
    path: Path,
    room: Path,
    kind: type[B],
    *,
    targets: Callable[[str], Mapping[str, Target]] | None = None,
    first: Iterable[Fact] = (),
    rehearsal: bool = False,
    read: Callable[[], Loaded] | None = None,
) -> AsyncIterator[B]:
    """An engine on the journal at `path`; again, it goes on with the one there.

    `targets`: the window's id → its targets; the runbook's own when not given. `first` is
    recorded as the window opens. `room`: the directory that the bench is for. `read` loads the
    config again.
    """
    journal = await SqliteJournal.open(path, create=True)
    spilling, heard = SpillingJournal(journal, journal.path), Heard()
    lease = await journal.acquire("oncall-1", this_engine())
    ledger = Ledger(spilling, heard, loaded.secrets)
    await ledger.restore()
    if ledger.state.seq == 0:
        await ledger.record(opening(loaded, "", OPENED_AT, rehearsal=rehearsal), "oncall-1")
        for fact in first:
            await ledger.record(fact)
    opened = (targets or own_targets(loaded))(ledger.state.window_id)
    engine = Engine(
        loaded, ledger, opened, lambda who, role: heard.roles.append((who, role)), read=read
    )
    await engine.begin(lease.epoch)
    life = asyncio.create_task(engine.run())
    bench = kind(engine, heard, journal, room, loaded, opened)
    try:
        await engine.joined(bench.driver)
        yield bench
    finally:
        engine.stop("the test is over")
        try:
            await asyncio.wait_for(life, 60)
        finally:
            for target in opened.values():
                await target.close()
            await journal.release()
            await spilling.close()
