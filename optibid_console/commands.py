"""What an operator can ask of the engine, as frozen dataclasses.

A command asks; the engine decides (`plan.permit`) and answers `Accepted` or `Refused`.
What then happens is an entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optibid_console.codec import from_plain, to_plain
from optibid_console.entries import Choice, Mark, Outcome, Verdict, Vote, kind_of


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
class Hold:
    reason: str


@dataclass(frozen=True, slots=True)
class Resume:
    note: str = ""


@dataclass(frozen=True, slots=True)
class SetT0:
    t0: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MarkItem:
    item_id: str
    mark: Mark
    note: str = ""


@dataclass(frozen=True, slots=True)
class WriteNote:
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class AssertCriterion:
    criterion_id: str
    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class OpenGate:
    """Ask a gate, anew when it was asked before: its timeout and its votes begin from here."""

    gate: str


@dataclass(frozen=True, slots=True)
class ConfirmGate:
    """A second person's go: for a screen that doesn't drive, under another name."""

    gate: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class DecideGate:
    """How to go on after a timeout that asks: `wait`, `go` or `no-go`."""

    gate: str
    decision: str
    reason: str


@dataclass(frozen=True, slots=True)
class CallPoll:
    question: str
    gate: str = ""
    """Only the roles of this gate are asked, and their votes count for it."""


@dataclass(frozen=True, slots=True)
class CastVote:
    poll_id: str
    role: str
    vote: Vote
    note: str = ""


@dataclass(frozen=True, slots=True)
class ClosePoll:
    poll_id: str


@dataclass(frozen=True, slots=True)
class StartEscalation:
    reason: str


@dataclass(frozen=True, slots=True)
class AcknowledgeEscalation:
    rung: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class EndEscalation:
    reason: str


@dataclass(frozen=True, slots=True)
class TellAgain:
    """Tell people now what could not be told, also what was given up."""


@dataclass(frozen=True, slots=True)
class TakeOver:
    """Become the operator; `reason` is needed when somebody else is."""

    reason: str = ""
    of: str = ""
    """The holder's name as it was typed, when their console is another one that answers."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Give the lease back and leave the window running."""

    how: str = "left the window running"


@dataclass(frozen=True, slots=True)
class CloseWindow:
    outcome: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class StartSharing:
    """Listen for observers; they can watch and nothing else."""

    address: str
    """HOST:PORT; port 0: one that is free."""
    cert: str = ""
    """A file with a certificate and its key (PEM); empty: one that the console makes."""
    plain: str = ""
    """The host for which TLS is left out; empty: TLS. Needed by name off loopback."""


@dataclass(frozen=True, slots=True)
class Share:
    """Make a link for somebody to watch with; its reply alone has the token."""

    name: str
    hours: float = 12.0


@dataclass(frozen=True, slots=True)
class Revoke:
    """Make a link void; who watches with it is turned away at once."""

    name: str


@dataclass(frozen=True, slots=True)
class StopSharing:
    """Listen for nobody any more; all links are void."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class StopEngine:
    reason: str = "told to stop"
    if_idle: bool = False
    """Only when nobody else is attached and nothing is under way."""


Command = (
    RunStep
    | SkipStep
    | Jump
    | StartAction
    | Decide
    | Settle
    | Abort
    | Hold
    | Resume
    | SetT0
    | MarkItem
    | WriteNote
    | AssertCriterion
    | OpenGate
    | ConfirmGate
    | DecideGate
    | CallPoll
    | CastVote
    | ClosePoll
    | StartEscalation
    | AcknowledgeEscalation
    | EndEscalation
    | TellAgain
    | TakeOver
    | Leave
    | CloseWindow
    | StartSharing
    | Share
    | Revoke
    | StopSharing
    | StopEngine
)

COMMANDS: Mapping[str, type[Any]] = {kind_of(one): one for one in Command.__args__}


@dataclass(frozen=True, slots=True)
class Accepted:
    """The engine does it. `said` is what to show, when there is something to say."""

    said: str = ""
    seq: int = 0
    """The journal's last entry then."""
    link: str = field(default="", repr=False)
    """Of `Share`: the link with its token, which nothing but this reply knows."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The engine doesn't do it, and why: a sentence for the person."""

    why: str


Reply = Accepted | Refused


def command_to_plain(command: Command) -> dict[str, Any]:
    return {"kind": kind_of(type(command)), "body": to_plain(command)}


def command_from_plain(value: Mapping[str, Any]) -> Command:
    """Raises `ValueError` for what isn't a command."""
    known = COMMANDS.get(str(value.get("kind")))
    if known is None:
        raise ValueError(f"no command {value.get('kind')!r}")
    command: Command = from_plain(known, value.get("body", {}))
    return command
