"""Steps and their runs, from started to finished, and what they recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from probes.probe import Reading


class Outcome(StrEnum):
    """How a step or an action ended. `UNKNOWN`: nobody knows until the target was asked."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    ABORTED = "aborted"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    REHEARSED = "rehearsed"
    """Walked in a rehearsal: what it would do is recorded, nothing was done."""


@dataclass(frozen=True, slots=True)
class StepStarted:
    """Committed before anything acts."""

    step_id: str
    run_id: str
    attempt: int
    kind: str
    target: str = ""
    command: str = ""
    """As it will be run; secrets as `${NAME}`."""
    epoch: int = 0
    timeout_s: float = 0.0
    action_run: str = ""
    """The action that it belongs to, or empty."""
    reason: str = ""
    """Why it is run again, when the person said so."""


@dataclass(frozen=True, slots=True)
class RunLaunched:
    """The target has the run. `attached`: it had it already, and it was not started again."""

    run_id: str
    attached: bool = False


@dataclass(frozen=True, slots=True)
class RunUnreachable:
    """The connection is lost: the run's outcome is unknown until the target was asked."""

    run_id: str
    why: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    run_id: str
    outcome: Outcome
    reason: str
    exit_status: int | None = None
    signal: str = ""
    duration_s: float = 0.0
    output_bytes: int = 0
    last_lines: tuple[str, ...] = ()
    output_lost: str = ""
    """What is lost of its output and why, in words."""


@dataclass(frozen=True, slots=True)
class EvidenceTaken:
    """What the probes named as evidence said after the command."""

    step_id: str
    run_id: str
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class StepFinished:
    step_id: str
    run_id: str
    outcome: Outcome
    reason: str = ""
    duration_s: float = 0.0
    as_before: tuple[str, ...] = ()
    """What isn't well and wasn't before the deployment either: the step counts as done all the
    same."""


@dataclass(frozen=True, slots=True)
class StepSettled:
    """The operator's word on a step whose run is gone without a trace."""

    step_id: str
    run_id: str
    outcome: Outcome
    """`succeeded` or `failed`."""
    reason: str


@dataclass(frozen=True, slots=True)
class StepSkipped:
    step_id: str
    reason: str
    action_run: str = ""


@dataclass(frozen=True, slots=True)
class WaiverAsked:
    """The operator asks a second person to confirm that a required step is waived."""

    step_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class StepWaived:
    """A required step that can't be done is passed over. The window goes on without it."""

    step_id: str
    reason: str
    by: str
    """The operator who asked for it."""
    second: str = ""
    """The second person who confirmed it; empty: the operator waived it alone."""
    note: str = ""
    """What the second person said."""


@dataclass(frozen=True, slots=True)
class Jumped:
    """The window goes on from another step; what lies between is treated as said here."""

    step_id: str
    reason: str
    skipped: tuple[str, ...] = ()
    """Steps that are left out; none of them is required."""
    again: tuple[str, ...] = ()
    """Steps that were over and are open again."""
    kept: tuple[str, ...] = ()
    """Steps that an earlier jump had opened again, and that stay as they were before it."""


@dataclass(frozen=True, slots=True)
class AbortAsked:
    run_id: str


@dataclass(frozen=True, slots=True)
class FactRecorded:
    """Something that the console knows from now on: `previous.release`, `backup.path`."""

    name: str
    value: str
    step_id: str = ""


@dataclass(frozen=True, slots=True)
class ArtifactRecorded:
    """Something to go back to was made and verified: a backup, above all."""

    name: str
    """What it is of: a database's id, `configuration`, `tag`."""
    kind: str
    """`database`, `files`, `tag`, `image` or `revision`."""
    target: str
    path: str
    """Where it is there, or what names it: a tag, a digest."""
    size_bytes: int = 0
    sha256: str = ""
    checks: tuple[str, ...] = ()
    """What was verified, in words."""
    details: Mapping[str, str] = field(default_factory=dict)
    """Of the moment that it holds: `server_version`, `wal_lsn`, `transactions`, `taken_at`."""
    step_id: str = ""
    run_id: str = ""


StepFact = (
    StepStarted
    | RunLaunched
    | RunUnreachable
    | RunEnded
    | EvidenceTaken
    | StepFinished
    | StepSettled
    | StepSkipped
    | WaiverAsked
    | StepWaived
    | Jumped
    | AbortAsked
    | FactRecorded
    | ArtifactRecorded
)
