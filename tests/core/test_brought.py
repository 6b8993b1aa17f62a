"""What a probe says after a rollback: what was meant is neither red nor green."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optibid_console import entries as e
from optibid_console.brought import meant, meant_words
from optibid_console.database.kept import Kept
from optibid_console.entries import Outcome
from optibid_console.kept import kept_lines
from optibid_console.runbook.model import Action, DatabaseSpec, Phase, ProbeSpec, Step, StepKind
from probes.probe import Reading, Seconds, Status
from tests.core.conftest import Story, small_runbook

KEPT = "optibid_failed_20270115_080000"
DATABASE = DatabaseSpec("main", "app-1", "optibid", "${DB_USER}", port=5433, bin="/opt/pg/bin")


@pytest.fixture
def story() -> Story:
    """A migration, and a rollback that restores its database."""
    book = small_runbook()
    migrate = Step("2m", "Migrate", on="app-1", kind=StepKind.MIGRATE, database="main", run="m")
    restore = Step("R2", "Restore", on="app-1", kind=StepKind.RESTORE, database="main", run="r",
                   undoes=("2m",))  # fmt: skip
    start = Step("R3", "Start", on="app-1", run="s", undoes=("2m",))
    return Story(
        replace(
            book,
            phases=(Phase("db", "Migrate", Seconds(-1800), steps=(migrate,)),),
            actions=(Action("rollback", "Rollback", "R", steps=(restore, start)),),
            probes={"applied": ProbeSpec("applied", "postgres", brought_by=("2m",))},
            databases={"main": DATABASE},
        )
    )


def reading(story: Story, status: Status, *, ago_s: float = 0.0, away: bool = False) -> Reading:
    return Reading("applied", status, "not there", story.now - ago_s, 1.0, away=away)


def rolled_back(story: Story, *, whole: bool = True) -> None:
    """The migration, then a rollback, which fails after its restore unless it is `whole`."""
    story.do("2m", kind="migrate")
    story.add(e.ActionStarted("rollback1", "rollback", ("R2", "R3")), after_s=60)
    run = story.start("R2", action_run="rollback1", kind="restore")
    story.add(e.DatabaseRestored("main", run, "/a.dump", KEPT))
    story.finish(run)
    story.do("R3", Outcome.SUCCEEDED if whole else Outcome.FAILED, action_run="rollback1")
    outcome = Outcome.SUCCEEDED if whole else Outcome.FAILED
    story.add(e.ActionFinished("rollback1", outcome), after_s=5)


def test_before_a_rollback_every_reading_is_what_it_says(story: Story) -> None:
    assert meant(story.state, reading(story, Status.FAILING)) is None
    story.do("2m", kind="migrate")
    assert meant(story.state, reading(story, Status.FAILING)) is None


@pytest.mark.parametrize("whole", [True, False])
def test_after_it_what_isn_t_found_was_meant(story: Story, whole: bool) -> None:
    rolled_back(story, whole=whole)
    failing = reading(story, Status.FAILING)
    gone = meant(story.state, failing)
    assert gone is not None
    assert meant_words(gone, failing) == "rolled back (2m): not there"
    assert meant(story.state, reading(story, Status.WARN)) is not None


def test_what_was_read_before_it_is_no_green(story: Story) -> None:
    rolled_back(story)
    old = reading(story, Status.OK, ago_s=30)
    gone = meant(story.state, old)
    assert gone is not None
    assert meant_words(gone, old) == "rolled back (2m); not read since"
    assert meant(story.state, reading(story, Status.OK)) is None


def test_no_answer_is_never_what_was_meant(story: Story) -> None:
    rolled_back(story)
    assert meant(story.state, reading(story, Status.ERROR)) is None
    assert meant(story.state, reading(story, Status.FAILING, away=True)) is None
    other = replace(reading(story, Status.FAILING), probe="health")
    assert meant(story.state, other) is None


def test_forward_again_it_is_expected_again(story: Story) -> None:
    rolled_back(story)
    story.add(e.WentForward("rollback1", ""))
    assert meant(story.state, reading(story, Status.FAILING)) is not None
    story.start("2m", kind="migrate")
    assert meant(story.state, reading(story, Status.FAILING)) is None


def test_a_kept_database_is_listed_with_its_size_its_age_and_how_it_goes(story: Story) -> None:
    story.add(e.KeptRead("main", (Kept(KEPT, 1_204_000_000), Kept("odd_failed_x", None))))
    at = Kept(KEPT, None).at
    drop = '/opt/pg/bin/dropdb --host=127.0.0.1 --port=5433 --username="${DB_USER}"'
    assert kept_lines(story.state, at + 3 * 3600) == (
        f"{KEPT} on app-1: 1.2 GB, kept for 3:00:00; drop it: {drop} {KEPT}",
        f"odd_failed_x on app-1: size unknown; drop it: {drop} odd_failed_x",
    )
