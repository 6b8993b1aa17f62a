from __future__ import annotations

from dataclasses import replace
from typing import Any

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.jumping import Route, in_words, route
from optibid_console.permit import permit
from optibid_console.plan import next_move, preview
from optibid_console.state import StepStatus
from tests.core.conftest import Story


def jump(story: Story, step_id: str, reason: str = "told so") -> Route:
    assert permit(story.state, c.Jump(step_id, reason)) == ""
    way = route(story.state, step_id)
    story.add(e.Jumped(step_id, reason, way.skipped, way.again, way.kept))
    return way


def test_a_jump_ahead_skips_what_is_not_required_with_the_reason(story: Any) -> None:
    assert jump(story, "1.2", "tests ran in CI") == Route(skipped=("1.1",))
    skipped = story.state.step("1.1")
    assert skipped.status is StepStatus.SKIPPED
    assert (skipped.reason, skipped.by) == ("jumped to 1.2: tests ran in CI", "oncall-1")
    assert next_move(story.state).step_id == "1.2"


def test_a_required_step_in_the_way_is_named(story: Any) -> None:
    assert permit(story.state, c.Jump("7.1", "hurry")) == (
        "1.2 Back up and 1 more required step come first"
    )


def test_what_a_jump_needs(story: Any) -> None:
    assert permit(story.state, c.Jump("1.2", " ")) == "a jump needs a reason"
    assert "no step '9'" in permit(story.state, c.Jump("9", "x"))
    assert "where the window is already" in permit(story.state, c.Jump("1.1", "x"))
    story.start("1.1")
    assert "under way" in permit(story.state, c.Jump("1.2", "x"))


def test_a_jump_back_opens_steps_again_and_a_jump_ahead_leaves_them_as_they_were(
    story: Any,
) -> None:
    for step_id in ("1.1", "1.2", "2.1"):
        story.do(step_id)
    before = story.state.step("2.1")
    way = jump(story, "1.2", "the backup was of the wrong database")
    assert way == Route(again=("1.2", "2.1"))
    assert story.state.step("1.2").status is StepStatus.PENDING
    assert story.state.step("1.2").reason == "again: the backup was of the wrong database"
    assert next_move(story.state).step_id == "1.2"
    story.do("1.2")
    assert next_move(story.state).step_id == "2.1"
    assert jump(story, "7.1", "the migration stands") == Route(kept=("2.1",))
    assert story.state.step("2.1") == before
    assert next_move(story.state).step_id == "7.1"


def test_a_step_that_failed_the_second_time_is_in_the_way(story: Any) -> None:
    for step_id in ("1.1", "1.2", "2.1"):
        story.do(step_id)
    jump(story, "2.1")
    story.do("2.1", e.Outcome.FAILED)
    assert "2.1 Migrate" in permit(story.state, c.Jump("7.1", "hurry"))


def test_what_was_opened_again_is_still_undone_by_a_rollback(story: Any) -> None:
    story.add(e.FactRecorded("backup.path", "/b.dump"))
    for step_id in ("1.1", "1.2", "2.1"):
        story.do(step_id)
    jump(story, "2.1")
    shown = preview(story.state, "rollback", story.now)
    assert [one.step_id for one in shown.steps if one.included] == ["R1", "R2", "R5"]


def test_in_a_rehearsal_a_required_step_can_be_jumped_over(story: Any) -> None:
    state = replace(story.state, rehearsal=True)
    assert route(state, "2.1") == Route(skipped=("1.1", "1.2"))


def test_a_route_in_words() -> None:
    assert in_words(Route(skipped=("1.1", "1.3"), kept=("2.1",))) == (
        "1.1, 1.3 skipped; 2.1 left as before"
    )
