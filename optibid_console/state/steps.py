"""A step and a run as far as they got."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from optibid_console import entries as e
from optibid_console.moment import Moment
from probes.probe import Reading


class StepStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    CHECKING = "checking"
    """The command ended well; its evidence is being taken."""
    UNKNOWN = "unknown"
    """The connection is lost; the target has to be asked."""
    UNSETTLED = "unsettled"
    """Its run is gone without a trace: the operator has to say how it ended."""
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    REHEARSED = "rehearsed"
    WAIVED = "waived"
    """A required step that the operator passed over, with a reason."""
    UNDONE = "undone"
    """A rollback that succeeded undid what it had done: it can be run again."""


ACTIVE = frozenset({StepStatus.RUNNING, StepStatus.CHECKING, StepStatus.UNKNOWN})
OVER = frozenset({StepStatus.DONE, StepStatus.SKIPPED, StepStatus.WAIVED, StepStatus.REHEARSED})


@dataclass(frozen=True, slots=True)
class StepState:
    """One step, as far as it got."""

    status: StepStatus = StepStatus.PENDING
    run_id: str = ""
    attempt: int = 0
    target: str = ""
    command: str = ""
    started_at: float = 0.0
    finished_at: float = 0.0
    outcome: e.Outcome | None = None
    reason: str = ""
    by: str = ""
    evidence: tuple[Reading, ...] = ()
    settled_by: str = ""
    """Who said how it ended, when its target couldn't; `reason` is then theirs."""
    undone_by: str = ""
    """The run of the rollback that undid it, until it is done again."""
    as_before: tuple[str, ...] = ()
    """What isn't well after it, and wasn't before the deployment either."""
    was: StepState | None = None
    """As it was before a jump opened it again, until it is run."""


@dataclass(frozen=True, slots=True)
class Waiver:
    """A waiver of a required step: asked for, or given."""

    step_id: str
    reason: str
    by: str
    """The operator who asked for it."""
    at: float
    seq: int
    """The entry that asked for it, or gave it."""
    second: str = ""
    """Who confirmed it; empty: nobody yet, or the operator waived it alone."""
    note: str = ""
    """What the second person said."""

    def in_words(self) -> str:
        """Returns who waived the step and why: `by ann alone: the check script is broken`."""
        if not self.second:
            return f"by {self.by} alone: {self.reason}"
        said = f" ({self.second}: {self.note})" if self.note else ""
        return f"by {self.by}, confirmed by {self.second}: {self.reason}{said}"


@dataclass(frozen=True, slots=True)
class RunState:
    """One run of a command."""

    run_id: str
    step_key: str
    """Where its step is in `WindowState.steps`."""
    step_id: str
    target: str
    command: str
    started_at: float
    by: str
    epoch: int
    timeout_s: float
    kind: str
    action_run: str = ""
    """The action that started it, or empty."""
    started_seq: int = 0
    """The entry that started it."""
    began: Moment = field(default_factory=lambda: Moment(0.0))
    """When it started, on both clocks of the engine that started it."""
    launched: bool = False
    unreachable: str = ""
    abort_asked_by: str = ""
    ended: e.RunEnded | None = None


@dataclass(frozen=True, slots=True)
class Artifact:
    """A backup, a tag or an image of this window, and when it was recorded."""

    recorded: e.ArtifactRecorded
    by: str
    at: float
