"""A window that a benchmark drives through its engine's feed, as a screen does."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from optibid_console.commands import Command, Refused, RunStep, StartAction
from optibid_console.engine_process import Wanted, find_or_start
from optibid_console.entries import Entry, Outcome
from optibid_console.feed.client import FeedSource
from optibid_console.plan import next_move
from optibid_console.signals import Output
from optibid_console.source import CaughtUp, Event, Role
from optibid_console.state import WindowState

LIMIT_S = 120.0


class Driven:
    """The window as its driver sees it, and when she saw what."""

    def __init__(self, source: FeedSource) -> None:
        self.state = WindowState()
        self.entries: list[Entry] = []
        self.output_at: dict[str, float] = {}
        """Run → when its first byte was here (`time.perf_counter`)."""
        self.ready = False
        self._role = Role(False)
        self._source = source
        self._news = asyncio.Event()

    async def take(self) -> None:
        async for event in self._source.events():
            self._took(event)
            self._news.set()

    def _took(self, event: Event) -> None:
        if isinstance(event, Entry):
            self.state = self.state.apply(event)
            self.entries.append(event)
        elif isinstance(event, Output):
            self.output_at.setdefault(event.run_id, time.perf_counter())
        elif isinstance(event, Role):
            self._role = event
        elif isinstance(event, CaughtUp):
            self.ready = True

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def drives(self) -> None:
        await self.until(lambda: self.ready and self._role.operator)

    async def send(self, command: Command) -> None:
        """Raises `RuntimeError` when it is refused."""
        reply = await self._source.send(command)
        if isinstance(reply, Refused):
            raise RuntimeError(f"{command} was refused: {reply.why}")

    async def go_on_after(self, last_step: str) -> None:
        """Run the window's steps in order until this one is done. Raises `RuntimeError`."""
        step_id = ""
        while step_id != last_step:
            move = next_move(self.state)
            if move.kind not in ("run", "confirm"):
                raise RuntimeError(f"the window doesn't go on: {move}")
            step_id = move.step_id
            await self._do(step_id)

    async def _do(self, step_id: str) -> None:
        attempt = self.state.step(step_id).attempt
        await self.send(RunStep(step_id))
        await self.until(lambda: self.state.step(step_id).attempt > attempt)
        await self.until(lambda: self.state.step(step_id).outcome is not None)
        step = self.state.step(step_id)
        if step.outcome is not Outcome.SUCCEEDED:
            raise RuntimeError(f"{step_id}: {step.reason}")

    async def start(self, action_id: str) -> str:
        """Start an action; its run's name."""
        before = len(self.state.actions)
        await self.send(StartAction(action_id, action_id))
        await self.until(lambda: len(self.state.actions) > before)
        return list(self.state.actions)[-1]


@contextlib.asynccontextmanager
async def driven(wanted: Wanted) -> AsyncIterator[Driven]:
    """An engine for that window, and who drives it."""
    record = await find_or_start(wanted)
    source = FeedSource(Path(record.socket), wanted.operator, "drive")
    window = Driven(source)
    taking = asyncio.create_task(window.take())
    try:
        await window.drives()
        yield window
    finally:
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        await source.close()
