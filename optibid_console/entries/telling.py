"""Who was told of which entry, and who wasn't."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Told:
    """A channel took the message about entry `about`."""

    about: int
    channel: str
    title: str
    attempt: int = 1
    late: bool = False
    """Whether an engine that started later told it, because the one before had ended."""


@dataclass(frozen=True, slots=True)
class TellingFailed:
    """A try to tell people of entry `about` failed; it is tried again unless it is `over`."""

    about: int
    channel: str
    title: str
    reason: str
    attempt: int
    retry_in_s: float = 0.0
    over: bool = False


@dataclass(frozen=True, slots=True)
class TellingSkipped:
    """Nobody is told of entry `about` through this channel any more."""

    about: int
    channel: str
    title: str
    reason: str


@dataclass(frozen=True, slots=True)
class ChannelsSet:
    """The channels that can't be used with this engine's environment, and why; none: empty."""

    off: Mapping[str, str]


TellingFact = Told | TellingFailed | TellingSkipped | ChannelsSet
