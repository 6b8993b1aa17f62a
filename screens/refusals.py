"""What a refused key or command says: what was refused, why, and what can be done instead. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from optibid_console import commands as c
from optibid_console.plan import next_move
from screens.view import View


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something wasn't done."""

    what: str
    """What was refused, as a title: `Can't jump to 5.1`."""
    why: str
    way: str = ""
    """What to do next; empty where `why` says it."""


def refusal(view: View, command: c.Command | None, why: str) -> Refusal:
    """Returns what the dialog says when `command` (None: any change) is refused because of
    `why`."""
    way = blocked_way(view)
    return Refusal(f"Can't {in_words(command)}", why, way if way is not None else way_on(view, why))


def in_words(command: c.Command | None) -> str:
    """Returns the command as the end of a sentence that begins with `Can't`."""
    match command:
        case c.RunStep(step_id=name):
            return f"run {name}"
        case c.SkipStep(step_id=name):
            return f"skip {name}"
        case c.Jump(step_id=name):
            return f"jump to {name}"
        case c.StartAction(action_id=name):
            return f"start {name}"
        case c.AssertCriterion(criterion_id=name):
            return f"judge {name}"
        case c.Settle(step_id=name):
            return f"settle {name}"
        case c.ChooseBackup(database=name):
            return f"choose another backup of {name}"
        case c.AdoptMigrations(database=name):
            return f"adopt migrations of {name}"
    return _WORDS.get(type(command), "do that here")


_WORDS: dict[type[object], str] = {
    c.Abort: "abort", c.Decide: "decide", c.Hold: "hold the window", c.Resume: "resume",
    c.CallPoll: "call a poll", c.CastVote: "vote", c.ClosePoll: "close the poll",
    c.ConfirmGate: "confirm the gate", c.DecideGate: "decide the gate", c.OpenGate: "open the gate",
    c.MarkItem: "mark the item", c.WriteNote: "write the note", c.TakeOver: "take over",
    c.StartEscalation: "start the escalation", c.EndEscalation: "end the escalation",
    c.AcknowledgeEscalation: "acknowledge", c.CloseWindow: "close the window",
    c.Leave: "leave the window", c.StartSharing: "share the window", c.Share: "make a link",
    c.Revoke: "revoke the link", c.StopSharing: "stop sharing",
    c.LookAtRunbook: "read the runbook again", c.ReloadRunbook: "go by the runbook as it is now",
}  # fmt: skip


def blocked_way(view: View) -> str | None:
    """Returns what to do on a screen that can change nothing now; None where it can."""
    if view.ended:
        return "q leaves this screen"
    if view.lost is not None:
        return "The screen comes back by itself; press the key again then"
    if view.observer:
        return f"Ask {view.holder or 'the operator'}"
    if view.state.runbook is None:
        return "Press the key again in a moment"
    return None if view.drives else ""


def way_on(view: View, why: str) -> str:
    """Returns what the window waits for, unless `why` says it."""
    move, runbook = next_move(view.state), view.state.runbook
    step = runbook.step(move.step_id) if runbook else None
    title = f"{move.step_id} {step.title}" if step else move.step_id
    match move.kind:
        case "run" | "confirm":
            return f"Next is {title}: press 1, then Enter"
        case "wait":
            ends = " (x aborts it)" if view.state.active_runs() else ""
            return "" if move.why in why else f"{move.why}{ends}"
        case "over":
            return "" if move.why in why else move.why
    return "" if not move.why or move.why in why else f"First: {move.why}"
