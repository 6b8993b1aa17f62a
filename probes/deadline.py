"""How long a reading may still take, known inside the probe.

`take` ends a probe that outlives its timeout, and can then only say that the measurement
broke. A probe that judges silence itself, because a service that doesn't answer is an
observation, gives up a little earlier: after `time_left_s`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

WITHOUT_DEADLINE_S = 10.0
"""What a probe is given that nobody set a deadline for."""

_deadline: ContextVar[tuple[float, float] | None] = ContextVar("deadline", default=None)


@contextmanager
def deadline(timeout_s: float) -> Iterator[None]:
    """Let what runs inside, and the tasks that it starts, know that it has `timeout_s`."""
    token = _deadline.set((time.monotonic() + timeout_s, timeout_s))
    try:
        yield
    finally:
        _deadline.reset(token)


def timeout_s() -> float:
    """The whole time that this reading was given, for messages."""
    known = _deadline.get()
    return known[1] if known else WITHOUT_DEADLINE_S


def time_left_s() -> float:
    """Seconds until a probe should give up by itself: a twentieth before `take` does."""
    known = _deadline.get()
    if known is None:
        return WITHOUT_DEADLINE_S
    ends, whole = known
    return max(0.0, ends - min(0.2, whole / 20) - time.monotonic())
