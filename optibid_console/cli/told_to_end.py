"""A screen that is told to end gives its terminal back first."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_AT_LAST_S = 2.0


@contextmanager
def told_to_end(end: Callable[[int], object]) -> Iterator[None]:
    """While it lasts, TERM, HUP and INT call `end` with the exit status, in the event loop.

    A terminal that takes nothing can hold that up: after two seconds SIGALRM's own
    action ends the process.
    """

    def told(number: int, frame: FrameType | None) -> None:
        status = 128 + number
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # it doesn't run yet, or not any more
            raise SystemExit(status) from None
        signal.setitimer(signal.ITIMER_REAL, _AT_LAST_S)
        loop.call_soon_threadsafe(end, status)

    before = {number: signal.signal(number, told) for number in _ENDS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.setitimer(signal.ITIMER_REAL, 0)
