from __future__ import annotations

from typing import Any, cast, get_args

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.permit import permit, rules
from optibid_console.plan import Move, next_move, preview


def test_the_next_move_is_the_first_step_that_is_left(story: Any) -> None:
    assert next_move(story.state) == Move("run", "1.1")
    story.add(e.StepSkipped("1.1", "tests ran in CI"))
    assert next_move(story.state) == Move("run", "1.2")
    run_id = story.start("1.2")
    assert next_move(story.state).kind == "wait"
    story.finish(run_id, e.Outcome.FAILED)
    assert next_move(story.state) == Move("run", "1.2")
    story.do("1.2")
    story.do("2.1")
    assert next_move(story.state) == Move("confirm", "7.1")
    story.do("7.1", kind="manual")
    assert next_move(story.state).kind == "over"


def test_a_hold_blocks_the_next_step_and_not_rollback(story: Any) -> None:
    story.add(e.FactRecorded("backup.path", "/b.dump"))
    story.do("1.2")
    story.do("2.1")
    story.add(e.Held("the DBA looks"))
    assert next_move(story.state).kind == "blocked"
    assert "the DBA looks" in permit(story.state, c.RunStep("7.1"))
    assert permit(story.state, c.StartAction("rollback", "rollback")) == ""


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (c.RunStep("9.9"), "no step '9.9'"),
        (c.RunStep("2.1"), "1.2 Back up comes first"),
        (c.SkipStep("1.2", "hurry"), "1.2 is required"),
        (c.SkipStep("1.1", "  "), "needs a reason"),
        (c.StartAction("scale-up", "scale-up"), "actions are backup, rollback"),
        (c.StartAction("rollback", "rolback"), "type 'rollback'"),
        (
            c.StartAction("rollback", "rollback"),
            "nothing was done in this window that it would undo",
        ),
        (c.Decide("rollback1", e.Choice.RETRY), "no action waits"),
        (c.Hold(""), "needs a reason"),
        (c.Resume(), "isn't held"),
        (c.MarkItem("nope", e.Mark.DONE), "no check item"),
        (c.MarkItem("db-1", e.Mark.NOT_APPLICABLE), "say why"),
        (c.WriteNote("window", " "), "needs words"),
        (c.AssertCriterion("errors", e.Verdict.PASS, "looks fine"), "can't be declared passed"),
        (c.AssertCriterion("approval", e.Verdict.FAIL, ""), "say why"),
        (c.CastVote("poll1", "QA Lead", e.Vote.GO), "isn't open"),
        (c.AcknowledgeEscalation(0), "doesn't run"),
        (c.CloseWindow("completed"), "1.2, 2.1, 7.1 not done"),
        (c.CloseWindow("fine"), "no outcome"),
        (c.CloseWindow("abandoned"), "say why"),
    ],
)
def test_what_may_not_be_done_says_why(story: Any, command: c.Command, why: str) -> None:
    assert why in permit(story.state, command)


@pytest.mark.parametrize(
    "command",
    [
        c.RunStep("1.1"), c.RunStep("1.2"), c.SkipStep("1.1", "ran in CI"), c.Abort(),
        c.StartAction("backup", "backup"), c.Hold("fire alarm"), c.CallPoll("go?"),
        c.MarkItem("db-1", e.Mark.DONE), c.WriteNote("window", "calm"),
        c.AssertCriterion("approval", e.Verdict.FAIL, "the CTO said so"),
        c.CloseWindow("abandoned", "storm"), c.TakeOver(), c.StopEngine(),
    ],
)  # fmt: skip
def test_what_may_be_done(story: Any, command: c.Command) -> None:
    assert permit(story.state, command) == ""


def test_one_step_at_a_time(story: Any) -> None:
    story.start("1.1")
    assert "one step at a time" in permit(story.state, c.RunStep("1.2"))
    assert "under way" in permit(story.state, c.RunStep("1.1"))
    assert "under way" in permit(story.state, c.StartAction("backup", "backup"))


def test_nothing_is_done_in_a_closed_window(story: Any) -> None:
    story.add(e.WindowClosed("abandoned", "storm"))
    assert "closed" in permit(story.state, c.RunStep("1.1"))
    assert next_move(story.state).kind == "over"


def test_rollback_undoes_what_was_done_and_nothing_else(story: Any) -> None:
    story.add(e.FactRecorded("backup.path", "/b.dump"))
    story.do("1.2")
    story.do("2.1")
    seen = preview(story.state, "rollback", story.now)
    assert [(one.step_id, one.included) for one in seen.steps] == [
        ("R1", True), ("R2", True), ("R5", True),
    ]  # fmt: skip
    assert seen.steps[1].command == "pg_restore /b.dump"
    assert seen.steps[1].because == "undoes 2.1"
    assert seen.costs == (f"database returns to {story.state.facts['backup.path.at']}",)
    assert seen.refused == ""


def test_rolling_back_twice_does_nothing_and_says_so(story: Any) -> None:
    story.add(e.FactRecorded("backup.path", "/b.dump"))
    story.do("1.2")
    story.do("2.1")
    story.add(e.ActionStarted("rollback", "rollback1", ("R1", "R2")))
    assert "under way already" in permit(story.state, c.StartAction("rollback", "rollback"))
    story.do("R1", action_run="rollback1")
    story.do("R2", action_run="rollback1")
    story.add(e.ActionFinished("rollback1", e.Outcome.SUCCEEDED))
    assert "nothing to do" in permit(story.state, c.StartAction("rollback", "rollback"))


def test_a_rollback_without_its_backup_says_what_is_missing(story: Any) -> None:
    story.add(e.StepSkipped("1.1", "x"))
    story.do("2.1")
    seen = preview(story.state, "rollback", story.now)
    assert "no backup.path yet (1.2)" in seen.not_ready
    assert "backup.path" in seen.refused


def test_rollback_is_blocked_by_no_run_and_no_other_action(story: Any) -> None:
    story.add(e.FactRecorded("backup.path", "/b.dump"))
    story.do("2.1")
    story.add(e.ActionStarted("backup", "backup1", ("1.2",)))
    story.start("1.2", action_run="backup1")
    assert permit(story.state, c.StartAction("rollback", "rollback")) == ""


def test_the_estimate_uses_measured_times(story: Any) -> None:
    story.add(e.FactRecorded("backup.path", "/b.dump"))
    story.do("2.1")
    assert preview(story.state, "rollback", story.now).estimate_s == 5 + 40 + 10
    story.add(e.ActionStarted("rollback", "rollback1", ("R1", "R2")))
    story.do("R2", action_run="rollback1")
    assert preview(story.state, "rollback", story.now).estimate_s == 5 + 7 + 10


def test_why_now_gives_the_criterion_with_its_numbers(story: Any) -> None:
    story.add(e.CriterionJudged("errors", e.Verdict.FAIL, "errors 7 %, limit 5 %", story.now))
    why = preview(story.state, "rollback", story.now).why_now
    assert why == ("Error rate exceeds 5%: errors 7 %, limit 5 %",)


def test_a_stopped_action_waits_for_a_choice(story: Any) -> None:
    story.do("2.1")
    story.add(e.ActionStarted("rollback", "rollback1", ("R1", "R2", "R5")))
    story.do("R1", e.Outcome.FAILED, action_run="rollback1")
    story.add(e.ActionStopped("rollback1", "R1", "exit 1"))
    assert next_move(story.state).kind == "blocked"
    assert permit(story.state, c.Decide("rollback1", e.Choice.RETRY)) == ""
    assert "required" in permit(story.state, c.Decide("rollback1", e.Choice.SKIP, "why not"))
    assert "no action waits" in permit(story.state, c.Decide("rollback2", e.Choice.STOP))


def test_a_manual_step_of_an_action_waits_for_a_person(story: Any) -> None:
    story.do("2.1")
    story.add(e.ActionStarted("rollback", "rollback1", ("R5",)))
    story.start("R5", action_run="rollback1", kind="manual")
    assert next_move(story.state) == Move("confirm", "R5")
    assert permit(story.state, c.RunStep("R5")) == ""


def test_a_command_without_a_rule_is_refused_and_every_command_has_one(story: Any) -> None:
    class Unruled:
        """A command that somebody added and forgot to give a rule."""

    said = permit(story.state, cast(c.Command, Unruled()))
    assert said == "no rule says whether Unruled may be carried out"
    kinds = set(get_args(c.Command))
    assert kinds == {*rules.RULES, *rules.WITHOUT_A_WINDOW}
