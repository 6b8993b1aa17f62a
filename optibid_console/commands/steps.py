"""Commands about steps and actions."""

from __future__ import annotations

from dataclasses import dataclass

from optibid_console.entries import Choice, Outcome


@dataclass(frozen=True, slots=True)
class RunStep:
    """Run a step of a phase; again, when it failed before. A manual one: confirm it."""

    step_id: str
    note: str = ""
    """Of a manual step: what its confirmation says. Else: why it is run again."""


@dataclass(frozen=True, slots=True)
class SkipStep:
    step_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class AskWaiver:
    """Ask a second person to confirm that a required step is waived."""

    step_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ConfirmWaiver:
    """Confirm a waiver as the second person: from a screen that doesn't drive, under another
    name."""

    step_id: str
    asked_seq: int
    """The `WaiverAsked` entry that the second person read."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class WaiveStep:
    """Waive a required step alone."""

    step_id: str
    reason: str
    typed: str = ""
    """What the person typed to confirm it: `waiving.waive_words`."""


@dataclass(frozen=True, slots=True)
class Jump:
    """Go on from another step: a later one, or an earlier one again."""

    step_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class StartAction:
    action_id: str
    typed: str = ""
    """What the person typed to confirm it."""
    forced: bool = False
    """Do it even while the journal can't be written: it is recorded in a spill file then.
    For rollback alone; `typed` has to be `permit.forced_words`. An action that migrates goes on
    without a backup; `typed` has to be `unbacked.unbacked_words`, with a `reason`."""
    reason: str = ""
    anyway: bool = False
    """Do it though a probe that makes it ready fails; `typed` has to be `preflight.anyway_words`
    of what would have to be typed otherwise."""


@dataclass(frozen=True, slots=True)
class Decide:
    """Answer an action that stopped at a failed step."""

    action_run: str
    choice: Choice
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Settle:
    """Say how a step ended whose run is gone without a trace."""

    step_id: str
    run_id: str
    outcome: Outcome
    """`succeeded` or `failed`."""
    reason: str
    """What the operator saw that says so."""


@dataclass(frozen=True, slots=True)
class Abort:
    """End the run that is under way. With none under way it does nothing."""

    run_id: str = ""


@dataclass(frozen=True, slots=True)
class StopAction:
    """Stop an action: abort the step under way and begin no other one."""

    action_run: str


@dataclass(frozen=True, slots=True)
class GoForward:
    """Go forward again after a rollback. It runs nothing: steps of the phases may run again."""

    typed: str = ""
    """What the person typed to confirm it: `direction.forward_words`."""
    reason: str = ""


StepCommand = (
    RunStep
    | SkipStep
    | AskWaiver
    | ConfirmWaiver
    | WaiveStep
    | Jump
    | StartAction
    | Decide
    | Settle
    | Abort
    | StopAction
    | GoForward
)
