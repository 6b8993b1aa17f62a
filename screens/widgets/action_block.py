"""The action under way, or the last one that is worth to be seen, as a block of lines."""

from __future__ import annotations

from collections.abc import Mapping

from optibid_console.direction import last_rollback
from optibid_console.entries import Outcome
from optibid_console.launch_clock import format_span
from optibid_console.runbook.model import Runbook, Step
from optibid_console.state import ActionState, StepStatus
from screens.glyphs import glyph
from screens.lines import Line, Span, row, sign, spans
from screens.view import View
from screens.widgets.step_line import step_spans, why_lines


def action_lines(view: View, width: int, now: float, folded: Mapping[str, bool]) -> list[Line]:
    """The action under way on top; after it, the last one that is worth to be seen."""
    state, runbook = view.state, view.state.runbook
    action = state.action() or _last_action(view)
    if action is None or runbook is None:
        return []
    spec = runbook.action(action.action_id)
    key = f"action:{action.action_run}"
    under_way = action.outcome is None
    closed = folded.get(key, not under_way)
    lines = [
        _action_line(
            view, action, spec.title if spec else action.action_id, width, now, key, closed
        )
    ]
    if not closed:
        for one in action.steps:
            lines.append(_action_step(view, runbook, action, one, width, now))
            step = runbook.step(one) or Step(one, one)
            lines += why_lines(view, step, view.state.step(one, action.action_run), width, now)
    return [*lines, Line((Span(sign("rule") * width, "dim"),))]


def _last_action(view: View) -> ActionState | None:
    if not view.state.actions:
        return None
    ended = last_rollback(view.state)
    if ended is not None:
        return ended
    last = list(view.state.actions.values())[-1]
    rollback = view.rollback()
    undone = rollback is not None and last.action_id == rollback.id
    return last if undone or last.outcome is not Outcome.SUCCEEDED else None


def _action_line(
    view: View, action: ActionState, title: str, width: int, now: float, key: str, closed: bool
) -> Line:
    ended = action.outcome is not None
    span = format_span((action.finished_at or now) - action.started_at)
    if action.stopped_at_step:
        stopped = view.state.step(action.stopped_at_step, action.action_run).status
        look = glyph("unsettled" if stopped is StepStatus.UNSETTLED else "failed")
        word = "stopped"
    elif action.outcome is Outcome.SUCCEEDED:
        look, word = glyph("done"), "done"
    elif action.outcome is Outcome.REHEARSED:
        look, word = glyph("rehearsed"), "rehearsed"
    elif ended and action.outcome is not None:
        look, word = glyph("failed"), action.outcome.value
    else:
        look, word = glyph("running"), "under way"
    fold = sign("closed" if closed else "open")
    left = spans(
        Span(f"{fold} ", "dim"), Span(f"{look.drawn} ", look.style), Span(title.upper(), "strong"),
        Span(f" {word}", look.style), Span(f" by {action.by}", "dim"),
    )  # fmt: skip
    return row(width, left, spans(span), key)


def _action_step(
    view: View, runbook: Runbook, action: ActionState, step_id: str, width: int, now: float
) -> Line:
    spec = runbook.step(step_id) or Step(step_id, step_id)
    seen = view.state.step(step_id, action.action_run)
    if seen.status is StepStatus.PENDING and action.outcome is not None:
        left, right = step_spans(spec, seen, now, False, view.progress.get(seen.run_id))
        return row(
            width, left, spans(Span("not done", "dim")), f"astep:{action.action_run}/{step_id}"
        )
    left, right = step_spans(spec, seen, now, step_id == action.stopped_at_step)
    return row(width, left, right, f"astep:{action.action_run}/{step_id}")
