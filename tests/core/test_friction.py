"""Friction follows consequence: one table over every act of an operator."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.friction import Ask, Friction, friction
from optibid_console.runbook.model import Action, Phase, Runbook, Step, StepKind
from probes.probe import Seconds
from tests.core.conftest import Story, small_runbook

ENTER, REASON, NOTHING = Friction(Ask.ENTER), Friction(Ask.REASON), Friction(Ask.NOTHING)


def typed(words: str) -> Friction:
    return Friction(Ask.TYPED, words)


def runbook() -> Runbook:
    """A step of each kind in a phase, and actions that use them."""
    steps = (
        Step("run", "Switch the release", on="app-1", run="true"),
        Step("read", "Look", on="app-1", run="true", read_only=True),
        Step("wait", "Wait", kind=StepKind.WAIT, wait_for=("health",)),
        Step("hand", "Tell people", kind=StepKind.MANUAL),
        Step("backup", "Back up", kind=StepKind.BACKUP, database="db"),
        Step("keep", "Keep the image", on="app-1", run="true"),
        Step("migrate", "Migrate", kind=StepKind.MIGRATE, database="db"),
        Step("restore", "Restore", kind=StepKind.RESTORE, database="db"),
        Step("drop", "Drop the old column", on="app-1", run="true"),
        Step("status", "What is dropped", on="app-1", run="true", read_only=True),
    )
    own = Step("C1", "Clear the cache", on="app-1", run="true")
    look = Step("L1", "List the sessions", on="app-1", run="true", read_only=True)
    book = small_runbook()
    rollback = book.action("rollback")
    assert rollback is not None
    actions = (
        rollback,
        Action("save", "Back up", "b", uses=("backup", "keep")),
        Action("upgrade", "Migrate", "m", uses=("migrate",)),
        Action("contract", "Contract", uses=("status", "drop"), confirm="drop it"),
        Action("forward", "Forward again", uses=("run", "migrate")),
        Action("deploy", "Deploy", uses=("run", "wait")),
        Action("cache", "Clear the cache", steps=(own,)),
        Action("look", "List the sessions", steps=(look,)),
        Action("cost", "Deploy with a loss", uses=("run",), costs="sessions are lost"),
    )
    return replace(book, phases=(Phase("all", "All", Seconds(0), steps=steps),), actions=actions)


TABLE: tuple[tuple[c.Command, Friction], ...] = (
    (c.RunStep("read"), ENTER),
    (c.RunStep("wait"), ENTER),
    (c.RunStep("hand"), ENTER),
    (c.RunStep("backup"), ENTER),
    (c.RunStep("keep"), ENTER),
    (c.RunStep("migrate"), typed("upgrade")),
    (c.RunStep("restore"), typed("restore")),
    (c.RunStep("drop"), typed("drop it")),
    (c.RunStep("status"), ENTER),
    (c.RunStep("no such step"), ENTER),
    (c.StartAction("save"), ENTER),
    (c.StartAction("upgrade"), typed("upgrade")),
    (c.StartAction("upgrade", forced=True), typed("upgrade without backup")),
    (c.StartAction("contract"), typed("drop it")),
    (c.StartAction("cache"), typed("cache")),
    (c.StartAction("look"), ENTER),
    (c.StartAction("cost"), typed("cost")),
    (c.StartAction("rollback"), typed("rollback")),
    (c.StartAction("rollback", forced=True), typed("rollback without journal")),
    (c.StartAction("forward"), typed("forward")),
    (c.StartAction("no such action"), ENTER),
    (c.GoForward(), typed("forward")),
    (c.ChooseBackup("main", "/b.dump", "why"), REASON),
    (c.AdoptMigrations("main", ("001_a",), "why"), typed("adopt main")),
    (c.CastVote("poll1", "DBA", e.Vote.GO), Friction(Ask.ENTER, role="DBA")),
    (c.CastVote("poll1", "DBA", e.Vote.NO_GO), Friction(Ask.ENTER, role="DBA")),
    (c.ClosePoll("poll1"), ENTER),
    (c.CallPoll("go?"), REASON),
    (c.OpenGate("phase:all"), ENTER),
    (c.ConfirmGate("phase:all"), ENTER),
    (c.DecideGate("phase:all", "go", ""), REASON),
    (c.Abort(), ENTER),
    (c.StopAction("save1"), ENTER),
    (c.Decide("save1", e.Choice.RETRY), ENTER),
    (c.Decide("save1", e.Choice.STOP), ENTER),
    (c.Decide("save1", e.Choice.SKIP), REASON),
    (c.Settle("run", "r1", e.Outcome.FAILED, ""), REASON),
    (c.SkipStep("run", ""), REASON),
    (c.AskWaiver("run", ""), REASON),
    (c.ConfirmWaiver("run", 1), ENTER),
    (c.WaiveStep("run", ""), Friction(Ask.TYPED, "waive run")),
    (c.Jump("run", ""), REASON),
    (c.Hold(""), REASON),
    (c.Resume(), ENTER),
    (c.CloseWindow("completed"), ENTER),
    (c.CloseWindow("rolled back"), REASON),
    (c.CloseWindow("abandoned"), REASON),
    (c.MarkItem("i", e.Mark.DONE), NOTHING),
    (c.MarkItem("i", e.Mark.OPEN), NOTHING),
    (c.MarkItem("i", e.Mark.FAILED), REASON),
    (c.MarkItem("i", e.Mark.NOT_APPLICABLE), REASON),
    (c.WriteNote("window", ""), REASON),
    (c.AssertCriterion("x", e.Verdict.FAIL, ""), REASON),
    (c.StartEscalation(""), REASON),
    (c.AcknowledgeEscalation(0), ENTER),
    (c.EndEscalation(""), REASON),
    (c.TellAgain(), ENTER),
    (c.TakeOver(), REASON),
    (c.TakeOver("", "ann"), typed("ann")),
    (c.Leave(), ENTER),
    (c.StopEngine(), ENTER),
    (c.LookAtRunbook(), NOTHING),
    (c.ReloadRunbook("d"), ENTER),
    (c.StartSharing("127.0.0.1:0"), ENTER),
    (c.Share("support"), REASON),
    (c.Revoke("support"), ENTER),
    (c.StopSharing(), ENTER),
)


@pytest.mark.parametrize(("act", "expected"), TABLE, ids=[str(act) for act, _ in TABLE])
def test_each_act_asks_what_its_consequence_asks(act: c.Command, expected: Friction) -> None:
    book = runbook()
    assert friction(Story(book).state, book, act) == expected


def test_the_table_has_every_act() -> None:
    assert {type(act) for act, _ in TABLE} == set(get_args(c.Command))


def test_the_step_asks_the_same_as_the_action_that_runs_it() -> None:
    book = runbook()
    state = Story(book).state
    for action in book.actions:
        for step_id in action.uses if action.id != "forward" else ():
            step = book.step(step_id)
            assert step is not None
            if step.kind in (StepKind.BACKUP, StepKind.MIGRATE):
                by_key = friction(state, book, c.StartAction(action.id))
                assert friction(state, book, c.RunStep(step_id)) == by_key


def test_a_manual_step_that_waits_is_confirmed_with_enter() -> None:
    book = runbook()
    story = Story(book)
    story.add(e.ActionStarted("contract", "contract1", ("hand",)))
    story.start("hand", action_run="contract1", kind="manual")
    assert friction(story.state, book, c.RunStep("hand")) == ENTER
