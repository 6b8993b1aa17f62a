"""What a screen knows: the folded window and the passing facts around it. No Textual."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from optibid_console import entries as e
from optibid_console import signals
from optibid_console.brought import meant
from optibid_console.database.measures import Cost
from optibid_console.direction import Direction, direction, last_rollback
from optibid_console.entries import Entry
from optibid_console.runbook.difference import measured_anew
from optibid_console.runbook.model import Action
from optibid_console.source import CaughtUp, Ended, Event, FeedDelay, Lost, Role, Snapshot
from optibid_console.state import (
    ActionState,
    Poll,
    RunState,
    StepState,
    StepStatus,
    WindowState,
)
from probes.probe import Reading
from screens.run_output import RunOutput

if TYPE_CHECKING:
    from optibid_console.advice import Seat
    from optibid_console.runbook.changes import GivenRunbook

KEPT_RUNS = 24
"""The outputs of so many runs are kept; an older one can be read in the report."""

CLOCK_MOVED_S = 0.5
"""A pulse that moves the engine's clock by more makes the screen show it at once."""


class Topic(StrEnum):
    """A part of the screen that has something new to draw."""

    HEADER = "header"
    BANNER = "banner"
    TIMELINE = "timeline"
    CHECKLIST = "checklist"
    PROBES = "probes"
    RUN = "run"
    METRICS = "metrics"
    RUNBOOK = "runbook"
    """The runbook is known, or another one was accepted: panes and keys are set up by it."""
    LINK = "link"
    """The engine was lost or found, or the window has ended."""


EVERYTHING = frozenset(Topic)
_STEP = frozenset({Topic.HEADER, Topic.TIMELINE, Topic.RUN, Topic.BANNER})
_WINDOW = frozenset({Topic.HEADER, Topic.TIMELINE, Topic.BANNER})
_WAITS: frozenset[Topic] = frozenset({Topic.RUN, Topic.TIMELINE})
"""Where a step under way shows the probes that it waits for."""
_TOPICS: dict[type[Any], frozenset[Topic]] = {
    **dict.fromkeys((e.WindowOpened, e.RunbookAccepted), EVERYTHING),
    e.FactRecorded: frozenset({Topic.HEADER}),
    e.ItemMarked: frozenset({Topic.CHECKLIST}),
    e.NoteWritten: frozenset({Topic.TIMELINE, Topic.CHECKLIST, Topic.PROBES, Topic.BANNER}),
    e.ProbeChanged: frozenset({Topic.HEADER, Topic.PROBES, Topic.CHECKLIST, Topic.BANNER}),
    e.BaselineTaken: frozenset({Topic.METRICS}),
    **dict.fromkeys(
        (e.CriterionJudged, e.CriterionAsserted),
        frozenset({Topic.HEADER, Topic.BANNER, Topic.PROBES, Topic.TIMELINE}),
    ),
    e.ReadinessChanged: frozenset({Topic.HEADER}),
    e.LinkChanged: frozenset({Topic.HEADER, Topic.PROBES}),
    **dict.fromkeys(
        (e.Told, e.TellingFailed, e.TellingSkipped, e.ChannelsSet), frozenset({Topic.HEADER})
    ),
    e.SchemaRead: frozenset(),
    e.DatabaseMarked: frozenset(),
    e.CostMeasured: frozenset(),
    e.LockWaited: frozenset({Topic.RUN}),
    e.KeptRead: frozenset({Topic.PROBES}),
    **dict.fromkeys(
        (e.AdoptionBegun, e.AdoptionEnded, e.BackupChosen), frozenset({Topic.TIMELINE})
    ),
    **dict.fromkeys(
        (e.PollCalled, e.VoteCast, e.PollClosed), frozenset({Topic.BANNER, Topic.TIMELINE})
    ),
    e.Jumped: frozenset({Topic.HEADER, Topic.TIMELINE, Topic.RUN, Topic.BANNER}),
    **dict.fromkeys(
        (e.StepStarted, e.RunLaunched, e.RunUnreachable, e.RunEnded, e.EvidenceTaken,
         e.StepFinished, e.StepSettled, e.StepSkipped, e.StepWaived, e.WaiverAsked, e.AbortAsked,
         e.ActionStarted, e.ActionStopped, e.ActionDecided, e.ActionFinished, e.ActionStopAsked,
         e.WentForward),
        _STEP,
    ),
}  # fmt: skip


class View:
    """The screen-side store: `take` what a source gives, then draw what it names as dirty."""

    def __init__(self, name: str = "", clock: Callable[[], float] = time.time) -> None:
        self.name = name
        """Who looks."""
        self.state = WindowState()
        self.role: Role | None = None
        self.lost: Lost | None = None
        self.lost_since = 0.0
        self.ended = ""
        self.caught_up = False
        self.probes: dict[str, Reading] = {}
        self.panels: dict[str, Reading] = {}
        self.outputs: dict[str, RunOutput] = {}
        self.progress: dict[str, signals.Progress] = {}
        """Run → how far it has come, while it runs."""
        self.links: dict[str, signals.Link] = {}
        self.locks: dict[str, signals.LockWaits] = {}
        """Run → what waits for a lock while it migrates."""
        self.costs: dict[str, Cost] = {}
        """Database → what going back to its backup would lose."""
        self.watching: tuple[str, ...] = ()
        self.watching_more = 0
        """How many watch besides those named."""
        self.observer = False
        """Whether this screen's source has no way to send."""
        self.delay_ms: float | None = None
        """How long the way to the engine and back takes; None: not measured."""
        self.pulse: signals.Pulse | None = None
        self.checking = ""
        """What the engine checks now for a command of this screen's; empty: nothing."""
        self.given: GivenRunbook | None = None
        """The config that this screen was started with; None where it was given none."""
        self.missed_signals = 0
        self.tripped: list[str] = []
        """Criteria that tripped, and rungs of the escalation that came due, after this screen
        had caught up and that nobody rang for yet."""
        self.measured_since: dict[tuple[str, str], float] = {}
        """Probe or panel → since when another runbook has it measure what it measures."""
        self._clock = clock
        self._skew_s = 0.0

    def now(self) -> float:
        """The engine's wall clock as this screen knows it, in seconds since the epoch."""
        return self._clock() + self._skew_s

    @property
    def drives(self) -> bool:
        """Whether this screen holds the window's lease."""
        return self.role is not None and self.role.operator and not self.lost and not self.ended

    @property
    def holder(self) -> str:
        return (self.role.holder if self.role else "") or self.state.operator

    def lost_for_s(self) -> float:
        return self._clock() - self.lost_since

    def take(self, event: Event) -> frozenset[Topic]:
        """Keep what the event says; what has to be drawn anew."""
        if isinstance(event, Entry):
            return self._take_entry(event) | self._found()
        if isinstance(event, Lost):
            if self.lost is None:
                self.lost_since = self._clock()
            self.lost = event
            return frozenset({Topic.LINK, Topic.HEADER})
        if isinstance(event, Ended):
            self.ended = event.reason
            return frozenset({Topic.LINK, Topic.HEADER, Topic.BANNER})
        if isinstance(event, Role):
            self.role = event
            return frozenset({Topic.HEADER, Topic.BANNER, Topic.LINK}) | self._found()
        if isinstance(event, CaughtUp):
            self.caught_up = True
            return EVERYTHING | self._found()
        if isinstance(event, Snapshot):
            self.state = event.state
            return EVERYTHING | self._found()
        if isinstance(event, FeedDelay):
            self.delay_ms = event.round_trip_ms
            return frozenset({Topic.HEADER}) | self._found()
        return self._take_signal(event) | self._found()

    def _found(self) -> frozenset[Topic]:
        """Anything that arrives says that the engine is back."""
        if self.lost is None:
            return frozenset()
        self.lost = None
        return EVERYTHING

    def _take_entry(self, entry: Entry) -> frozenset[Topic]:
        fact = entry.fact
        if self.caught_up and isinstance(fact, e.CriterionJudged | e.CriterionAsserted):
            before = self.state.criteria.get(fact.criterion_id)
            was_failing = before is not None and before.verdict is e.Verdict.FAIL
            if fact.verdict is e.Verdict.FAIL and not was_failing:
                self.tripped.append(fact.criterion_id)
        if self.caught_up and isinstance(fact, e.RungDue):
            self.tripped.append(f"rung {fact.rung + 1}")
        if isinstance(fact, e.StepFinished):
            self.progress.pop(fact.run_id, None)
        state, self.state = self.state, self.state.apply(entry)
        if isinstance(fact, e.RunbookAccepted):
            self._forget(state, entry)
        return _TOPICS.get(type(fact), _WINDOW)

    def _forget(self, before: WindowState, accepted: Entry) -> None:
        """Another runbook: what was read of a thing that it measures no more says nothing now,
        and what this screen's config said before is no news."""
        old, new = before.runbook, self.state.runbook
        if old is None or new is None:
            return
        for subject, name in measured_anew(old, new):
            self.measured_since[subject, name] = accepted.at
            (self.probes if subject == "probe" else self.panels).pop(name, None)
        for target, spec in old.targets.items():
            if new.targets.get(target) != spec:
                self.links.pop(target, None)
        if self.caught_up:
            self.given = None

    def counts(self, sample: signals.Sampled) -> bool:
        """Whether a reading is of what the window's runbook measures: one of before may have
        been on its way while another was accepted."""
        since = self.measured_since.get((sample.subject, sample.reading.probe), 0.0)
        return sample.reading.at >= since

    def _take_signal(self, signal: signals.Signal) -> frozenset[Topic]:
        if isinstance(signal, signals.Sampled) and not self.counts(signal):
            return frozenset()
        match signal:
            case signals.Sampled(subject="panel", reading=reading):
                self.panels[reading.probe] = reading
                return frozenset()
            case signals.Sampled(reading=reading):
                before = self.reading(reading.probe)
                self.probes[reading.probe] = reading
                # A new value of the same status waits for the tick of the clock.
                same = before is not None and before.status is reading.status
                waits = _WAITS if self.state.active_runs() else frozenset()
                return frozenset() if same else frozenset({Topic.PROBES, Topic.HEADER}) | waits
            case signals.Output():
                return self._take_output(signal)
            case signals.Progress():
                self.progress[signal.run_id] = signal
                return frozenset({Topic.RUN, Topic.TIMELINE})
            case signals.LockWaits():
                self.locks[signal.run_id] = signal
                return frozenset({Topic.RUN})
            case signals.CostSampled():
                self.costs[signal.cost.database] = signal.cost
                return frozenset()
            case signals.Link():
                self.links[signal.target] = signal
                return frozenset({Topic.PROBES, Topic.HEADER})
            case signals.Presence():
                self.watching, self.watching_more = signal.watching, signal.more
                return frozenset({Topic.HEADER})
            case signals.Pulse():
                return self._take_pulse(signal)
            case signals.Missed():
                self.missed_signals += signal.signals
                return frozenset({Topic.HEADER})
        return frozenset()

    def _take_output(self, output: signals.Output) -> frozenset[Topic]:
        kept = self.outputs.get(output.run_id)
        if kept is None:
            kept = self.outputs[output.run_id] = RunOutput()
            while len(self.outputs) > KEPT_RUNS:
                del self.outputs[next(iter(self.outputs))]
        return (
            frozenset({Topic.RUN})
            if kept.add(output.offset, output.data, output.stream)
            else frozenset()
        )

    def _take_pulse(self, pulse: signals.Pulse) -> frozenset[Topic]:
        before, self.pulse = self.pulse, pulse
        skew_s = pulse.at - self._clock()
        moved, self._skew_s = abs(skew_s - self._skew_s) > CLOCK_MOVED_S, skew_s
        if moved:
            # After a stall pulses come late: every time on screen is another now.
            return EVERYTHING
        same = before is not None and (before.journal_ok, before.problem) == (
            pulse.journal_ok,
            pulse.problem,
        )
        return frozenset() if same else frozenset({Topic.HEADER, Topic.BANNER})

    def reading(self, probe_id: str) -> Reading | None:
        """The newest reading of a probe, from a sample or from the journal."""
        live, kept = self.probes.get(probe_id), self.state.readings.get(probe_id)
        if live is None or kept is None:
            return live or kept
        return live if live.at >= kept.at else kept

    def panel_readings(self) -> dict[str, Reading]:
        """The newest reading of each panel; one that went stale since says nothing of now."""
        now, specs = self.now(), self.state.runbook.panels if self.state.runbook else {}
        newest = dict(self.state.panels)
        for name, live in self.panels.items():
            if name in newest and newest[name].at > live.at:
                continue
            newest[name] = live
            if name in specs and now - live.at > max(3 * specs[name].every, 10.0):
                del newest[name]
        return newest

    def health(self, probe_id: str, now: float) -> str:
        """How a probe looks now: its status, `undone` where a rollback meant it, `stale` when old,
        `unknown` when never read."""
        reading = self.reading(probe_id)
        if reading is None:
            return "unknown"
        spec = self.state.runbook.probes.get(probe_id) if self.state.runbook else None
        limit_s = 3 * spec.every + spec.timeout if spec else 30.0
        if now - reading.at > limit_s:
            return "stale"
        return "undone" if meant(self.state, reading) is not None else reading.status.value

    def rollback(self) -> Action | None:
        """The action behind the rollback lamp."""
        runbook = self.state.runbook
        if runbook is None:
            return None
        return runbook.action("rollback") or next(
            (one for one in runbook.actions if one.key == "R"), None
        )

    def rolled_back(self) -> ActionState | None:
        """The rollback that succeeded, unless the window has gone forward since."""
        ended = direction(self.state) is Direction.ROLLED_BACK
        return last_rollback(self.state) if ended else None

    def seat(self) -> Seat:
        """What this screen knows beside the journal, for `advice`."""
        from optibid_console.advice import Seat  # not needed for the first paint

        away = self.pulse is not None and not self.pulse.journal_ok
        lost = self.ended or (self.lost.why if self.lost is not None else "")
        journal = (self.pulse.problem or "it can't be written") if away and self.pulse else ""
        return Seat(self.drives, self.observer, lost, journal)

    def config_changes(self) -> tuple[str, ...]:
        """How this screen's config differs from the runbook that the window goes by."""
        if self.given is None:
            return ()
        return self.given.changes(self.state.runbook, self.state.digest)

    def shown_run(self) -> RunState | None:
        """The run that the run pane shows by itself: the one under way, else the last one."""
        active = self.state.active_runs()
        return active[-1] if active else self.state.runs.get(self.state.last_run)


def why_no_lines(view: View) -> str:
    """Why no log lines can come to a screen that only has a team's journal; empty: they can."""
    if view.role is None or not view.role.elsewhere:
        return ""
    way = "a link has them" if view.observer else "a link has them, or l takes over"
    return f"log lines aren't in the journal: {way}"


def waits_for_person(view: View, key: str) -> str:
    """Returns what Enter on this line answers: `settle` what became of a run that is gone without a
    trace (also for a screen that only watches, to look), `decide` how an action that stopped goes
    on, `confirm` a step that is done by hand, `close` the window on the line of the rollback that
    ended it, `roll back` again on that of one that is incomplete; else nothing (empty)."""
    if open_question(view, key) is not None:
        return "settle"
    kind, _, name = key.partition(":")
    action = view.state.action()
    if not view.drives or kind not in ("step", "astep", "action", ""):
        return ""
    if action is not None and action.stopped_at_step:
        return "decide"
    from optibid_console.permit import awaits_confirmation  # not needed for the first paint

    ended = last_rollback(view.state)
    if ended is not None and kind == "action" and name == ended.action_run:
        return "close" if view.rolled_back() is not None else "roll back"
    by_hand = awaits_confirmation(view.state)
    return "confirm" if by_hand and (kind == "action" or name.rpartition("/")[2] == by_hand) else ""


def open_question(view: View, key: str) -> RunState | None:
    """The run that this line is about, or at which the action under way stopped, when nobody
    knows how it ended."""
    kind, _, name = key.partition(":")
    action = view.state.action()
    for run in view.state.unsettled_runs():
        here = action is not None and action.stopped_at_step == run.step_id
        if here and kind in ("step", "astep", "action", ""):
            return run
        of_action, _, step_id = name.rpartition("/")
        if kind in ("step", "astep") and view.state.step_key(step_id, of_action) == run.step_key:
            return run
    return None


def what_went_wrong(view: View, seen: StepState) -> str:
    """Returns why a step failed or is unknown, with the last line of its run where the reason
    doesn't hold a line of the output already."""
    if seen.status not in (StepStatus.FAILED, StepStatus.UNKNOWN, StepStatus.UNSETTLED):
        return ""
    run = view.state.runs.get(seen.run_id)
    ended = run.ended if run else None
    if ended is None or (
        ended.exit_status is not None and seen.reason != f"exit {ended.exit_status}"
    ):
        return seen.reason
    last = ended.last_lines[-1].strip() if ended.last_lines else ""
    return seen.reason if not last or last in seen.reason else f"{seen.reason}: {last}"


def open_poll(view: View) -> Poll | None:
    """The poll that is still open."""
    return next((one for one in view.state.polls.values() if not one.result), None)
