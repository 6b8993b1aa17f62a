"""How long a rollback will take, and by what that is known, step by step."""

from __future__ import annotations

from dataclasses import replace

from optibid_console import entries as e
from optibid_console.estimate import estimate_s, expected
from optibid_console.plan import preview
from optibid_console.runbook.model import Step, StepKind
from probes.probe import Seconds
from tests.core.conftest import Story, small_runbook


def story() -> Story:
    """A window whose rollback stops (5 s expected), restores (40 s) and tells people (10 s)."""
    book = small_runbook()
    rollback = book.action("rollback")
    assert rollback is not None
    steps = tuple(
        replace(one, kind=StepKind.RESTORE, database="main") if one.id == "R2" else one
        for one in rollback.steps
    )
    migrate = replace(book.phases[1].steps[0], kind=StepKind.MIGRATE, database="main")
    phases = (book.phases[0], replace(book.phases[1], steps=(migrate,)), book.phases[2])
    actions = tuple(replace(one, steps=steps) if one.id == "rollback" else one
                    for one in book.actions)  # fmt: skip
    made = Story(replace(book, phases=phases, actions=actions))
    made.add(e.FactRecorded("backup.path", "/b.dump", "1.2"))
    backup = made.start("1.2")
    made.finish(backup)
    made.add(e.ArtifactRecorded("main", "database", "app-1", "/b.dump", 300_000_000, run_id=backup))
    made.start("2.1")
    return made


def rollback_of(made: Story) -> tuple[float, str]:
    shown = preview(made.state, "rollback", made.now)
    assert shown.estimate_s == estimate_s(made.state, made.state.runbook.action("rollback"))  # type: ignore[union-attr, arg-type]  # it has one
    return shown.estimate_s, shown.measured


def test_what_was_never_measured_is_as_the_runbook_expects_and_says_so() -> None:
    made = story()
    assert rollback_of(made) == (
        5 + 7 + 10,
        "R2 at most as long as this window's backup took; "
        "R1, R5 not measured, as the runbook expects",
    )


def test_earlier_windows_know_more_than_a_rehearsal_and_less_than_this_window() -> None:
    made = story()
    made.add(e.RehearsalMeasured("r1", 1_790_000_000.0, {"R1": 2.0, "R2": 99.0}))
    assert rollback_of(made)[0] == 2 + 7 + 10
    assert rollback_of(made)[1].startswith("R1 measured in rehearsal 2026-09-21 14:13Z; R2 at most")
    steps = {"R1": e.StepMeasured(3.0, 1), "R2": e.StepMeasured(20.0, 3, 10_000_000.0)}
    made.add(e.WindowsMeasured(("w3", "w2", "w1"), 1_790_000_000.0, steps))
    assert rollback_of(made) == (
        3 + 30 + 10,
        "R1 measured in one earlier window; "
        "R2 for 300 MB at the rate of 3 earlier windows, median; "
        "R5 not measured, as the runbook expects",
    )
    made.add(e.ActionStarted("rollback", "rollback1", ("R1", "R2", "R5")))
    made.do("R1", action_run="rollback1")
    assert rollback_of(made)[0] == 7 + 30 + 10
    assert rollback_of(made)[1].startswith("R1 measured in this window; R2 for 300 MB")


def test_without_a_rate_a_restore_takes_what_it_took() -> None:
    made = story()
    made.add(e.WindowsMeasured(("w1",), 1.0, {"R2": e.StepMeasured(20.0, 2)}))
    step = made.state.runbook.step("R2") if made.state.runbook else None
    assert step is not None
    assert expected(made.state, step).seconds == 20.0
    assert expected(made.state, step).known_by == "measured in 2 earlier windows, median"


def test_a_person_is_never_measured() -> None:
    made = story()
    made.add(e.ActionStarted("rollback", "r1", ("R5",)))
    run_id = made.start("R5", action_run="r1", kind="manual")
    made.finish(run_id)
    step = Step("R5", "Tell people", kind=StepKind.MANUAL, expect_duration=Seconds(10))
    assert expected(made.state, step).seconds == 10.0
