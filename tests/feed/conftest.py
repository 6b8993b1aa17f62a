"""A window served for real: a journal, a hub and a server, and the smallest of controllers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from optibid_console.admission.throttle import ThrottlePolicy
from optibid_console.commands import Accepted, Command, Hold, Refused, Reply, WriteNote
from optibid_console.entries import Entry, Fact, Held, NoteWritten
from optibid_console.feed import listener
from optibid_console.feed.client import FeedSource
from optibid_console.feed.hub import Hub
from optibid_console.feed.link import Link
from optibid_console.feed.observer import ObserverSource
from optibid_console.feed.screen import Attached
from optibid_console.feed.server import FeedServer
from optibid_console.journal.sqlite import SqliteJournal
from optibid_console.source import Role
from tests.feed.observing import Shared, own_state
from tests.feed.screen import Screen


class OneDriver:
    """The first screen that wants to drive holds the window until it leaves."""

    def __init__(self) -> None:
        self.holder: Attached | None = None
        self.leavings: list[tuple[str, bool]] = []
        self.gone = asyncio.Event()
        self.waiting = asyncio.Event()
        self.release = asyncio.Event()
        self.append: Callable[[str, Fact], Awaitable[Entry]]

    async def joined(self, screen: Attached) -> Role:
        if self.holder is None and screen.want == "drive":
            self.holder = screen
            return Role(operator=True, holder=screen.name)
        if self.holder is None:
            return Role(operator=False)
        return Role(False, self.holder.name, stalled_s=self.holder.stalled_s())

    async def left(self, screen: Attached, clean: bool) -> None:
        self.leavings.append((screen.name, clean))
        if self.holder is screen:
            self.holder = None
        self.gone.set()

    async def handle(self, command: Command, screen: Attached) -> Reply:
        if self.holder is not screen:
            return Refused(f"{self.holder.name if self.holder else 'nobody'} holds this window")
        match command:
            case Hold():
                entry = await self.append(screen.name, Held(command.reason))
            case WriteNote(text="wait"):
                self.waiting.set()
                await self.release.wait()
                return Accepted("waited")
            case WriteNote():
                entry = await self.append(screen.name, NoteWritten("window", command.text))
            case _:
                raise RuntimeError("a bug in the engine")
        return Accepted(seq=entry.seq)


class Window:
    """What an engine is to the feed."""

    def __init__(self, path: Path, journal: SqliteJournal) -> None:
        self.path = path
        self.journal = journal
        self.hub = Hub()
        self.controller = OneDriver()
        self.controller.append = self.append
        self.server = FeedServer(path, self.hub, journal, self.controller)

    async def append(self, actor: str, fact: Fact) -> Entry:
        entry = await self.journal.append(actor, fact)
        self.hub.entry(entry)
        return entry

    async def notes(self, count: int) -> None:
        for number in range(count):
            await self.append("console", NoteWritten("window", f"note {number}"))

    async def restart(self) -> None:
        """The engine dies and another one starts on the same journal."""
        await self.server.close("restarting")
        self.hub = Hub()
        self.controller = OneDriver()
        self.controller.append = self.append
        self.server = FeedServer(self.path, self.hub, self.journal, self.controller)
        await self.server.start()


@pytest.fixture
async def window(tmp_path: Path) -> AsyncIterator[Window]:
    journal = await SqliteJournal.open(tmp_path / "one.journal", create=True)
    window = Window(tmp_path / "sock" / "engine.sock", journal)
    await window.server.start()
    yield window
    await window.server.close("over")
    await journal.close()


@pytest.fixture
async def shared(window, tmp_path, monkeypatch):
    own_state(tmp_path, monkeypatch)
    monkeypatch.setattr(listener, "THROTTLE", ThrottlePolicy(first_s=0.01, most_s=0.05))
    shared = Shared(window)
    await shared.start()
    yield shared
    await shared.listener.close("over")


@pytest.fixture
async def watch(shared):
    screens = []

    def watch(link: Link, name: str = "bob", **more) -> Screen:
        screens.append(Screen(ObserverSource(link, name, **more)))
        return screens[-1]

    yield watch
    for one in screens:
        one.task.cancel()
        await asyncio.gather(one.task, return_exceptions=True)


@pytest.fixture
async def attach(window):
    screens = []

    def attach(name: str, want: str = "watch", after: int = 0) -> Screen:
        screens.append(Screen(FeedSource(window.path, name, want, after)))
        return screens[-1]

    yield attach
    for screen in screens:
        screen.task.cancel()
        await asyncio.gather(screen.task, return_exceptions=True)
