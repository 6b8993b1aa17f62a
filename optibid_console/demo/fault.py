"""What is wrong with the new release: it leaks database connections, slowly at first. Pure."""

from __future__ import annotations

from dataclasses import dataclass

POOL_SIZE = 20
_WORST_ERROR_SHARE = 0.5
_WORST_DELAY_S = 0.4


@dataclass(frozen=True, slots=True)
class Fault:
    """A leak that begins `after_s` seconds after the start and is complete `ramp_s` later."""

    after_s: float
    ramp_s: float

    def severity(self, uptime_s: float) -> float:
        """From 0 (nothing is seen) to 1 (the pool is empty)."""
        return min(1.0, max(0.0, (uptime_s - self.after_s) / self.ramp_s))


@dataclass(frozen=True, slots=True)
class Effects:
    """What a severity does to requests."""

    error_share: float
    delay_s: float
    pool_available: int


def effects(severity: float) -> Effects:
    return Effects(
        error_share=_WORST_ERROR_SHARE * severity,
        delay_s=_WORST_DELAY_S * severity,
        pool_available=round(POOL_SIZE * (1 - severity)),
    )
