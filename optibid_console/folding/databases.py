"""What the facts about databases do to the window."""

from __future__ import annotations

from collections.abc import Callable

from optibid_console import entries as e
from optibid_console.changed import changed
from optibid_console.folding.register import on
from optibid_console.runbook.model import StepKind
from optibid_console.state import DatabaseState, WindowState
from optibid_console.state import databases as d

_WAITS_KEPT = 20
"""Lock waits of a migration that stay in the state; the journal has them all."""


def _database(
    s: WindowState, name: str, change: Callable[[DatabaseState], DatabaseState]
) -> WindowState:
    known = s.databases.get(name, DatabaseState())
    return changed(s, databases={**s.databases, name: change(known)})


@on(e.MigrationsRead)
def _(s: WindowState, entry: e.Entry, f: e.MigrationsRead) -> WindowState:
    return _database(s, f.database, lambda known: d.migrations_read(known, f, entry.at))


@on(e.MigrationsUnread)
def _(s: WindowState, entry: e.Entry, f: e.MigrationsUnread) -> WindowState:
    return _database(s, f.database, lambda known: d.unread(known, f, entry.at))


@on(e.RestoreRights)
def _(s: WindowState, entry: e.Entry, f: e.RestoreRights) -> WindowState:
    return _database(s, f.database, lambda known: changed(known, lacking=f.lacking))


@on(e.KeptRead)
def _(s: WindowState, entry: e.Entry, f: e.KeptRead) -> WindowState:
    return _database(s, f.database, lambda known: changed(known, kept=f.kept))


@on(e.SchemaRead)
def _(s: WindowState, entry: e.Entry, f: e.SchemaRead) -> WindowState:
    return _database(s, f.database, lambda known: d.schema_read(known, f))


@on(e.DatabaseMarked)
def _(s: WindowState, entry: e.Entry, f: e.DatabaseMarked) -> WindowState:
    return _database(s, f.database, lambda known: d.marked(known, f))


@on(e.CostMeasured)
def _(s: WindowState, entry: e.Entry, f: e.CostMeasured) -> WindowState:
    return _database(s, f.cost.database, lambda known: changed(known, cost=f.cost))


@on(e.LockWaited)
def _(s: WindowState, entry: e.Entry, f: e.LockWaited) -> WindowState:
    return _database(
        s, f.database, lambda known: changed(known, waits=(*known.waits, f)[-_WAITS_KEPT:])
    )


@on(e.BackupOverridden)
def _(s: WindowState, entry: e.Entry, f: e.BackupOverridden) -> WindowState:
    return _database(s, f.database, lambda known: changed(known, overridden=f))


@on(e.AdoptionBegun)
def _(s: WindowState, entry: e.Entry, f: e.AdoptionBegun) -> WindowState:
    return _database(s, f.database, lambda known: changed(known, adopting=f))


@on(e.AdoptionEnded)
def _(s: WindowState, entry: e.Entry, f: e.AdoptionEnded) -> WindowState:
    return _database(s, f.database, lambda known: d.adopted(known, f))


@on(e.DatabaseRestored)
def _(s: WindowState, entry: e.Entry, f: e.DatabaseRestored) -> WindowState:
    return _database(s, f.database, lambda known: d.restored(known, f, entry.at))


def backup_recorded(s: WindowState, fact: e.ArtifactRecorded) -> WindowState:
    """A database's backup was verified: it is the one to go back to."""
    if fact.kind != "database":
        return s
    return _database(s, fact.name, lambda known: d.backed_up(known, fact))


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
