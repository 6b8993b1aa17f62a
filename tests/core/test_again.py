"""When a backup of the window is made once more, and what it is confirmed with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.again import again_steps, words_of
from optibid_console.database.measures import Cost
from optibid_console.entries import Outcome
from optibid_console.permit import permit
from optibid_console.plan import preview
from optibid_console.runbook.model import Action, Phase, Step, StepKind
from optibid_console.state import StepStatus
from probes.probe import Seconds
from tests.core.conftest import Story, small_runbook

BACKUP = Action("backup", "Back up", "b", uses=("1.1", "1.2", "1.3"))


@pytest.fixture
def story() -> Story:
    """A note, a dump and the configuration's backup; a migration that a rollback undoes."""
    steps = (
        Step("1.1", "Note what runs", on="app-1", run="x"),
        Step("1.2", "Dump", on="app-1", kind=StepKind.BACKUP, database="main", run="x"),
        Step("1.3", "Keep the configuration", on="app-1", run="x", again=True),
        Step("2.1", "Migrate", on="app-1", kind=StepKind.MIGRATE, database="main", run="x"),
    )
    rollback = Action("rollback", "Rollback", steps=(Step("R1", "Back", on="app-1", run="x",
                                                          undoes=("2.1",)),))  # fmt: skip
    phases = (Phase("p", "Prepare", Seconds(-60), steps=steps),)
    return Story(replace(small_runbook(), phases=phases, actions=(BACKUP, rollback)))


def test_it_is_once_more_what_copies_and_nothing_else(story: Story) -> None:
    for one in ("1.1", "1.2"):
        story.do(one)
    assert again_steps(story.state, BACKUP) == ()  # the first isn't whole yet
    story.do("1.3")
    assert again_steps(story.state, BACKUP) == ("1.2", "1.3")
    assert words_of(story.state, BACKUP) == "backup again"
    assert permit(story.state, c.StartAction("backup", "backup again")) == ""
    why = permit(story.state, c.StartAction("backup", "backup"))
    assert why == "type 'backup again' to confirm it"


def test_a_refused_migration_has_begun_nothing(story: Story) -> None:
    for one in ("1.1", "1.2", "1.3"):
        story.do(one)
    story.do("2.1", Outcome.REFUSED)
    assert again_steps(story.state, BACKUP) == ("1.2", "1.3")
    story.do("2.1", Outcome.FAILED)
    assert again_steps(story.state, BACKUP) == ()
    why = permit(story.state, c.StartAction("backup", "backup"))
    assert "2.1 was begun since" in why


def test_it_is_offered_where_a_migration_begins(story: Story) -> None:
    migrate = Action("migrate", "Migrate", "m", uses=("2.1",))
    book = story.state.runbook
    assert book is not None
    story = Story(replace(book, actions=(*book.actions, migrate)))
    story.do("1.1")
    story.do("1.2")
    story.add(e.ArtifactRecorded("main", "database", "app-1", "/b.dump", step_id="1.2"))
    made = story.now
    story.do("1.3")
    cost = Cost("main", made, made + 2500, 1284, 38_000_000)
    assert preview(story.state, "migrate", made + 30, {"main": cost}).costs == ()
    assert preview(story.state, "migrate", made + 2580, {"main": cost}).costs == (
        "main: the backup is 43:00 old, going back loses 1,284 transactions and 38 MB of WAL; b "
        "makes a second one beside it",
    )
    story.do("2.1", Outcome.FAILED)
    assert preview(story.state, "migrate", made + 2580, {"main": cost}).costs == ()


def test_what_is_under_way_again_is_open_and_comes_back_as_it_was(story: Story) -> None:
    for one in ("1.1", "1.2", "1.3"):
        story.do(one)
    story.add(e.ActionStarted("backup", "backup1", ("1.2", "1.3"), again=("1.2", "1.3")))
    assert story.state.step("1.2").status is StepStatus.PENDING
    story.do("1.2", action_run="backup1")
    story.do("1.3", Outcome.FAILED, action_run="backup1")
    assert story.state.step("1.3").status is StepStatus.FAILED
    story.add(e.ActionFinished("backup1", Outcome.FAILED))
    assert story.state.step("1.2").status is StepStatus.DONE
    assert story.state.step("1.2").attempt == 1
    assert story.state.step("1.3").status is StepStatus.DONE
    assert story.state.step("1.3").reason.startswith("once more: ")
    assert again_steps(story.state, BACKUP) == ("1.2", "1.3")
