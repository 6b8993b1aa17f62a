"""What may be done now, what is next, and what an action would do. Pure: never acts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from optibid_console import commands as c
from optibid_console.entries import Choice, Mark, Outcome, Verdict
from optibid_console.launch_clock import current_phase, format_span, plan_end
from optibid_console.runbook.model import Action, Runbook, Step, StepKind
from optibid_console.state import ACTIVE, StepStatus, WindowState

ROLLBACK = "rollback"
"""The action that outranks everything."""

_OVER = frozenset({StepStatus.DONE, StepStatus.SKIPPED})
_FACT = re.compile(r"\$\{([a-z][\w-]*(?:\.[\w-]+)+)\}")


@dataclass(frozen=True, slots=True)
class Move:
    """What comes next."""

    kind: str
    """`run`, `confirm` (a manual step), `wait` (something is under way), `blocked` or `over`."""
    step_id: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class PreviewStep:
    """A step as an action would do it."""

    step_id: str
    title: str
    target: str
    command: str
    """As it will be run; secrets as `${NAME}`."""
    included: bool
    because: str
    """Why it is done or left out."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a person sees before an action: always these, in this order."""

    action_id: str
    title: str
    why_now: tuple[str, ...]
    steps: tuple[PreviewStep, ...]
    costs: tuple[str, ...]
    estimate_s: float
    time_left_s: float | None
    """Wall seconds until the plan's end; None when T-0 isn't known."""
    not_ready: tuple[str, ...]
    confirm: str
    """What has to be typed."""
    refused: str = ""
    """Why it can't be started at all; empty when it can."""


def next_move(state: WindowState) -> Move:
    """The next step of the window, or what it waits for."""
    runbook = state.runbook
    if runbook is None:
        return Move("blocked", why="no window is open")
    if state.closed is not None:
        return Move("over", why=f"the window is closed: {state.closed.outcome}")
    action = state.action()
    if action is not None and action.stopped_at_step:
        why = f"{action.action_id} stopped at {action.stopped_at_step}: {action.stopped_reason}"
        return Move("blocked", action.stopped_at_step, why)
    if action is not None:
        return Move("wait", why=f"{action.action_id} is under way")
    active = state.active_runs()
    if active:
        return Move("wait", active[0].step_id, f"{active[0].step_id} is under way")
    index = current_phase(runbook, state)
    if index >= len(runbook.phases):
        return Move("over", why="every step is done or skipped")
    phase = runbook.phases[index]
    step = next(s for s in phase.steps if state.step(s.id).status not in _OVER)
    if state.step(step.id).status in ACTIVE:
        return Move("wait", step.id, f"{step.id} is under way")
    if state.hold is not None:
        return Move("blocked", step.id, f"the window is held: {state.hold.reason}")
    return Move("confirm" if step.kind is StepKind.MANUAL else "run", step.id)


def permit(state: WindowState, command: c.Command) -> str:
    """Empty when the command may be carried out; otherwise why not, as a sentence."""
    if isinstance(command, c.TakeOver | c.Leave | c.StopEngine | c.WriteNote):
        return "a note needs words" if _blank_note(command) else ""
    if state.runbook is None:
        return "no window is open"
    if state.closed is not None:
        return f"the window is closed ({state.closed.outcome})"
    rule = _RULES.get(type(command))
    return "" if rule is None else rule(state.runbook, state, command)


def missing_facts(state: WindowState, text: str) -> tuple[str, ...]:
    """The facts that a command or a setting names and nobody has recorded yet."""
    return tuple(dict.fromkeys(one for one in _FACT.findall(text) if one not in state.facts))


def shown(state: WindowState, text: str) -> str:
    """A text for people with its known facts filled in."""
    return _FACT.sub(lambda found: state.facts.get(found[1], found[0]), text)


def action_plan(state: WindowState, action: Action) -> tuple[PreviewStep, ...]:
    """The action's steps, each with whether it would be done and why.

    Computed from the journal: a step that undoes others is done when one of them was
    begun in this window and not undone since; nothing else is touched.
    """
    runbook = state.runbook
    if runbook is None:
        return ()
    steps = runbook.action_steps(action)
    if not action.steps:
        return tuple(_of_phase(state, step) for step in steps)
    undoes = [step for step in steps if step.undoes]
    nothing = bool(undoes) and not any(_begun(state, action, step) for step in undoes)
    return tuple(_of_action(state, action, step, nothing) for step in steps)


def estimate_s(state: WindowState, action: Action) -> float:
    """How long the action would take in wall seconds: measured where a step ran before."""
    total = 0.0
    for planned in action_plan(state, action):
        step = state.runbook.step(planned.step_id) if state.runbook else None
        if step is not None and planned.included:
            total += _measured_s(state, step)
    return total


def preview(state: WindowState, action_id: str, now: float) -> Preview:
    """What the action would do at `now` (epoch seconds). Raises `KeyError` for no such action."""
    runbook = state.runbook
    action = runbook.action(action_id) if runbook else None
    if runbook is None or action is None:
        raise KeyError(action_id)
    readiness = state.readiness.get(action_id)
    steps = action_plan(state, action)
    missing = [f"{name} was never recorded" for name in _facts_missing(state, action)]
    if readiness is not None:
        missing += [one for one in readiness.missing if one not in missing]
    moment = state.hold.since if state.hold else now
    left_s = (plan_end(runbook) - (moment - state.t0) * state.speed) / state.speed
    confirm = action.confirm or action.id
    return Preview(
        action_id, action.title, _why_now(state), steps,
        tuple(shown(state, action.costs).splitlines()), estimate_s(state, action),
        left_s, tuple(missing), confirm,
        permit(state, c.StartAction(action_id, confirm)),
    )  # fmt: skip


def _why_now(state: WindowState) -> tuple[str, ...]:
    runbook = state.runbook
    lines = []
    for criterion_id in state.failing_criteria():
        criterion = runbook.criterion(criterion_id) if runbook else None
        judged = state.criteria[criterion_id]
        lines.append(f"{criterion.title if criterion else criterion_id}: {judged.reason}")
    return tuple(lines)


def _of_phase(state: WindowState, step: Step) -> PreviewStep:
    status = state.step(step.id).status
    included = status not in _OVER
    because = "not done yet" if included else f"{status.value} already"
    return _preview_step(state, step, included, because)


def _of_action(state: WindowState, action: Action, step: Step, nothing: bool) -> PreviewStep:
    if nothing:
        return _preview_step(state, step, False, "nothing was done that it would undo")
    if not step.undoes:
        return _preview_step(state, step, True, "always")
    begun = _begun(state, action, step)
    if begun:
        return _preview_step(state, step, True, f"undoes {', '.join(begun)}")
    return _preview_step(state, step, False, f"{', '.join(step.undoes)} was not done")


def _preview_step(state: WindowState, step: Step, included: bool, because: str) -> PreviewStep:
    command = shown(state, step.run)
    if step.kind is StepKind.WAIT:
        command = f"wait until {', '.join(step.wait_for)} read ok, at most {step.timeout:g} s"
    elif step.kind is StepKind.MANUAL:
        command = step.note or "a person confirms it"
    return PreviewStep(step.id, step.title, step.on, command, included, because)


def _begun(state: WindowState, action: Action, step: Step) -> tuple[str, ...]:
    """The steps among `step.undoes` that were begun since this action last succeeded."""
    undone_at = max(
        (
            one.finished_at
            for one in state.actions.values()
            if one.action_id == action.id and one.outcome is Outcome.SUCCEEDED
        ),
        default=0.0,
    )
    begun = {run.step_id for run in state.runs.values() if run.started_at > undone_at}
    return tuple(one for one in step.undoes if one in begun)


def _measured_s(state: WindowState, step: Step) -> float:
    took = [
        run.ended.duration_s
        for run in state.runs.values()
        if run.step_id == step.id and run.ended and run.ended.outcome is Outcome.SUCCEEDED
    ]
    return took[-1] if took else float(step.expect_duration)


def _facts_missing(state: WindowState, action: Action) -> tuple[str, ...]:
    """The facts that the steps to be done name, and that nothing before them records."""
    runbook = state.runbook
    if runbook is None:
        return ()
    known: set[str] = set()
    missing: list[str] = []
    for planned in action_plan(state, action):
        step = runbook.step(planned.step_id)
        if step is None or not planned.included:
            continue
        missing += [one for one in missing_facts(state, step.run) if one not in known]
        known.add(step.record)
    return tuple(dict.fromkeys(missing))


# What each command needs


def _blank_note(command: c.Command) -> bool:
    return isinstance(command, c.WriteNote) and not command.text.strip()


def _run_step(runbook: Runbook, state: WindowState, command: c.RunStep) -> str:
    phase = runbook.phase_of(command.step_id)
    step = runbook.step(command.step_id)
    if phase is None or step is None:
        return f"no step {command.step_id!r} in the phases"
    seen = state.step(step.id)
    if seen.status in _OVER:
        return f"{step.id} is {seen.status.value} already"
    if seen.status in ACTIVE:
        return f"{step.id} is under way already"
    if state.hold is not None:
        return f"the window is held ({state.hold.reason}): resume it first"
    busy = _busy(state)
    if busy:
        return busy
    for earlier_phase, earlier in runbook.steps():
        if earlier.id == step.id:
            break
        if earlier.required and state.step(earlier.id).status not in _OVER:
            return f"{earlier.id} {earlier.title} comes first (phase {earlier_phase.title})"
    missing = missing_facts(state, step.run)
    return f"it needs {', '.join(missing)}, which no step has recorded yet" if missing else ""


def _busy(state: WindowState) -> str:
    action = state.action()
    if action is not None:
        return f"{action.action_id} is under way"
    active = state.active_runs()
    if active:
        return f"{active[0].step_id} is under way: one step at a time"
    checking = [key for key, step in state.steps.items() if step.status in ACTIVE]
    return f"{checking[0]} is under way: one step at a time" if checking else ""


def _skip_step(runbook: Runbook, state: WindowState, command: c.SkipStep) -> str:
    step = runbook.step(command.step_id)
    if step is None or runbook.phase_of(command.step_id) is None:
        return f"no step {command.step_id!r} in the phases"
    if step.required:
        return f"{step.id} is required: it can't be skipped"
    if not command.reason.strip():
        return "skipping needs a reason"
    seen = state.step(step.id)
    if seen.status in _OVER or seen.status in ACTIVE:
        return f"{step.id} is {seen.status.value}"
    return ""


def _start_action(runbook: Runbook, state: WindowState, command: c.StartAction) -> str:
    action = runbook.action(command.action_id)
    if action is None:
        return f"no action {command.action_id!r}; actions are {_names(runbook)}"
    confirm = action.confirm or action.id
    if command.typed != confirm:
        return f"type {confirm!r} to confirm it"
    under_way = state.action()
    if under_way is not None and under_way.action_id == action.id:
        since = format_span(max(0.0, state.at - under_way.started_at))
        return f"{action.id} is under way already, for {since}"
    if action.id != ROLLBACK:
        if state.hold is not None:
            return f"the window is held ({state.hold.reason}): resume it first"
        busy = _busy(state)
        if busy:
            return busy
    plan = action_plan(state, action)
    if not any(one.included for one in plan):
        why = plan[0].because if plan else "it has no steps"
        return f"there is nothing to do: {why}"
    needed = [name for name in action.needs_facts if name not in state.facts]
    if action.id != ROLLBACK and needed:
        return f"it needs {', '.join(needed)}, which no step has recorded yet"
    missing = _facts_missing(state, action)
    return f"it needs {', '.join(missing)}, which no step has recorded" if missing else ""


def _names(runbook: Runbook) -> str:
    return ", ".join(action.id for action in runbook.actions) or "none"


def _decide(runbook: Runbook, state: WindowState, command: c.Decide) -> str:
    action = state.action()
    if action is None or action.action_run != command.action_run or not action.stopped_at_step:
        return "no action waits for a choice"
    step = runbook.step(action.stopped_at_step)
    if command.choice is Choice.SKIP:
        if step is not None and step.required:
            return f"{step.id} is required: it can't be skipped"
        if not command.reason.strip():
            return "skipping needs a reason"
    return ""


def _hold(runbook: Runbook, state: WindowState, command: c.Hold) -> str:
    if state.hold is not None:
        return f"the window is held already: {state.hold.reason}"
    return "" if command.reason.strip() else "a hold needs a reason"


def _resume(runbook: Runbook, state: WindowState, command: c.Resume) -> str:
    return "" if state.hold is not None else "the window isn't held"


def _mark_item(runbook: Runbook, state: WindowState, command: c.MarkItem) -> str:
    if runbook.item(command.item_id) is None:
        return f"no check item {command.item_id!r}"
    explained = command.mark in (Mark.FAILED, Mark.NOT_APPLICABLE)
    return "say why" if explained and not command.note.strip() else ""


def _assert(runbook: Runbook, state: WindowState, command: c.AssertCriterion) -> str:
    criterion = runbook.criterion(command.criterion_id)
    if criterion is None:
        return f"no criterion {command.criterion_id!r}"
    if criterion.fail_when and command.verdict is not Verdict.FAIL:
        return f"{criterion.title} is judged by the console: it can't be declared passed"
    return "" if command.reason.strip() else "say why"


def _call_poll(runbook: Runbook, state: WindowState, command: c.CallPoll) -> str:
    if not runbook.signoffs:
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


def _start_escalation(runbook: Runbook, state: WindowState, command: c.StartEscalation) -> str:
    return "the escalation clock runs already" if state.escalation else ""


def _acknowledge(runbook: Runbook, state: WindowState, command: c.AcknowledgeEscalation) -> str:
    if state.escalation is None:
        return "the escalation clock doesn't run"
    if not 0 <= command.rung < len(runbook.escalation):
        return f"no rung {command.rung + 1}: the path has {len(runbook.escalation)}"
    return ""


def _end_escalation(runbook: Runbook, state: WindowState, command: c.EndEscalation) -> str:
    return "" if state.escalation else "the escalation clock doesn't run"


def _close_window(runbook: Runbook, state: WindowState, command: c.CloseWindow) -> str:
    if command.outcome not in ("completed", "rolled back", "abandoned"):
        return f"no outcome {command.outcome!r}; outcomes are completed, rolled back, abandoned"
    busy = _busy(state)
    if busy:
        return f"{busy}: it has to end first"
    if command.outcome != "completed":
        return "" if command.note.strip() else "say why"
    left = [
        step.id
        for _, step in runbook.steps()
        if step.required and state.step(step.id).status not in _OVER
    ]
    return f"not completed: {', '.join(left[:5])} not done" if left else ""


_RULES: dict[type[Any], Callable[[Runbook, WindowState, Any], str]] = {
    c.RunStep: _run_step,
    c.SkipStep: _skip_step,
    c.StartAction: _start_action,
    c.Decide: _decide,
    c.Hold: _hold,
    c.Resume: _resume,
    c.MarkItem: _mark_item,
    c.AssertCriterion: _assert,
    c.CallPoll: _call_poll,
    c.CastVote: _cast_vote,
    c.ClosePoll: _close_poll,
    c.StartEscalation: _start_escalation,
    c.AcknowledgeEscalation: _acknowledge,
    c.EndEscalation: _end_escalation,
    c.CloseWindow: _close_window,
}
