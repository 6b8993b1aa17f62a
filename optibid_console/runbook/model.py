"""The runbook as values: what `config.toml` says, parsed.

Everything here is a frozen dataclass whose field names are the keys of config.toml.
`runbook.load` makes them from a file, with every error; `from_document` makes them
from the document that the journal keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from optibid_console.runbook.channels import Channel, Template
from optibid_console.runbook.sizes import ByteSize
from probes.probe import Seconds

ROLLBACK = "rollback"
"""The action that outranks everything: its id."""
FORWARD = "forward"
"""The action that does again what the rollback undid: its id."""


class Stack(StrEnum):
    """Which of the checklist's alternatives (`Or …`) this deployment uses."""

    DOCKER_COMPOSE = "docker-compose"
    KUBERNETES = "kubernetes"
    SYSTEMD = "systemd"
    PM2 = "pm2"
    DIRECTORY = "directory"


class StepKind(StrEnum):
    RUN = "run"
    WAIT = "wait"
    MANUAL = "manual"
    BACKUP = "backup"
    MIGRATE = "migrate"
    RESTORE = "restore"

    @property
    def launches(self) -> bool:
        """Whether a step of this kind runs a command on a target."""
        return self not in (StepKind.WAIT, StepKind.MANUAL)

    @property
    def is_operation(self) -> bool:
        """Whether the console knows what the command does to a database, and judges that."""
        return self in (StepKind.BACKUP, StepKind.MIGRATE, StepKind.RESTORE)


@dataclass(frozen=True, slots=True)
class Window:
    """`[window]`: the deployment itself."""

    name: str
    version: str
    stack: Stack = Stack.DOCKER_COMPOSE
    t0: str = ""
    """RFC 3339 moment or `HH:MM` (UTC) of T-0; empty: set at opening, now + the first offset."""
    baseline_until: str = ""
    """A phase's id: panels' baselines are the median of what was seen before it began."""
    speed: float = 1.0
    """How many clock seconds pass in one second: 1 in production."""
    bell: bool = True
    """Ring once when a criterion trips."""


@dataclass(frozen=True, slots=True)
class Environment:
    """`[environment]`: where `${NAME}` gets its values."""

    env_file: str = ""
    """A file of `NAME=value` lines, relative to config.toml; the process environment wins."""
    plain: tuple[str, ...] = ()
    """Names whose values may be shown. Every other one is a secret."""


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


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    """`[probes.ID]`: something observed again and again; `settings` belong to its kind."""

    id: str
    kind: str
    title: str = ""
    on: str = ""
    """The target from which it looks; empty: from where the engine runs."""
    every: Seconds = Seconds(5)
    timeout: Seconds = Seconds(3)
    service: str = ""
    stack: tuple[Stack, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """`[panels.ID]`: a number with a history, read by a probe kind that gives a value."""

    id: str
    source: str
    """`prometheus` or `metrics` (a `/metrics` page read directly)."""
    title: str = ""
    on: str = ""
    unit: str = ""
    """`ms`, `s`, `ratio`, `percent`, `bytes`, `count`, `per_s`."""
    every: Seconds = Seconds(2)
    timeout: Seconds = Seconds(2)
    warn_above: float | None = None
    fail_above: float | None = None
    warn_below: float | None = None
    fail_below: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TailSpec:
    """`[tails.ID]`: a followed log."""

    id: str
    kind: str = "file"
    """`file` (`tail -F` on its target) or `container` (the Docker API)."""
    on: str = ""
    path: str = ""
    container: str = ""
    docker: str = ""
    """Docker's address for `kind = "container"`; empty: `DOCKER_HOST` or the usual socket."""
    service: str = ""
    stack: tuple[Stack, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """A command on a target, a wait until healthy, or a manual confirmation."""

    id: str
    title: str
    group: str = ""
    """The checklist's own step that this one is a part of: `2.1 Apply Database Migrations`."""
    kind: StepKind = StepKind.RUN
    on: str = ""
    run: str = ""
    database: str = ""
    """`kind = "backup"`, `"migrate"`, `"restore"`: which of `[databases]`. `run` is then made
    from it, but for `migrate`, which may have a runner of its own."""
    cwd: str = ""
    expect_duration: Seconds = Seconds(10)
    timeout: Seconds = Seconds(600)
    evidence: tuple[str, ...] = ()
    """Probes that must read ok after the command, within `evidence_timeout`."""
    evidence_timeout: Seconds = Seconds(15)
    wait_for: tuple[str, ...] = ()
    """`kind = "wait"`: probes that must all read ok before `timeout`."""
    record: str = ""
    """A fact that the last line of its output becomes: `previous.release`, `backup.path`."""
    artifact: Literal["", "files", "tag", "image", "revision", "directory"] = ""
    """What that last line names, as a part of the backup set: `files` is looked at and its
    checksum taken."""
    undoes: tuple[str, ...] = ()
    """In an action: only done when one of these steps was begun in this window."""
    required: bool = True
    """A required step can't be skipped."""
    read_only: bool = False
    stack: tuple[Stack, ...] = ()
    """The stacks that it belongs to; empty: all."""
    service: str = ""
    """The optional service that it is for: left out when that isn't in `[services]`."""
    note: str = ""
    """What a person should know: shown with the step."""


@dataclass(frozen=True, slots=True)
class Gate:
    """`gate = { … }` of a phase or an action: what has to be there before it begins."""

    signoffs: tuple[str, ...] = ()
    """Roles that must all vote go in a poll about it."""
    second_person: bool = False
    """Somebody other than the operator has to confirm it, on a screen of their own."""
    criteria: tuple[str, ...] | Literal["all"] = ()
    """Criteria that must pass: inconclusive is no pass. `"all"`: every one that is judged
    by then."""
    timeout: Seconds = Seconds(0)
    """How long it waits, from when it is asked; 0: for ever. Stands still during a hold."""
    on_timeout: Literal["hold", "no-go", "ask"] = "hold"
    """`hold`: the window is held, and what is missing can still come. `no-go`: it is held and
    refused, until it is asked anew. `ask`: the operator says how to go on, and why."""


@dataclass(frozen=True, slots=True)
class Phase:
    """`[[phases]]`: a part of the window that begins at an offset from T-0."""

    id: str
    title: str
    at: Seconds
    """Clock seconds from T-0, negative before it. In config.toml: `"T-45m"`, `"T+0"`."""
    until: Seconds | None = None
    steps: tuple[Step, ...] = ()
    gate: Gate | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """`[[actions]]`: a named sequence of steps on a key."""

    id: str
    title: str
    key: str = ""
    uses: tuple[str, ...] = ()
    """Steps of the phases, by id, that it runs; or it has `steps` of its own."""
    steps: tuple[Step, ...] = ()
    confirm: str = ""
    """What has to be typed; empty: the action's id."""
    needs_facts: tuple[str, ...] = ()
    """Facts that it can't do without: `backup.path`, `previous.release`."""
    ready_when: tuple[str, ...] = ()
    """Probes that must read ok for it to be ready: rollback's lamp."""
    costs: str = ""
    """What is lost by it, in words; `${fact.name}` is filled in."""
    gate: Gate | None = None
    """Not for rollback: nothing stands in its way."""
    stack: tuple[Stack, ...] = ()
    """The stacks that it belongs to; empty: all."""
    service: str = ""
    """The optional service that it is for: left out when that isn't in `[services]`."""


@dataclass(frozen=True, slots=True)
class CheckItem:
    """One line of the checklist."""

    id: str
    text: str
    probe: str = ""
    """A probe whose reading is shown beside it as a hint; a person ticks."""
    service: str = ""
    role: str = ""
    """A sign-off line: the role that signs."""


@dataclass(frozen=True, slots=True)
class CheckSection:
    """`[[checklist]]`: a section of check items."""

    id: str
    title: str
    group: str
    """The checklist's chapter: `Pre-Deployment Checks`."""
    items: tuple[CheckItem, ...]
    phase: str = ""
    """The phase during which it is worked through."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """`[[criteria]]`: a rollback trigger."""

    id: str
    title: str
    fail_when: str = ""
    """`panel.errors > 0.05`, `panel.latency > 1.5 * baseline`, `probe.db is failing`;
    several with ` or `. Empty: a person asserts it."""
    hold_for: Seconds = Seconds(0)
    """How long it must hold. In config.toml the key is `for`."""
    stale_after: Seconds = Seconds(30)
    """Data older than this is no data: the verdict is inconclusive."""
    active_from: str = ""
    """A phase's id: before it has begun the criterion isn't judged."""


@dataclass(frozen=True, slots=True)
class Contact:
    """`[contacts.ID]`: whom to call."""

    id: str
    role: str
    name: str = ""
    phone: str = ""
    email: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Rung:
    """`[[escalation]]`: one rung of the escalation path."""

    after: Seconds
    action: str
    contact: str = ""


@dataclass(frozen=True, slots=True)
class Runbook:
    """A whole `config.toml`, with the alternatives that this deployment doesn't use left out."""

    window: Window
    environment: Environment = Environment()
    services: tuple[str, ...] = ()
    targets: Mapping[str, TargetSpec] = field(default_factory=dict)
    databases: Mapping[str, DatabaseSpec] = field(default_factory=dict)
    probes: Mapping[str, ProbeSpec] = field(default_factory=dict)
    panels: Mapping[str, PanelSpec] = field(default_factory=dict)
    tails: Mapping[str, TailSpec] = field(default_factory=dict)
    phases: tuple[Phase, ...] = ()
    actions: tuple[Action, ...] = ()
    checklist: tuple[CheckSection, ...] = ()
    criteria: tuple[Criterion, ...] = ()
    contacts: Mapping[str, Contact] = field(default_factory=dict)
    escalation: tuple[Rung, ...] = ()
    signoffs: tuple[str, ...] = ()
    """Roles that vote in a go/no-go poll."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """`[keys]`: another key for a console command: `rollback = "f9"`."""
    tell: Mapping[str, Channel] = field(default_factory=dict)
    """`[tell.ID]`: where people are told what happens."""
    tell_templates: Mapping[str, Template] = field(default_factory=dict)
    """`[tell_templates.EVENT]`: other words for the messages."""

    def steps(self) -> Iterator[tuple[Phase, Step]]:
        """Every step of every phase, in order."""
        for phase in self.phases:
            for step in phase.steps:
                yield phase, step

    def step(self, step_id: str) -> Step | None:
        """The step with this id, in a phase or an action."""
        for _, step in self.steps():
            if step.id == step_id:
                return step
        for action in self.actions:
            for step in action.steps:
                if step.id == step_id:
                    return step
        return None

    def phase_of(self, step_id: str) -> Phase | None:
        for phase, step in self.steps():
            if step.id == step_id:
                return phase
        return None

    def action(self, action_id: str) -> Action | None:
        return next((one for one in self.actions if one.id == action_id), None)

    def action_steps(self, action: Action) -> tuple[Step, ...]:
        """The steps that an action may run: its own, or the phases' that it uses."""
        if action.steps:
            return action.steps
        found = (self.step(step_id) for step_id in action.uses)
        return tuple(step for step in found if step is not None)

    def item(self, item_id: str) -> CheckItem | None:
        for section in self.checklist:
            for item in section.items:
                if item.id == item_id:
                    return item
        return None

    def criterion(self, criterion_id: str) -> Criterion | None:
        return next((one for one in self.criteria if one.id == criterion_id), None)
