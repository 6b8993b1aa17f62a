"""What an action's readiness rests on, and whether that lets it begin. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from optibid_console.criteria import Sample
from optibid_console.runbook.model import Action, ProbeSpec, Runbook
from probes.probe import Reading, Status

ANYWAY = "anyway"
"""The word that is typed behind the others when an action begins though a probe failed."""

CHECKING = "checking: can everything be done? …"
"""What is said while an action's readiness is read anew, before it begins."""


def lamp_probes(runbook: Runbook) -> frozenset[str]:
    """The probes on which the readiness of an action rests."""
    return frozenset(one for action in runbook.actions for one in action.ready_when)


def anyway_words(words: str) -> str:
    """What has to be typed so that an action begins though a probe of its readiness failed."""
    return f"{words} {ANYWAY}"


def unready(spec: ProbeSpec | None, last: Sample | None, now: float) -> str:
    """Why a probe's last reading doesn't make an action ready; empty when it does."""
    if last is None:
        return "not known yet"
    if last.status is not Status.OK:
        return last.status.value
    if spec is not None and now - last.at > 3 * spec.every + spec.timeout:
        since = datetime.fromtimestamp(last.at, UTC).strftime("%H:%M:%SZ")
        return f"not read since {since}"
    return ""


def failed_checks(
    runbook: Runbook,
    action: Action,
    readings: Mapping[str, Reading | None],
    last: Mapping[str, Sample | None],
    now: float,
    within_s: float,
) -> tuple[str, ...]:
    """Why the action can't be begun: the failed readings, in the order of its `ready_when`.

    `readings`: what each probe that can be read says now; None where it takes longer than
    `within_s`. Such a probe counts by its `last` reading, should that still make the action ready.
    """
    failed = []
    for name in dict.fromkeys(action.ready_when):
        if name not in readings:
            continue
        spec, reading = runbook.probes.get(name), readings[name]
        title = spec.title or name if spec else name
        if reading is None:
            if why := unready(spec, last.get(name), now):
                failed.append(f"{title}: no answer within {within_s:g} s, and before: {why}")
        elif reading.status not in (Status.OK, Status.WARN):
            failed.append(f"{title}: {reading.summary or reading.status.value}")
    return tuple(failed)
