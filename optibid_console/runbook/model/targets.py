"""`[targets]` and `[databases]`: where commands run, and what they work on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from optibid_console.runbook.sizes import ByteSize
from probes.probe import Seconds

_OUTPUT_CAP = ByteSize(64_000_000)
_THIRTY_DAYS = Seconds(30 * 86400.0)


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """`[targets.ID]`: where commands run and logs are."""

    id: str
    kind: str = "ssh"
    """`local`, `ssh` or `container`."""
    host: str = ""
    port: int = 0
    """0: as `~/.ssh/config` says, else 22."""
    user: str = ""
    identity: str = ""
    """Private key file; empty: the agent and the usual files."""
    known_hosts: str = ""
    """Empty: `~/.ssh/known_hosts`. Always checked strictly."""
    ssh_config: str = ""
    """Empty: `~/.ssh/config`."""
    jump: str = ""
    """`user@host:port`, or several separated by commas."""
    run_dir: str = ""
    """Where run directories are made; empty: `~/.local/state/optibid-console/runs`."""
    cwd: str = ""
    """Where commands start; empty: the home directory, in a container the image's own."""
    container: str = ""
    """A container's name or id, or its compose service."""
    docker: str = ""
    """`unix:///PATH` or `tcp://HOST:PORT`; empty: `DOCKER_HOST` or the usual socket."""
    on: str = ""
    """The target on whose machine that Docker is; empty: this machine."""
    output_cap: ByteSize = _OUTPUT_CAP
    """How much of a run's output is kept there: its beginning and its end."""
    stderr: Literal["together", "apart"] = "together"
    """`together`: in the exact order with stdout. `apart`: told apart from it, and then in
    order only where writes are some milliseconds apart."""
    keep_runs: Seconds = _THIRTY_DAYS
    """After how long the engine removes directories of ended runs, in whole days: once it
    reaches the target, then daily. Those of open windows stay."""


@dataclass(frozen=True, slots=True)
class DatabaseSpec:
    """`[databases.ID]`: a PostgreSQL database that steps back up, migrate and restore."""

    id: str
    on: str
    """The target from which it is reached, where `pg_dump` and the files are."""
    dbname: str
    user: str = ""
    password: str = ""
    """`"${NAME}"` of a secret: it travels in the run's environment."""
    host: str = "127.0.0.1"
    """As seen from the target."""
    port: int = 5432
    bin: str = ""
    """The directory of PostgreSQL's programs there; empty: they are on PATH."""
    backups: str = "backups"
    """The directory of backups there, relative to where commands start."""
    migrations: str = ""
    """The directory of `NNN_name.sql` files there. One with a line `-- data-only` is known to
    change no schema."""
    revision: str = ""
    """The git revision of the release: its files in `migrations` count, read from the checkout in
    which commands start there, whatever is checked out. Empty: the files in the directory."""
    applied: str = ""
    """A query that gives what a step's own runner has applied, where it doesn't record in
    `schema_migrations`: a version or a name in its first column, a name in its second."""
    lock_timeout: Seconds = Seconds(10)
    """How long a migration may wait for a lock; 0: for ever."""
    format: Literal["custom", "directory"] = "custom"
    jobs: int = 1
    """How many tables are dumped and restored at once: more than 1 with `directory`."""
    tables: tuple[str, ...] = ()
    """Tables (`name` or `schema.name`) whose data must be in a backup."""
    rows: Mapping[str, int] = field(default_factory=dict)
    """Table → how many rows it must have at least."""
    try_restore: bool = False
    """Restore each backup into a scratch database and compare before it counts."""
    keep: int = 10
    """How many backups stay at least; the open window's always do."""
    keep_for: Seconds = _THIRTY_DAYS
    """Backups older than this are removed, once there are more than `keep`."""


def working_directory(of_target: str, of_step: str) -> str:
    """Returns the directory that a step's command starts in, as written in the runbook: a step's
    relative `cwd` is relative to its target's, `/…` and `~/…` stand alone. Empty: the home."""
    if not of_step or of_step == ".":
        return of_target or of_step
    if not of_target or of_step.startswith(("/", "~")):
        return of_step
    return f"{of_target.rstrip('/')}/{of_step}"
