"""A moment on two clocks: the wall clock says when it was, the monotonic one how long ago."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment as one machine saw it."""

    at: float
    """Seconds since the epoch, UTC: this clock may jump, in both directions."""
    mono: float = 0.0
    """Seconds on the monotonic clock, which never jumps and counts from the machine's boot
    (clock_gettime(2), CLOCK_MONOTONIC)."""
    boot: str = ""
    """Which machine's boot that was; empty: not known, and `mono` says nothing."""

    def since(self, earlier: Moment) -> float:
        """Seconds from `earlier` until this moment, never negative: on the monotonic clock
        within one boot of one machine, else on the wall clock."""
        if self.boot and self.boot == earlier.boot and self.mono >= earlier.mono:
            return self.mono - earlier.mono
        return max(self.at - earlier.at, 0.0)


@cache
def boot_name(host: str, boot_id: str) -> str:
    """A name for one boot of one machine; empty where the machine doesn't tell its boots."""
    return f"{host} {boot_id}" if boot_id else ""
