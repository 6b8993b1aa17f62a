from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from optibid_console import entries as e
from optibid_console.state import FOLDS, StepStatus, WindowState, fold
from probes.probe import Reading, Status


def test_every_kind_of_fact_is_folded() -> None:
    assert set(FOLDS) == set(e.FACTS.values())


def test_a_step_goes_from_running_to_done(story: Any) -> None:
    run_id = story.start("1.2")
    assert story.state.step("1.2").status is StepStatus.RUNNING
    assert [run.run_id for run in story.state.active_runs()] == [run_id]
    story.add(e.RunEnded(run_id, e.Outcome.SUCCEEDED, "exit 0", 0))
    assert story.state.step("1.2").status is StepStatus.CHECKING
    story.add(e.StepFinished("1.2", run_id, e.Outcome.SUCCEEDED))
    assert story.state.step("1.2").status is StepStatus.DONE
    assert story.state.active_runs() == ()


def test_a_lost_connection_is_not_a_failure(story: Any) -> None:
    run_id = story.start("1.2")
    story.add(e.RunUnreachable(run_id, "app-1: connection lost"))
    assert story.state.step("1.2").status is StepStatus.UNKNOWN
    assert story.state.runs[run_id].unreachable == "app-1: connection lost"
    story.add(e.RunLaunched(run_id, attached=True))
    assert story.state.step("1.2").status is StepStatus.RUNNING


def test_a_late_result_changes_nothing(story: Any) -> None:
    run_id = story.start("1.2")
    story.finish(run_id, e.Outcome.ABORTED)
    story.add(e.RunEnded(run_id, e.Outcome.SUCCEEDED, "exit 0", 0))
    story.add(e.StepFinished("1.2", run_id, e.Outcome.SUCCEEDED))
    assert story.state.step("1.2").status is StepStatus.FAILED
    assert story.state.step("1.2").outcome is e.Outcome.ABORTED


def test_an_old_attempt_does_not_finish_the_new_one(story: Any) -> None:
    old = story.start("1.2")
    story.finish(old, e.Outcome.FAILED)
    new = story.start("1.2")
    story.add(e.StepFinished("1.2", old, e.Outcome.SUCCEEDED))
    assert story.state.step("1.2").run_id == new
    assert story.state.step("1.2").status is StepStatus.RUNNING


def test_an_action_keeps_its_steps_apart_from_earlier_ones(story: Any) -> None:
    story.add(e.ActionStarted("rollback", "rollback1", ("R1",)))
    story.do("R1", action_run="rollback1")
    story.add(e.ActionFinished("rollback1", e.Outcome.SUCCEEDED))
    story.add(e.ActionStarted("rollback", "rollback2", ("R1",)))
    assert story.state.step("R1", "rollback1").status is StepStatus.DONE
    assert story.state.step("R1", "rollback2").status is StepStatus.PENDING


def test_an_action_that_uses_a_phases_step_moves_that_step(story: Any) -> None:
    story.add(e.ActionStarted("backup", "backup1", ("1.2",)))
    story.do("1.2", action_run="backup1")
    assert story.state.step("1.2").status is StepStatus.DONE


def test_a_hold_shifts_t0_by_its_length(story: Any) -> None:
    t0 = story.state.t0
    story.add(e.Held("waiting for the DBA"))
    assert story.state.hold is not None
    story.add(e.Resumed(90.0), after_s=90.0)
    assert story.state.hold is None
    assert story.state.t0 == t0 + 90.0
    assert story.state.held_s == 90.0


def test_a_fact_knows_when_it_was_recorded(story: Any) -> None:
    story.add(e.FactRecorded("backup.path", "/b.dump", "1.2"))
    assert story.state.facts["backup.path"] == "/b.dump"
    assert story.state.facts["backup.path.at"].endswith("Z")


def test_somebody_elses_leaving_does_not_end_the_lease(story: Any) -> None:
    story.add(e.OperatorTook("oncall-1", 1))
    story.add(e.OperatorLeft("oncall-2", "connection lost"))
    assert story.state.operator == "oncall-1"
    story.add(e.OperatorLeft("oncall-1", "handed over"))
    assert story.state.operator == ""


def test_panels_and_probes_are_kept_apart(story: Any) -> None:
    story.add(e.ProbeChanged(Reading("errors", Status.OK, "", 1.0, 1.0), "panel"))
    assert "errors" in story.state.panels
    assert "errors" not in story.state.readings


RUN_FACTS = st.sampled_from(
    [
        e.StepStarted("1.2", "r1", 1, "run"),
        e.StepStarted("1.2", "r2", 2, "run"),
        e.StepStarted("R1", "r3", 1, "run", action_run="rollback1"),
        e.RunLaunched("r1"), e.RunLaunched("r2", attached=True),
        e.RunUnreachable("r1", "lost"), e.RunUnreachable("r2", "lost"),
        e.RunEnded("r1", e.Outcome.SUCCEEDED, ""), e.RunEnded("r2", e.Outcome.FAILED, ""),
        e.RunEnded("r3", e.Outcome.ABORTED, ""),
        e.StepFinished("1.2", "r1", e.Outcome.SUCCEEDED),
        e.StepFinished("1.2", "r2", e.Outcome.FAILED),
        e.RunEnded("r1", e.Outcome.UNKNOWN, "gone"), e.StepFinished("1.2", "r1", e.Outcome.UNKNOWN),
        e.StepSettled("1.2", "r1", e.Outcome.SUCCEEDED, "seen"),
        e.StepSettled("1.2", "r1", e.Outcome.UNKNOWN, "no answer"),
        e.StepFinished("R1", "r3", e.Outcome.ABORTED),
        e.StepSkipped("1.1", "no tests tonight"), e.AbortAsked("r1"),
        e.ActionStarted("rollback", "rollback1", ("R1",)),
        e.ActionStopped("rollback1", "R1", "exit 1"),
        e.ActionFinished("rollback1", e.Outcome.SUCCEEDED),
    ]
)  # fmt: skip


@given(st.lists(RUN_FACTS, max_size=40))
def test_no_order_of_facts_breaks_the_fold(facts: list[e.Fact]) -> None:
    state = WindowState()
    for seq, fact in enumerate(facts, 1):
        before = state
        state = state.apply(e.seal(seq, float(seq), 0.0, "console", fact, state.head))
        assert before is not state
        for key, step in state.steps.items():
            finished = step.status in (StepStatus.DONE, StepStatus.FAILED, StepStatus.UNSETTLED)
            assert finished == (step.outcome is not None) or step.status is StepStatus.SKIPPED, key
        assert state.action_run == "" or state.actions[state.action_run].finished_at == 0.0


def test_folding_in_two_parts_is_folding_at_once(story: Any) -> None:
    story.do("1.1")
    story.do("1.2")
    half = fold(story.entries[:3])
    assert fold(story.entries[3:], half) == fold(story.entries)
