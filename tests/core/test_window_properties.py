"""Whatever is asked and however it ends: what must never be, is in no state of a window.

A machine of commands and outcomes, against the engine's own rules: `permit` decides what is
done, the entries that the engine would record are folded, and after each one all is checked.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.action_plan import action_plan
from optibid_console.direction import Direction, direction
from optibid_console.jumping import route
from optibid_console.permit import awaits_confirmation, permit
from optibid_console.runbook.model import FORWARD, ROLLBACK, Action, Gate, Runbook, StepKind
from optibid_console.state import ACTIVE, OVER, StepStatus
from tests.core.conftest import Story, small_runbook

STEPS = ("1.1", "1.2", "2.1", "7.1", "R1", "R2", "R5", "no such step")
ACTIONS = ("backup", "rollback", "forward", "no such action")
GATE = "phase:migrate"
OUTCOMES = st.sampled_from(list(e.Outcome))


def gated_runbook() -> Runbook:
    """The small runbook, the migration behind a second person's go, and a way forward again."""
    book = small_runbook()
    phases = tuple(
        replace(one, gate=Gate(second_person=True)) if f"phase:{one.id}" == GATE else one
        for one in book.phases
    )
    forward = Action(FORWARD, "Forward again", uses=("1.2", "2.1"))
    return replace(book, phases=phases, actions=(*book.actions, forward))


class Window(RuleBasedStateMachine):
    """A window, its operator and the world, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.story = Story(gated_runbook())
        self.state = self.story.state
        self.numbers = itertools.count(1)
        self.ends: dict[str, e.RunEnded] = {}
        """The first end that was told of each run."""
        self.outcomes: dict[str, e.Outcome] = {}
        """The first outcome that each run's step had, other than that nobody knows."""
        self.asked: set[str] = set()
        """Steps whose outcome was unknown after the entry before."""
        self.answers: set[type[e.Fact]] = set()
        """The kind of the last entry."""
        self.to_undo = False
        """Whether what the rollback undoes was begun since it succeeded last."""
        self.other_said_go = False
        """Whether somebody else than the operator has confirmed the gate since it began anew."""
        self.record(e.OperatorTook("oncall-1", 1))

    # What a person asks

    @rule(step_id=st.sampled_from(STEPS))
    def run_step(self, step_id: str) -> None:
        if self.ask(c.RunStep(step_id)) and awaits_confirmation(self.state) != step_id:
            self.start(step_id)

    @precondition(lambda self: self.state.action() is None)
    @rule()
    def do_the_next_step(self) -> None:
        """So that a window gets on: its next step, and what is under way, succeed."""
        for run in self.state.unfinished_runs():
            self.succeed(run.run_id)
        for run in self.state.unsettled_runs():
            word = c.Settle(run.step_id, run.run_id, e.Outcome.SUCCEEDED, "seen")
            if self.ask(word):
                self.record(e.StepSettled(run.step_id, run.run_id, e.Outcome.SUCCEEDED, "seen"))
        self.gate_is_asked()
        self.somebody_confirms("oncall-2")
        for _, step in self.runbook.steps():
            if self.ask(c.RunStep(step.id)):
                self.start(step.id)
                self.succeed(self.state.last_run)
                return

    @rule(step_id=st.sampled_from(STEPS), reason=st.sampled_from(["", "not needed"]))
    def skip_step(self, step_id: str, reason: str) -> None:
        if self.ask(c.SkipStep(step_id, reason)):
            self.record(e.StepSkipped(step_id, reason))

    @rule(step_id=st.sampled_from(STEPS), reason=st.sampled_from(["", "told so"]))
    def jump(self, step_id: str, reason: str) -> None:
        if self.ask(c.Jump(step_id, reason)):
            assert reason
            way = route(self.state, step_id)
            self.record(e.Jumped(step_id, reason, way.skipped, way.again, way.kept))
            if "2.1" in way.again:
                self.other_said_go = False

    @rule()
    def gate_is_asked(self) -> None:
        if self.ask(c.OpenGate(GATE)):
            self.record(e.GateOpened(GATE))
            self.other_said_go = False

    @rule(name=st.sampled_from(["oncall-1", "ONCALL-1", "oncall-2"]))
    def somebody_confirms(self, name: str) -> None:
        if self.ask(c.ConfirmGate(GATE)):
            self.record(e.GateConfirmed(GATE), name)
            self.other_said_go = self.other_said_go or name == "oncall-2"

    @rule(action_id=st.sampled_from(ACTIONS), forced=st.booleans())
    def start_action(self, action_id: str, forced: bool) -> None:
        typed = f"{action_id} without journal" if forced else action_id
        if not self.ask(c.StartAction(action_id, typed, forced)):
            return
        if action_id == ROLLBACK:
            self.preempt()
        action = self.runbook.action(action_id)
        assert action is not None
        planned = tuple(one.step_id for one in action_plan(self.state, action) if one.included)
        assert planned
        self.record(e.ActionStarted(action_id, f"{action_id}{next(self.numbers)}", planned))

    @precondition(lambda self: self.state.runs)
    @rule(data=st.data(), outcome=OUTCOMES, reason=st.sampled_from(["", "seen"]))
    def settle(self, data: st.DataObject, outcome: e.Outcome, reason: str) -> None:
        """Any run that ever was: what isn't asked is refused."""
        open_ones = [run.run_id for run in self.state.unsettled_runs()]
        run_id = data.draw(st.sampled_from(open_ones or list(self.state.runs)))
        step_id = self.state.runs[run_id].step_id
        if self.ask(c.Settle(step_id, run_id, outcome, reason)):
            assert run_id in open_ones
            assert reason
            self.record(e.StepSettled(step_id, run_id, outcome, reason))

    @precondition(lambda self: self.state.active_runs())
    @rule()
    def a_run_is_gone_without_a_trace(self) -> None:
        run = self.state.active_runs()[-1]
        self.record(e.RunEnded(run.run_id, e.Outcome.UNKNOWN, "gone"))
        self.record(e.StepFinished(run.step_id, run.run_id, e.Outcome.UNKNOWN, "gone"))

    @rule(typed=st.sampled_from(["", "forward"]))
    def go_forward(self, typed: str) -> None:
        if self.ask(c.GoForward(typed)):
            assert typed
            self.record(e.WentForward(self.state.rollback_run))

    @rule(choice=st.sampled_from(list(e.Choice)), reason=st.sampled_from(["", "seen"]))
    def decide(self, choice: e.Choice, reason: str) -> None:
        action = self.state.action()
        run = action.action_run if action else "none"
        stopped = action.stopped_at_step if action else ""
        if not self.ask(c.Decide(run, choice, reason)):
            return
        self.record(e.ActionDecided(run, choice, reason))
        if choice is e.Choice.RETRY:
            self.start(stopped, run)
        elif choice is e.Choice.SKIP:
            self.record(e.StepSkipped(stopped, reason, run))
        else:
            self.record(e.ActionFinished(run, e.Outcome.FAILED, "stopped"))

    @rule(held=st.booleans())
    def hold_or_resume(self, held: bool) -> None:
        if held and self.ask(c.Hold("wait")):
            self.record(e.Held("wait"))
        elif not held and self.ask(c.Resume()):
            self.record(e.Resumed(3.0))

    # What the engine and the world do

    @precondition(lambda self: self.state.action() and not self.state.action().stopped_at_step)
    @rule()
    def next_step_of_the_action(self) -> None:
        action = self.state.action()
        assert action is not None
        if self.state.active_runs() or self.checking():
            return
        for step_id in action.steps:
            seen = self.state.step(step_id, action.action_run)
            if seen.status in (StepStatus.PENDING, StepStatus.UNDONE):
                self.start(step_id, action.action_run)
                return
            if seen.status in (StepStatus.FAILED, StepStatus.UNSETTLED):
                self.record(e.ActionStopped(action.action_run, step_id, "it failed"))
                return
        undone = self.state.step("2.1").status is StepStatus.DONE
        self.record(e.ActionFinished(action.action_run, e.Outcome.SUCCEEDED))
        if action.action_id == ROLLBACK:
            restored = self.state.step("R2", action.action_run).status is StepStatus.DONE
            assert not (undone and restored) or self.state.step("2.1").undone_by
            self.to_undo = False
            self.other_said_go = self.other_said_go and not restored

    @rule()
    def a_rollback_to_its_end(self) -> None:
        """So that there is something to go forward to."""
        self.start_action(ROLLBACK, False)
        action = self.state.action()
        while action is not None and action.action_id == ROLLBACK and not action.stopped_at_step:
            for run in self.state.unfinished_runs():
                self.succeed(run.run_id)
            self.next_step_of_the_action()
            action = self.state.action()

    @precondition(lambda self: self.state.runs)
    @rule(data=st.data(), outcome=OUTCOMES, what=st.integers(0, 5))
    def news_of_a_run(self, data: st.DataObject, outcome: e.Outcome, what: int) -> None:
        """Of any run that ever was: late, twice, in any order."""
        run_id = data.draw(st.sampled_from(list(self.state.runs)))
        step_id = self.state.runs[run_id].step_id
        news: tuple[e.Fact, ...] = (
            e.RunLaunched(run_id), e.RunUnreachable(run_id, "the link is lost"),
            e.RunEnded(run_id, outcome, "told"), e.EvidenceTaken(step_id, run_id, ()),
            e.StepFinished(step_id, run_id, outcome), e.AbortAsked(run_id),
        )  # fmt: skip
        over = self.state.runs[run_id].ended is not None
        if what == 4 and not over:
            return  # the engine records a run's end before its step's outcome
        if what == 2 and step_id == "1.2":
            self.record(e.FactRecorded("backup.path", "/backup", "1.2"))
        self.record(news[what])

    @rule()
    def the_engine_is_started_again(self) -> None:
        self.record(e.EngineStarted("1", "host", 1, "boot", self.state.epoch + 1))

    # What must hold

    @invariant()
    def no_step_is_running_and_done(self) -> None:
        for key, step in self.state.steps.items():
            if step.run_id and step.status not in ACTIVE and step.status is not StepStatus.SKIPPED:
                assert self.state.runs[step.run_id].ended is not None, key
                assert step.outcome is not None, key
            if step.status is StepStatus.DONE:
                assert step.outcome is e.Outcome.SUCCEEDED, key
        active = {run.step_key for run in self.state.active_runs()}
        for key in active:
            assert self.state.steps[key].status in ACTIVE, key

    @invariant()
    def what_is_unknown_is_never_done_without_the_operator_or_the_target(self) -> None:
        open_ones = {run.run_id for run in self.state.unsettled_runs()}
        for run_id in self.asked - open_ones:
            assert self.answers & {e.StepSettled, e.RunEnded}, run_id
        self.asked, self.answers = open_ones, set()

    @invariant()
    def nothing_but_a_rollback_starts_beside_an_open_question(self) -> None:
        if not self.state.unsettled_runs():
            return
        assert self.state.active_runs() == () or self.state.action() is not None
        for step_id in STEPS:
            if awaits_confirmation(self.state) != step_id:
                assert not self.ask(c.RunStep(step_id))
        assert not self.ask(c.StartAction("backup", "backup"))
        assert not self.ask(c.CloseWindow("completed"))

    @invariant()
    def what_a_run_came_to_is_never_overwritten(self) -> None:
        for run_id, run in self.state.runs.items():
            if run.ended is not None and run.ended.outcome is not e.Outcome.UNKNOWN:
                assert self.ends.setdefault(run_id, run.ended) == run.ended
        for step in self.state.steps.values():
            if step.outcome not in (None, e.Outcome.UNKNOWN):
                assert self.outcomes.setdefault(step.run_id, step.outcome) is step.outcome

    @invariant()
    def no_required_step_was_skipped(self) -> None:
        for key, step in self.state.steps.items():
            if step.status is StepStatus.SKIPPED:
                found = self.runbook.step(key.rpartition("/")[2])
                assert found is not None
                assert not found.required, key

    @invariant()
    def nothing_but_another_rollback_or_what_it_lacks_blocks_a_rollback(self) -> None:
        why_not = permit(self.state, c.StartAction(ROLLBACK, ROLLBACK))
        under_way = self.state.action()
        if under_way is not None and under_way.action_id == ROLLBACK:
            assert why_not.startswith("rollback is under way already")
            return
        if not self.to_undo:
            assert why_not.startswith("there is nothing to do: nothing was done"), why_not
        elif "backup.path" in self.state.facts:
            assert why_not == "", why_not

    @invariant()
    def forward_does_what_a_rollback_undid_and_nothing_else(self) -> None:
        forward = self.runbook.action("forward")
        assert forward is not None
        for one in action_plan(self.state, forward):
            seen = self.state.step(one.step_id)
            assert one.included == (bool(seen.undone_by) and seen.status not in OVER)
            if seen.status is StepStatus.DONE:
                assert not seen.undone_by

    @invariant()
    def what_is_under_way_is_one_thing(self) -> None:
        assert len(self.state.active_runs()) <= 1

    @invariant()
    def the_fold_is_the_same_from_the_beginning(self) -> None:
        if self.state.seq % 16 == 0:
            assert self.story.state == self.state

    # How it is done

    @property
    def runbook(self) -> Runbook:
        assert self.state.runbook is not None
        return self.state.runbook

    def ask(self, command: c.Command) -> bool:
        return permit(self.state, command) == ""

    def record(self, fact: e.Fact, actor: str = "oncall-1") -> None:
        self.answers.add(type(fact))
        # the clock may be set back: what a rollback has to undo must not depend on it
        after_s = -50.0 if len(self.story.entries) % 7 == 0 else 1.0
        self.state = self.state.apply(self.story.add(fact, actor, after_s))

    def start(self, step_id: str, action_run: str = "") -> None:
        step = self.runbook.step(step_id)
        assert step is not None
        if step_id == "2.1":
            assert self.other_said_go, "it began without a second person"
            self.to_undo = True
            self.record(e.GatePassed(GATE, ()))
        if self.runbook.phase_of(step_id) is not None:
            forward = self.state.actions[action_run].action_id == FORWARD if action_run else False
            assert direction(self.state) is Direction.FORWARD or forward, "it went on by itself"
        run_id = f"w1-{action_run}-{step_id}-{next(self.numbers)}"
        kind = step.kind
        command = step.run if kind is StepKind.RUN else ""
        attempt = self.state.step(step_id, action_run).attempt + 1
        self.record(
            e.StepStarted(step_id, run_id, attempt, kind, step.on, command, 1, 60.0, action_run)
        )

    def succeed(self, run_id: str) -> None:
        run = self.state.runs[run_id]
        if run.step_id == "1.2":
            self.record(e.FactRecorded("backup.path", "/backup", "1.2"))
        if run.ended is None:
            self.record(e.RunEnded(run_id, e.Outcome.SUCCEEDED, "exit 0"))
        self.record(e.StepFinished(run.step_id, run_id, e.Outcome.SUCCEEDED))

    def preempt(self) -> None:
        """What the engine does before a rollback: end the runs and the action under way."""
        for run in self.state.unfinished_runs():
            self.record(e.AbortAsked(run.run_id))
            if run.ended is None:
                self.record(e.RunEnded(run.run_id, e.Outcome.ABORTED, "by oncall-1"))
            self.record(e.StepFinished(run.step_id, run.run_id, e.Outcome.ABORTED))
        under_way = self.state.action()
        if under_way is not None:
            self.record(e.ActionFinished(under_way.action_run, e.Outcome.ABORTED))

    def checking(self) -> bool:
        return any(step.status in ACTIVE for step in self.state.steps.values())


Window.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyWindow = Window.TestCase
