"""What readings and verdicts do to the window."""

from __future__ import annotations

from optibid_console import entries as e
from optibid_console.as_before import WORDS, health_of
from optibid_console.changed import changed
from optibid_console.folding.register import on
from optibid_console.scope import phase_begun
from optibid_console.state import CriterionState, WindowState


@on(e.ProbeChanged)
def _(s: WindowState, entry: e.Entry, f: e.ProbeChanged) -> WindowState:
    if f.subject == "panel":
        return changed(s, panels={**s.panels, f.reading.probe: f.reading})
    after = changed(s, readings={**s.readings, f.reading.probe: f.reading})
    health, known = health_of(f.reading.status, f.reading.away), s.before.get(f.reading.probe, "")
    if health is None or (known and WORDS.get(known, health) <= health) or _deploying(s):
        return after
    return changed(after, before={**s.before, f.reading.probe: health.word})


def _deploying(s: WindowState) -> bool:
    until = s.runbook.window.baseline_until if s.runbook else ""
    if s.baseline_at or not until or s.runbook is None:
        return bool(s.baseline_at)
    return phase_begun(s.runbook, s, until)


@on(e.BaselineTaken)
def _(s: WindowState, entry: e.Entry, f: e.BaselineTaken) -> WindowState:
    before = {**s.before, **f.probes}
    return changed(s, baseline=dict(f.values), before=before, baseline_at=entry.at)


@on(e.CriterionJudged)
def _(s: WindowState, entry: e.Entry, f: e.CriterionJudged) -> WindowState:
    before = s.criteria.get(f.criterion_id)
    if before is not None and before.by:
        return s  # judged a moment before a person said otherwise
    tripped = _tripped_seq(s, entry, f.criterion_id, f.verdict)
    judged = CriterionState(f.verdict, f.reason, f.since, tripped_seq=tripped)
    return _judged(s, f.criterion_id, judged)


@on(e.CriterionAsserted)
def _(s: WindowState, entry: e.Entry, f: e.CriterionAsserted) -> WindowState:
    tripped = _tripped_seq(s, entry, f.criterion_id, f.verdict)
    criterion = s.runbook.criterion(f.criterion_id) if s.runbook else None
    judged = CriterionState(f.verdict, f.reason, entry.at, entry.actor, tripped)
    if f.verdict is e.Verdict.PASS and criterion is not None and criterion.fail_when:
        said = f"{entry.actor} takes the assertion back: {f.reason}"
        judged = CriterionState(e.Verdict.INCONCLUSIVE, said, entry.at, tripped_seq=tripped)
    return _judged(s, f.criterion_id, judged)


def _judged(s: WindowState, criterion_id: str, judged: CriterionState) -> WindowState:
    """Keep a judgement; a trigger that trips while an escalation runs belongs to it."""
    escalation = s.escalation
    if escalation is not None and judged.tripped_seq:
        escalation = changed(escalation, triggers=escalation.triggers | {criterion_id})
    criteria = {**s.criteria, criterion_id: judged}
    return changed(s, criteria=criteria, escalation=escalation)


def _tripped_seq(s: WindowState, entry: e.Entry, criterion_id: str, verdict: e.Verdict) -> int:
    """No data clears nothing: only a pass does, and being as before."""
    before = s.criteria.get(criterion_id)
    tripped = before.tripped_seq if before else 0
    if verdict in (e.Verdict.PASS, e.Verdict.AS_BEFORE):
        return 0
    return tripped or (entry.seq if verdict is e.Verdict.FAIL else 0)


@on(e.ReadinessChanged)
def _(s: WindowState, entry: e.Entry, f: e.ReadinessChanged) -> WindowState:
    return changed(s, readiness={**s.readiness, f.action_id: f})


@on(e.LinkChanged)
def _(s: WindowState, entry: e.Entry, f: e.LinkChanged) -> WindowState:
    return changed(s, links={**s.links, f.target: f})
