"""What the window knows of one of its databases, and what each fact does to that. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from optibid_console import entries as e
from optibid_console.changed import changed
from optibid_console.database.kept import Kept
from optibid_console.database.measures import Cost
from optibid_console.database.schema import Schema


@dataclass(frozen=True, slots=True)
class NoReturn:
    """From here on the code alone can't go back: the database has to go with it."""

    at: float
    migration: str
    """The first one that was applied, or what else is known of it."""


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """One database in this window."""

    read: e.MigrationsRead | None = None
    """What was read last."""
    read_at: float = 0.0
    base: tuple[str, ...] | None = None
    """What was applied when it was read first, or when it was restored."""
    changes: tuple[str, ...] = ()
    """What the last migration changed in the schema."""
    unjudged_run: str = ""
    """A migration's run of which nobody has read yet what it did."""
    no_return: NoReturn | None = None
    before: e.SchemaRead | None = None
    """The schema before the last migration."""
    read_before: e.MigrationsRead | None = None
    """What was read before the last migration."""
    marks: tuple[e.DatabaseMarked, ...] = ()
    """Of the backups that were begun: the last few."""
    schemas: tuple[e.SchemaRead, ...] = ()
    backup_run: str = ""
    """The run whose artifact is the one to go back to."""
    cost: Cost | None = None
    """What was known last."""
    overridden: e.BackupOverridden | None = None
    waits: tuple[e.LockWaited, ...] = ()
    """Of the last migration."""
    restored: e.DatabaseRestored | None = None
    restored_at: float = 0.0
    lacking: tuple[str, ...] = ()
    """Why the console's role couldn't restore it: sentences."""
    unread: str = ""
    """Why what is pending can't be read now; empty: it can."""
    unread_since: float = 0.0
    kept: tuple[Kept, ...] = ()
    """The databases that restores have kept of a failed state, of earlier windows too."""
    adopting: e.AdoptionBegun | None = None
    """The adoption that is under way."""
    adopted: tuple[str, ...] = ()
    """Migrations that somebody recorded as applied in this window; nothing was changed by it."""

    @property
    def applied_here(self) -> tuple[str, ...]:
        """The migrations that were applied in this window and not undone since."""
        if self.read is None or self.base is None:
            return ()
        here = {*self.base, *self.adopted, *(self.adopting.files if self.adopting else ())}
        return tuple(one for one in self.read.applied if one not in here)

    @property
    def mark(self) -> e.DatabaseMarked | None:
        """Where the cost of going back counts from."""
        return next((one for one in self.marks if one.run_id == self.backup_run), None)

    @property
    def backup_schema(self) -> Schema | None:
        """What the schema was as the backup was made."""
        found = next((one for one in self.schemas if one.run_id == self.backup_run), None)
        return Schema(found.fingerprint, found.objects) if found else None

    @property
    def to_restore(self) -> str:
        """Why going back needs a restore; empty when the code alone is enough."""
        if self.applied_here:
            return f"{', '.join(self.applied_here)} was applied"
        if self.changes:
            return f"the schema was changed: {self.changes[0]}"
        return f"what {self.unjudged_run} did isn't known" if self.unjudged_run else ""


_KEPT = 4


def began(known: DatabaseState, run_id: str) -> DatabaseState:
    """A migration's run begins."""
    return changed(known, unjudged_run=run_id, waits=())


def refused(known: DatabaseState, run_id: str) -> DatabaseState:
    """A run was never launched: it did nothing."""
    return changed(known, unjudged_run="") if known.unjudged_run == run_id else known


def migrations_read(known: DatabaseState, fact: e.MigrationsRead, at: float) -> DatabaseState:
    judged = fact.moment == "after"
    after = changed(
        known, read=fact, read_at=at, unread="", unread_since=0.0,
        read_before=fact if fact.moment == "before" else known.read_before,
        base=fact.applied if known.base is None else known.base,
        changes=fact.changes or known.changes if judged else known.changes,
        unjudged_run="" if judged and fact.run_id == known.unjudged_run else known.unjudged_run,
    )  # fmt: skip
    first = next(iter(after.applied_here or after.changes), "")
    if first and after.no_return is None:
        return changed(after, no_return=NoReturn(at, first))
    return after


def unread(known: DatabaseState, fact: e.MigrationsUnread, at: float) -> DatabaseState:
    """What is pending can't be read, since the first time that it couldn't; or can again."""
    since = (known.unread_since or at) if fact.why else 0.0
    return changed(known, unread=fact.why, unread_since=since)


def adopted(known: DatabaseState, fact: e.AdoptionEnded) -> DatabaseState:
    """All were recorded, or none was: what is applied later is then applied by this window."""
    names = () if fact.problem else fact.names
    return changed(known, adopting=None, adopted=tuple(dict.fromkeys((*known.adopted, *names))))


def schema_read(known: DatabaseState, fact: e.SchemaRead) -> DatabaseState:
    if fact.moment == "before":
        return changed(known, before=fact)
    return changed(known, schemas=(*known.schemas, fact)[-_KEPT:])


def marked(known: DatabaseState, fact: e.DatabaseMarked) -> DatabaseState:
    others = tuple(one for one in known.marks if one.run_id != fact.run_id)
    return changed(known, marks=(*others, fact)[-_KEPT:])


def backed_up(known: DatabaseState, fact: e.ArtifactRecorded) -> DatabaseState:
    return changed(known, backup_run=fact.run_id, cost=None)


def restored(known: DatabaseState, fact: e.DatabaseRestored, at: float) -> DatabaseState:
    """All that was done to it is undone; what is applied now is read anew."""
    return changed(
        known, restored=fact, restored_at=at, read=None, base=None, changes=(), unjudged_run="",
        no_return=None, before=None,
        read_before=None, cost=None, adopted=(),
    )  # fmt: skip
