"""How an engine lives and ends: its tasks, and what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Life:
    """The tasks of one engine, until somebody stops it or one of them breaks."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def over(self) -> str:
        """Wait until it ends; gives the reason. Raises what broke it."""
        return await self._over

    @property
    def is_over(self) -> bool:
        return self._over.done()

    def stop(self, reason: str) -> None:
        """End it, soon."""
        if not self._over.done():
            self._over.set_result(reason)

    def broke(self, error: BaseException) -> None:
        """End it with this error."""
        if not self._over.done():
            self._over.set_exception(error)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do it beside everything else."""
        self.keep(asyncio.create_task(work))

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Hold on to a task; it ends with the engine, or the engine with its error."""
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        """A part of the engine that breaks ends the engine with its error, never silently."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.broke(error)

    async def end_tasks(self) -> None:
        """Cancel what goes on still, and wait until it has ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
