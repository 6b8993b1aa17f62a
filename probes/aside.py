"""Work of a reading that may take long, done beside the event loop and given up in time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from probes.deadline import time_left_s, timeout_s
from probes.probe import ProbeError

Answer = TypeVar("Answer")

CHEAP_STEPS = 1_000_000
"""At most this many steps, about 10 ms of RE2's slowest matcher, are done on the loop."""
_AT_ONCE = threading.BoundedSemaphore(2)
"""Jobs at a time: more would take the processor away from the loop."""
_here = threading.local()


class GivenUp(Exception):
    """Nobody waits for this job's answer any more."""


def stop_if_given_up() -> None:
    """Raises `GivenUp` in a job whose time is over: a long one asks between its parts."""
    given_up: threading.Event | None = getattr(_here, "given_up", None)
    if given_up is not None and given_up.is_set():
        raise GivenUp


async def judged(job: Callable[[], Answer], steps: int, what: str) -> Answer:
    """Returns what `job` returns: at once when it is cheap, else in a thread in the time left.

    Raises `ProbeError` when it doesn't end in time; `what` says what it worked on. The thread is
    a daemon: one that goes on with a search that nobody waits for doesn't delay the exit.
    """
    return job() if steps <= CHEAP_STEPS else await _beside(job, what)


async def _beside(job: Callable[[], Answer], what: str) -> Answer:
    answer: Future[Answer] = Future()
    given_up = threading.Event()
    work = threading.Thread(target=_work, args=(job, answer, given_up), name="judging", daemon=True)
    work.start()
    try:
        async with asyncio.timeout(time_left_s()):
            return await asyncio.wrap_future(answer)
    except TimeoutError as error:
        raise ProbeError(f"{what} took longer to search than {timeout_s():g} s") from error
    finally:
        given_up.set()


def _work(job: Callable[[], Answer], answer: Future[Answer], given_up: threading.Event) -> None:
    _here.given_up = given_up
    with _AT_ONCE:
        if not answer.set_running_or_notify_cancel():
            return
        try:
            found = job()
        except BaseException as error:  # the waiting side raises it
            answer.set_exception(error)
        else:
            answer.set_result(found)
