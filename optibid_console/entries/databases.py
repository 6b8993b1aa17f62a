"""What was read of the databases, and what was done to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from optibid_console.database.kept import Kept
from optibid_console.database.locks import LockWait
from optibid_console.database.measures import Cost, Measures
from optibid_console.entries.steps import ArtifactRecorded


@dataclass(frozen=True, slots=True)
class MigrationsRead:
    """What a database and its migration files say, when that is another than before."""

    database: str
    moment: str
    """`seen` by the way, `before` a run, `during` it, or `after` it."""
    applied: tuple[str, ...]
    pending: tuple[str, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
    """Migrations that failed → their error message."""
    changes: tuple[str, ...] = ()
    """`after`: what the run changed in the schema."""
    step_id: str = ""
    run_id: str = ""
    release: str = ""
    """Where the files are from, when they are a git revision's: `v2.4.0 (1f2e3d4c5)`."""
    failed_at: Mapping[str, float] = field(default_factory=dict)
    """Migrations that failed → when that was recorded: seconds since the epoch, UTC."""
    unknown: str = ""
    """Why the database doesn't say which of the pending files it has; empty: it does."""
    lacks: tuple[str, ...] = ()
    """The columns of `schema_migrations` that the console's runner needs and that aren't there."""


@dataclass(frozen=True, slots=True)
class MigrationsUnread:
    """What is pending can't be read any more, and why; it is still the last that was read."""

    database: str
    why: str
    """Empty: it can be read again, and says the same as before."""


@dataclass(frozen=True, slots=True)
class RestoreRights:
    """What the console's role at a database can or can't restore, when that has changed."""

    database: str
    lacking: tuple[str, ...]
    """A sentence each; empty: it can restore all of it."""


@dataclass(frozen=True, slots=True)
class KeptRead:
    """The databases that restores have kept of a failed state, when those are others."""

    database: str
    kept: tuple[Kept, ...]


@dataclass(frozen=True, slots=True)
class SchemaRead:
    """A database's schema: its fingerprint, and its objects by name."""

    database: str
    moment: str
    """`backup`: as its backup begins; `before` a migration."""
    fingerprint: str
    objects: Mapping[str, str]
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class DatabaseMarked:
    """How far a database had come as its backup began: the cost of going back counts from it."""

    database: str
    run_id: str
    measures: Measures


@dataclass(frozen=True, slots=True)
class CostMeasured:
    """What going back to the backup would lose is notably more than last time, or unknown."""

    cost: Cost


@dataclass(frozen=True, slots=True)
class LockWaited:
    """Something in a database waits for a lock while a migration runs."""

    database: str
    run_id: str
    wait: LockWait


@dataclass(frozen=True, slots=True)
class BackupOverridden:
    """A migration may run without a verified backup of this window, because somebody says so."""

    database: str
    step_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class BackupChosen:
    """A rollback is to restore this backup of the window: an earlier one, because somebody says
    so."""

    artifact: ArtifactRecorded
    """As it was recorded when it was made."""
    reason: str


@dataclass(frozen=True, slots=True)
class AdoptionBegun:
    """Somebody says that a database has migrations which it doesn't record: they are about to be
    recorded as applied, without running them."""

    database: str
    files: Mapping[str, str]
    """Migration → the SHA-256 of its file."""
    reason: str
    release: str = ""
    """Where the files are from, as in `MigrationsRead`."""


@dataclass(frozen=True, slots=True)
class AdoptionEnded:
    """The database records all of them now, or none."""

    database: str
    names: tuple[str, ...]
    problem: str = ""
    """Why none is recorded; empty: all are."""


@dataclass(frozen=True, slots=True)
class DatabaseRestored:
    """A database is again as its backup was; the damaged one is kept."""

    database: str
    run_id: str
    path: str
    """Of the artifact."""
    kept_as: str = ""
    """The damaged database's name now."""
    checks: tuple[str, ...] = ()
    """What was compared, in words."""


DatabaseFact = (
    MigrationsRead
    | MigrationsUnread
    | RestoreRights
    | KeptRead
    | SchemaRead
    | DatabaseMarked
    | CostMeasured
    | LockWaited
    | BackupOverridden
    | BackupChosen
    | AdoptionBegun
    | AdoptionEnded
    | DatabaseRestored
)
