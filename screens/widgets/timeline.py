"""The timeline: phases and steps against the launch clock, and the action under way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from optibid_console.entries import Outcome
from optibid_console.launch_clock import current_phase, format_span
from optibid_console.runbook.model import Phase, Runbook, Step, StepKind
from optibid_console.state import ACTIVE, ActionState, StepState, StepStatus, WindowState
from screens.glyphs import glyph
from screens.lines import Line, Span, Spans, row, sign, spans
from screens.view import View, what_went_wrong
from screens.widgets.pane import Pane

if TYPE_CHECKING:
    from optibid_console.plan import Move

_OVER = frozenset({StepStatus.DONE, StepStatus.SKIPPED})
_LOOKS = {StepStatus.CHECKING: "running"}


def look_of(status: StepStatus) -> str:
    """The name of a step's glyph."""
    return _LOOKS.get(status, status.value)


def _next_move(state: WindowState) -> Move:
    from optibid_console.plan import next_move  # needed by no empty window: not at the start

    return next_move(state)


def timeline_lines(
    view: View, width: int, now: float, folded: Mapping[str, bool] | None = None, height: int = 0
) -> list[Line]:
    """All lines of the timeline. `folded`: what the person folded or unfolded, by line key.

    What comes next is unfolded too as far as it fits into `height` rows.
    """
    runbook = view.state.runbook
    if runbook is None:
        return []
    chosen = folded or {}
    lines = _action_lines(view, width, now, chosen)
    current = current_phase(runbook, view.state)
    move = _next_move(view.state)
    blocks = [
        _phase_lines(view, runbook, index, width, now, chosen, index == current, move)
        for index in range(len(runbook.phases))
    ]
    used = len(lines) + sum(map(len, blocks)) + 1
    for index in range(current + 1, len(blocks)):
        opened = _phase_lines(view, runbook, index, width, now, chosen, True, move)
        used += len(opened) - len(blocks[index])
        if used > height:
            break
        blocks[index] = opened
    before_t0 = bool(runbook.phases) and runbook.phases[0].at < 0
    for phase, block in zip(runbook.phases, blocks, strict=True):
        if before_t0 and phase.at >= 0:
            lines.append(_t0_line(view, width))
            before_t0 = False
        lines += block
    return lines


def _t0_line(view: View, width: int) -> Line:
    moment = datetime.fromtimestamp(view.state.t0, UTC).strftime("%H:%M:%SZ")
    text = f" T-0 {moment} "
    rule = sign("rule")
    return Line((Span(rule * 2 + text + rule * max(width - len(text) - 2, 0), "dim"),))


def _phase_lines(
    view: View, runbook: Runbook, index: int, width: int, now: float,
    folded: Mapping[str, bool], opened: bool, move: Move,
) -> list[Line]:  # fmt: skip
    phase = runbook.phases[index]
    states = [view.state.step(step.id) for step in phase.steps]
    troubled = any(one.status in (StepStatus.FAILED, StepStatus.UNKNOWN) for one in states)
    key = f"phase:{phase.id}"
    closed = folded.get(key, not opened and not troubled)
    current = current_phase(runbook, view.state)
    lines = [_phase_line(view, runbook, index, states, width, now, closed, current)]
    if closed:
        return lines
    group = ""
    for step, seen in zip(phase.steps, states, strict=True):
        if step.group and step.group != group:
            lines.append(row(width, (Span(f"   {step.group}", "dim"),)))
        group = step.group
        is_next = step.id == move.step_id and move.kind in ("run", "confirm", "blocked")
        left, right = step_spans(step, seen, now, is_next)
        lines.append(row(width, left, right, f"step:{step.id}"))
        lines += _why(view, seen, width)
    return lines


def _why(view: View, seen: StepState, width: int) -> list[Line]:
    """Under a step that went wrong: what is known of it, in a line."""
    said = what_went_wrong(view, seen)
    if not said:
        return []
    return [row(width, (Span(f"     {said}", glyph(look_of(seen.status)).style),))]


def _phase_line(
    view: View, runbook: Runbook, index: int, states: Sequence[StepState], width: int,
    now: float, closed: bool, current: int,
) -> Line:  # fmt: skip
    phase = runbook.phases[index]
    over = sum(one.status in _OVER for one in states)
    fold = sign("closed" if closed else "open")
    if any(one.status is StepStatus.FAILED for one in states):
        look = glyph("failed")
    elif index < current or over == len(states):
        look = glyph("done")
    else:
        look = glyph("running" if index == current else "pending")
    tone = "strong" if index == current else "plain"
    left = spans(
        Span(f"{fold} ", "dim"), Span(f"{look.drawn} ", look.style),
        Span(f"{phase_label(phase)} ", "dim"), Span(f"{index + 1} {phase.title}", tone),
    )  # fmt: skip
    return row(width, left, _phase_end(view, phase, states, over, now), f"phase:{phase.id}")


def _phase_end(
    view: View, phase: Phase, states: Sequence[StepState], over: int, now: float
) -> Spans:
    begun = [one.started_at for one in states if one.started_at]
    if states and over == len(states) and begun:
        ended = max(one.finished_at for one in states)
        return spans(Span(format_span(ended - min(begun)), "dim"))
    if begun or over:
        return spans(Span(f"{over}/{len(states)}", "plain"))
    planned = view.state.t0 + phase.at / view.state.speed
    form = "%H:%MZ" if view.state.speed == 1 else "%H:%M:%SZ"
    return spans(Span(datetime.fromtimestamp(planned, UTC).strftime(form), "dim"))


def phase_label(phase: Phase) -> str:
    """`T-45`, `T+0`, `T-0:30`: a phase's offset in minutes, always of one width."""
    whole = abs(int(phase.at))
    minutes, seconds = divmod(whole, 60)
    mark = "-" if phase.at < 0 else "+"
    text = f"T{mark}{minutes}" + (f":{seconds:02}" if seconds else "")
    return f"{text:<4}"


def step_spans(step: Step, seen: StepState, now: float, is_next: bool) -> tuple[Spans, Spans]:
    """A step's left and right part: glyph and title; word, time and expected time."""
    look = glyph(look_of(seen.status))
    tone = {StepStatus.DONE: "plain", StepStatus.SKIPPED: "dim"}.get(seen.status, "plain")
    if seen.status in ACTIVE or is_next:
        tone = "strong"
    mark = Span(f" {sign('next')} ", "accent") if is_next else Span("   ")
    left = spans(mark, Span(f"{look.drawn} ", look.style), Span(f"{step.id} {step.title}", tone))
    return left, _step_end(step, seen, now, is_next)


def _step_end(step: Step, seen: StepState, now: float, is_next: bool) -> Spans:
    expected = format_span(step.expect_duration)
    again = f"try {seen.attempt} " if seen.attempt > 1 else ""
    if seen.status in ACTIVE and step.kind is StepKind.MANUAL:
        return spans(Span(f"to confirm {format_span(now - seen.started_at)}", "warn"))
    if seen.status in ACTIVE:
        spent_s = now - seen.started_at
        word = {StepStatus.CHECKING: "checking ", StepStatus.UNKNOWN: "unknown "}.get(
            seen.status, ""
        )
        over = spent_s > step.expect_duration
        tone = "warn" if over else glyph(look_of(seen.status)).style
        late = " over" if over else ""
        return spans(Span(f"{again}{word}{format_span(spent_s)}/{expected}{late}", tone))
    spent = format_span(seen.finished_at - seen.started_at) if seen.started_at else ""
    match seen.status:
        case StepStatus.DONE:
            return spans(Span(f"{again}{spent}", "dim"))
        case StepStatus.FAILED:
            word = seen.outcome.value if seen.outcome else "failed"
            return spans(Span(f"{again}{word} {spent}", glyph("failed").style))
        case StepStatus.SKIPPED:
            return spans(Span("skipped", glyph("skipped").style))
    kind = {StepKind.MANUAL: "by hand", StepKind.WAIT: f"wait ~{expected}"}.get(
        step.kind, f"~{expected}"
    )
    return spans(Span(f"next {kind}", "accent") if is_next else Span(kind, "dim"))


def _action_lines(view: View, width: int, now: float, folded: Mapping[str, bool]) -> list[Line]:
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
        _action_line(action, spec.title if spec else action.action_id, width, now, key, closed)
    ]
    if not closed:
        for one in action.steps:
            lines.append(_action_step(view, runbook, action, one, width, now))
            lines += _why(view, view.state.step(one, action.action_run), width)
    return [*lines, Line((Span(sign("rule") * width, "dim"),))]


def _last_action(view: View) -> ActionState | None:
    if not view.state.actions:
        return None
    last = list(view.state.actions.values())[-1]
    rollback = view.rollback()
    undone = rollback is not None and last.action_id == rollback.id
    return last if undone or last.outcome is not Outcome.SUCCEEDED else None


def _action_line(
    action: ActionState, title: str, width: int, now: float, key: str, closed: bool
) -> Line:
    ended = action.outcome is not None
    span = format_span((action.finished_at or now) - action.started_at)
    if action.stopped_at_step:
        look, word = glyph("failed"), "stopped"
    elif action.outcome is Outcome.SUCCEEDED:
        look, word = glyph("done"), "done"
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
        left, right = step_spans(spec, seen, now, False)
        return row(
            width, left, spans(Span("not done", "dim")), f"astep:{action.action_run}/{step_id}"
        )
    left, right = step_spans(spec, seen, now, step_id == action.stopped_at_step)
    return row(width, left, right, f"astep:{action.action_run}/{step_id}")


class Timeline(Pane):
    """Phases, steps and the action under way. Chooses what is next until a person moves."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "fold(True)", "fold", show=False),
        Binding("right", "fold(False)", "unfold", show=False),
    ]

    def __init__(self, view: View) -> None:
        super().__init__(view, "timeline")
        self.folded: dict[str, bool] = {}

    def make_lines(self, width: int, now: float) -> Sequence[Line]:
        return timeline_lines(self.view, width, now, self.folded, self.size.height)

    def title(self, now: float) -> str:
        runbook = self.view.state.runbook
        if runbook is None:
            return "Timeline"
        states = [self.view.state.step(step.id).status for _, step in runbook.steps()]
        over = sum(one in _OVER for one in states)
        failed = sum(one is StepStatus.FAILED for one in states)
        word = f"  {glyph('failed').drawn} {failed} failed" if failed else ""
        return f"Timeline {over}/{len(states)}{word}"

    def preferred(self) -> str:
        action = self.view.state.action()
        if action is not None:
            active = [one.step_id for one in self.view.state.active_runs()]
            at = action.stopped_at_step or (active[-1] if active else "")
            return f"astep:{action.action_run}/{at}" if at else f"action:{action.action_run}"
        if self.view.state.runbook is None:
            return ""
        move = _next_move(self.view.state)
        return f"step:{move.step_id}" if move.step_id else ""

    def fold(self, closed: bool | None = None) -> bool:
        """Fold or unfold what is chosen; False when that can't be folded."""
        if not self.chosen.startswith(("phase:", "action:")):
            return False
        index = next((i for i, line in enumerate(self.lines) if line.key == self.chosen), 0)
        is_closed = self.lines[index].text.startswith(sign("closed"))
        self.folded[self.chosen] = not is_closed if closed is None else closed
        self.moved = True
        self.redraw()
        return True

    def action_fold(self, closed: bool) -> None:
        self.fold(closed)

    def reveal(self, step_id: str) -> None:
        """Choose a step, its phase unfolded."""
        runbook = self.view.state.runbook
        phase = runbook.phase_of(step_id) if runbook else None
        if phase is not None:
            self.folded[f"phase:{phase.id}"] = False
        self.choose(f"step:{step_id}")
