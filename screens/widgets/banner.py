"""What can't wait: tripped criteria, a stopped action, a run whose outcome is unknown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from optibid_console.direction import in_service, last_rollback
from optibid_console.entries import Verdict
from optibid_console.escalation import gone_s, in_words, next_rung, reach
from optibid_console.failing_panels import failing_panels
from optibid_console.gates import judge, title_of, waiting
from optibid_console.launch_clock import format_span
from optibid_console.runbook.model import Criterion
from optibid_console.state import StepStatus
from optibid_console.units import format_value
from probes.text import counted
from screens.glyphs import glyph
from screens.keys import shown_key
from screens.lines import Line, Span, row, sign, spans, width_of
from screens.view import View, what_went_wrong
from screens.widgets.gate_line import GATE_LOOKS
from screens.widgets.pane import Pane

MAX_ALERTS = 4
_PATIENCE_S = 5.0
_PANEL = re.compile(r"\bpanel\.([\w-]+)")


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that can't wait. What is to be done about a step stands in the line above."""

    look: str
    """The name of its glyph."""
    head: str
    text: str
    way: str
    """The key to press, and what it does; empty: nothing to press."""
    whole: bool = False
    """It has a second line where one is too short; the worst one always has."""


def alerts(view: View, now: float) -> list[Alert]:
    """What the top of the screen has to say, the worst first; usually nothing."""
    if view.state.closed is not None:
        return _closed(view)
    return [
        *_lost(view), *_silent(view), *_checking(view), *_unsettled(view), *_stopped(view),
        *_spill(view), *_delivered(view),
        *_not_recording(view), *_tripped(view, now), *_panels(view), *_unknown(view),
        *_failed(view),
        *_rolled_back(view), *_gates(view, now),
        *_poll(view), *_escalation(view, now), *_changed_config(view),
    ]  # fmt: skip


def _drives(view: View, way: str) -> str:
    return way if view.drives else ""


def _lost(view: View) -> list[Alert]:
    """Said once it takes longer than a start does: until then the header's word is enough."""
    if view.lost is None or view.lost_for_s() < _PATIENCE_S:
        return []
    text = f"{view.lost.why}. What runs goes on by itself; nothing can be sent from here"
    return [Alert("stale", f"Nothing came for {view.lost_for_s():.0f} s", text, "q  leave")]


def _silent(view: View) -> list[Alert]:
    """The console that drives from elsewhere doesn't beat: it is dead, cut off or suspended."""
    role = view.role
    if role is None or not role.elsewhere or not role.stalled_s or view.lost is not None:
        return []
    head = f"{view.holder}'s console is silent for {format_span(role.stalled_s)}"
    text = "what runs goes on on its target; nothing new is started"
    return [Alert("stale", head, text, "" if view.observer else "l  take over")]


def _checking(view: View) -> list[Alert]:
    """All that an action rests on is read anew before it begins: nothing was started yet."""
    if not view.checking:
        return []
    return [Alert("running", view.checking, "nothing is stopped or started until it is known", "")]


def _stopped(view: View) -> list[Alert]:
    action = view.state.action()
    if action is None or not action.stopped_at_step:
        return []
    if any(run.action_run == action.action_run for run in view.state.unsettled_runs()):
        return []  # the question before it is asked above
    head = f"{action.action_id.upper()} STOPPED at {action.stopped_at_step}"
    return [Alert("failed", head, action.stopped_reason, "")]


def _spill(view: View) -> list[Alert]:
    """A forced rollback is recorded beside the journal; the file is named as a whole."""
    if not view.state.spill:
        return []
    head = "The journal is away: a spill file records, until it is back"
    return [Alert("recording", head, view.state.spill, _drives(view, "l  more"), whole=True)]


def _delivered(view: View) -> list[Alert]:
    """Another console acted by itself while it was cut off; or what was recorded here waits."""
    found = []
    if view.state.delivered:
        head = "ANOTHER CONSOLE ACTED while it was cut off"
        way = _drives(view, "n  a note of what you found clears this")
        found.append(Alert("failing", head, view.state.delivered, way, whole=True))
    if view.role is not None and view.role.unmerged:
        head = "NOT IN THE JOURNAL: what was done here while cut off"
        found.append(Alert("failing", head, view.role.unmerged, "", whole=True))
    return found


def _not_recording(view: View) -> list[Alert]:
    """The journal can't be written: why, and what can be done all the same."""
    pulse = view.pulse
    if pulse is None or pulse.journal_ok or view.state.spill:
        return []
    rollback, runbook = view.rollback(), view.state.runbook
    key = runbook.keys.get(rollback.id, rollback.key) if runbook and rollback else ""
    way = _drives(view, f"{key}  forced rollback") if key else ""
    head = "NOT RECORDING: nothing new can start"
    return [Alert("failing", head, why_not_recorded(pulse.problem), way, whole=True)]


def why_not_recorded(problem: str) -> str:
    """The journal's problem with the cause first: its place is long and known."""
    where, said, cause = problem.partition(" can't be written: ")
    return f"{cause} ({where})" if said else problem


def _tripped(view: View, now: float) -> list[Alert]:
    runbook = view.state.runbook
    found = []
    for criterion_id in view.state.failing_criteria():
        judged = view.state.criteria[criterion_id]
        spec = runbook.criterion(criterion_id) if runbook else None
        since = datetime.fromtimestamp(judged.since, UTC).strftime("%H:%M:%SZ")
        by = f", says {judged.by}" if judged.by else ""
        held = f"for {format_span(now - judged.since)} since {since}"
        text = f"{judged.reason}{by}{_live(view, spec, judged.reason)}, {held}"
        title = spec.title if spec else criterion_id
        found.append(Alert("failing", title, text, _way_back(view, judged.since, now)))
    return found


def _way_back(view: View, tripped_at: float, now: float) -> str:
    """The key of the rollback; how far it is when it was pressed already."""
    runbook, rollback = view.state.runbook, view.rollback()
    action, undone = view.state.action(), view.rolled_back()
    if action is not None and rollback is not None and action.action_id == rollback.id:
        return f"rollback {'stopped' if action.stopped_at_step else 'under way'}"
    if undone is not None and undone.started_at > tripped_at:
        return f"rolled back {format_span(now - undone.finished_at)} ago"
    key = (runbook.keys.get(rollback.id, rollback.key) if runbook and rollback else "") or "R"
    return _drives(view, f"{key}  rollback")


def _live(view: View, criterion: Criterion | None, reason: str) -> str:
    """What the criterion's panels say now, where its reason is of before."""
    said = []
    for panel in dict.fromkeys(_PANEL.findall(criterion.fail_when if criterion else "")):
        reading = view.panels.get(panel)
        value = format_value(reading.value, reading.unit) if reading else ""
        if value and value not in reason:
            said.append(value)
    return f", now {', '.join(said)}" if said else ""


def _panels(view: View) -> list[Alert]:
    """Panels beyond their limits that no tripped trigger speaks of, and from when on one would."""
    failing = [one for one in failing_panels(view.state, view.panel_readings()) if not one.tripped]
    by_judgement: dict[str, list[str]] = {}
    for one in failing:
        by_judgement.setdefault(one.judged, []).append(one.said)
    return [Alert("failing", "; ".join(said), so, "") for so, said in by_judgement.items()]


def _unknown(view: View) -> list[Alert]:
    found = []
    for run in view.state.active_runs():
        if run.unreachable:
            head = f"{run.step_id} on {run.target}: outcome unknown"
            asked = f"{run.target} is asked as soon as it answers, nothing is started again"
            text = f"{run.unreachable}; {asked}"
            found.append(Alert("unknown", head, text, ""))
    return found


def _unsettled(view: View) -> list[Alert]:
    """Steps that nobody knows the outcome of: the operator's decision is awaited."""
    action, found = view.state.action(), []
    for run in view.state.unsettled_runs():
        stopped = action is not None and action.action_run == run.action_run
        lead = f"{action.action_id.upper()} STOPPED: " if action and stopped else ""
        head = f"{lead}{run.step_id} unknown, a decision is awaited"
        text = f"{view.state.steps[run.step_key].reason}; nothing is started again by itself"
        found.append(Alert("unknown", head, text, ""))
    return found


def _failed(view: View) -> list[Alert]:
    """A step of the phases that failed and that nobody has run again or skipped."""
    runbook = view.state.runbook
    found = []
    for _, step in runbook.steps() if runbook else ():
        seen = view.state.step(step.id)
        if seen.status is StepStatus.FAILED:
            said = what_went_wrong(view, seen)
            found.append(Alert("failed", f"{step.id} {step.title} failed", said, ""))
    return found


def _rolled_back(view: View) -> list[Alert]:
    """What a rollback left, until the window goes forward again."""
    last = last_rollback(view.state)
    if last is None:
        return []
    took = f"by {last.by} in {format_span(last.finished_at - last.started_at)}"
    if view.rolled_back() is not None:
        level, so = ("warn", f"; {last.reason}") if last.reason else ("done", "")
        return [Alert(level, f"ROLLED BACK: {in_service(view.state)}", f"{took}{so}", "")]
    text = f"{last.reason or 'it ended without success'}; {took}"
    return [Alert("failed", "ROLLBACK INCOMPLETE: check which release is in service", text, "")]


def _poll(view: View) -> list[Alert]:
    for poll in view.state.polls.values():
        if not poll.result:
            votes = f"{len(poll.votes)} of {len(poll.roles)} voted"
            against = [one.role for one in poll.votes.values() if one.vote.value == "no-go"]
            no = f"; NO-GO: {', '.join(against)}" if against else ""
            return [Alert("held", f"Poll: {poll.question}", votes + no, _drives(view, "g  vote"))]
    return []


def _gates(view: View, now: float) -> list[Alert]:
    """Gates that wait for somebody, with the time that is left and what it means."""
    runbook, found = view.state.runbook, []
    for key in waiting(view.state, now) if runbook is not None else ():
        assert runbook is not None
        at = judge(view.state, runbook, key, now)
        text = at.refused or f"waits for {', '.join(at.missing)}"
        if at.left_s is not None:
            on_timeout = view.state.gates[key].on_timeout
            text = f"{format_span(max(at.left_s, 0.0))} left, then {on_timeout}; {text}"
        head = f"Gate of {title_of(runbook, key)}: {at.standing.value}"
        second = at.waits_for_person and not view.drives
        way = "g  confirm" if second else _drives(view, "g  how to go on")
        found.append(Alert(GATE_LOOKS[at.standing], head, text, way))
    return found


def _escalation(view: View, now: float) -> list[Alert]:
    coming = next_rung(view.state, now)
    if coming is None or view.state.escalation is None:
        return []
    gone = format_span(gone_s(view.state, now))
    call = reach(coming.contact)
    text = f"{coming.rung.action} {in_words(coming.due_in_s)}{f': {call}' if call else ''}"
    key = shown_key(_moved(view, "acknowledge", "a"))
    look = "warn" if coming.due_in_s > 0 else "failing"
    return [Alert(look, f"Escalation {gone}", text, _drives(view, f"{key}  acknowledge"))]


def _moved(view: View, name: str, key: str) -> str:
    return view.state.runbook.keys.get(name, key) if view.state.runbook else key


def _changed_config(view: View) -> list[Alert]:
    changes = view.config_changes()
    if not changes or view.given is None:
        return []
    head = f"{view.given.name} changed since this window was opened"
    count = counted(len(changes), "difference")
    text = f"the window goes by the one it was opened with ({count})"
    return [Alert("warn", head, text, "l  which")]


def _closed(view: View) -> list[Alert]:
    closed = view.state.closed
    if closed is None:
        return []
    return [Alert("done" if closed.outcome == "completed" else "held",
                  f"Window closed: {closed.outcome}", closed.note, "q  leave")]  # fmt: skip


def banner_lines(view: View, width: int, now: float) -> list[Line]:
    """A line for each alert, two for the first where it needs them; at most `MAX_ALERTS` alerts,
    the last line counts those left out."""
    found = alerts(view, now)
    shown = found if len(found) <= MAX_ALERTS else found[: MAX_ALERTS - 1]
    lines = [
        line for i, one in enumerate(shown)
        for line in _lines(one, width, whole=one.whole or not i)
    ]  # fmt: skip
    if len(shown) < len(found):
        lines.append(row(width, spans(f" {sign('more')} and {len(found) - len(shown)} more")))
    return lines


def _lines(alert: Alert, width: int, *, whole: bool) -> list[Line]:
    """The alert in a line; where it is `whole` and one is too short, a second line."""
    look = glyph(alert.look)
    head = Span(f" {look.drawn} {alert.head}", "strong")
    text = Span(f"  {alert.text}" if alert.text else "")
    right = (Span(f"{alert.way} ", "strong"),) if alert.way and width >= 60 else ()
    if whole and width_of((head, text, *right)) >= width:
        return [row(width, (head,), right), row(width, (Span(f"   {alert.text}"),))]
    return [row(width, (head, text), right)]


class Banner(Pane, can_focus=False):
    """The band under the header: as many lines as there are alerts, none when all is calm."""

    chooses = False

    def make_lines(self, width: int, now: float) -> Sequence[Line]:
        return banner_lines(self.view, width, now)

    def redraw(self) -> None:
        """Also take as much height as it needs, and the colour of the worst alert."""
        verdicts = {one.verdict for one in self.view.state.criteria.values()}
        urgent = any(
            bool(found(self.view)) for found in (_stopped, _unsettled, _not_recording, _panels)
        )
        self.set_class(urgent or Verdict.FAIL in verdicts, "-bad")
        width = self.size.width or self.app.size.width
        height = len(banner_lines(self.view, width, self.view.now()))
        if self.display != bool(height):
            self.display = bool(height)
        if height and self.styles.height is not None and self.styles.height.value != height:
            self.styles.height = height
        super().redraw()
