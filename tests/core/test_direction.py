"""After a rollback nothing goes forward until the operator says so by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.direction import Direction, direction, in_service
from optibid_console.gates import newly_due, waiting
from optibid_console.launch_clock import read_clock
from optibid_console.permit import permit
from optibid_console.plan import Move, next_move
from optibid_console.runbook.model import Action, Gate, Step, StepKind
from optibid_console.state import GateSeen, WindowState
from probes.probe import Seconds
from tests.core.conftest import Story, small_runbook

TO_MIGRATE = c.StartAction("migrate", "migrate")
FORWARD = c.StartAction("forward", "forward")
OWN = c.StartAction("cache", "cache")


@pytest.fixture
def story() -> Story:
    book = small_runbook()
    own = Step("C1", "Clear the cache", on="app-1", run="true")
    added = (
        Action("migrate", "Migrate", "m", uses=("2.1",)),
        Action("forward", "Forward again", "f6", uses=("1.2", "2.1")),
        Action("cache", "Clear the cache", "f9", steps=(own,)),
    )
    made = Story(replace(book, actions=(*book.actions, *added)))
    made.add(e.StepSkipped("1.1", "ran in CI"))
    made.add(e.FactRecorded("backup.path", "/b.dump"))
    made.do("1.2")
    made.do("2.1")
    return made


def begin_rollback(story: Story) -> None:
    story.add(e.ActionStarted("rollback", "rollback1", ("R1", "R2", "R5")), after_s=1.0)


def roll_back(story: Story) -> None:
    begin_rollback(story)
    for step_id in ("R1", "R2", "R5"):
        story.do(step_id, action_run="rollback1")
    story.add(e.ActionFinished("rollback1", e.Outcome.SUCCEEDED), after_s=1.0)


def stop_half_way(story: Story) -> None:
    begin_rollback(story)
    story.do("R1", e.Outcome.FAILED, action_run="rollback1")
    story.add(e.ActionStopped("rollback1", "R1", "exit 1"))
    story.add(e.ActionDecided("rollback1", e.Choice.STOP))
    story.add(e.ActionFinished("rollback1", e.Outcome.FAILED, "stopped at R1: wrong host"))


def too_late(story: Story) -> None:
    begin_rollback(story)
    story.add(e.ActionFinished("rollback1", e.Outcome.REFUSED, "recorded too late"))


@pytest.mark.parametrize(
    ("happened", "where", "kind"),
    [
        (lambda story: None, Direction.FORWARD, "confirm"),
        (begin_rollback, Direction.ROLLING_BACK, "wait"),
        (roll_back, Direction.ROLLED_BACK, "over"),
        (stop_half_way, Direction.INCOMPLETE, "blocked"),
        (too_late, Direction.FORWARD, "confirm"),
    ],
    ids=["no rollback", "under way", "succeeded", "stopped half-way", "never began"],
)
def test_where_the_window_heads(
    story: Story, happened: Callable[[Story], None], where: Direction, kind: str
) -> None:
    happened(story)
    assert direction(story.state) is where
    assert next_move(story.state).kind == kind


@pytest.mark.parametrize("happened", [roll_back, stop_half_way])
def test_nothing_goes_forward_until_it_is_typed(
    story: Story, happened: Callable[[Story], None]
) -> None:
    happened(story)
    for command in (c.RunStep("7.1"), TO_MIGRATE, c.Jump("7.1", "told so"), c.Jump("2.1", "x")):
        if happened is stop_half_way and command is TO_MIGRATE:
            continue  # 2.1 is still done: there is nothing to migrate
        assert "type 'forward'" in permit(story.state, command), command
    assert permit(story.state, c.GoForward("forwards")) == "type 'forward' to go forward again"
    assert permit(story.state, c.GoForward("forward")) == ""
    assert next_move(story.state).step_id == ""
    story.add(e.WentForward("rollback1", "the index was missing"))
    assert direction(story.state) is Direction.FORWARD
    assert permit(story.state, c.GoForward("forward")).startswith("no rollback stands")
    assert next_move(story.state).step_id in ("2.1", "7.1")


def test_what_is_no_step_forward_goes_on_after_a_rollback(story: Story) -> None:
    roll_back(story)
    for command in (
        OWN, FORWARD, c.Hold("x"), c.WriteNote("window", "calm"),
        c.CloseWindow("rolled back", "errors"),
    ):  # fmt: skip
        assert permit(story.state, command) == "", command
    assert permit(story.state, c.CloseWindow("completed")) == "not completed: rolled back"


def test_a_backup_may_be_made_after_a_rollback() -> None:
    book = small_runbook()
    first, *others = book.phases
    backup = Step("1.2", "Back up", kind=StepKind.BACKUP, database="optibid", on="app-1")
    read = Step("1.3", "Look", on="app-1", run="true", read_only=True)
    first = replace(first, steps=(first.steps[0], backup, read))
    story = Story(replace(book, phases=(first, *others)))
    story.add(e.FactRecorded("backup.path", "/b.dump"))
    story.do("2.1")
    roll_back(story)
    assert permit(story.state, c.RunStep("1.2")) == ""
    assert permit(story.state, c.StartAction("backup", "backup")) == ""
    assert "type 'forward'" in permit(story.state, c.RunStep("1.3"))
    story.finish(story.start("1.2", kind="backup"))
    assert direction(story.state) is Direction.ROLLED_BACK


def test_forward_is_under_way_with_its_first_step_and_not_before(story: Story) -> None:
    roll_back(story)
    story.add(e.ActionStarted("forward", "forward1", ("2.1",)))
    assert next_move(story.state) == Move("wait", why="forward is under way")
    story.add(e.ActionFinished("forward1", e.Outcome.REFUSED, "recorded too late"))
    assert direction(story.state) is Direction.ROLLED_BACK
    story.add(e.ActionStarted("forward", "forward2", ("2.1",)))
    story.do("2.1", e.Outcome.FAILED, action_run="forward2")
    story.add(e.ActionFinished("forward2", e.Outcome.FAILED))
    assert direction(story.state) is Direction.FORWARD


def test_a_journal_of_before_that_went_on_by_a_step_still_folds(story: Story) -> None:
    roll_back(story)
    story.do("2.1")
    assert direction(story.state) is Direction.FORWARD
    assert next_move(story.state).step_id == "7.1"


def test_a_rehearsed_rollback_ends_nothing(story: Story) -> None:
    opened = story.entries[0].fact
    assert isinstance(opened, e.WindowOpened)
    story.entries.clear()
    story.add(replace(opened, rehearsal=True))
    begin_rollback(story)
    story.do("R1", e.Outcome.REHEARSED, action_run="rollback1")
    story.add(e.ActionFinished("rollback1", e.Outcome.FAILED, "a finding"))
    assert direction(story.state) is Direction.FORWARD


def test_after_a_rollback_nothing_is_behind_the_plan(story: Story) -> None:
    late = story.now + 7200.0
    assert read_clock(story.state, late).drift_s > 0
    roll_back(story)
    assert read_clock(story.state, late).drift_s == 0


def test_the_release_in_service_is_named_as_the_facts_say(story: Story) -> None:
    roll_back(story)
    assert in_service(story.state) == "the previous release is in service"
    story.add(e.FactRecorded("previous.release", "v2.3.9"))
    assert in_service(story.state) == "the previous release v2.3.9 is in service"


def test_a_rollback_with_a_skipped_step_vouches_for_no_release(story: Story) -> None:
    begin_rollback(story)
    story.do("R1", action_run="rollback1")
    story.add(e.StepSkipped("R5", "later", "rollback1"))
    story.add(e.ActionFinished("rollback1", e.Outcome.SUCCEEDED))
    assert in_service(story.state) == "R5 was skipped, check which release is in service"


def test_no_gate_is_asked_and_none_times_out_after_a_rollback() -> None:
    book = small_runbook()
    gated = replace(book.phases[2], gate=Gate(second_person=True, timeout=Seconds(60)))
    story = Story(replace(book, phases=(*book.phases[:2], gated)))
    key = f"phase:{gated.id}"
    for step_id in ("1.1", "1.2", "2.1"):
        story.do(step_id)
    story.add(e.GateOpened(key, 60.0, "hold"))
    assert waiting(story.state, story.now) == (key,)

    def due(state: WindowState) -> set[str]:
        return {type(one).__name__ for one in newly_due(state, story.now + 600.0)}

    assert due(story.state) == {"GateTimedOut"}
    roll_back(story)
    assert waiting(story.state, story.now) == ()
    assert due(story.state) == set()
    story.add(e.WentForward("rollback1"))
    assert story.state.gates[key] == GateSeen(story.state.seq), "its time begins anew"
