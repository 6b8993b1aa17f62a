"""Pictures of the window that change only on purpose (`pytest --snapshot-update`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from optibid_console.signals import LogLines
from screens.app import ConsoleApp
from tests.screens import recording as rec
from tests.screens.recorded_source import RecordedSource, played


@pytest.mark.parametrize(
    ("state", "size"),
    [
        ("good_day", (160, 45)),
        ("tripped", (160, 45)),
        ("tripped", (80, 24)),
        ("unsettled", (160, 45)),
        ("unsettled", (80, 24)),
        ("rehearsal", (160, 45)),
        ("rehearsal", (80, 24)),
    ],
)
def test_the_window_looks_as_it_did(
    snap_compare: Callable[..., bool], state: str, size: tuple[int, int]
) -> None:
    # Logs are left out: their title shows a rate, which is never the same twice.
    events = [one for one in played(getattr(rec, state)()) if not isinstance(one, LogLines)]
    source = RecordedSource(events)

    async def connect() -> RecordedSource:
        return source

    app = ConsoleApp(connect, "OptiBid", clock=lambda: rec.NOW)

    async def drawn(pilot: Pilot[Any]) -> None:
        while not source.drained:
            await pilot.pause()
        await pilot.pause()
        app.draw_now()
        while state == "unsettled" and app.screen is app.window:
            await pilot.pause()
        for field in app.screen.query(Input):
            field.cursor_blink = False  # else the picture depends on how long it took
        app.window.tick()
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=drawn)
