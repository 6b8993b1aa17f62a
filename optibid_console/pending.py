"""Which migrations are pending, in words, and why nobody can say. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from optibid_console.adopting import why_unclear
from optibid_console.database.migrations import shared_numbers, shared_words
from optibid_console.entries import MigrationsRead
from optibid_console.launch_clock import format_span
from optibid_console.runbook.model import Step, StepKind
from optibid_console.runbook.summary import summary
from optibid_console.state import DatabaseState, WindowState

if TYPE_CHECKING:
    from optibid_console.action_plan import PreviewStep


def unread_words(state: WindowState, steps: Sequence[PreviewStep]) -> list[str]:
    """Returns that a migration would be refused: what is pending can't be read, or what the
    database has isn't recorded."""
    found = []
    for planned in steps:
        step = state.runbook.step(planned.step_id) if state.runbook else None
        if step is None or step.kind is not StepKind.MIGRATE or not planned.included:
            continue
        known = state.databases.get(step.database)
        if known is not None and known.unread:
            found.append(f"{step.id}: what is pending can't be read")
        elif known is not None and known.read is not None and _unclear(step, known.read):
            found.append(f"{step.id}: {_unclear(step, known.read)}")
    return found


def pending_lines(state: WindowState, steps: Sequence[PreviewStep], now: float) -> Iterator[str]:
    """What the migrations among these steps would apply, a line each; `now`: epoch seconds."""
    for planned in steps:
        step = state.runbook.step(planned.step_id) if state.runbook else None
        if step is None or step.kind is not StepKind.MIGRATE or not planned.included:
            continue
        known = state.databases.get(step.database)
        if known is not None and known.unread:
            yield unread_line(step.database, known, now)
        if known is None or known.read is None:
            if known is None or not known.unread:
                yield f"{step.database}: what is pending wasn't read yet"
            continue
        read, ago = known.read, ""
        of = f" of {read.release}" if read.release else ""
        if known.unread:
            ago = f" when it was read last, before {_clock(known.unread_since)}"
        elif known.read_at and now - known.read_at > 60:
            ago = f" (unchanged for {format_span(now - known.read_at)})"
        if not read.pending:
            yield f"{step.database}: nothing{of} is pending{ago}"
        else:
            yield f"{step.database}: {len(read.pending)} pending{of}{ago}"
        yield from (f"  {name}" for name in read.pending)
        yield from (f"  {shared_words(one)}" for one in shared_pending(read))
        yield from (f"  {name} failed before: {error}" for name, error in read.failed.items())


def shared_pending(read: MigrationsRead) -> Iterator[tuple[str, ...]]:
    """Yields the files that have one number, where one of them is pending."""
    for names in shared_numbers((*read.applied, *read.pending)):
        if any(one in read.pending for one in names):
            yield names


def _unclear(step: Step, read: MigrationsRead) -> str:
    return why_unclear(step.database, read, writes=bool(summary(step.run)))


def unread_line(database: str, known: DatabaseState, now: float) -> str:
    """That what is pending can't be read, for how long, and why."""
    span = format_span(max(now - known.unread_since, 0.0))
    said = known.unread.removeprefix(f"{database}, ")
    return f"{database}: what is pending can't be read for {span}: {said}"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%SZ")
