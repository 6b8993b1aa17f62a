"""The demo's window played without a screen: an operator at the feed, entries as JSON lines."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

from optibid_console.commands import Command, Refused, Share, StartSharing, TakeOver
from optibid_console.demo.operator import GivenUp, next_command
from optibid_console.entries import Entry
from optibid_console.printed import safe_json, say
from optibid_console.source import ControlSource, Ended, Role
from optibid_console.state import WindowState

LOOK_S = 0.2
"""How often the operator looks at the clock when nothing happens."""
REFUSALS = 20
"""So many refusals in a row aren't a matter of a moment any more."""

Print = Callable[[str], None]


class Headless:
    """Plays one window through a source. `sharing`: how observers are let in first; what `tell`
    gets are their links."""

    def __init__(
        self,
        source: ControlSource,
        show: Print,
        sharing: Sequence[StartSharing | Share] = (),
        tell: Print = say,
    ) -> None:
        self.state = WindowState()
        self._source = source
        self._show = show
        self._sharing = list(sharing)
        self._tell = tell
        self._news = asyncio.Event()
        self._operator = False
        self._ended = "the feed is over"

    async def play(self, limit_s: float) -> None:
        """Play until the window is closed. Raises `GivenUp` when it doesn't come to that,
        `SourceError` when the engine can't be reached at all."""
        reading = asyncio.create_task(self._read())
        acting = asyncio.create_task(self._act_until_closed())
        try:
            done, _ = await asyncio.wait(
                (reading, acting), timeout=limit_s, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                await task
        finally:
            for task in (reading, acting):
                task.cancel()
            await asyncio.gather(reading, acting, return_exceptions=True)
        if not done:
            raise GivenUp(f"the window is not over after {limit_s:.0f} s")
        if self.state.closed is None:
            raise GivenUp(f"the engine ended first: {self._ended}")

    async def _read(self) -> None:
        async for event in self._source.events():
            if isinstance(event, Entry):
                self.state = self.state.apply(event)
                self._show(safe_json(event.to_plain()))
            elif isinstance(event, Role):
                self._operator = event.operator
            elif isinstance(event, Ended):
                self._ended = event.reason
            self._news.set()

    async def _act_until_closed(self) -> None:
        while self.state.closed is None:
            await self._act()

    async def _share(self, command: StartSharing | Share) -> None:
        """Raises `GivenUp`."""
        reply = await self._source.send(command)
        if isinstance(reply, Refused):
            raise GivenUp(f"the window can't be shared: {reply.why}")
        if isinstance(command, Share):
            self._tell(f"{command.name} watches it with: optibid-console watch '{reply.link}'")

    async def _act(self) -> None:
        if self._operator and self._sharing and self.state.runbook is not None:
            await self._share(self._sharing.pop(0))
            return
        command: Command | None = None
        if self.state.runbook is not None:
            driving = self._operator
            command = next_command(self.state, time.time()) if driving else TakeOver("the demo")
        if command is None:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), LOOK_S)
            return
        await self._ask(command)

    async def _ask(self, command: Command) -> None:
        refused = ""
        for _ in range(REFUSALS):
            reply = await self._source.send(command)
            if not isinstance(reply, Refused):
                await self._until(reply.seq)
                return
            refused = reply.why
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), LOOK_S)
            if next_command(self.state, time.time()) != command:
                return
        raise GivenUp(f"{command} is refused: {refused}")

    async def _until(self, seq: int) -> None:
        """Wait until the entry `seq` is in the state: what was asked is then seen."""
        while self.state.seq < seq:
            self._news.clear()
            await self._news.wait()
