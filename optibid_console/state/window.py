"""The whole window after an entry, and how it comes from the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from optibid_console import entries as e
from optibid_console.changed import changed
from optibid_console.moment import Moment, boot_name
from optibid_console.persistent import Grown, GrownList
from optibid_console.runbook.model import Runbook
from optibid_console.state.actions import ActionState
from optibid_console.state.databases import DatabaseState, NoReturn
from optibid_console.state.gates import GateSeen
from optibid_console.state.observed import CriterionState
from optibid_console.state.people import Escalation, ItemState, Note, Poll
from optibid_console.state.sharing import SharingState
from optibid_console.state.steps import ACTIVE, Artifact, RunState, StepState, StepStatus, Waiver
from optibid_console.state.telling import TellingState
from probes.probe import Reading


@dataclass(frozen=True, slots=True)
class Hold:
    since: float
    reason: str
    by: str


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
    delivered: str = ""
    """What a console that was cut off did by itself, until the operator has written a note."""
    operator: str = ""
    operator_since: float = 0.0
    epoch: int = 0
    steps: Grown[str, StepState] = field(default_factory=Grown)
    runs: Grown[str, RunState] = field(default_factory=Grown)
    waiver: Waiver | None = None
    """The waiver that waits for a second person."""
    waived: Mapping[str, Waiver] = field(default_factory=dict)
    """Step id → its last waiver. It stays here when the step is run later all the same."""
    last_run: str = ""
    """The run that was started last."""
    actions: Grown[str, ActionState] = field(default_factory=Grown)
    action_run: str = ""
    """The action that is under way, or empty."""
    rollback_run: str = ""
    """The rollback that ended last, while no step has gone forward since; else empty."""
    items: Mapping[str, ItemState] = field(default_factory=dict)
    notes: GrownList[Note] = field(default_factory=GrownList)
    facts: Mapping[str, str] = field(default_factory=dict)
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    """What can be gone back to, by name: the last one of each."""
    earlier_artifacts: tuple[Artifact, ...] = ()
    """Those that were the last one before, in their order."""
    databases: Mapping[str, DatabaseState] = field(default_factory=dict)
    readings: Mapping[str, Reading] = field(default_factory=dict)
    """Probe id → the reading at its last change of status."""
    panels: Mapping[str, Reading] = field(default_factory=dict)
    baseline_at: float = 0.0
    """When the baselines were taken; 0: not yet."""
    before: Mapping[str, str] = field(default_factory=dict)
    """Probe id → how it was before the deployment: its best reading, until the baselines are taken;
    then how it usually was."""
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
    telling: TellingState = field(default_factory=TellingState)
    sharing: SharingState = field(default_factory=SharingState)

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
