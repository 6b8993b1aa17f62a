"""The timeline: phases and steps against the launch clock, and the action under way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from optibid_console.direction import Direction, direction, last_rollback
from optibid_console.launch_clock import current_phase, format_span
from optibid_console.pending import unread_line
from optibid_console.runbook.model import Phase, Runbook, Step, StepKind
from optibid_console.state import OVER, StepState, StepStatus, WindowState
from optibid_console.undone import being_undone
from optibid_console.waiving import left_out
from screens.glyphs import glyph
from screens.lines import Line, Span, Spans, row, sign, spans
from screens.view import View
from screens.widgets.action_block import action_lines
from screens.widgets.folding import Folding
from screens.widgets.gate_line import gate_line
from screens.widgets.step_line import step_spans, why_lines

if TYPE_CHECKING:
    from optibid_console.plan import Move

_TROUBLED = frozenset({StepStatus.FAILED, StepStatus.UNKNOWN, StepStatus.UNSETTLED})


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
    lines = action_lines(view, width, now, chosen)
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
        lines += _with_no_return(view, phase, block, width)
    return lines


def _t0_line(view: View, width: int) -> Line:
    moment = datetime.fromtimestamp(view.state.t0, UTC).strftime("%H:%M:%SZ")
    text = f" T-0 {moment} "
    rule = sign("rule")
    return Line((Span(rule * 2 + text + rule * max(width - len(text) - 2, 0), "dim"),))


def _with_no_return(view: View, phase: Phase, block: list[Line], width: int) -> list[Line]:
    """The phase's lines with the point of no return after the step that passed it."""
    point = view.state.point_of_no_return()
    if point is None:
        return block
    passed = [
        step.id
        for step in phase.steps
        if step.kind is StepKind.MIGRATE and 0 < view.state.step(step.id).started_at <= point.at
    ]
    if not passed:
        return block
    moment = datetime.fromtimestamp(point.at, UTC).strftime("%H:%MZ")
    rule = sign("rule") * 2
    text = f"{rule} point of no return for code-only rollback {sign('dot')} "
    line = row(width, (Span(f"{text}{point.migration} {moment} {rule}", "warn"),))
    at = next((i + 1 for i, one in enumerate(block) if one.key == f"step:{passed[-1]}"), len(block))
    while at < len(block) and not block[at].key:
        at += 1
    return [*block[:at], line, *block[at:]]


def _phase_lines(
    view: View, runbook: Runbook, index: int, width: int, now: float,
    folded: Mapping[str, bool], opened: bool, move: Move,
) -> list[Line]:  # fmt: skip
    phase = runbook.phases[index]
    states = [view.state.step(step.id) for step in phase.steps]
    undone = being_undone(view.state)
    troubled = any(one.status in _TROUBLED for one in states)
    key = f"phase:{phase.id}"
    closed = folded.get(key, not opened and not troubled)
    current = current_phase(runbook, view.state)
    lines = [_phase_line(view, runbook, index, states, undone, width, now, closed, current)]
    if closed:
        return lines
    lines += gate_line(view, phase, width, now)
    group = ""
    for step, seen in zip(phase.steps, states, strict=True):
        if step.group and step.group != group:
            lines.append(row(width, (Span(f"   {step.group}", "dim"),)))
        group = step.group
        is_next = step.id == move.step_id and move.kind in ("run", "confirm", "blocked")
        left, right = step_spans(step, seen, now, is_next, view.progress.get(seen.run_id),
            undone.get(step.id, ""),
        )  # fmt: skip
        lines.append(row(width, left, right, f"step:{step.id}"))
        lines += why_lines(view, step, seen, width, now)
        lines += _unread_lines(view, step, seen, width, now)
    return lines


def _unread_lines(view: View, step: Step, seen: StepState, width: int, now: float) -> list[Line]:
    """Under a migration that is still to come: that nobody can say what is pending."""
    known = view.state.databases.get(step.database) if step.kind is StepKind.MIGRATE else None
    if known is None or not known.unread or seen.status in OVER:
        return []
    look = glyph("error")
    text = f"     {look.drawn} {unread_line(step.database, known, now)}"
    return [row(width, (Span(text, look.style),))]


def _phase_line(
    view: View, runbook: Runbook, index: int, states: Sequence[StepState],
    undone: Mapping[str, str], width: int, now: float, closed: bool, current: int,
) -> Line:  # fmt: skip
    phase = runbook.phases[index]
    over = sum(one.status in OVER for one in states)
    touched = any(step.id in undone for step in phase.steps)
    fold = sign("closed" if closed else "open")
    if any(one.status is StepStatus.UNSETTLED for one in states):
        look = glyph("unsettled")
    elif any(one.status is StepStatus.FAILED for one in states):
        look = glyph("failed")
    elif touched:
        look = glyph("undone")
    elif over == len(states) and any(one.status is StepStatus.REHEARSED for one in states):
        look = glyph("rehearsed")
    elif index < current or over == len(states):
        look = glyph("warn" if left_out(states) else "done")
    else:
        forward = direction(view.state) is Direction.FORWARD
        look = glyph("running" if index == current and forward else "pending")
    tone = "strong" if index == current else "plain"
    left = spans(
        Span(f"{fold} ", "dim"), Span(f"{look.drawn} ", look.style),
        Span(f"{phase_label(phase)} ", "dim"), Span(f"{index + 1} {phase.title}", tone),
    )  # fmt: skip
    end = _phase_end(view, phase, states, over, now)
    if touched:
        end = spans(Span("being undone", glyph("warn").style))
    return row(width, left, end, f"phase:{phase.id}")


def _phase_end(
    view: View, phase: Phase, states: Sequence[StepState], over: int, now: float
) -> Spans:
    begun = [one.started_at for one in states if one.started_at]
    left = left_out(states)
    if states and over == len(states) and left:
        return spans(Span(f"done, {left}", glyph("warn").style))
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


class Timeline(Folding):
    """Phases, steps and the action under way. Chooses what is next until a person moves."""

    headings = ("phase:", "action:")

    def __init__(self, view: View) -> None:
        super().__init__(view, "timeline")

    def make_lines(self, width: int, now: float) -> Sequence[Line]:
        return timeline_lines(self.view, width, now, self.folded, self.size.height)

    def title(self, now: float) -> str:
        runbook = self.view.state.runbook
        if runbook is None:
            return "Timeline"
        states = [self.view.state.step(step.id).status for _, step in runbook.steps()]
        undone = being_undone(self.view.state)
        over = sum(
            one in OVER and step.id not in undone
            for one, (_, step) in zip(states, runbook.steps(), strict=True)
        )
        failed = sum(one is StepStatus.FAILED for one in states)
        word = f"  {glyph('failed').drawn} {failed} failed" if failed else ""
        waived = sum(one is StepStatus.WAIVED for one in states)
        if waived:
            word = f"  {glyph('waived').drawn} {waived} waived{word}"
        open_ones = len(self.view.state.unsettled_runs())
        if open_ones:
            word = f"  {glyph('unsettled').drawn} {open_ones} unknown{word}"
        return f"Timeline {over}/{len(states)}{word}"

    def preferred(self) -> str:
        action = self.view.state.action()
        if action is not None:
            active = [one.step_id for one in self.view.state.active_runs()]
            at = action.stopped_at_step or (active[-1] if active else "")
            return f"astep:{action.action_run}/{at}" if at else f"action:{action.action_run}"
        if self.view.state.runbook is None:
            return ""
        ended = last_rollback(self.view.state)
        if ended is not None:
            return f"action:{ended.action_run}"
        move = _next_move(self.view.state)
        return f"step:{move.step_id}" if move.step_id else ""

    def reveal(self, step_id: str) -> None:
        """Choose a step, its phase unfolded."""
        runbook = self.view.state.runbook
        phase = runbook.phase_of(step_id) if runbook else None
        if phase is not None:
            self.folded[f"phase:{phase.id}"] = False
        self.choose(f"step:{step_id}")
