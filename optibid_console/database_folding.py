"""What each fact about a database does to the window. Pure; registered in `state.FOLDS`."""

from __future__ import annotations

from collections.abc import Callable

from optibid_console import database_state as d
from optibid_console import entries as e
from optibid_console.changed import changed
from optibid_console.database_state import DatabaseState
from optibid_console.runbook.model import StepKind
from optibid_console.state import FOLDS, Artifact, WindowState


def _database(
    s: WindowState, name: str, change: Callable[[DatabaseState], DatabaseState]
) -> WindowState:
    known = s.databases.get(name, DatabaseState())
    return changed(s, databases={**s.databases, name: change(known)})


def _migrations_read(s: WindowState, entry: e.Entry, f: e.MigrationsRead) -> WindowState:
    return _database(s, f.database, lambda known: d.migrations_read(known, f, entry.at))


def _unread(s: WindowState, entry: e.Entry, f: e.MigrationsUnread) -> WindowState:
    return _database(s, f.database, lambda known: d.unread(known, f, entry.at))


def _rights(s: WindowState, entry: e.Entry, f: e.RestoreRights) -> WindowState:
    return _database(s, f.database, lambda known: changed(known, lacking=f.lacking))


def _schema_read(s: WindowState, entry: e.Entry, f: e.SchemaRead) -> WindowState:
    return _database(s, f.database, lambda known: d.schema_read(known, f))


def _marked(s: WindowState, entry: e.Entry, f: e.DatabaseMarked) -> WindowState:
    return _database(s, f.database, lambda known: d.marked(known, f))


def _cost_measured(s: WindowState, entry: e.Entry, f: e.CostMeasured) -> WindowState:
    return _database(s, f.cost.database, lambda known: changed(known, cost=f.cost))


def _lock_waited(s: WindowState, entry: e.Entry, f: e.LockWaited) -> WindowState:
    return _database(s, f.database, lambda known: changed(known, waits=(*known.waits, f)[-20:]))


def _overridden(s: WindowState, entry: e.Entry, f: e.BackupOverridden) -> WindowState:
    return _database(s, f.database, lambda known: changed(known, overridden=f))


def _restored(s: WindowState, entry: e.Entry, f: e.DatabaseRestored) -> WindowState:
    return _database(s, f.database, lambda known: d.restored(known, f, entry.at))


def _artifact(s: WindowState, entry: e.Entry, f: e.ArtifactRecorded) -> WindowState:
    after = changed(s, artifacts={**s.artifacts, f.name: Artifact(f, entry.actor, entry.at)})
    if f.kind != "database":
        return after
    return _database(after, f.name, lambda known: d.backed_up(known, f))


def migration_begins(s: WindowState, fact: e.StepStarted) -> WindowState:
    """A migration's run is about to start: until it is judged, nobody knows what it did."""
    step = s.runbook.step(fact.step_id) if s.runbook else None
    if step is None or step.kind is not StepKind.MIGRATE:
        return s
    return _database(s, step.database, lambda known: d.began(known, fact.run_id))


def step_over(s: WindowState, fact: e.StepFinished) -> WindowState:
    """A step that was refused did nothing to a database."""
    step = s.runbook.step(fact.step_id) if s.runbook else None
    refused = fact.outcome is e.Outcome.REFUSED and step is not None
    if not refused or step is None or step.kind is not StepKind.MIGRATE:
        return s
    return _database(s, step.database, lambda known: d.refused(known, fact.run_id))


FOLDS.update(
    {
        e.MigrationsRead: _migrations_read,
        e.MigrationsUnread: _unread,
        e.RestoreRights: _rights,
        e.SchemaRead: _schema_read,
        e.DatabaseMarked: _marked,
        e.CostMeasured: _cost_measured,
        e.LockWaited: _lock_waited,
        e.BackupOverridden: _overridden,
        e.DatabaseRestored: _restored,
        e.ArtifactRecorded: _artifact,
    }
)
