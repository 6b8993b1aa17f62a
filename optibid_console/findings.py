"""What a rehearsal that was walked to its end has found: for people, and an exit status. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from optibid_console import entries as e
from optibid_console.action_plan import action_plan, facts_named
from optibid_console.adopting import why_unclear
from optibid_console.database.migrations import shared_words
from optibid_console.estimate import estimate_s, known_by
from optibid_console.launch_clock import format_span
from optibid_console.pending import shared_pending
from optibid_console.rehearsing import unknown_facts
from optibid_console.runbook.facts import BUILT_IN, RECORDED_AT, recorded_by
from optibid_console.runbook.model import ROLLBACK, Runbook, Step, StepKind
from optibid_console.runbook.summary import summary
from optibid_console.state import OVER, StepStatus, WindowState
from optibid_console.waiving import waived_lines
from probes.probe import Reading, Status


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that would go wrong in the real window."""

    about: str
    """A step's or an action's id, or `probe ID`."""
    what: str


@dataclass(frozen=True, slots=True)
class Findings:
    """All that one rehearsal says."""

    wrong: tuple[Finding, ...]
    not_now: tuple[Finding, ...]
    """Evidence that isn't there yet, which decides nothing: what it is of was only walked."""
    walked: int
    read: int
    measured_s: Mapping[str, float]
    """Step id → how long its read took."""
    rollback_s: float
    rollback_by: str
    """Where that estimate comes from."""
    waived: tuple[str, ...] = ()
    """Steps that a person waived in it, by whom and why."""
    noted: tuple[Finding, ...] = ()
    """What has to be known before the window, and isn't wrong."""


def findings(state: WindowState, refused: Iterable[Finding] = ()) -> Findings:
    """What a rehearsal's journal says; `refused`: what its walk couldn't even begin."""
    book = state.runbook
    wrong = [*refused, *_failed(state)]
    not_now: list[Finding] = []
    if book is not None:
        wrong += _before_recorded(book)
        wrong += _migrations(state, book)
        broken, bad = _evidence(state, book)
        wrong += broken
        not_now += bad
    seen = list(state.steps.values())
    rollback = book.action(ROLLBACK) if book else None
    return Findings(
        tuple(dict.fromkeys(wrong)),
        tuple(dict.fromkeys(not_now)),
        sum(one.status is StepStatus.REHEARSED for one in seen),
        sum(one.status is StepStatus.DONE for one in seen),
        {
            run.step_id: run.ended.duration_s
            for run in state.runs.values()
            if run.ended is not None and run.ended.outcome is e.Outcome.SUCCEEDED
        },
        estimate_s(state, rollback) if rollback else 0.0,
        known_by(state, action_plan(state, rollback)) if rollback else "",
        waived_lines(state),
        tuple(_shared(state, book)) if book else (),
    )


def _failed(state: WindowState) -> Iterator[Finding]:
    """Reads that failed, also those on whose way the walk went on."""
    for run in state.runs.values():
        if run.ended is None or run.ended.outcome in (e.Outcome.SUCCEEDED, e.Outcome.REHEARSED):
            continue
        yield Finding(run.step_id, f"{run.ended.outcome.value}: {run.ended.reason}")


def _migrations(state: WindowState, book: Runbook) -> Iterator[Finding]:
    """Yields why migrations would be refused."""
    for _, step in book.steps():
        known = state.databases.get(step.database)
        if step.kind is not StepKind.MIGRATE or known is None:
            continue
        if known.unread:
            yield Finding(step.id, f"what is pending can't be read: {known.unread}")
        if known.read is None:
            continue
        unclear = why_unclear(step.database, known.read, writes=bool(summary(step.run)))
        if unclear:
            yield Finding(step.id, unclear)


def _shared(state: WindowState, book: Runbook) -> Iterator[Finding]:
    """Yields the files of migrations that have one number."""
    for _, step in book.steps():
        known = state.databases.get(step.database)
        if step.kind is StepKind.MIGRATE and known is not None and known.read is not None:
            for names in shared_pending(known.read):
                yield Finding(step.id, shared_words(names))


def migrations_known(state: WindowState) -> bool:
    """Returns whether it was read what of each database is pending, or that it can't be read."""
    book = state.runbook
    for _, step in book.steps() if book else ():
        database = book.databases.get(step.database) if book else None
        if step.kind is not StepKind.MIGRATE or database is None or not database.migrations:
            continue
        known = state.databases.get(step.database)
        asked = state.step(step.id).status in OVER
        if not asked and (known is None or (known.read is None and not known.unread)):
            return False
    return True


def _before_recorded(book: Runbook) -> Iterator[Finding]:
    """Steps that name a fact which only a step after them records."""
    known = {*BUILT_IN, *(f"{one}{RECORDED_AT}" for one in BUILT_IN)}
    for _, step in book.steps():
        yield from _too_early(step, known)
        known |= _recording(book, step)
    for action in book.actions:
        own = set(known)
        for step in action.steps:
            yield from _too_early(step, own)
            own |= _recording(book, step)


def _too_early(step: Step, known: set[str]) -> Iterator[Finding]:
    named = [one for one in facts_named(step.run) if one not in known]
    if named:
        yield Finding(step.id, f"it needs {', '.join(named)}, which no step before it records")


def _recording(book: Runbook, step: Step) -> set[str]:
    facts = recorded_by(step)
    return {*facts, *(f"{one}{RECORDED_AT}" for one in facts)}


def _evidence(state: WindowState, book: Runbook) -> tuple[list[Finding], list[Finding]]:
    """Probes that can't measure, and those that read something else than ok."""
    broken: list[Finding] = []
    bad: list[Finding] = []
    taken = [one for step in state.steps.values() for one in step.evidence]
    last: dict[str, Reading] = dict(state.readings)
    for one in sorted(taken, key=lambda one: one.at):
        if one.probe not in last or last[one.probe].at < one.at:
            last[one.probe] = one
    for name, reading in last.items():
        spec = book.probes.get(name)
        if reading.status is Status.OK or spec is None:
            continue
        if unknown_facts(state, _all_text(spec.settings)):
            continue  # it needs what only a real window records
        found = Finding(f"probe {name}", f"{reading.status.value}: {reading.summary}")
        (broken if reading.status is Status.ERROR else bad).append(found)
    return broken, bad


def _all_text(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(_all_text(one) for one in value.values())
    if isinstance(value, list | tuple):
        return " ".join(_all_text(one) for one in value)
    return str(value)


def in_words(found: Findings) -> Iterator[str]:
    """The report, line by line."""
    yield f"{_count(found.walked, 'step')} walked, {_count(found.read, 'read')} done"
    yield from (f"  ! {one}" for one in found.waived)
    yield from _part("findings", found.wrong, "✗")
    yield from (f"  ! {one.about}: {one.what}" for one in found.noted)
    yield from _part("not ok now (it decides nothing before the window)", found.not_now, "!")
    for step_id, seconds in found.measured_s.items():
        yield f"  measured: {step_id} {format_span(seconds)}"
    if found.rollback_by:
        yield f"the rollback would take about {format_span(found.rollback_s)}: {found.rollback_by}"


def _part(title: str, found: tuple[Finding, ...], mark: str) -> Iterator[str]:
    yield f"{title}: {len(found) or 'none'}"
    yield from (f"  {mark} {one.about}: {one.what}" for one in found)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
