"""What going back loses, in words for the person who is about to. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from optibid_console.action_plan import PreviewStep
from optibid_console.again import newest_of
from optibid_console.database.measures import Cost
from optibid_console.launch_clock import format_span
from optibid_console.runbook.model import StepKind
from optibid_console.state import DatabaseState, WindowState
from optibid_console.units import format_bytes
from probes.text import counted

_TABLES = 6


def restore_costs(
    state: WindowState, steps: Sequence[PreviewStep], now: float, measured: Mapping[str, Cost]
) -> tuple[str, ...]:
    """A few lines for each restore among the steps that would be done.

    `now`: seconds since the epoch. `measured`: database → what was measured last, where that
    is newer than the journal's.
    """
    lines: list[str] = []
    for planned in steps:
        step = state.runbook.step(planned.step_id) if state.runbook else None
        if step is None or step.kind is not StepKind.RESTORE or not planned.included:
            continue
        lines += _lines(state, step.database, now, measured.get(step.database))
        lines += newest_of(state, step.database)
        for kept in state.databases.get(step.database, DatabaseState()).kept:
            size = "" if kept.size_bytes is None else f", {format_bytes(kept.size_bytes)}"
            lines.append(f"{kept.name} is still kept from an earlier restore{size}")
    return tuple(lines)


def _lines(state: WindowState, name: str, now: float, newest: Cost | None) -> Iterator[str]:
    if name not in state.artifacts:
        yield f"{name} has no verified backup of this window to go back to"
        return
    known = (state.databases.get(name, DatabaseState()).cost, newest)
    cost = max(
        (one for one in known if one is not None),
        key=lambda one: max(one.measured_at, one.failed_at),
        default=None,
    )
    if cost is None:
        yield f"{name} returns to its backup; what is lost wasn't measured yet"
        return
    if cost.problem:
        ago = format_span(now - cost.failed_at)
        yield f"{name} can't be measured ({ago} ago: {cost.problem})"
    if not cost.measured_at:
        yield f"{name} returns to its backup; what is lost was never measured"
        return
    moment = datetime.fromtimestamp(cost.since, UTC).strftime("%H:%M:%SZ")
    amount = counted(cost.transactions, "transaction")
    wal = format_bytes(cost.wal_bytes)
    verb = "was known last" if cost.problem else "measured"
    yield (
        f"{name} returns to {moment}; {amount} and {wal} of WAL since then are lost "
        f"({verb} {format_span(now - cost.measured_at)} ago)"
    )
    yield from _rows(cost)


def _rows(cost: Cost) -> Iterator[str]:
    """The tables that changed most first."""
    if not cost.rows:
        return
    tables = sorted(cost.rows, key=lambda one: (-sum(cost.rows[one]), one))
    said = "; ".join(f"{one} {_counts(cost.rows[one])}" for one in tables[:_TABLES])
    more = f"; {counted(len(tables) - _TABLES, 'more table')}" if len(tables) > _TABLES else ""
    least = "at least " if cost.restarted else ""
    yield f"rows changed since: {least}{said}{more}"


def _counts(counts: tuple[int, ...]) -> str:
    words = ("new", "changed", "deleted")
    return ", ".join(f"{n:,} {word}" for n, word in zip(counts, words, strict=True) if n)
