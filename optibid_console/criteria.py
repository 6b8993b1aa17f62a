"""Rollback triggers judged: a criterion against readings and a baseline. Pure.

Measuring and judging are apart: what the probes said comes in as samples. No data is
never a pass, and neither is a condition that holds but not yet for long enough.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from optibid_console.as_before import WORDS, health_of
from optibid_console.entries import Verdict
from optibid_console.runbook.model import Criterion, PanelSpec, ProbeSpec, Runbook
from optibid_console.units import format_value
from probes.probe import Status

_PANEL = re.compile(
    r"panel\.(?P<id>[\w-]+)\s*(?P<op><=|>=|<|>)\s*(?P<number>\d+(?:\.\d+)?)"
    r"(?P<baseline>\s*\*\s*baseline)?$"
)
_PROBE = re.compile(r"probe\.(?P<id>[\w-]+)\s+is\s+(?P<state>failing|away|not passing|not ok)$")
_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition of `fail_when`."""

    subject: str
    """`panel` or `probe`."""
    id: str
    op: str = ""
    number: float = 0.0
    times_baseline: bool = False

    @property
    def key(self) -> Key:
        return self.subject, self.id


@dataclass(frozen=True, slots=True)
class Sample:
    """What a panel or a probe said at one moment."""

    at: float
    status: Status
    value: float | None = None
    unit: str = ""
    summary: str = ""
    away: bool = False
    """There was no answer at all."""
    took_s: float = 0.0
    """How long the measurement took from `at` on."""

    @property
    def ended_at(self) -> float:
        return self.at + self.took_s


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its reason in words and numbers."""

    verdict: Verdict
    reason: str
    since: float
    """Since when the condition holds (epoch seconds); for the others, when it was judged."""
    silent: bool = False
    """An action of ours stops what is judged: nothing is said of it."""


Key = tuple[str, str]
"""`panel` or `probe`, and its id."""
History = Mapping[Key, Sequence[Sample]]
"""Samples of each probe and panel, oldest first."""
KEPT_SAMPLES = 1200
"""The engine keeps the last samples of each probe and panel: 40 minutes at one in 2 s."""
LONGEST_HOLD = KEPT_SAMPLES // 2
"""The longest `for`, in periods: evidence of steps adds samples between the periodic ones."""
_SLACK_S = 2.0
"""How late a sample may be because the engine itself was busy."""
_UNKNOWN_GAP_S = 30.0
"""For a subject whose period isn't known."""


@dataclass(frozen=True, slots=True)
class Observations:
    """Everything that a criterion is judged by."""

    history: History
    baseline: Mapping[str, float] = field(default_factory=dict)
    """Panel id → its value before the deployment."""
    gaps: Mapping[Key, float] = field(default_factory=dict)
    """`sample_gaps`: how far two samples may be apart within one stretch."""
    before: Mapping[str, str] = field(default_factory=dict)
    """Probe id → how it was before the deployment (`as_before.Health.word`)."""
    silent: Mapping[str, str] = field(default_factory=dict)
    """Probe or panel id → why it isn't judged now (`scope.silences`)."""
    counts_from: Mapping[str, float] = field(default_factory=dict)
    """Probe or panel id → when its last silence ended: samples of before don't count."""


def needed_gap_s(spec: ProbeSpec | PanelSpec) -> float:
    """How old the newest sample can be while at most one reading was lost: two periods and the
    time that a reading may take. A reading that outlasts its period takes up several."""
    every_s, timeout_s = float(spec.every), float(spec.timeout)
    period_s = every_s * max(1, math.ceil(timeout_s / every_s))
    return 2 * period_s + timeout_s


def sample_gaps(runbook: Runbook) -> dict[Key, float]:
    """How far apart two samples of each probe and panel may be before data counts as missing."""
    specs: list[tuple[str, ProbeSpec | PanelSpec]] = [
        *(("probe", one) for one in runbook.probes.values()),
        *(("panel", one) for one in runbook.panels.values()),
    ]
    return {(kind, one.id): needed_gap_s(one) + _SLACK_S for kind, one in specs}


def parse(fail_when: str) -> tuple[Clause, ...]:
    """The clauses of a `fail_when`, joined by ` or `.

    Raises `ValueError` that says what is accepted.
    """
    clauses = []
    for text in re.split(r"(?<!\s)\s++or\s++", fail_when.strip()):
        if found := _PANEL.match(text):
            clauses.append(
                Clause(
                    "panel",
                    found["id"],
                    found["op"],
                    float(found["number"]),
                    found["baseline"] is not None,
                )
            )
        elif found := _PROBE.match(text):
            clauses.append(Clause("probe", found["id"], found["state"]))
        else:
            raise ValueError(
                f"can't read {text!r}; write `panel.ID > NUMBER`, `panel.ID > NUMBER * baseline`, "
                "`probe.ID is failing` (a wrong answer), `is away` (no answer), `is not passing` "
                "(either) or `is not ok` (a warning too), joined by ` or `"
            )
    return tuple(clauses)


def judge(criterion: Criterion, seen: Observations, now: float) -> Judgement:
    """The criterion's verdict at `now` (epoch seconds).

    `fail`: a clause holds, without interruption, for at least `criterion.hold_for`.
    `error`: two readings in a row broke, or one and nothing came after it.
    `inconclusive`: no data that is fresh, no baseline, or a clause that holds but not yet for
    long enough.
    """
    if not criterion.fail_when:
        return Judgement(Verdict.INCONCLUSIVE, "nobody has said so: a person asserts it", now)
    judged = [_judge_clause(one, criterion, seen, now) for one in parse(criterion.fail_when)]
    order = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.AS_BEFORE, Verdict.PASS)
    worst = min(judged, key=lambda one: order.index(one.verdict))
    same = [one for one in judged if one.verdict is worst.verdict]
    reasons = dict.fromkeys(one.reason for one in same)
    return Judgement(
        worst.verdict, "; ".join(reasons), min(one.since for one in same),
        any(one.silent for one in same),
    )  # fmt: skip


def _judge_clause(
    clause: Clause, criterion: Criterion, seen: Observations, now: float
) -> Judgement:
    if why := seen.silent.get(clause.id):
        return Judgement(Verdict.INCONCLUSIVE, why, now, silent=True)
    samples, baseline = _counted(clause, seen), seen.baseline
    if not samples:
        return Judgement(Verdict.INCONCLUSIVE, f"{clause.id}: no data yet", now)
    gap_s = max(float(criterion.stale_after), seen.gaps.get(clause.key, _UNKNOWN_GAP_S))
    newest = samples[-1]
    if now - newest.at > gap_s:
        why = f"{clause.id}: no data for {now - newest.at:.0f} s"
        return Judgement(Verdict.INCONCLUSIVE, why, now)
    last = _last_with_data(clause, samples)
    if (last is None or now - last.at > gap_s) and newest.away:
        why = f"{clause.id} doesn't answer: {newest.summary}"
        return Judgement(Verdict.INCONCLUSIVE, why, newest.at)
    if last is None or now - last.at > gap_s:
        return Judgement(Verdict.ERROR, f"{clause.id}: {newest.summary or 'no data'}", newest.at)
    if clause.times_baseline and clause.id not in baseline:
        return Judgement(Verdict.INCONCLUSIVE, f"{clause.id}: no baseline was taken", now)
    said = _in_words(clause, last, baseline)
    if not _holds(clause, last, baseline):
        return Judgement(Verdict.PASS, said, last.at)
    if criterion.as_before and _as_before(clause, last, seen.before):
        return Judgement(Verdict.AS_BEFORE, said, last.at)
    since = _holds_since(clause, samples, baseline, gap_s)
    if criterion.as_before and clause.subject == "probe":
        since = _worse_since(clause, samples, seen.before, since)
    held_s = now - since
    if held_s < criterion.hold_for:
        why = f"{said} for {held_s:.0f} s of {criterion.hold_for:.0f} s"
        return Judgement(Verdict.INCONCLUSIVE, why, since)
    return Judgement(Verdict.FAIL, said, since)


def _counted(clause: Clause, seen: Observations) -> Sequence[Sample]:
    """The samples since the last silence."""
    samples, since = seen.history.get(clause.key, ()), seen.counts_from.get(clause.id, 0.0)
    if not samples or samples[0].at >= since:
        return samples
    return [one for one in samples if one.at >= since]


def _last_with_data(clause: Clause, samples: Sequence[Sample]) -> Sample | None:
    """The sample to judge by; None after two broken readings: one may be lost."""
    newest = (samples[-1], samples[-2]) if len(samples) > 1 else (samples[-1],)
    return next((one for one in newest if _has_data(clause, one)), None)


def _has_data(clause: Clause, sample: Sample) -> bool:
    """Whether a sample says anything about the clause: a broken measurement doesn't, and without
    an answer nobody knows whether it would have been wrong."""
    if clause.subject == "panel":
        return sample.value is not None
    return sample.status is not Status.ERROR and not (clause.op == "failing" and sample.away)


def _holds(clause: Clause, sample: Sample, baseline: Mapping[str, float]) -> bool:
    if clause.subject == "probe":
        if clause.op == "not ok":
            return sample.status is not Status.OK
        return sample.status is Status.FAILING and (clause.op != "away" or sample.away)
    if sample.value is None:
        return False
    return _OPERATORS[clause.op](sample.value, _limit(clause, baseline))


def _as_before(clause: Clause, sample: Sample, before: Mapping[str, str]) -> bool:
    """Whether the sample, for which the clause holds, is no worse than before the deployment.

    A clause about one way of failing asks for that very way: what gave no answer before may well
    answer wrongly since the deployment.
    """
    known, health = WORDS.get(before.get(clause.id, "")), health_of(sample.status, sample.away)
    if clause.subject != "probe" or known is None or health is None:
        return False
    return health is known if clause.op in ("failing", "away") else health <= known


def _worse_since(
    clause: Clause, samples: Sequence[Sample], before: Mapping[str, str], since: float
) -> float:
    """The start of the part of a stretch (from `since` on) that is worse than before."""
    start = samples[-1].at
    for sample in reversed(samples):
        if sample.at < since or _as_before(clause, sample, before):
            break
        start = sample.at
    return start


def _limit(clause: Clause, baseline: Mapping[str, float]) -> float:
    return clause.number * (baseline[clause.id] if clause.times_baseline else 1.0)


def _holds_since(
    clause: Clause, samples: Sequence[Sample], baseline: Mapping[str, float], gap_s: float
) -> float:
    """The start of the unbroken stretch that ends with the newest sample that has data.

    A sample without data neither proves nor breaks it; a gap longer than `gap_s` does.
    """
    known = (one for one in reversed(samples) if _has_data(clause, one))
    since = next(known).at
    for sample in known:
        if since - sample.at > gap_s or not _holds(clause, sample, baseline):
            break
        since = sample.at
    return since


def _in_words(clause: Clause, newest: Sample, baseline: Mapping[str, float]) -> str:
    if clause.subject == "probe":
        word = "away" if newest.away else newest.status.value
        return f"{clause.id} {word}: {newest.summary}"
    limit = format_value(_limit(clause, baseline), newest.unit)
    said = f"{clause.id} {format_value(newest.value, newest.unit)}, limit {limit}"
    if clause.times_baseline:
        base = format_value(baseline[clause.id], newest.unit)
        said += f" ({clause.number:g} × baseline {base})"
    return said
