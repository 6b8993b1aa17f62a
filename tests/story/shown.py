"""What a person sees of the story: the real screens over its journal."""

from __future__ import annotations

import asyncio
import re
import time

from optibid_console.journal.file import entries_of
from optibid_console.source import CaughtUp, Role
from optibid_console.state import fold
from screens.app import ConsoleApp
from tests.screens.conftest import text_of
from tests.screens.recorded_source import RecordedSource
from tests.story.stage import Stage


class Seen(str):
    """All that is written on a screen, a widget after the other."""

    __slots__ = ()

    def __contains__(self, sentence: object) -> bool:
        """Whether the sentence is there, wherever its lines were broken."""
        return _words(str(sentence)) in _words(self)


async def on_screen(stage: Stage, *keys: str, asked: bool = False) -> Seen:
    """What the operator sees who attaches now and presses these keys; `asked`: once the console
    has asked something by itself."""
    entries = list(entries_of(stage.journal))
    role = Role(True, fold(entries).operator, time.time())
    source = RecordedSource([*entries, role, CaughtUp(len(entries))])

    async def connect() -> RecordedSource:
        return source

    app = ConsoleApp(connect, "OptiBid")
    async with app.run_test(size=(160, 45)) as pilot:
        while not source.drained:
            await pilot.pause()
        await pilot.pause()
        if keys:
            await pilot.press(*keys)
        app.draw_now()
        async with asyncio.timeout(20):
            while asked and app.screen is app.window:
                await pilot.pause(0.02)
        await pilot.pause()
        widgets = [*app.screen.walk_children(), *app.window.walk_children()]
        return Seen("\n".join(f"{one.border_title or ''}\n{text_of(one)}" for one in widgets))


def _words(text: str) -> str:
    return re.sub(r"\W+", "", text)
