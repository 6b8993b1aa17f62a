"""People who are told: a window, its channels, and what each took."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from optibid_console import entries as e
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.telling import Patience, Telling
from optibid_console.runbook.channels import Channel, ChannelKind, Event
from optibid_console.state import WindowState

QUICK = Patience(delays_s=(0.02, 0.05, 0.05, 0.05), grace_s=0.5)
ON = (Event.HELD, Event.WINDOW_CLOSED)


class Silent:
    """A hub on which nobody listens."""

    def entry(self, entry: e.Entry) -> None: ...

    def signal(self, signal: object) -> None: ...

    def forget(self, kind: str, name: str) -> None: ...


class Desk:
    """A ledger and the telling that hears it."""

    def __init__(self, ledger: Ledger, telling: Telling) -> None:
        self.ledger = ledger
        self.telling = telling

    @property
    def state(self) -> WindowState:
        return self.ledger.state

    async def until(self, true: Callable[[WindowState], Any]) -> WindowState:
        async with asyncio.timeout(60):
            while not true(self.state):
                await self.ledger.changed()
        return self.state


def channel(name: str, url: str, **more: Any) -> Channel:
    return Channel(name, ChannelKind.STATUS_PAGE, url, ON, **more)


def failures(heard: list[e.Entry]) -> list[tuple[int, bool]]:
    return [
        (one.fact.attempt, one.fact.over) for one in heard if isinstance(one.fact, e.TellingFailed)
    ]


async def all_entries(desk: Desk) -> list[e.Entry]:
    return await desk.ledger.read(0, 1000)
