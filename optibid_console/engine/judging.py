"""Once a second: criteria judged, readiness looked at, the pulse told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace

from optibid_console import entries as e
from optibid_console.action_plan import facts_needed, not_recorded
from optibid_console.brought import taken_back
from optibid_console.criteria import Judgement, Observations, judge, parse, sample_gaps
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.observing import Observers
from optibid_console.escalation import ending_reason, newly_due, starting_reason
from optibid_console.estimate import estimate_s
from optibid_console.preflight import unready
from optibid_console.runbook.model import Action, Criterion, Runbook, StepKind
from optibid_console.scope import Silence, judged_from, phase_begun_at, silences
from optibid_console.signals import Pulse
from optibid_console.state import CriterionState

_RETELL_S = 10.0
"""How often the numbers of a criterion that stays tripped go into the journal."""


class Judge:
    """Turns readings into verdicts, readiness and the escalation clock."""

    def __init__(
        self,
        runbook: Runbook,
        ledger: Ledger,
        observers: Observers,
        judged_since: Mapping[str, float] | None = None,
    ) -> None:
        """`judged_since`: criterion → since when (epoch seconds) it is defined as it is now; what
        was read before doesn't count for it."""
        self._runbook = runbook
        self._ledger = ledger
        self._observers = observers
        self._gaps = sample_gaps(runbook)
        self._told_at: dict[str, float] = {}
        self.judged_since = dict(judged_since or {})

    def _observations(self, now: float) -> Observations:
        state = self._ledger.state
        quiet = silences(self._runbook, state, now)
        for name in self._runbook.probes:
            if gone := taken_back(state, name):
                quiet[name] = Silence(f"silent: {gone.words}")
        return Observations(
            self._observers.history, state.baseline, self._gaps, state.before,
            {name: one.why for name, one in quiet.items() if not one.ended_at},
            {name: one.ended_at for name, one in quiet.items() if one.ended_at},
        )  # fmt: skip

    def _seen_by(self, criterion: Criterion, seen: Observations) -> Observations:
        """Returns what counts for a criterion: readings since it is defined as it is now."""
        since = self.judged_since.get(criterion.id, 0.0)
        if not since:
            return seen
        judged = {one.id for one in parse(criterion.fail_when)}
        starts = {name: max(since, seen.counts_from.get(name, 0.0)) for name in judged}
        return replace(seen, counts_from={**seen.counts_from, **starts})

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look(time.time())
            await asyncio.sleep(1.0)

    async def look(self, now: float) -> None:
        """Judge everything once."""
        await self._take_baseline()
        seen = self._observations(now)
        for criterion in self._runbook.criteria:
            await self._judge(criterion, seen, now)
        await self._escalate(now)
        for action in self._runbook.actions:
            if action.ready_when or action.needs_facts or restored(self._runbook, action):
                await self._ready(action, now)

    async def _escalate(self, now: float) -> None:
        """End the escalation or start it, and say which of its rungs are due."""
        if reason := ending_reason(self._ledger.state, now):
            await self._ledger.keep(e.EscalationEnded(reason))
        if reason := starting_reason(self._ledger.state):
            await self._ledger.keep(e.EscalationStarted(reason))
        for index in newly_due(self._ledger.state, now):
            rung = self._runbook.escalation[index]
            await self._ledger.keep(e.RungDue(index, rung.action, rung.contact))

    async def _take_baseline(self) -> None:
        state = self._ledger.state
        until = self._runbook.window.baseline_until
        if not until or state.baseline_at:
            return
        begun_at = phase_begun_at(self._runbook, state, until)
        if begun_at is None:
            return
        values = self._observers.baseline(begun_at)
        probes = self._observers.usual_health(begun_at)
        if values or probes:
            await self._ledger.keep(e.BaselineTaken(values, probes))

    async def _judge(self, criterion: Criterion, seen: Observations, now: float) -> None:
        state = self._ledger.state
        before = state.criteria.get(criterion.id)
        if before is not None and (before.by or not criterion.fail_when):
            return
        if why := judged_from(self._runbook, state, criterion):
            judged = Judgement(e.Verdict.INCONCLUSIVE, why, now)
        else:
            judged = judge(criterion, self._seen_by(criterion, seen), now)
        if judged.silent and before is not None and before.tripped_seq:
            return  # it had tripped before: what it said then stands until it is judged again
        if not self._worth_telling(criterion.id, before, judged, now):
            return
        since = judged.since
        if before is not None and before.verdict is judged.verdict:
            since = min(since, before.since)
        self._told_at[criterion.id] = now
        await self._ledger.keep(
            e.CriterionJudged(criterion.id, judged.verdict, judged.reason, since)
        )

    def _worth_telling(
        self, criterion_id: str, before: CriterionState | None, judged: Judgement, now: float
    ) -> bool:
        if before is None or before.verdict is not judged.verdict:
            return True
        if judged.verdict is e.Verdict.PASS or judged.reason == before.reason:
            return False
        return now - self._told_at.get(criterion_id, 0.0) >= _RETELL_S

    async def _ready(self, action: Action, now: float) -> None:
        state = self._ledger.state
        missing = [not_recorded(state, name) for name in facts_needed(state, action)]
        for probe_id in action.ready_when:
            unknown = [
                name for name in self._observers.waits_for(probe_id) if name not in state.facts
            ]
            if unknown:  # it can't be read before them
                missing += [not_recorded(state, name) for name in unknown]
                continue
            spec = self._runbook.probes.get(probe_id)
            title = spec.title or probe_id if spec else probe_id
            if why := unready(spec, self._observers.last(probe_id), now):
                missing.append(f"{title}: {why}")
        for database in restored(self._runbook, action):
            known = state.databases.get(database)
            missing += [f"{database}: {why}" for why in known.lacking] if known else []
        named = tuple(dict.fromkeys(missing))
        estimate = round(estimate_s(state, action), 1)
        before = state.readiness.get(action.id)
        if (
            before is not None
            and before.missing == named
            and abs(before.estimate_s - estimate) < 1.0
        ):
            return
        await self._ledger.keep(e.ReadinessChanged(action.id, not missing, named, estimate))


class PulseTaker:
    """Measures the loop's lag all the time and tells it once a second."""

    _EVERY_S = 0.05

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.worst_ms = 0.0
        """The loop's worst lag since the engine started, in milliseconds."""

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        worst_ms, told_at = 0.0, loop.time()
        while True:
            due = loop.time() + self._EVERY_S
            await asyncio.sleep(self._EVERY_S)
            worst_ms = max(worst_ms, (loop.time() - due) * 1000)
            if loop.time() - told_at < 1.0:
                continue
            self.worst_ms = max(self.worst_ms, worst_ms)
            problem = self._ledger.problem or self._ledger.silence()
            self._ledger.signal(Pulse(time.time(), round(worst_ms, 1), not problem, problem))
            worst_ms, told_at = 0.0, loop.time()


def restored(runbook: Runbook, action: Action) -> tuple[str, ...]:
    """The databases that an action would restore."""
    steps = runbook.action_steps(action)
    return tuple(dict.fromkeys(one.database for one in steps if one.kind is StepKind.RESTORE))
