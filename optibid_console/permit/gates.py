"""Gates and polls."""

from __future__ import annotations

from optibid_console import commands as c
from optibid_console import gates
from optibid_console.permit.rule import Rules
from optibid_console.runbook.model import Runbook
from optibid_console.state import GateSeen, WindowState


def shut(runbook: Runbook, state: WindowState, keys: tuple[str, ...]) -> str:
    """Why the first of these gates that is shut doesn't let through, or empty."""
    key = gates.first_shut(state, runbook, keys, state.at)
    return gates.why_not(state, runbook, key, state.at) if key else ""


def _open_gate(runbook: Runbook, state: WindowState, command: c.OpenGate) -> str:
    gate = gates.gate_of(runbook, command.gate)
    if gate is None:
        return f"there is no gate {command.gate!r}"
    seen = state.gates.get(command.gate, GateSeen())
    title = gates.title_of(runbook, command.gate)
    if seen.passed_at:
        return f"the gate of {title} was passed already"
    at = gates.judge(state, runbook, command.gate, state.at)
    asked = seen.opened_at and at.standing in (gates.Standing.WAITING, gates.Standing.OPEN)
    return f"the gate of {title} is asked already" if asked else ""


def _confirm_gate(runbook: Runbook, state: WindowState, command: c.ConfirmGate) -> str:
    gate = gates.gate_of(runbook, command.gate)
    if gate is None or not gate.second_person:
        return f"{command.gate} asks for no second person"
    seen = state.gates.get(command.gate, GateSeen())
    title = gates.title_of(runbook, command.gate)
    if seen.passed_at:
        return f"the gate of {title} was passed already"
    return "" if seen.opened_at else f"the gate of {title} isn't asked yet"


def _decide_gate(runbook: Runbook, state: WindowState, command: c.DecideGate) -> str:
    gate = gates.gate_of(runbook, command.gate)
    if gate is None:
        return f"there is no gate {command.gate!r}"
    at = gates.judge(state, runbook, command.gate, state.at)
    asks = state.gates.get(command.gate, GateSeen()).on_timeout == "ask"
    if at.standing is not gates.Standing.TIMED_OUT or not asks:
        return f"the gate of {gates.title_of(runbook, command.gate)} leaves nothing to decide"
    if command.decision not in ("wait", "go", "no-go"):
        return f"no decision {command.decision!r}; decisions are wait, go, no-go"
    return "" if command.reason.strip() else "say why"


def _call_poll(runbook: Runbook, state: WindowState, command: c.CallPoll) -> str:
    if command.gate:
        gate = gates.gate_of(runbook, command.gate)
        if gate is None or not gate.signoffs:
            return f"{command.gate} has no gate that asks roles"
        if state.gates.get(command.gate, GateSeen()).passed_at:
            return f"the gate of {gates.title_of(runbook, command.gate)} was passed already"
    elif not runbook.signoffs:
        return "the runbook names no roles: set `signoffs`"
    open_ones = [poll for poll in state.polls.values() if not poll.result]
    return f"a poll is open already: {open_ones[0].question}" if open_ones else ""


def _cast_vote(runbook: Runbook, state: WindowState, command: c.CastVote) -> str:
    poll = state.polls.get(command.poll_id)
    if poll is None or poll.result:
        return "that poll isn't open"
    if command.role not in poll.roles:
        return f"no role {command.role!r} in this poll; roles are {', '.join(poll.roles)}"
    return ""


def _close_poll(runbook: Runbook, state: WindowState, command: c.ClosePoll) -> str:
    poll = state.polls.get(command.poll_id)
    return "that poll isn't open" if poll is None or poll.result else ""


RULES: Rules = {
    c.OpenGate: _open_gate,
    c.ConfirmGate: _confirm_gate,
    c.DecideGate: _decide_gate,
    c.CallPoll: _call_poll,
    c.CastVote: _cast_vote,
    c.ClosePoll: _close_poll,
}
