"""The one current action: a table over the states of a window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from optibid_console import entries as e
from optibid_console.advice import Advice, Seat, Situation, Way, advice
from optibid_console.runbook.model import Action, Gate, Runbook, Step, StepKind
from tests.core.conftest import Story, small_runbook

Happened = Callable[[Story], None]
BACK = Way("action:rollback", "rollback")
STOP, STOP_ACTION = Way("abort", "stop it"), Way("abort", "stop the action")


def runbook() -> Runbook:
    book = small_runbook()
    gated = replace(book.phases[2], gate=Gate(second_person=True))
    forward = Action("forward", "Forward again", "f6", uses=("2.1",))
    phases = (*book.phases[:2], gated)
    return replace(book, phases=phases, actions=(*book.actions, forward))


def deployed(story: Story) -> None:
    story.add(e.FactRecorded("backup.path", "/b.dump"))
    story.add(e.FactRecorded("previous.release", "v2.3.9"))
    for step_id in ("1.1", "1.2", "2.1"):
        story.do(step_id)


def after(*happened: Happened) -> Story:
    story = Story(runbook())
    for one in happened:
        one(story)
    return story


def rollback_begins(story: Story) -> None:
    story.add(e.ActionStarted("rollback", "rollback1", ("R1", "R2", "R5")))


def rolled_back(story: Story) -> None:
    rollback_begins(story)
    for step_id in ("R1", "R2", "R5"):
        story.do(step_id, action_run="rollback1")
    story.add(e.ActionFinished("rollback1", e.Outcome.SUCCEEDED))


def gives_up(story: Story) -> None:
    rollback_begins(story)
    story.do("R1", e.Outcome.FAILED, action_run="rollback1")
    story.add(e.ActionStopped("rollback1", "R1", "exit 1"))
    story.add(e.ActionDecided("rollback1", e.Choice.STOP))
    story.add(e.ActionFinished("rollback1", e.Outcome.FAILED, "stopped at R1: no"))


def starts(step_id: str, action_run: str = "", kind: str = "run") -> Happened:
    return lambda story: (story.start(step_id, action_run=action_run, kind=kind), None)[1]


def ends(step_id: str, outcome: e.Outcome, action_run: str = "") -> Happened:
    return lambda story: story.do(step_id, outcome, action_run=action_run)


def adds(*facts: e.Fact) -> Happened:
    return lambda story: [story.add(one) for one in facts] and None


def loses_its_link(story: Story) -> None:
    story.add(e.RunUnreachable(story.start("1.1"), "no route"))


TRIPS = adds(e.CriterionJudged("errors", e.Verdict.FAIL, "errors 7 %, limit 5 %", 1.0))
HELD = adds(e.Held("fire alarm"))
LEAVE, RUN = Way("leave", "leave"), Way("open", "run")

TABLE: dict[str, tuple[tuple[Happened, ...], Advice]] = {
    "nothing run": ((), Advice(Situation.READY, "Next: 1.1 Verify", (RUN,), "step:1.1")),
    "step ready": (
        (ends("1.1", e.Outcome.SUCCEEDED),),
        Advice(Situation.READY, "Next: 1.2 Back up", (RUN,), "step:1.2"),
    ),
    "step running": (
        (starts("1.1"),),
        Advice(Situation.STEP_RUNNING, "1.1 Verify runs on app-1", (STOP,), "step:1.1"),
    ),
    "outcome unknown": (
        (loses_its_link,),
        Advice(
            Situation.UNKNOWN, "1.1 Verify: outcome unknown until app-1 answers", (STOP,),
            "step:1.1",
        ),
    ),
    "gone without a trace": (
        (deployed, ends("7.1", e.Outcome.UNKNOWN)),
        Advice(
            Situation.UNSETTLED, "7.1 Look: say how it ended",
            (Way("open", "settle"), BACK), "step:7.1",
        ),
    ),
    "step failed": (
        (ends("1.1", e.Outcome.FAILED),),
        Advice(
            Situation.FAILED, "1.1 Verify failed",
            (Way("open", "run again"), Way("skip", "skip")), "step:1.1",
        ),
    ),
    "step failed after the migration": (
        (deployed, adds(e.GateConfirmed("phase:watch")), ends("7.1", e.Outcome.FAILED)),
        Advice(
            Situation.FAILED, "7.1 Look failed",
            (Way("open", "confirm"), Way("skip", "waive"), BACK), "step:7.1",
        ),
    ),
    "waiver asked": (
        (ends("1.2", e.Outcome.FAILED), adds(e.StepSkipped("1.1", "")),
         adds(e.WaiverAsked("1.2", "the disk is full"))),
        Advice(
            Situation.WAIVER, "1.2 Back up: a second person confirms its waiver",
            (Way("open", "run again"), Way("skip", "waive")), "step:1.2",
        ),
    ),
    "gate open": (
        (deployed,),
        Advice(
            Situation.GATE, "Gate of Monitoring: a second person",
            (Way("poll", "how to go on"),), "step:7.1",
        ),
    ),
    "on hold": (
        (HELD,),
        Advice(
            Situation.HELD, "ON HOLD by oncall-1: fire alarm", (Way("hold", "resume"),),
            "step:1.1",
        ),
    ),
    "tripped": (
        (deployed, TRIPS),
        Advice(
            Situation.TRIPPED,
            "Error rate exceeds 5%: roll back, or go on with 7.1 Look",
            (BACK, Way("open", "confirm")), "step:7.1",
        ),
    ),
    "action running": (
        (deployed, rollback_begins, starts("R1", "rollback1")),
        Advice(
            Situation.ACTION_RUNNING, "Rollback runs, 1 of 3: R1 Stop", (STOP_ACTION,),
            "astep:rollback1/R1",
        ),
    ),
    "between two steps": (
        (deployed, rollback_begins),
        Advice(Situation.ACTION_RUNNING, "Rollback runs", (STOP_ACTION,), "action:rollback1"),
    ),
    "waiting for a person": (
        (deployed, rollback_begins, starts("R5", "rollback1", "manual")),
        Advice(
            Situation.PERSON, "R5 Tell people is waiting for you: do it, then confirm",
            (Way("open", "confirm"), STOP_ACTION), "astep:rollback1/R5",
        ),
    ),
    "action stopped": (
        (
            deployed, rollback_begins, ends("R1", e.Outcome.FAILED, "rollback1"),
            adds(e.ActionStopped("rollback1", "R1", "exit 1")),
        ),
        Advice(
            Situation.ACTION_STOPPED, "Rollback stopped at R1 Stop",
            (Way("open", "retry, skip or stop"),), "astep:rollback1/R1",
        ),
    ),
    "stopped by the operator before a step": (
        (
            deployed, rollback_begins, ends("R1", e.Outcome.SUCCEEDED, "rollback1"),
            adds(e.ActionStopAsked("rollback1"), e.ActionStopped("rollback1", "R2", "by x")),
        ),
        Advice(
            Situation.ACTION_STOPPED, "Rollback stopped at R2 Restore",
            (Way("open", "go on, or stop"),), "astep:rollback1/R2",
        ),
    ),
    "rolled back": (
        (deployed, TRIPS, rolled_back),
        Advice(
            Situation.ROLLED_BACK,
            "ROLLED BACK to v2.3.9",
            (Way("open", "close the window"), Way("action:forward", "forward again")),
            "action:rollback1",
        ),
    ),
    "rollback given up": (
        (deployed, gives_up),
        Advice(
            Situation.INCOMPLETE, "ROLLBACK INCOMPLETE: stopped at R1: no",
            (Way("action:rollback", "roll back again"), Way("leave", "go forward or leave")),
            "action:rollback1",
        ),
    ),
    "gone forward again": (
        (deployed, rolled_back, adds(e.WentForward("rollback1"))),
        Advice(Situation.READY, "Next: 2.1 Migrate", (RUN,), "step:2.1"),
    ),
    "complete": (
        (deployed, ends("7.1", e.Outcome.SUCCEEDED)),
        Advice(Situation.COMPLETE, "Every step is over", (Way("leave", "close"),)),
    ),
    "closed": (
        (deployed, rolled_back, adds(e.WindowClosed("rolled back", "errors"))),
        Advice(Situation.CLOSED, "CLOSED: rolled back", (LEAVE,)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_the_current_action_follows_from_the_state(name: str) -> None:
    happened, expected = TABLE[name]
    story = after(*happened)
    assert advice(story.state, story.now) == expected


AWAY = Seat(journal="the disk is full")


@pytest.mark.parametrize(
    ("happened", "seat", "situation", "ways"),
    [
        ((deployed,), AWAY, Situation.JOURNAL_AWAY, (BACK,)),
        ((starts("1.1"),), AWAY, Situation.JOURNAL_AWAY, (STOP,)),
        ((deployed, adds(e.SpillOpened("/s", "full"))), AWAY, Situation.GATE, None),
        ((), Seat(lost="no answer"), Situation.LOST, (LEAVE,)),
        ((), Seat(drives=False), Situation.READY, (Way("lease", "take over"),)),
        ((), Seat(drives=False, observer=True), Situation.READY, ()),
        (
            (deployed,), Seat(drives=False), Situation.GATE,
            (Way("poll", "look, or confirm"), Way("lease", "take over")),
        ),
        ((deployed, rolled_back), Seat(drives=False, observer=True), Situation.ROLLED_BACK, ()),
        ((deployed, adds(e.WindowClosed("abandoned", "x"))), AWAY, Situation.CLOSED, (LEAVE,)),
    ],
)  # fmt: skip
def test_what_the_seat_can_do(
    happened: tuple[Happened, ...], seat: Seat, situation: Situation, ways: tuple[Way, ...] | None
) -> None:
    story = after(*happened)
    seen = advice(story.state, story.now, seat)
    assert seen.situation is situation
    assert ways is None or seen.ways == ways


def test_a_step_that_changes_data_says_what_is_typed() -> None:
    book = small_runbook()
    migrate = Step("2.1", "Migrate", kind=StepKind.MIGRATE, database="optibid")
    phase = replace(book.phases[1], steps=(migrate,))
    story = Story(replace(book, phases=(phase,)))
    assert advice(story.state, story.now).ways == (Way("open", "run, type migrate"),)


def test_every_situation_is_in_a_table() -> None:
    seen = {expected.situation for _, expected in TABLE.values()}
    assert set(Situation) - seen == {
        Situation.OPENING, Situation.LOST, Situation.JOURNAL_AWAY,
    }  # fmt: skip
