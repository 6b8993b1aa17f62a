"""Where a window is, in a few lines: for `status`, without a screen."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from optibid_console.advice import Situation, advice
from optibid_console.brought import meant, meant_words
from optibid_console.codec import to_plain
from optibid_console.engine_record import EngineRecord
from optibid_console.failing_panels import failing_panels
from optibid_console.journal_head import head_text
from optibid_console.journal_place import Place
from optibid_console.kept import kept_lines
from optibid_console.launch_clock import format_offset, format_span, read_clock
from optibid_console.state import WindowState
from optibid_console.waiving import left_out_of, waived_lines
from probes.probe import Status as ReadingStatus
from probes.text import counted, one_line


@dataclass(frozen=True, slots=True)
class WindowStatus:
    """A window at one moment. Texts are as they were recorded: clean them for a terminal."""

    journal: str
    engine: EngineRecord | None
    window: str
    version: str
    clock: str
    """`T-00:42:17`."""
    offset_s: float
    held: str
    """Why the clock is held; empty: it isn't."""
    phase: str
    phase_number: int
    phases: int
    drift_s: float
    running: tuple[str, ...]
    """The steps under way, with their state."""
    failing_probes: tuple[str, ...]
    failing_panels: tuple[str, ...]
    """Those beyond their limits, with what the triggers make of them."""
    criteria: dict[str, str]
    """Those that don't pass: id → `fail: the reason`."""
    rollback_ready: bool | None
    """None: not known."""
    operator: str
    spill: str
    """The file that records a forced rollback while the journal is away; empty: none."""
    closed: str
    """How the window was closed; empty: it is open."""
    entries: int
    at: float
    """When the last entry was made: seconds since the epoch, UTC."""
    rehearsal: bool = False
    situation: str = ""
    """What is the matter now, by its name in `advice.Situation`."""
    next: str = ""
    """The current action."""
    waived: tuple[str, ...] = ()
    """The steps that were waived, by whom and why."""
    left_out: str = ""
    """How many steps weren't done though the window went on: `1 waived, 2 skipped`."""
    head: str = ""
    """`NUMBER:HASH` of the last entry, to be noted elsewhere; empty while a spill holds it."""
    rolled_back_probes: tuple[str, ...] = ()
    """Those that don't find what a rollback took back: it meant that."""
    kept: tuple[str, ...] = ()
    """The databases that restores have kept of a failed state, and how each is dropped."""

    def to_plain(self) -> dict[str, Any]:
        plain: dict[str, Any] = to_plain(self)
        return plain


def describe(
    state: WindowState, journal: Place, engine: EngineRecord | None, now: float | None = None
) -> WindowStatus:
    """The status of a window whose entries fold to `state`. Pure, given `now`."""
    now = time.time() if now is None else now
    clock = read_clock(state, now)
    current = advice(state, now)
    phases = state.runbook.phases if state.runbook else ()
    index = clock.phase_index
    bad = (ReadingStatus.FAILING, ReadingStatus.ERROR)
    rollback = state.readiness.get("rollback")
    return WindowStatus(
        journal=str(journal),
        engine=engine,
        window=state.name,
        version=state.version,
        clock=format_offset(clock.offset_s),
        offset_s=clock.offset_s,
        held=state.hold.reason if state.hold else "",
        phase=phases[index].title if index < len(phases) else _all_over(state),
        phase_number=min(index + 1, len(phases)),
        phases=len(phases),
        drift_s=clock.drift_s,
        running=tuple(_running(state)),
        failing_probes=tuple(
            f"{one.probe}: {one.summary}"
            for one in state.readings.values()
            if one.status in bad and meant(state, one) is None
        ),
        failing_panels=tuple(one.words for one in failing_panels(state)),
        criteria={
            one: f"{judged.verdict.value}: {judged.reason}"
            for one, judged in state.criteria.items()
            if judged.verdict.value != "pass"
        },
        rollback_ready=rollback.ready if rollback else None,
        operator=state.operator,
        spill=state.spill,
        closed=state.closed.outcome if state.closed else "",
        entries=state.seq,
        at=state.at,
        rehearsal=state.rehearsal,
        situation=current.situation.value if state.seq else "",
        next=current.text if state.seq else "",
        waived=waived_lines(state),
        left_out=left_out_of(state),
        head=head_text(state),
        rolled_back_probes=tuple(
            f"{one.probe}: {meant_words(gone, one)}"
            for one in state.readings.values()
            if (gone := meant(state, one)) is not None
        ),
        kept=kept_lines(state, now),
    )


def _all_over(state: WindowState) -> str:
    left = left_out_of(state)
    return f"all phases are over, {left}" if left else "all phases are over"


def lines(status: WindowStatus) -> Iterator[str]:
    """The status for a person, safe for any terminal."""
    name = f"{status.window} {status.version}".strip()
    yield _joined(name or "no window was opened", status.clock, *_phase(status))
    if status.rehearsal:
        yield "REHEARSAL: nothing is changed in this window"
    if status.closed:
        yield one_line(f"closed: {status.closed}")
    elif status.engine is None and status.at:
        at = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(status.at))
        yield f"no engine runs: what follows is of {at} and may be stale"
    if status.held:
        yield one_line(f"held: {status.held}")
    for running in status.running:
        yield one_line(f"… {running}")
    for waived in status.waived:
        yield one_line(f"! {waived}", 400)
    if status.spill:
        yield one_line(f"! the journal is away: recording in spill file {status.spill}", 400)
    if not status.closed:
        if status.next:
            yield one_line(f"▸ {status.next}", 400)
        yield from _health(status)
    for kept in status.kept:
        yield one_line(f"kept {kept}", 400)
    engine = status.engine
    runs = f"engine {engine.pid} on {engine.host}" if engine else "no engine runs"
    yield _joined(f"operator {status.operator or 'nobody'}", runs)
    yield _joined(f"journal {status.journal}", counted(status.entries, "entry", "entries"))
    if status.head:
        yield f"head {status.head}"


def _health(status: WindowStatus) -> Iterator[str]:
    for probe in status.failing_probes:
        yield one_line(f"✗ probe {probe}")
    for probe in status.rolled_back_probes:
        yield one_line(f"↶ probe {probe}")
    for panel in status.failing_panels:
        yield one_line(f"✗ metric {panel}")
    for criterion, judged in status.criteria.items():
        glyph = "✗" if judged.startswith("fail") else "?"
        yield one_line(f"{glyph} criterion {criterion}: {judged}")
    if status.rollback_ready is not None:
        yield "✓ rollback ready" if status.rollback_ready else "! rollback not ready"


def _phase(status: WindowStatus) -> Iterator[str]:
    if status.situation in (Situation.ROLLED_BACK, Situation.INCOMPLETE):
        return  # no phase is under way: the current action says what is
    if status.phases:
        yield f"phase {status.phase_number}/{status.phases} {status.phase}"
    if not status.closed and abs(status.drift_s) >= 1:
        yield f"{format_span(status.drift_s)} {'behind' if status.drift_s > 0 else 'ahead'}"


def _joined(*parts: str) -> str:
    return "   ".join(one_line(part, 400) for part in parts)


def _running(state: WindowState) -> Iterator[str]:
    for run in state.active_runs():
        step = state.steps.get(run.step_key)
        word = step.status.value if step else "running"
        where = f" on {run.target}" if run.target else ""
        yield f"{run.step_id}{where} {word}{f': {run.unreachable}' if run.unreachable else ''}"
    for run in state.unsettled_runs():
        reason = state.steps[run.step_key].reason
        yield f"{run.step_id} on {run.target} unknown, to be settled by the operator: {reason}"
