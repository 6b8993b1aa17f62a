"""What is next, and what a person sees before an action. Pure: decides, never acts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optibid_console import commands as c
from optibid_console import gates
from optibid_console.action_plan import (
    PreviewStep,
    action_plan,
    facts_missing,
    not_recorded,
    told,
)
from optibid_console.again import again_costs, offered, words_of
from optibid_console.database.measures import Cost
from optibid_console.direction import Direction, direction, why_not_forward
from optibid_console.estimate import estimate_s, known_by
from optibid_console.failing_panels import failing_panels
from optibid_console.launch_clock import current_phase, plan_end
from optibid_console.pending import pending_lines, unread_words
from optibid_console.permit import awaits_confirmation, permit, unsettled
from optibid_console.restore_cost import restore_costs
from optibid_console.runbook.model import StepKind
from optibid_console.state import ACTIVE, OVER, WindowState
from optibid_console.unbacked import migrates_unbacked, no_way_back, unbacked_words
from optibid_console.waiving import left_out_of
from probes.probe import Reading


@dataclass(frozen=True, slots=True)
class Move:
    """What comes next."""

    kind: str
    """`run`, `confirm` (a manual step), `wait` (something is under way), `blocked` or `over`."""
    step_id: str = ""
    why: str = ""


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
    override: str = ""
    """What has to be typed instead, with a reason, to migrate without a backup; else empty."""
    pending: tuple[str, ...] = ()
    """The migrations that it would apply, by name, and what is known of those that failed."""
    measured: str = ""
    """Where the estimate comes from; empty: nothing would be done."""
    rehearsal: bool = False


def next_move(state: WindowState) -> Move:
    """The next step of the window, or what it waits for."""
    runbook = state.runbook
    if runbook is None:
        return Move("blocked", why="no window is open")
    if state.closed is not None:
        return Move("over", why=f"the window is closed: {state.closed.outcome}")
    action = state.action()
    open_question = state.unsettled_runs()
    if open_question and (action is None or action.stopped_at_step):
        return Move("blocked", open_question[0].step_id, unsettled(state))
    if action is not None and action.stopped_at_step:
        why = f"{action.action_id} stopped at {action.stopped_at_step}: {action.stopped_reason}"
        return Move("blocked", action.stopped_at_step, why)
    waiting = awaits_confirmation(state)
    if waiting:
        return Move("confirm", waiting)
    if action is not None:
        return Move("wait", why=f"{action.action_id} is under way")
    checking = state.unfinished_runs()
    if checking:
        return Move("wait", checking[0].step_id, f"{checking[0].step_id} is under way")
    ended = why_not_forward(state)
    if ended:
        return Move("over" if direction(state) is Direction.ROLLED_BACK else "blocked", "", ended)
    index = current_phase(runbook, state)
    if index >= len(runbook.phases):
        return Move("over", why=f"every step is over{_but(left_out_of(state))}")
    phase = runbook.phases[index]
    step = next(s for s in phase.steps if state.step(s.id).status not in OVER)
    if state.step(step.id).status in ACTIVE:
        return Move("wait", step.id, f"{step.id} is under way")
    if state.hold is not None:
        return Move("blocked", step.id, f"the window is held: {state.hold.reason}")
    key = gates.first_shut(state, runbook, gates.before_step(runbook, step.id), state.at)
    if key:
        return Move("blocked", step.id, gates.why_not(state, runbook, key, state.at))
    return Move("confirm" if step.kind is StepKind.MANUAL else "run", step.id)


def _but(left_out: str) -> str:
    return f", {left_out}" if left_out else ""


def preview(
    state: WindowState,
    action_id: str,
    now: float,
    measured: Mapping[str, Cost] | None = None,
    panels: Mapping[str, Reading] | None = None,
) -> Preview:
    """What the action would do at `now` (epoch seconds). Raises `KeyError` for no such action.

    `measured`: what a restore of each database would lose, and `panels`: each panel's newest
    reading, where those are newer than the journal's.
    """
    runbook = state.runbook
    action = runbook.action(action_id) if runbook else None
    if runbook is None or action is None:
        raise KeyError(action_id)
    readiness = state.readiness.get(action_id)
    steps = action_plan(state, action)
    missing = [not_recorded(state, name) for name in facts_missing(state, action)]
    unbacked = migrates_unbacked(state, action)
    missing += [unbacked[1]] if unbacked else []
    missing += unread_words(state, steps)
    if readiness is not None:
        missing += [one for one in readiness.missing if one not in missing]
    moment = state.hold.since if state.hold else now
    left_s = (plan_end(runbook) - (moment - state.t0) * state.speed) / state.speed
    confirm = words_of(state, action)
    override = unbacked_words(action) if unbacked else ""
    start = c.StartAction(action_id, override or confirm, bool(override), "given next")
    return Preview(
        action_id, action.title, _why_now(state, panels), steps,
        (
            *restore_costs(state, steps, now, measured or {}),
            *again_costs(state, action, now, measured or {}),
            *offered(state, [one.step_id for one in steps if one.included], now, measured or {}),
            *(no_way_back(unbacked[0]) if unbacked else ()),
            *told(state, action.costs).splitlines(),
        ),
        estimate_s(state, action),
        left_s, tuple(missing), confirm,
        permit(state, start), override, tuple(pending_lines(state, steps, now)),
        known_by(state, steps), state.rehearsal,
    )  # fmt: skip


def _why_now(state: WindowState, panels: Mapping[str, Reading] | None = None) -> tuple[str, ...]:
    """The triggers that tripped, and the failing panels that no tripped trigger is about."""
    runbook = state.runbook
    lines = []
    for criterion_id in state.failing_criteria():
        criterion = runbook.criterion(criterion_id) if runbook else None
        judged = state.criteria[criterion_id]
        lines.append(f"{criterion.title if criterion else criterion_id}: {judged.reason}")
    lines += [one.words for one in failing_panels(state, panels) if not one.tripped]
    return tuple(lines)
