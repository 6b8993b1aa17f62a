"""What was observed, and how it was judged: probes, criteria, readiness, links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from probes.probe import Reading


class Verdict(StrEnum):
    """A criterion's judgement. No data is never a pass."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    AS_BEFORE = "as before"
    """The condition holds, and held before the deployment too: no reason to roll back, no pass."""


@dataclass(frozen=True, slots=True)
class ProbeChanged:
    """A probe's or panel's status changed; every sample is a signal."""

    reading: Reading
    subject: str = "probe"
    """`probe` or `panel`."""


@dataclass(frozen=True, slots=True)
class BaselineTaken:
    values: Mapping[str, float]
    """Panel id → the median of what it said before the deployment."""
    probes: Mapping[str, str] = field(default_factory=dict)
    """Probe id → how it usually was before the deployment: `ok`, `degraded`, `failing`, `away`."""


@dataclass(frozen=True, slots=True)
class CriterionJudged:
    """A criterion's verdict changed."""

    criterion_id: str
    verdict: Verdict
    reason: str
    since: float
    """Since when the condition holds: seconds since the epoch, UTC."""


@dataclass(frozen=True, slots=True)
class CriterionAsserted:
    """A person says that a trigger is met (`fail`), or not any more (`pass`)."""

    criterion_id: str
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class ReadinessChanged:
    """Whether an action (rollback above all) could be done now, and what is missing."""

    action_id: str
    ready: bool
    missing: tuple[str, ...] = ()
    estimate_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LinkChanged:
    """The connection to a target changed."""

    target: str
    state: str
    detail: str = ""


ObservedFact = (
    ProbeChanged
    | BaselineTaken
    | CriterionJudged
    | CriterionAsserted
    | ReadinessChanged
    | LinkChanged
)
