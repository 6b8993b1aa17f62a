"""What a person sees of the story: the real screens over its journal."""

from __future__ import annotations

import re
import time

from optibid_console.journal.file import entries_of
from optibid_console.source import CaughtUp, Role
from screens.app import ConsoleApp
from tests.screens.conftest import text_of
from tests.screens.recording import RecordedSource
from tests.story.stage import Stage


class Seen(str):
    """All that is written on a screen, a widget after the other."""

    __slots__ = ()

    def __contains__(self, sentence: object) -> bool:
        """Whether the sentence is there, wherever its lines were broken."""
        return _words(str(sentence)) in _words(self)


async def on_screen(stage: Stage, *keys: str, size: tuple[int, int] = (160, 45)) -> Seen:
    """What the operator sees who attaches now, and presses these keys."""
    entries = list(entries_of(stage.journal))
    source = RecordedSource([*entries, Role(True, "oncall-1", time.time()), CaughtUp(len(entries))])

    async def connect() -> RecordedSource:
        return source

    app = ConsoleApp(connect, "OptiBid")
    async with app.run_test(size=size) as pilot:
        while not source.drained:
            await pilot.pause()
        await pilot.pause()
        if keys:
            await pilot.press(*keys)
        app.draw_now()
        await pilot.pause()
        widgets = [*app.screen.walk_children(), *app.window.walk_children()]
        return Seen("\n".join(text_of(one) for one in widgets if one.is_on_screen))


def _words(text: str) -> str:
    return re.sub(r"\W+", "", text)
