from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.gates import (
    SECOND_PERSON,
    GateState,
    Standing,
    hold_reason,
    judge,
    newly_due,
)
from optibid_console.permit import permit
from optibid_console.plan import next_move
from optibid_console.runbook.model import Gate, Runbook
from probes.probe import Seconds
from tests.core.conftest import Story, small_runbook

MIGRATE = "phase:migrate"
BACKUP = "action:backup"


def gated(gate: Gate, *, on_backup: bool = False) -> Story:
    """A window whose second phase (or whose backup) has this gate, its first phase over."""
    book = small_runbook()
    phases = tuple(
        replace(one, gate=gate) if one.id == "migrate" and not on_backup else one
        for one in book.phases
    )
    actions = tuple(
        replace(one, gate=gate) if one.id == "backup" and on_backup else one for one in book.actions
    )
    story = Story(replace(book, phases=phases, actions=actions))
    story.add(e.OperatorTook("oncall-1", 1))
    if not on_backup:
        story.add(e.StepSkipped("1.1", "ran in CI"))
        story.add(e.FactRecorded("backup.path", "/b.dump", "1.2"))
        story.do("1.2")
    return story


def at(story: Story, key: str = MIGRATE) -> GateState:
    return judge(story.state, _book(story), key, story.now)


def _book(story: Story) -> Runbook:
    runbook = story.state.runbook
    assert runbook is not None
    return runbook


def look(story: Story) -> list[e.Fact]:
    """What the engine would record by itself now, and the hold that follows from it."""
    due = list(newly_due(story.state, story.now))
    for fact in due:
        story.add(fact, "console")
        if reason := hold_reason(story.state, _book(story), fact):
            story.add(e.Held(reason), "console")
    return due


def poll(story: Story, *roles: str, key: str = MIGRATE) -> str:
    poll_id = f"poll{len(story.state.polls) + 1}"
    story.add(e.PollCalled(poll_id, "go?", roles, key))
    return poll_id


SIGNOFFS = Gate(signoffs=("Engineering Lead", "QA Lead"))


def test_a_phase_without_its_signoffs_does_not_begin() -> None:
    story = gated(SIGNOFFS)
    why_not = permit(story.state, c.RunStep("2.1"))
    assert why_not == (
        "the gate of Database migration waits for Engineering Lead's go, QA Lead's go; press g"
    )
    assert next_move(story.state).kind == "blocked"
    poll_id = poll(story, "Engineering Lead", "QA Lead")
    story.add(e.VoteCast(poll_id, "Engineering Lead", e.Vote.GO))
    assert at(story).missing == ("QA Lead's go",)
    story.add(e.VoteCast(poll_id, "QA Lead", e.Vote.GO))
    assert at(story).standing is Standing.OPEN
    assert [one.partition(" at ")[0] for one in at(story).grounds] == [
        "Engineering Lead go", "QA Lead go",
    ]  # fmt: skip
    assert permit(story.state, c.RunStep("2.1")) == ""


def test_a_no_go_refuses_until_it_is_asked_anew() -> None:
    story = gated(SIGNOFFS)
    poll_id = poll(story, "Engineering Lead", "QA Lead")
    said = e.VoteCast(poll_id, "QA Lead", e.Vote.NO_GO, "the load test failed")
    story.add(said)
    reason = "QA Lead says no-go for Database migration: the load test failed"
    assert hold_reason(story.state, _book(story), said) == reason
    assert at(story).standing is Standing.REFUSED
    assert "the load test failed" in permit(story.state, c.RunStep("2.1"))
    story.add(e.PollClosed(poll_id, "no-go"))
    assert permit(story.state, c.OpenGate(MIGRATE)) == ""
    story.add(e.GateOpened(MIGRATE))
    assert at(story).missing == ("Engineering Lead's go", "QA Lead's go")


def test_votes_of_a_poll_about_something_else_count_for_nothing() -> None:
    story = gated(Gate(signoffs=("QA Lead",)))
    poll_id = poll(story, "QA Lead", key="")
    story.add(e.VoteCast(poll_id, "QA Lead", e.Vote.GO))
    assert at(story).standing is Standing.WAITING


def test_the_operator_is_no_second_person() -> None:
    story = gated(Gate(second_person=True))
    assert permit(story.state, c.ConfirmGate(MIGRATE)).endswith("isn't asked yet")
    assert look(story) == [e.GateOpened(MIGRATE)]
    story.add(e.GateConfirmed(MIGRATE), "Oncall-1 ")
    assert at(story).missing == (SECOND_PERSON,)
    story.add(e.GateConfirmed(MIGRATE, "I looked"), "oncall-2")
    assert at(story).standing is Standing.OPEN
    story.add(e.OperatorTook("oncall-2", 2))
    assert at(story).waits_for_person is False, "the first one's confirmation counts now"
    story.add(e.GateOpened(MIGRATE))
    story.add(e.GateConfirmed(MIGRATE), "oncall-2")
    assert at(story).waits_for_person, "who confirmed has taken over: nobody else has"


@pytest.mark.parametrize(
    ("verdict", "opens"),
    [(None, False), (e.Verdict.PASS, True), (e.Verdict.FAIL, False),
     (e.Verdict.INCONCLUSIVE, False), (e.Verdict.ERROR, False)],
)  # fmt: skip
def test_only_a_pass_passes(verdict: e.Verdict | None, opens: bool) -> None:
    story = gated(Gate(criteria=("errors",)))
    if verdict is not None:
        story.add(e.CriterionJudged("errors", verdict, "errors 0.4 %", story.now))
    assert (at(story).standing is Standing.OPEN) == opens
    if not opens:
        assert "“Error rate exceeds 5%” to pass" in permit(story.state, c.RunStep("2.1"))


def test_all_criteria_are_those_that_can_be_judged_by_then() -> None:
    story = gated(Gate(criteria="all"))
    book = _book(story)
    late = replace(book.criteria[0], id="late", active_from="migrate")
    story = gated(Gate(criteria="all"))
    book = replace(book, criteria=(*book.criteria, late))
    assert len(judge(story.state, book, MIGRATE, story.now).missing) == 2


@pytest.mark.parametrize(
    ("means", "standing", "held"),
    [("hold", Standing.TIMED_OUT, True), ("no-go", Standing.REFUSED, True),
     ("ask", Standing.TIMED_OUT, False)],
)  # fmt: skip
def test_a_timeout_means_what_the_gate_says(means: Any, standing: Standing, held: bool) -> None:
    story = gated(Gate(signoffs=("QA Lead",), timeout=Seconds(900), on_timeout=means))
    assert look(story) == [e.GateOpened(MIGRATE, 900.0, means)]
    assert look(story) == []
    story.now += 899.0
    assert look(story) == []
    assert at(story).left_s == 1.0
    story.now += 1.0
    assert look(story) == [e.GateTimedOut(MIGRATE, means, ("QA Lead's go",))]
    assert at(story).standing is standing
    assert (story.state.hold is not None) == held
    if held:
        assert story.state.hold is not None
        assert story.state.hold.reason == (
            "the gate of Database migration timed out, without QA Lead's go"
        )
        story.add(e.Resumed(1.0))
    poll_id = poll(story, "QA Lead")
    story.add(e.VoteCast(poll_id, "QA Lead", e.Vote.GO))
    assert (permit(story.state, c.RunStep("2.1")) == "") == (means != "no-go")
    assert look(story) == []


def test_a_hold_stops_a_gates_clock() -> None:
    story = gated(Gate(signoffs=("QA Lead",), timeout=Seconds(900), on_timeout="no-go"))
    look(story)
    story.now += 600.0
    story.add(e.Held("fire alarm"))
    story.now += 3000.0
    assert look(story) == []
    story.add(e.Resumed(3000.0))
    assert at(story).left_s == 300.0


@pytest.mark.parametrize(
    ("decision", "standing"),
    [("wait", Standing.WAITING), ("go", Standing.OPEN), ("no-go", Standing.REFUSED)],
)
def test_a_timeout_that_asks_is_answered_with_a_reason(decision: str, standing: Standing) -> None:
    story = gated(Gate(signoffs=("QA Lead",), timeout=Seconds(900), on_timeout="ask"))
    look(story)
    answer = c.DecideGate(MIGRATE, decision, "QA is on a plane")
    assert "nothing to decide" in permit(story.state, answer)
    story.now += 900.0
    look(story)
    assert permit(story.state, replace(answer, reason=" ")) == "say why"
    assert "no decision" in permit(story.state, replace(answer, decision="maybe"))
    assert permit(story.state, answer) == ""
    story.add(e.GateDecided(MIGRATE, decision, "QA is on a plane"))
    assert at(story).standing is standing
    if decision == "go":
        assert at(story).grounds == ("oncall-1 goes without QA Lead's go: QA is on a plane",)
    assert (at(story).left_s == 900.0) == (decision == "wait")


def test_a_no_go_outranks_a_decision_to_go() -> None:
    story = gated(
        Gate(signoffs=("QA Lead", "Engineering Lead"), timeout=Seconds(9), on_timeout="ask")
    )
    look(story)
    poll_id = poll(story, "QA Lead", "Engineering Lead")
    story.now += 9.0
    look(story)
    story.add(e.GateDecided(MIGRATE, "go", "late"))
    assert at(story).standing is Standing.OPEN
    story.add(e.VoteCast(poll_id, "QA Lead", e.Vote.NO_GO, "stop"))
    assert at(story).standing is Standing.REFUSED


def test_a_passed_phase_is_not_asked_again_until_it_is_undone_or_jumped_back_to() -> None:
    story = gated(Gate(signoffs=("QA Lead",)))
    look(story)
    poll_id = poll(story, "QA Lead")
    story.add(e.VoteCast(poll_id, "QA Lead", e.Vote.GO))
    story.add(e.GatePassed(MIGRATE, at(story).grounds))
    story.add(e.VoteCast(poll_id, "QA Lead", e.Vote.NO_GO, "too late"))
    assert at(story).standing is Standing.OPEN
    assert "passed already" in permit(story.state, c.OpenGate(MIGRATE))
    story.do("2.1")
    story.add(e.Jumped("2.1", "the index is missing", again=("2.1",)))
    assert at(story).standing is Standing.WAITING
    assert [type(one) for one in look(story)] == [e.PollClosed, e.GateOpened]


def test_an_action_is_asked_each_time() -> None:
    story = gated(Gate(second_person=True), on_backup=True)
    start = c.StartAction("backup", "backup")
    assert "waits for a second person" in permit(story.state, start)
    assert look(story) == [], "nobody wants it yet"
    story.add(e.GateOpened(BACKUP))
    story.add(e.GateConfirmed(BACKUP), "oncall-2")
    assert permit(story.state, start) == ""
    story.add(e.GatePassed(BACKUP, at(story, BACKUP).grounds))
    story.add(e.ActionStarted("backup", "backup1", ("1.2",)))
    story.do("1.2", e.Outcome.FAILED, action_run="backup1")
    story.add(e.ActionFinished("backup1", e.Outcome.FAILED, "stopped"))
    assert "waits for a second person" in permit(story.state, start)


def test_an_action_does_not_get_round_a_phases_gate() -> None:
    book = small_runbook()
    gate = Gate(second_person=True)
    phases = (replace(book.phases[0], gate=gate), *book.phases[1:])
    story = Story(replace(book, phases=phases))
    assert "gate of Pre-deployment" in permit(story.state, c.StartAction("backup", "backup"))


def test_rollback_goes_through_no_gate() -> None:
    book = small_runbook()
    gate = Gate(second_person=True)
    actions = tuple(replace(one, gate=gate) for one in book.actions)
    phases = tuple(replace(one, gate=gate) for one in book.phases)
    story = Story(replace(book, phases=phases, actions=actions))
    story.add(e.FactRecorded("backup.path", "/b.dump"))
    story.do("2.1")
    assert permit(story.state, c.StartAction("rollback", "rollback")) == ""


def test_a_rehearsal_asks_no_gate() -> None:
    story = gated(SIGNOFFS)
    state = replace(story.state, rehearsal=True)
    assert judge(state, _book(story), MIGRATE, story.now).standing is Standing.OPEN
    assert newly_due(state, story.now) == ()
