"""Forward again: what a rollback undid is done once more, and can be undone once more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.permit import permit
from optibid_console.plan import next_move, preview
from optibid_console.runbook.model import Action, Step, StepKind
from optibid_console.state import StepStatus
from tests.core.conftest import Story, small_runbook

ROLLBACK = c.StartAction("rollback", "rollback")
FORWARD = c.StartAction("forward", "forward")


@pytest.fixture
def story() -> Story:
    book = small_runbook()
    forward = Action("forward", "Forward again", "f6", uses=("1.2", "2.1"))
    made = Story(replace(book, actions=(*book.actions, forward)))
    made.add(e.StepSkipped("1.1", "ran in CI"))
    made.add(e.FactRecorded("backup.path", "/b.dump"))
    made.do("1.2")
    made.do("2.1")
    return made


def roll_back(story: Story, number: int, *, skipped: str = "") -> None:
    assert permit(story.state, ROLLBACK) == ""
    run = f"rollback{number}"
    story.add(e.ActionStarted("rollback", run, ("R1", "R2", "R5")), after_s=1.0)
    for step_id in ("R1", "R2", "R5"):
        if step_id == skipped:
            story.add(e.StepSkipped(step_id, "x", run))
        else:
            story.do(step_id, action_run=run)
    story.add(e.ActionFinished(run, e.Outcome.SUCCEEDED), after_s=1.0)


def go_forward(story: Story, number: int, outcome: e.Outcome = e.Outcome.SUCCEEDED) -> None:
    assert permit(story.state, FORWARD) == ""
    run = f"forward{number}"
    story.add(e.ActionStarted("forward", run, ("2.1",)), after_s=1.0)
    story.do("2.1", outcome, action_run=run)
    story.add(e.ActionFinished(run, outcome), after_s=1.0)


def test_without_a_rollback_there_is_nothing_to_do_again(story: Story) -> None:
    assert permit(story.state, FORWARD) == ("there is nothing to do: no rollback has undone it")


def test_a_rollback_that_succeeded_opens_what_it_undid_and_nothing_else(story: Story) -> None:
    roll_back(story, 1)
    undone = story.state.step("2.1")
    assert (undone.status, undone.undone_by) == (StepStatus.UNDONE, "rollback1")
    assert story.state.step("1.2").status is StepStatus.DONE
    assert next_move(story.state).kind == "over"
    assert permit(story.state, c.CloseWindow("completed")) == "not completed: rolled back"


def test_forward_does_what_was_undone_and_nothing_else(story: Story) -> None:
    roll_back(story, 1)
    shown = {one.step_id: one for one in preview(story.state, "forward", story.now).steps}
    assert not shown["1.2"].included
    assert (shown["2.1"].included, shown["2.1"].because) == (True, "undone by rollback1")


def test_back_forward_and_back_again(story: Story) -> None:
    roll_back(story, 1)
    assert "nothing to do" in permit(story.state, ROLLBACK)
    go_forward(story, 1)
    assert story.state.step("2.1").status is StepStatus.DONE
    assert permit(story.state, FORWARD) == "there is nothing to do: no rollback has undone it"
    roll_back(story, 2)
    assert story.state.step("2.1").undone_by == "rollback2"
    go_forward(story, 2)


def test_a_forward_that_failed_can_be_tried_again_and_rolled_back(story: Story) -> None:
    roll_back(story, 1)
    go_forward(story, 1, e.Outcome.FAILED)
    assert permit(story.state, FORWARD) == ""
    assert permit(story.state, ROLLBACK) == ""


def test_a_skipped_step_of_a_rollback_has_undone_nothing(story: Story) -> None:
    roll_back(story, 1, skipped="R2")
    assert story.state.step("2.1").status is StepStatus.DONE


def test_a_rollback_that_failed_has_undone_nothing(story: Story) -> None:
    story.add(e.ActionStarted("rollback", "rollback1", ("R1", "R2", "R5")))
    story.do("R2", action_run="rollback1")
    story.add(e.ActionFinished("rollback1", e.Outcome.FAILED, "stopped at R5"))
    assert story.state.step("2.1").status is StepStatus.DONE
    assert permit(story.state, ROLLBACK) == ""


def judged(*uses: str) -> Story:
    """A window whose release is looked at by a wait, by a read and by a person."""
    book = small_runbook()
    look = (
        Step("2.0", "Look before", on="app-1", run="true", read_only=True),
        Step("2.1", "Migrate", on="app-1", run="psql"),
        Step("2.2", "Wait until healthy", kind=StepKind.WAIT, wait_for=("health",)),
        Step("2.3", "Read the version", on="app-1", run="true", read_only=True, record="ran"),
        Step("2.4", "Read the log", on="app-1", run="true", read_only=True, required=False),
    )
    phases = (book.phases[0], replace(book.phases[1], steps=look), book.phases[2])
    forward = Action("forward", "Forward again", "f6", uses=uses)
    made = Story(replace(book, phases=phases, actions=(*book.actions, forward)))
    made.add(e.StepSkipped("1.1", "ran in CI"))
    made.add(e.FactRecorded("backup.path", "/b.dump"))
    for step_id in ("1.2", "2.0", "2.1", "2.2", "2.3", "2.4", "7.1"):
        made.do(step_id)
    roll_back(made, 1)
    return made


def test_what_only_looked_at_what_was_undone_is_open_again() -> None:
    state = judged("2.1").state
    undone = [one for one in state.steps if state.step(one).status is StepStatus.UNDONE]
    assert sorted(undone) == ["2.1", "2.2", "2.4"]


def test_forward_waits_and_judges_as_the_deployment_did() -> None:
    story = judged("2.1", "2.2")
    shown = preview(story.state, "forward", story.now).steps
    assert [one.step_id for one in shown if one.included] == ["2.1", "2.2"]


def test_a_clock_that_is_set_back_hides_nothing_from_a_rollback(story: Story) -> None:
    roll_back(story, 1)
    story.now -= 3600.0
    go_forward(story, 1)
    assert permit(story.state, ROLLBACK) == ""


def test_a_step_that_a_jump_had_opened_again_is_undone_too(story: Story) -> None:
    story.add(e.Jumped("2.1", "again", again=("2.1",)))
    roll_back(story, 1)
    assert story.state.step("2.1").status is StepStatus.UNDONE
