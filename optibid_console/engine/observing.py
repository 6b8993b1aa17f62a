"""All probes and panels of one runbook, and what they said."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from statistics import median

from optibid_console.as_before import health_of, usual
from optibid_console.criteria import Key, Sample
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.observed import Observed
from optibid_console.engine.units import kept
from optibid_console.preflight import lamp_probes
from optibid_console.runbook.load import Loaded
from optibid_console.targets.target import Target
from probes.probe import Reading


class Observers:
    """The probes and panels of a runbook, by their ids."""

    def __init__(
        self,
        loaded: Loaded,
        targets: Mapping[str, Target],
        ledger: Ledger,
        before: Observers | None = None,
    ) -> None:
        """`before`: of the runbook before; what is defined as it was there goes on, and what
        measures the same keeps its history."""
        runbook, lamps = loaded.runbook, lamp_probes(loaded.runbook)
        probes = {
            one.id: Observed("probe", one, loaded.secrets, targets, ledger, lamp=one.id in lamps)
            for one in runbook.probes.values()
        }
        panels = {
            one.id: Observed("panel", one, loaded.secrets, targets, ledger)
            for one in runbook.panels.values()
        }
        self.probes: dict[str, Observed] = _going_on(before.probes if before else {}, probes)
        self.panels: dict[str, Observed] = _going_on(before.panels if before else {}, panels)
        self.history: dict[Key, deque[Sample]] = {
            (one.subject, one.spec.id): one.samples
            for one in (*self.probes.values(), *self.panels.values())
        }

    async def take_now(self, probe_id: str) -> Reading:
        """A fresh reading of a probe, at once."""
        return await self.probes[probe_id].take()

    async def take_anew(self, probe_id: str, within_s: float) -> Reading | None:
        """A reading of a probe for which every log-in is made now; None when `within_s`, which is
        less than the probe's own timeout, was too short for it."""
        return await self.probes[probe_id].take_anew(within_s)

    def last(self, probe_id: str) -> Sample | None:
        """What a probe said last; None: nothing yet."""
        samples = self.history.get(("probe", probe_id))
        return samples[-1] if samples else None

    def waits_for(self, probe_id: str) -> tuple[str, ...]:
        """The facts without which this probe can't be read yet."""
        return self.probes[probe_id].missing()

    def baseline(self, until: float) -> dict[str, float]:
        """Returns panel id → the median of its values whose measurement ended before `until`
        (epoch seconds)."""
        values = {}
        for (subject, panel_id), samples in self.history.items():
            known = [one.value for one in samples if one.value is not None and one.ended_at < until]
            if subject == "panel" and known:
                values[panel_id] = median(known)
        return values

    def usual_health(self, until: float) -> dict[str, str]:
        """Returns probe id → its usual health in readings that ended before `until` (epoch
        seconds)."""
        found = {}
        for (subject, probe_id), samples in self.history.items():
            health = usual(
                health_of(one.status, one.away) for one in samples if one.ended_at < until
            )
            if subject == "probe" and health is not None:
                found[probe_id] = health.word
        return found


def _going_on(before: Mapping[str, Observed], made: Mapping[str, Observed]) -> dict[str, Observed]:
    for name, one in made.items():
        one.goes_on_from(before.get(name))
    return kept(before, made)
