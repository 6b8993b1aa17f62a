"""A second backup in one window: when it can be made, and what is kept beside it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from optibid_console.database.measures import Cost
from optibid_console.launch_clock import format_span
from optibid_console.runbook.model import FORWARD, ROLLBACK, Action, Step, StepKind
from optibid_console.state import OVER, Artifact, DatabaseState, StepStatus, WindowState
from optibid_console.undone import begun_since_undone, did_nothing
from optibid_console.units import format_bytes
from probes.text import counted

_OLD_S = 60.0
_NONE = DatabaseState()


def again_steps(state: WindowState, action: Action) -> tuple[str, ...]:
    """Returns the steps that a backup does once more; empty where it isn't done, or where one made
    now would not be of what a rollback goes back to."""
    steps = _backs_up(state, action)
    if not steps or begun_since(state):
        return ()
    return tuple(
        step.id
        for step in steps
        if (step.again or step.kind is StepKind.BACKUP)
        and state.step(step.id).status is StepStatus.DONE
    )


def why_not_again(state: WindowState, action: Action) -> str:
    """Returns why a backup that is done isn't made once more; empty for every other action."""
    begun = begun_since(state) if _backs_up(state, action) else ()
    if not begun:
        return ""
    return (
        f"it is done, and {', '.join(begun)} was begun since: a backup made now would not be of "
        "what rollback goes back to"
    )


def begun_since(state: WindowState) -> tuple[str, ...]:
    """Returns the steps that a rollback would undo now."""
    rollback = state.runbook.action(ROLLBACK) if state.runbook else None
    undoes = [one for step in rollback.steps for one in step.undoes] if rollback else []
    found = begun_since_undone(state, ROLLBACK, dict.fromkeys(undoes))
    did = {run.step_id for run in state.runs.values() if not did_nothing(state, run)}
    return tuple(one for one in found if one in did)


def words_of(state: WindowState, action: Action) -> str:
    """Returns what confirms the action: its words, with `again` where it was done before."""
    words = action.confirm or action.id
    return f"{words} again" if again_steps(state, action) else words


def _backs_up(state: WindowState, action: Action) -> tuple[Step, ...]:
    """The action's steps, where they are phases' steps that are all over, with a backup among
    them that was made."""
    book = state.runbook
    if book is None or action.steps or state.rehearsal or action.id in (FORWARD, ROLLBACK):
        return ()
    steps = tuple(book.action_steps(action))
    made = any(
        one.kind is StepKind.BACKUP and state.step(one.id).status is StepStatus.DONE
        for one in steps
    )
    return steps if made and all(state.step(one.id).status in OVER for one in steps) else ()


def again_costs(
    state: WindowState, action: Action, now: float, measured: Mapping[str, Cost]
) -> tuple[str, ...]:
    """Returns what the backup that there is would lose by now, and that it stays; `now`: seconds
    since the epoch, UTC. `measured`: database → what was measured last."""
    return tuple(_costs(state, again_steps(state, action), now, measured))


def offered(
    state: WindowState, step_ids: Iterable[str], now: float, measured: Mapping[str, Cost]
) -> tuple[str, ...]:
    """Returns that the backup before these migrations is some minutes old, what going back to it
    would lose by now, and the key of a second one."""
    lines: list[str] = []
    for step_id in step_ids:
        step = state.runbook.step(step_id) if state.runbook else None
        made = state.artifacts.get(step.database) if step is not None else None
        if step is None or step.kind is not StepKind.MIGRATE or made is None:
            continue
        by = next(_makers(state, step.database), None)
        cost = measured.get(step.database, state.databases.get(step.database, _NONE).cost)
        since = cost.since if cost is not None and cost.since else moment(made)
        if by is not None and now - since >= _OLD_S:
            lines.append(
                f"{step.database}: the backup is {format_span(now - since)} old, going back loses "
                f"{_lost(cost)}; {by.key or by.id} makes a second one beside it"
            )
    return tuple(lines)


def _makers(state: WindowState, database: str) -> Iterator[Action]:
    """Yields the actions that would back this database up once more."""
    book = state.runbook
    for action in book.actions if book else ():
        steps = [book.step(one) for one in again_steps(state, action)] if book else []
        if any(step is not None and step.database == database for step in steps):
            yield action


def _costs(
    state: WindowState, step_ids: tuple[str, ...], now: float, measured: Mapping[str, Cost]
) -> Iterator[str]:
    for step_id in step_ids:
        step = state.runbook.step(step_id) if state.runbook else None
        made = [one for one in state.artifacts.values() if one.recorded.step_id == step_id]
        for artifact in made:
            name = artifact.recorded.name
            if step is not None and step.kind is StepKind.BACKUP:
                known = state.databases.get(name, DatabaseState()).cost
                cost = measured.get(name, known)
                since = cost.since if cost is not None and cost.since else artifact.at
                yield (
                    f"{name}: rollback would go back {format_span(max(now - since, 0.0))}, to "
                    f"{_clock(since)}, and lose {_lost(cost)}"
                )
            yield f"{artifact.recorded.path} stays beside the new one"


def _lost(cost: Cost | None) -> str:
    if cost is None or not cost.measured_at:
        return "what came since; how much isn't measured"
    amount = counted(cost.transactions, "transaction")
    return f"{amount} and {format_bytes(cost.wal_bytes)} of WAL"


def earlier_backup(state: WindowState, database: str, path: str) -> Artifact | None:
    """Returns a verified backup of this window that a rollback doesn't restore as it is."""
    found = earlier_backups(state, database)
    return next((one for one in found if one.recorded.path == path), None)


def earlier_backups(state: WindowState, database: str) -> tuple[Artifact, ...]:
    """Returns all of those, in the order of their time."""
    return tuple(
        one
        for one in state.earlier_artifacts
        if one.recorded.name == database and one.recorded.kind == "database"
    )


def newest_of(state: WindowState, name: str) -> tuple[str, ...]:
    """Returns which backup of a database a rollback restores, and where the others of this window
    are; empty where there is one alone."""
    used = state.artifacts.get(name)
    others = earlier_backups(state, name)
    if used is None or not others:
        return ()
    listed = ", ".join(f"{one.recorded.path} of {_clock(moment(one))}" for one in others)
    count = counted(len(others) + 1, "verified backup")
    newest = all(moment(used) >= moment(one) for one in others)
    which = f"the newest of {count}" if newest else f"of {count} one that was chosen"
    return (
        f"{which} is restored: {used.recorded.path} of {_clock(moment(used))}; not used: {listed}",
    )


def moment(artifact: Artifact) -> float:
    """Returns the moment that a backup holds: seconds since the epoch, UTC."""
    try:
        return datetime.fromisoformat(artifact.recorded.details.get("taken_at", "")).timestamp()
    except ValueError:
        return artifact.at


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%SZ")
