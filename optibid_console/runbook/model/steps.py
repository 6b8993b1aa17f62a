"""`[[phases]]` and `[[actions]]`: steps, what guards them, and the keys that start them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from optibid_console.runbook.model.window import Stack
from probes.probe import Seconds

ROLLBACK = "rollback"
"""The action that outranks everything: its id."""
FORWARD = "forward"
"""The action that does again what the rollback undid: its id."""


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
    as_before: bool = False
    """Its evidence, or what it waits for, need not be ok where it is no worse than before the
    deployment."""
    wait_for: tuple[str, ...] = ()
    """`kind = "wait"`: probes that must all read ok before `timeout`."""
    record: str = ""
    """A fact that the last line of its output becomes: `previous.release`, `backup.path`."""
    expect_record: str = ""
    """A regular expression that all of that last line must match; else the step fails and
    nothing is recorded."""
    artifact: Literal["", "files", "tag", "image", "revision", "directory"] = ""
    """What that last line names, as a part of the backup set: `files` is looked at and its
    checksum taken."""
    stops: tuple[str, ...] = ()
    """Probes and panels whose service this step stops: triggers are silent about them from its
    start until the next wait of its phases or action is over."""
    undoes: tuple[str, ...] = ()
    """In an action: only done when one of these steps was begun in this window."""
    required: bool = True
    """A required step can't be skipped."""
    again: bool = False
    """It is done once more when its action makes a second backup in one window, as backups are.
    What it makes has to stand beside the first one."""
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
