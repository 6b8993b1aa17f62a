"""The window as a pure fold: `WindowState.apply(entry)` gives the next state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from optibid_console import entries as e
from optibid_console.changed import changed
from optibid_console.database_state import DatabaseState, NoReturn
from optibid_console.moment import Moment, boot_name
from optibid_console.persistent import Grown, GrownList
from optibid_console.runbook.model import Runbook
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
    UNDONE = "undone"
    """A rollback that succeeded undid what it had done: it can be run again."""


ACTIVE = frozenset({StepStatus.RUNNING, StepStatus.CHECKING, StepStatus.UNKNOWN})
OVER = frozenset({StepStatus.DONE, StepStatus.SKIPPED, StepStatus.REHEARSED})


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
    was: StepState | None = None
    """As it was before a jump opened it again, until it is run."""


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
class ActionState:
    """One time that an action was started."""

    action_id: str
    action_run: str
    steps: tuple[str, ...]
    by: str
    started_at: float
    why: tuple[str, ...] = ()
    began: Moment = field(default_factory=lambda: Moment(0.0))
    """When it started, on both clocks of the engine that started it."""
    stopped_at_step: str = ""
    """The failed step on which it waits for a choice."""
    stopped_reason: str = ""
    finished_at: float = 0.0
    outcome: e.Outcome | None = None
    reason: str = ""
    finished_seq: int = 0
    """The entry that ended it."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A backup, a tag or an image of this window, and when it was recorded."""

    recorded: e.ArtifactRecorded
    by: str
    at: float


@dataclass(frozen=True, slots=True)
class ItemState:
    mark: e.Mark = e.Mark.OPEN
    by: str = ""
    at: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class CriterionState:
    verdict: e.Verdict = e.Verdict.INCONCLUSIVE
    reason: str = "not judged yet"
    since: float = 0.0
    by: str = ""
    """Who asserted it; empty: judged by the console."""
    tripped_seq: int = 0
    """The entry with which it tripped, until it passes again; 0: it isn't tripped."""


@dataclass(frozen=True, slots=True)
class Note:
    subject: str
    text: str
    by: str
    at: float


@dataclass(frozen=True, slots=True)
class Hold:
    since: float
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Poll:
    poll_id: str
    question: str
    roles: tuple[str, ...]
    called_at: float
    by: str
    votes: Mapping[str, e.VoteCast] = field(default_factory=dict)
    result: str = ""
    gate: str = ""
    """The gate that it is about, or empty."""
    called_seq: int = 0
    voted_at: Mapping[str, float] = field(default_factory=dict)
    """Role → when it voted last."""

    def tally(self) -> str:
        """What the votes come to: `go`, `no-go` or `incomplete`."""
        votes = [vote.vote for vote in self.votes.values()]
        if e.Vote.NO_GO in votes:
            return "no-go"
        return "go" if len(votes) == len(self.roles) else "incomplete"


@dataclass(frozen=True, slots=True)
class GateSeen:
    """A gate as far as it got. It begins anew with `since_seq`: what came before is void."""

    since_seq: int = 0
    opened_at: float = 0.0
    """When it was asked; 0: it wasn't yet."""
    opened_held_s: float = 0.0
    """For how long the window had been held by then."""
    timeout_s: float = 0.0
    on_timeout: str = "hold"
    confirmed: Mapping[str, float] = field(default_factory=dict)
    """Who confirmed it, and when."""
    timed_out_at: float = 0.0
    decided: e.GateDecided | None = None
    decided_by: str = ""
    passed_at: float = 0.0
    grounds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Escalation:
    started_at: float
    reason: str
    acknowledged: Mapping[int, str] = field(default_factory=dict)
    """Rung → who acknowledged it."""
    due: frozenset[int] = frozenset()
    """The rungs whose time came before anybody had acknowledged them."""


@dataclass(frozen=True, slots=True)
class Untold:
    """A message that a channel didn't take."""

    about: int
    """The number of the entry that it is about."""
    channel: str
    title: str
    at: float
    """When the last try failed, or when it was given up."""
    reason: str
    attempts: int = 0
    retry_at: float = 0.0
    """When it is tried again; 0: it isn't."""


@dataclass(frozen=True, slots=True)
class TellingState:
    """What people were told, and what not."""

    settled: Grown[tuple[int, str], bool] = field(default_factory=Grown)
    """(entry, channel) → whether it was told; what is missing is still to be told."""
    untold: Mapping[tuple[int, str], Untold] = field(default_factory=dict)
    """Messages that failed and weren't told since, in the order in which they failed first."""
    last: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    """Channel → the title it took last, and when."""
    off: Mapping[str, str] = field(default_factory=dict)
    """Channel → why it can't be used."""


@dataclass(frozen=True, slots=True)
class SharedLink:
    """A link with which the window can be watched."""

    name: str
    token_sha256: str
    expires_at: float
    by: str
    at: float


@dataclass(frozen=True, slots=True)
class SharingState:
    """Whether and to whom the window is shown elsewhere."""

    started: e.SharingStarted | None = None
    """None: nobody is listened for."""
    links: Mapping[str, SharedLink] = field(default_factory=dict)
    """The links that weren't revoked, by name; those that expired too."""
    stopped: str = ""
    """Why it was stopped last."""


# not slotted: it is made anew with each entry, and a dict is copied in one go
@dataclass(frozen=True)
class WindowState:
    """Everything that is known of a window after entry `seq`."""

    seq: int = 0
    head: str = e.GENESIS
    at: float = 0.0
    """When the last entry was made."""
    window_id: str = ""
    name: str = ""
    version: str = ""
    stamp: str = ""
    digest: str = ""
    runbook: Runbook | None = None
    opened_at: float = 0.0
    t0: float = 0.0
    speed: float = 1.0
    hold: Hold | None = None
    held_s: float = 0.0
    """For how long the clock was held until now, in wall seconds."""
    closed: e.WindowClosed | None = None
    closed_at: float = 0.0
    rehearsal: bool = False
    rehearsed: e.RehearsalMeasured | None = None
    """What this window's last rehearsal has measured."""
    earlier: e.WindowsMeasured | None = None
    """What the last windows of this name have measured."""
    engine: e.EngineStarted | None = None
    spill: str = ""
    """The file in which a forced rollback is recorded while the journal is away, or empty."""
    operator: str = ""
    operator_since: float = 0.0
    epoch: int = 0
    steps: Grown[str, StepState] = field(default_factory=Grown)
    runs: Grown[str, RunState] = field(default_factory=Grown)
    last_run: str = ""
    """The run that was started last."""
    actions: Grown[str, ActionState] = field(default_factory=Grown)
    action_run: str = ""
    """The action that is under way, or empty."""
    items: Mapping[str, ItemState] = field(default_factory=dict)
    notes: GrownList[Note] = field(default_factory=GrownList)
    facts: Mapping[str, str] = field(default_factory=dict)
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    """What can be gone back to, by name: the last one of each."""
    databases: Mapping[str, DatabaseState] = field(default_factory=dict)
    readings: Mapping[str, Reading] = field(default_factory=dict)
    """Probe id → the reading at its last change of status."""
    panels: Mapping[str, Reading] = field(default_factory=dict)
    baseline: Mapping[str, float] = field(default_factory=dict)
    criteria: Mapping[str, CriterionState] = field(default_factory=dict)
    readiness: Mapping[str, e.ReadinessChanged] = field(default_factory=dict)
    links: Mapping[str, e.LinkChanged] = field(default_factory=dict)
    polls: Grown[str, Poll] = field(default_factory=Grown)
    gates: Mapping[str, GateSeen] = field(default_factory=dict)
    """`phase:ID` or `action:ID` → how far its gate got."""
    escalation: Escalation | None = None
    escalation_ended_seq: int = 0
    """The entry that ended the last escalation."""
    telling: TellingState = TellingState()
    sharing: SharingState = SharingState()

    def apply(self, entry: e.Entry) -> WindowState:
        """The state after `entry`; an unknown kind of fact changes nothing but the number."""
        fold_one = FOLDS.get(type(entry.fact))
        after = self if fold_one is None else fold_one(self, entry, entry.fact)
        if after is self:
            return changed(self, seq=entry.seq, head=entry.hash, at=entry.at)
        # it was made just now and nobody has it yet: a second copy would double the cost
        object.__setattr__(after, "seq", entry.seq)
        object.__setattr__(after, "head", entry.hash)
        object.__setattr__(after, "at", entry.at)
        return after

    def step(self, step_id: str, action_run: str = "") -> StepState:
        """A phase's step by its id; an action's own step needs its `action_run` too."""
        return self.steps.get(self.step_key(step_id, action_run), StepState())

    def step_key(self, step_id: str, action_run: str = "") -> str:
        """Where a step is kept: an action can be done twice, a phase's step has one place."""
        if not action_run or (self.runbook and self.runbook.phase_of(step_id)):
            return step_id
        return f"{action_run}/{step_id}"

    def moment(self, entry: e.Entry) -> Moment:
        """When an entry of the engine that runs now was made, on both its clocks."""
        engine = self.engine
        boot = boot_name(engine.host, engine.boot_id) if engine else ""
        return Moment(entry.at, entry.mono, boot)

    def active_runs(self) -> tuple[RunState, ...]:
        """The runs of which no end is known, in the order of their start."""
        return tuple(run for run in self.runs.values() if run.ended is None)

    def unfinished_runs(self) -> tuple[RunState, ...]:
        """The runs whose step has no outcome yet, also where the run itself has ended."""
        last = (self.runs.get(step.run_id) for step in self.steps.values() if step.status in ACTIVE)
        checked = {run.run_id: run for run in last if run is not None}
        return tuple(({run.run_id: run for run in self.active_runs()} | checked).values())

    def unsettled_runs(self) -> tuple[RunState, ...]:
        """The runs that are gone without a trace and whose step waits for the operator's word."""
        return tuple(
            self.runs[step.run_id]
            for step in self.steps.values()
            if step.status is StepStatus.UNSETTLED
        )

    def action(self) -> ActionState | None:
        """The action that is under way."""
        return self.actions.get(self.action_run)

    def point_of_no_return(self) -> NoReturn | None:
        """Since when the code alone can't go back; None while it can, or can again."""
        points = [one.no_return for one in self.databases.values() if one.no_return]
        return min(points, key=lambda one: one.at, default=None)

    def failing_criteria(self) -> tuple[str, ...]:
        return tuple(
            one for one, judged in self.criteria.items() if judged.verdict is e.Verdict.FAIL
        )


Fold = Callable[[WindowState, e.Entry, Any], WindowState]
"""What one kind of fact does to the window."""

FOLDS: dict[type[Any], Fold] = {}
"""Filled by `optibid_console.folding`."""


def fold(all_entries: Iterable[e.Entry], state: WindowState | None = None) -> WindowState:
    """The state after all of `all_entries`."""
    current = WindowState() if state is None else state
    for entry in all_entries:
        current = current.apply(entry)
    return current


from optibid_console import folding  # noqa: E402, F401 - it fills FOLDS and needs the types above
