"""Gates: what has to be there before a phase or an action begins, and what still lacks. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from optibid_console import entries as e
from optibid_console.direction import Direction, direction
from optibid_console.launch_clock import current_phase, format_span
from optibid_console.runbook.model import ROLLBACK, Action, Gate, Runbook
from optibid_console.state import CriterionState, GateSeen, Poll, WindowState


class Standing(StrEnum):
    """How a gate stands."""

    OPEN = "open"
    """What it guards may begin."""
    WAITING = "waiting"
    REFUSED = "no-go"
    TIMED_OUT = "timed out"


@dataclass(frozen=True, slots=True)
class GateState:
    """A gate at one moment."""

    standing: Standing
    missing: tuple[str, ...] = ()
    """What it waits for, and why it isn't there."""
    grounds: tuple[str, ...] = ()
    """What is there."""
    refused: str = ""
    """Why it is a no-go."""
    left_s: float | None = None
    """Wall seconds until its timeout; None: it has none, isn't asked yet, or is over."""

    @property
    def waits_for_person(self) -> bool:
        return SECOND_PERSON in self.missing


@dataclass(frozen=True, slots=True)
class Findings:
    """What is there, what lacks, and who says no-go."""

    grounds: tuple[str, ...]
    missing: tuple[str, ...]
    no_go: tuple[str, ...]


SECOND_PERSON = "a second person"


def gates_of(runbook: Runbook) -> Iterator[tuple[str, Gate]]:
    """Every gate with its key: `phase:ID` or `action:ID`."""
    for phase in runbook.phases:
        if phase.gate is not None:
            yield f"phase:{phase.id}", phase.gate
    for action in runbook.actions:
        if action.gate is not None and action.id != ROLLBACK:
            yield f"action:{action.id}", action.gate


def gate_of(runbook: Runbook, key: str) -> Gate | None:
    """The gate with this key."""
    return dict(gates_of(runbook)).get(key)


def title_of(runbook: Runbook, key: str) -> str:
    """What a gate guards, in the runbook's words."""
    kind, _, name = key.partition(":")
    guarded = runbook.phases if kind == "phase" else runbook.actions
    return next((one.title for one in guarded if one.id == name), name)


def before_step(runbook: Runbook, step_id: str) -> tuple[str, ...]:
    """The gates through which a phase's step has to go."""
    phase = runbook.phase_of(step_id)
    return (f"phase:{phase.id}",) if phase is not None and phase.gate is not None else ()


def before_action(runbook: Runbook, action: Action, step_ids: tuple[str, ...]) -> tuple[str, ...]:
    """The gates through which an action has to go that does these steps: its own, and those of
    the phases whose steps it uses. Rollback goes through none."""
    if action.id == ROLLBACK:
        return ()
    own = (f"action:{action.id}",) if action.gate is not None else ()
    phases = tuple(gate for step_id in step_ids for gate in before_step(runbook, step_id))
    return tuple(dict.fromkeys((*own, *phases)))


def judge(state: WindowState, runbook: Runbook, key: str, now: float) -> GateState:
    """How the gate stands at `now` (epoch seconds). In a rehearsal every gate is open: nothing
    is at stake there. Raises `KeyError` for no such gate."""
    gate, seen = gate_of(runbook, key), state.gates.get(key, GateSeen())
    if gate is None:
        raise KeyError(key)
    if state.rehearsal or seen.passed_at:
        return GateState(Standing.OPEN, grounds=seen.grounds)
    found = findings(state, runbook, key, gate)
    refused = _refused(seen, found)
    left_s = _left_s(state, seen, now)
    decided = seen.decided
    if refused:
        return GateState(Standing.REFUSED, found.missing, found.grounds, refused)
    if not found.missing:
        return GateState(Standing.OPEN, grounds=found.grounds)
    if decided is not None and decided.decision == "go":
        without = f"{seen.decided_by} goes without {', '.join(found.missing)}: {decided.reason}"
        return GateState(Standing.OPEN, grounds=(*found.grounds, without))
    if seen.timed_out_at or (left_s is not None and left_s <= 0):
        return GateState(Standing.TIMED_OUT, found.missing, found.grounds)
    return GateState(Standing.WAITING, found.missing, found.grounds, left_s=left_s)


def _refused(seen: GateSeen, found: Findings) -> str:
    if found.no_go:
        return "; ".join(found.no_go)
    if seen.decided is not None and seen.decided.decision == "no-go":
        return f"{seen.decided_by}: {seen.decided.reason}"
    if seen.timed_out_at and seen.on_timeout == "no-go":
        return f"it timed out after {format_span(seen.timeout_s)}, and that means no-go"
    return ""


def _left_s(state: WindowState, seen: GateSeen, now: float) -> float | None:
    if not seen.opened_at or not seen.timeout_s or seen.timed_out_at:
        return None
    moment = state.hold.since if state.hold else now
    waited_s = moment - seen.opened_at - (state.held_s - seen.opened_held_s)
    return seen.timeout_s - waited_s


def findings(state: WindowState, runbook: Runbook, key: str, gate: Gate) -> Findings:
    """What is there of what the gate wants."""
    grounds: list[str] = []
    missing: list[str] = []
    no_go: list[str] = []
    poll = poll_of(state, key)
    for role in gate.signoffs:
        vote = poll.votes.get(role) if poll else None
        if vote is None or poll is None:
            missing.append(f"{role}'s go")
        elif vote.vote is e.Vote.GO:
            grounds.append(f"{role} go at {_clock(poll.voted_at.get(role, 0.0))}")
        else:
            no_go.append(f"{role} says no-go: {vote.note}" if vote.note else f"{role} says no-go")
    if gate.second_person:
        others = second_persons(state, key)
        grounds += [f"{name} confirmed at {_clock(at)}" for name, at in others.items()]
        missing += [] if others else [SECOND_PERSON]
    for criterion_id in criteria_of(runbook, key, gate):
        spec = runbook.criterion(criterion_id)
        judged = state.criteria.get(criterion_id, CriterionState())
        title = spec.title if spec else criterion_id
        said = f"“{title}” to pass (it is {judged.verdict.value}: {judged.reason})"
        if judged.verdict is e.Verdict.PASS:
            grounds.append(f"“{title}” passes")
        elif judged.verdict is e.Verdict.AS_BEFORE:
            grounds.append(f"“{title}” is as before: {judged.reason}")
        else:
            missing.append(said)
    return Findings(tuple(grounds), tuple(missing), tuple(no_go))


def second_persons(state: WindowState, key: str) -> dict[str, float]:
    """Who has confirmed the gate and isn't the operator, and when."""
    confirmed = state.gates.get(key, GateSeen()).confirmed
    return {name: at for name, at in confirmed.items() if not same_person(name, state.operator)}


def same_person(one: str, other: str) -> bool:
    """Whether two names are written for one person."""
    return one.strip().casefold() == other.strip().casefold()


def criteria_of(runbook: Runbook, key: str, gate: Gate) -> tuple[str, ...]:
    """The criteria that have to pass; `"all"` leaves out those of which it is known that they
    can't be judged yet when this phase begins."""
    if gate.criteria != "all":
        return gate.criteria
    kind, _, name = key.partition(":")
    ids = [phase.id for phase in runbook.phases]
    later = ids[ids.index(name) :] if kind == "phase" and name in ids else []
    return tuple(one.id for one in runbook.criteria if one.active_from not in later)


def poll_of(state: WindowState, key: str) -> Poll | None:
    """The last poll about the gate since it began anew."""
    since = state.gates.get(key, GateSeen()).since_seq
    polls = [one for one in state.polls.values() if one.gate == key and one.called_seq > since]
    return polls[-1] if polls else None


def why_not(state: WindowState, runbook: Runbook, key: str, now: float) -> str:
    """Why what the gate guards can't begin, and the way on; empty when it can."""
    at = judge(state, runbook, key, now)
    title = title_of(runbook, key)
    match at.standing:
        case Standing.OPEN:
            return ""
        case Standing.REFUSED:
            return f"no-go for {title}: {at.refused}; press g to ask anew"
        case Standing.TIMED_OUT:
            late = f"the gate of {title} timed out, waiting for {', '.join(at.missing)}"
            asks = state.gates.get(key, GateSeen()).on_timeout == "ask"
            return f"{late}; press g{' to say how to go on' if asks else ''}"
    asked = key.startswith("phase:") or state.gates.get(key, GateSeen()).opened_at
    way = "press g" if asked else "its key asks for it"
    return f"the gate of {title} waits for {', '.join(at.missing)}; {way}"


def waiting(state: WindowState, now: float) -> tuple[str, ...]:
    """The gates that somebody has to do something about: asked, and not open; the phase's that is
    next comes first."""
    runbook = state.runbook
    if runbook is None or state.closed is not None:
        return ()
    asked = (
        key
        for key, _ in gates_of(runbook)
        if state.gates.get(key, GateSeen()).opened_at and not _rests(state, key)
    )
    return tuple(
        key for key in asked if judge(state, runbook, key, now).standing is not Standing.OPEN
    )


def _rests(state: WindowState, key: str) -> bool:
    """Returns whether nobody is asked about this gate: after a rollback no phase is next until
    the operator goes forward again."""
    return key.startswith("phase:") and direction(state) is not Direction.FORWARD


def first_shut(state: WindowState, runbook: Runbook, keys: tuple[str, ...], now: float) -> str:
    """The first of these gates that isn't open, or empty."""
    shut = (key for key in keys if judge(state, runbook, key, now).standing is not Standing.OPEN)
    return next(shut, "")


def meaning(gate_on_timeout: str) -> str:
    """What a timeout means, in words."""
    return {
        "no-go": "then no-go: the window is held and the gate refused until it is asked anew",
        "ask": "then the operator says how to go on, and why",
    }.get(gate_on_timeout, "then the window is held; what is missing can still come")


def newly_due(state: WindowState, now: float) -> tuple[e.Fact, ...]:
    """What the console records by itself: the gate of the phase that is next is asked, a gate
    that has waited long enough times out, a poll about a gate that began anew is closed."""
    runbook = state.runbook
    if runbook is None or state.closed is not None or state.rehearsal or state.hold is not None:
        return ()
    due: list[e.Fact] = [
        e.PollClosed(poll.poll_id, poll.tally())
        for poll in state.polls.values()
        if poll.gate and not poll.result and poll_of(state, poll.gate) is not poll
    ]
    index = current_phase(runbook, state)
    current = f"phase:{runbook.phases[index].id}" if index < len(runbook.phases) else ""
    for key, gate in gates_of(runbook):
        if _rests(state, key):
            continue
        seen = state.gates.get(key, GateSeen())
        at = judge(state, runbook, key, now)
        if key == current and not seen.opened_at and at.standing is Standing.WAITING:
            due.append(e.GateOpened(key, gate.timeout, gate.on_timeout))
        elif at.standing is Standing.TIMED_OUT and not seen.timed_out_at:
            due.append(e.GateTimedOut(key, seen.on_timeout, at.missing))
    return tuple(due)


def hold_reason(state: WindowState, runbook: Runbook, fact: e.Fact) -> str:
    """Why the window is held because of `fact`: a no-go, or a timeout that holds; else empty."""
    match fact:
        case e.VoteCast(vote=e.Vote.NO_GO, role=role, note=note):
            poll = state.polls.get(fact.poll_id)
            about = f" for {title_of(runbook, poll.gate)}" if poll and poll.gate else ""
            return f"{role} says no-go{about}{f': {note}' if note else ''}"
        case e.GateDecided(decision="no-go", gate=gate, reason=reason):
            return f"no-go for {title_of(runbook, gate)}: {reason}"
        case e.GateTimedOut(gate=gate, on_timeout="hold" | "no-go", missing=missing):
            return f"the gate of {title_of(runbook, gate)} timed out, without {', '.join(missing)}"
    return ""


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%SZ")
