"""When to try again after a stream was lost."""

from __future__ import annotations

import random
from collections.abc import Callable

FIRST_S = 0.5
LONGEST_S = 10.0


class Backoff:
    """Waits that double from 0.5 s to 10 s, each a random half to whole of that.

    Many tails lose the same host at the same moment; the chance keeps them from coming
    back all at once.
    """

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self.attempt = 0

    def next_s(self) -> float:
        """How long to wait before the next attempt, in seconds."""
        self.attempt += 1
        whole = min(LONGEST_S, FIRST_S * 2.0 ** min(self.attempt - 1, 10))
        return whole * (0.5 + self._chance() / 2)

    def succeeded(self) -> None:
        self.attempt = 0


def lost(why: str, attempt: int, wait_s: float) -> str:
    """The notice of a lost stream."""
    when = f"in {wait_s:.0f} s" if wait_s >= 1 else "now"
    return f"lost: {why}, retry {attempt} {when}"
