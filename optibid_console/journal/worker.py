"""A thread of its own for what blocks, with as little between it and the loop as can be."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

_Job = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class Worker:
    """Does one thing after the other, in the order in which it was asked.

    `concurrent.futures` makes a second future and a lock for each; beside an fsync of
    0.2 ms that is felt.
    """

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        # a daemon: a disk that hangs must not keep the process from ending
        threading.Thread(target=self._work, name=name, daemon=True).start()

    async def do(self, work: Callable[[], T]) -> T:
        """What `work` gives or raises. When the caller is cancelled it is done all the same."""
        answer: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((work, answer))
        return await answer

    def end(self) -> None:
        """End the thread after what was asked of it until now."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, answer = job
            try:
                result = work()
            except BaseException as error:
                self._tell(_fail, answer, error)
            else:
                self._tell(_succeed, answer, result)
            del job, work, answer

    def _tell(self, say: Callable[..., None], *given: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(say, *given)


class Owing:
    """Since when an answer is owed: entered by each who waits for one."""

    def __init__(self) -> None:
        self._since: list[float] = []

    def __enter__(self) -> None:
        self._since.append(time.monotonic())

    def __exit__(self, *raised: object) -> None:
        # they are answered in turn: who leaves is the first that came
        del self._since[0]

    @property
    def for_s(self) -> float:
        """For how long the first one of them has waited, in seconds; 0: nobody waits."""
        return time.monotonic() - self._since[0] if self._since else 0.0


def _succeed(answer: asyncio.Future[Any], result: Any) -> None:
    if not answer.done():
        answer.set_result(result)


def _fail(answer: asyncio.Future[Any], error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)
