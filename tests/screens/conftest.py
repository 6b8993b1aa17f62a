"""Runs the console over a recording, at a size, with a clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from textual.content import Content
from textual.pilot import Pilot
from textual.widget import Widget

from optibid_console.commands import Command
from screens import typed_ahead
from screens.app import ConsoleApp
from screens.glyphs import use_ascii
from screens.modals.refused import RefusedSheet
from screens.modals.sheet import Sheet
from tests.screens.recorded_source import RecordedSource, played
from tests.screens.recording import NOW, Recorder


@dataclass
class Console:
    """A console that runs over a recorded source."""

    app: ConsoleApp
    pilot: Pilot[None]
    source: RecordedSource
    clock: list[float]

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()
        screen = self.app.screen
        while isinstance(screen, Sheet) and not screen.query("#page"):
            await self.pilot.pause()  # it was pushed, and isn't composed yet

    async def type(self, text: str) -> None:
        await self.press(*("space" if char == " " else char for char in text))

    async def sent(self) -> list[Command]:
        """The commands that were sent, once there is one."""
        async with asyncio.timeout(60):
            await self.source.commanded.wait()
        return self.source.sent

    async def settle(self) -> None:
        """Let everything that was pushed be taken, and drawn at once."""
        while not self.source.drained:
            await self.pilot.pause()
        await self.pilot.pause()
        self.app.draw_now()
        await self.pilot.pause()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Let the app work until this holds."""
        async with asyncio.timeout(60):
            while not holds():
                await self.pilot.pause()

    def pane(self, name: str) -> str:
        return text_of(self.app.window.pane(name))

    def seen(self, widget: str) -> str:
        return text_of(self.app.window.query_one(f"#{widget}"))

    def sheet(self) -> str:
        """The text of the sheet that is open."""
        screen = self.app.screen
        assert isinstance(screen, Sheet), f"no sheet is open but {screen!r}"
        return text_of(screen.query_one("#page"))

    def sheet_lines(self) -> list[str]:
        """All lines of the sheet, also those out of sight."""
        screen = self.app.screen
        assert isinstance(screen, Sheet), f"no sheet is open but {screen!r}"
        return [line.text for line in screen.make_lines(90, NOW)]

    def refused(self) -> tuple[str, str]:
        """What the refusal that is in front says: what was refused, and why."""
        screen = self.app.screen
        assert isinstance(screen, RefusedSheet), f"no refusal is open but {screen!r}"
        assert self.sheet().strip()
        return screen.refusal.what, screen.refusal.why

    def said(self) -> list[str]:
        """What was said in passing."""
        return [one.message for one in self.app._notifications]


def border(it: Console, pane: str) -> str:
    """The text of a pane's top border."""
    return Content.from_markup(str(it.app.window.pane(pane).border_title)).plain


def text_of(widget: Widget) -> str:
    return "\n".join(widget.render_line(y).text for y in range(widget.size.height))


Start = Callable[..., AbstractAsyncContextManager[Console]]


@pytest.fixture
def console() -> Start:
    @asynccontextmanager
    async def start(
        recorder: Recorder, *, size: tuple[int, int] = (160, 45), operator: bool = True,
        reply: Any = None, **options: Any,
    ) -> AsyncIterator[Console]:  # fmt: skip
        source = RecordedSource(played(recorder, operator=operator), reply=reply)
        clock = [NOW]

        async def connect() -> RecordedSource:
            return source

        app = ConsoleApp(connect, "test", clock=lambda: clock[0], **options)
        async with app.run_test(size=size) as pilot:
            running = Console(app, pilot, source, clock)
            await running.settle()
            yield running

    return start


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pilot presses keys without the pause that a person makes after a dialog has closed; the
    tests of the rest itself set it, with a clock of their own."""
    monkeypatch.setattr(typed_ahead, "REST_S", 0.0)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a sheet takes longer to open than keys wait for it; the test of that
    wait sets its own."""
    monkeypatch.setattr(typed_ahead, "MOST_S", 60.0)


@pytest.fixture(autouse=True)
def _glyphs() -> Any:
    use_ascii(False)
    yield
    use_ascii(False)
