"""What a probe said before the deployment, and whether it says anything worse now. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from statistics import median_low

from probes.probe import Reading, Status


class Health(IntEnum):
    """How well a service is, by its probe: the higher, the worse."""

    OK = 0
    DEGRADED = 1
    FAILING = 2
    AWAY = 3

    @property
    def word(self) -> str:
        return self.name.lower()


WORDS: Mapping[str, Health] = {one.word: one for one in Health}


def health_of(status: Status, away: bool) -> Health | None:
    """The health that a reading shows; None for a measurement that broke."""
    if status is Status.ERROR:
        return None
    if status is Status.FAILING:
        return Health.AWAY if away else Health.FAILING
    return Health.DEGRADED if status is Status.WARN else Health.OK


def usual(healths: Iterable[Health | None]) -> Health | None:
    """The median of what was seen, of two middle ones the better; None when nothing was."""
    known = [one for one in healths if one is not None]
    return median_low(known) if known else None


def not_worse(reading: Reading, before: Mapping[str, str]) -> bool:
    """Whether the reading shows nothing worse than there was `before` (probe id → word).

    Of a probe of which nothing is known from before, only ok is.
    """
    health = health_of(reading.status, reading.away)
    known = WORDS.get(before.get(reading.probe, ""), Health.OK)
    return health is not None and health <= known


def in_words(reading: Reading) -> str:
    """`backend-health failing: status "error"`."""
    health = health_of(reading.status, reading.away)
    return f"{reading.probe} {health.word if health is not None else 'error'}: {reading.summary}"
