"""Rollback triggers judged: a criterion against readings and a baseline. Pure.

Measuring and judging are apart: what the probes said comes in as samples. No data is
never a pass, and neither is a condition that holds but not yet for long enough.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from optibid_console.entries import Verdict
from optibid_console.runbook.model import Criterion
from optibid_console.units import format_value
from probes.probe import Status

_PANEL = re.compile(
    r"panel\.(?P<id>[\w-]+)\s*(?P<op><=|>=|<|>)\s*(?P<number>\d+(?:\.\d+)?)"
    r"(?P<baseline>\s*\*\s*baseline)?$"
)
_PROBE = re.compile(r"probe\.(?P<id>[\w-]+)\s+is\s+(?P<state>failing|not ok)$")
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


@dataclass(frozen=True, slots=True)
class Sample:
    """What a panel or a probe said at one moment."""

    at: float
    status: Status
    value: float | None = None
    unit: str = ""
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its reason in words and numbers."""

    verdict: Verdict
    reason: str
    since: float
    """Since when the condition holds (epoch seconds); for the others, when it was judged."""


History = Mapping[tuple[str, str], Sequence[Sample]]
"""(`panel` or `probe`, its id) → its samples, oldest first."""


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
                "`probe.ID is failing` or `probe.ID is not ok`, joined by ` or `"
            )
    return tuple(clauses)


def judge(
    criterion: Criterion, history: History, baseline: Mapping[str, float], now: float
) -> Judgement:
    """The criterion's verdict at `now` (epoch seconds).

    `fail`: a clause holds, without interruption, for at least `criterion.hold_for`.
    `error`: the newest measurement broke. `inconclusive`: no data that is fresh, no
    baseline, or a clause that holds but not yet for long enough.
    """
    if not criterion.fail_when:
        return Judgement(Verdict.INCONCLUSIVE, "nobody has said so: a person asserts it", now)
    judged = [
        _judge_clause(
            clause, criterion, history.get((clause.subject, clause.id), ()), baseline, now
        )
        for clause in parse(criterion.fail_when)
    ]
    order = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.PASS)
    worst = min(judged, key=lambda one: order.index(one.verdict))
    same = [one for one in judged if one.verdict is worst.verdict]
    return Judgement(
        worst.verdict, "; ".join(one.reason for one in same), min(one.since for one in same)
    )


def _judge_clause(
    clause: Clause,
    criterion: Criterion,
    samples: Sequence[Sample],
    baseline: Mapping[str, float],
    now: float,
) -> Judgement:
    if not samples:
        return Judgement(Verdict.INCONCLUSIVE, f"{clause.id}: no data yet", now)
    newest = samples[-1]
    if now - newest.at > criterion.stale_after:
        why = f"{clause.id}: no data for {now - newest.at:.0f} s"
        return Judgement(Verdict.INCONCLUSIVE, why, now)
    if newest.status is Status.ERROR and (clause.subject == "probe" or newest.value is None):
        return Judgement(Verdict.ERROR, f"{clause.id}: {newest.summary or 'no data'}", newest.at)
    if clause.times_baseline and clause.id not in baseline:
        return Judgement(Verdict.INCONCLUSIVE, f"{clause.id}: no baseline was taken", now)
    said = _in_words(clause, newest, baseline)
    if not _holds(clause, newest, baseline):
        return Judgement(Verdict.PASS, said, newest.at)
    since = _holds_since(clause, samples, baseline, criterion.stale_after)
    held_s = now - since
    if held_s < criterion.hold_for:
        why = f"{said} for {held_s:.0f} s of {criterion.hold_for:.0f} s"
        return Judgement(Verdict.INCONCLUSIVE, why, since)
    return Judgement(Verdict.FAIL, said, since)


def _holds(clause: Clause, sample: Sample, baseline: Mapping[str, float]) -> bool:
    if clause.subject == "probe":
        return sample.status is Status.FAILING or (
            clause.op == "not ok" and sample.status is not Status.OK
        )
    if sample.value is None:
        return False
    return _OPERATORS[clause.op](sample.value, _limit(clause, baseline))


def _limit(clause: Clause, baseline: Mapping[str, float]) -> float:
    return clause.number * (baseline[clause.id] if clause.times_baseline else 1.0)


def _holds_since(
    clause: Clause, samples: Sequence[Sample], baseline: Mapping[str, float], gap_s: float
) -> float:
    """The start of the unbroken stretch that ends with the newest sample.

    A sample without data neither proves nor breaks it; a gap longer than `gap_s` does.
    """
    since = samples[-1].at
    for sample in reversed(samples):
        if since - sample.at > gap_s:
            break
        if clause.subject == "panel" and sample.value is None:
            continue
        if not _holds(clause, sample, baseline):
            break
        since = sample.at
    return since


def _in_words(clause: Clause, newest: Sample, baseline: Mapping[str, float]) -> str:
    if clause.subject == "probe":
        return f"{clause.id} {newest.status.value}: {newest.summary}"
    limit = format_value(_limit(clause, baseline), newest.unit)
    said = f"{clause.id} {format_value(newest.value, newest.unit)}, limit {limit}"
    if clause.times_baseline:
        base = format_value(baseline[clause.id], newest.unit)
        said += f" ({clause.number:g} × baseline {base})"
    return said
