"""What failed before the deployment is no reason to roll back, and no pass either."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optibid_console import entries as e
from optibid_console.as_before import Health, not_worse, usual
from optibid_console.criteria import Observations, Sample, judge
from optibid_console.entries import Verdict
from optibid_console.escalation import ending_reason
from optibid_console.gates import judge as judge_gate
from optibid_console.runbook.model import Criterion, Gate, Window
from probes.probe import Reading, Seconds, Status
from tests.core.conftest import Story, small_runbook

NOW = 1000.0
OK, WARN = Sample(NOW, Status.OK), Sample(NOW, Status.WARN)
FAILING, AWAY = Sample(NOW, Status.FAILING), Sample(NOW, Status.FAILING, away=True)
H = Health


@pytest.mark.parametrize(
    ("healths", "found"),
    [
        ((), None), ((None,), None), ((H.OK,), H.OK), ((H.OK, H.FAILING), H.OK),
        ((H.FAILING, None, H.FAILING, H.OK), H.FAILING), ((H.AWAY, H.OK, H.DEGRADED), H.DEGRADED),
    ],
)  # fmt: skip
def test_one_glitch_makes_no_baseline(
    healths: tuple[Health | None, ...], found: Health | None
) -> None:
    assert usual(healths) is found


@pytest.mark.parametrize(
    ("before", "state", "now", "verdict"),
    [
        ("failing", "failing", FAILING, Verdict.AS_BEFORE),
        ("failing", "not passing", FAILING, Verdict.AS_BEFORE),
        ("failing", "not passing", AWAY, Verdict.FAIL),
        ("failing", "not passing", OK, Verdict.PASS),
        ("away", "not passing", FAILING, Verdict.AS_BEFORE),
        ("away", "away", AWAY, Verdict.AS_BEFORE),
        ("away", "failing", FAILING, Verdict.FAIL),  # what it would have said isn't known
        ("degraded", "not ok", WARN, Verdict.AS_BEFORE),
        ("degraded", "not passing", FAILING, Verdict.FAIL),
        ("ok", "failing", FAILING, Verdict.FAIL),
        ("", "failing", FAILING, Verdict.FAIL),
    ],
)
def test_a_trigger_that_asks_for_as_before(
    before: str, state: str, now: Sample, verdict: Verdict
) -> None:
    wanted = Criterion("c", "C", f"probe.health is {state}", as_before=True)
    seen = Observations({("probe", "health"): [now]}, before={"health": before} if before else {})
    assert judge(wanted, seen, NOW).verdict is verdict
    if verdict is Verdict.AS_BEFORE:
        plain = judge(replace(wanted, as_before=False), seen, NOW)
        assert plain.verdict is Verdict.FAIL


def test_only_what_is_worse_than_before_counts_for_how_long_it_holds() -> None:
    samples = [
        replace(FAILING, at=NOW - 60),
        replace(FAILING, at=NOW - 20),
        replace(AWAY, at=NOW - 10),
    ]
    wanted = Criterion("c", "C", "probe.health is not passing", Seconds(30), as_before=True)
    seen = Observations(
        {("probe", "health"): samples}, {}, {("probe", "health"): 60.0}, {"health": "failing"}
    )
    judged = judge(wanted, seen, NOW)
    assert (judged.verdict, judged.since) == (Verdict.INCONCLUSIVE, NOW - 10)
    assert judge(wanted, seen, NOW + 20).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("status", "away", "before", "well"),
    [
        (Status.OK, False, "", True), (Status.WARN, False, "", False),
        (Status.WARN, False, "degraded", True), (Status.FAILING, False, "failing", True),
        (Status.FAILING, True, "failing", False), (Status.FAILING, False, "away", True),
        (Status.ERROR, False, "away", False),
    ],
)  # fmt: skip
def test_a_wait_asks_for_nothing_worse(status: Status, away: bool, before: str, well: bool) -> None:
    reading = Reading("health", status, "", NOW, 1.0, away=away)
    assert not_worse(reading, {"health": before} if before else {}) is well


@pytest.fixture
def story() -> Story:
    book = small_runbook()
    return Story(replace(book, window=Window("W", "v2", baseline_until="migrate")))


def reads(story: Story, status: Status, *, away: bool = False) -> None:
    reading = Reading("health", status, "", story.now, 1.0, away=away)
    story.add(e.ProbeChanged(reading), "console")


def test_until_the_deployment_the_best_that_was_seen_is_the_baseline(story: Story) -> None:
    reads(story, Status.ERROR)
    assert story.state.before == {}
    reads(story, Status.FAILING, away=True)
    assert story.state.before == {"health": "away"}
    reads(story, Status.FAILING)
    reads(story, Status.FAILING, away=True)
    assert story.state.before == {"health": "failing"}
    story.start("2.1")
    reads(story, Status.OK)
    assert story.state.before == {"health": "failing"}
    story.add(e.BaselineTaken({}, {"health": "degraded"}), "console")
    assert story.state.before == {"health": "degraded"}
    assert story.state.baseline_at == story.now
    reads(story, Status.OK)
    assert story.state.before == {"health": "degraded"}


def test_an_entry_of_an_older_console_has_no_health(story: Story) -> None:
    old = e.fact_from_plain("baseline-taken", {"values": {"p95": 120.0}})
    assert old == e.BaselineTaken({"p95": 120.0})
    reading = {"probe": "health", "status": "failing", "summary": "", "at": 1.0, "took_ms": 1.0}
    changed = e.fact_from_plain("probe-changed", {"reading": reading})
    assert isinstance(changed, e.ProbeChanged)
    assert not changed.reading.away
    finished = e.fact_from_plain(
        "step-finished", {"step_id": "1.1", "run_id": "r", "outcome": "succeeded"}
    )
    assert finished == e.StepFinished("1.1", "r", e.Outcome.SUCCEEDED)


def test_as_before_clears_a_trip_ends_its_escalation_and_opens_a_gate_by_name(story: Story) -> None:
    phases = tuple(
        replace(one, gate=Gate(criteria=("errors",))) if one.id == "migrate" else one
        for one in story.runbook.phases
    )
    story = Story(replace(story.runbook, phases=phases))
    story.add(e.CriterionJudged("errors", e.Verdict.FAIL, "x away: refused", 0.0), "console")
    story.add(e.EscalationStarted("errors"), "console")
    story.add(e.CriterionJudged("errors", e.Verdict.AS_BEFORE, "x failing: 500", 0.0), "console")
    assert story.state.criteria["errors"].tripped_seq == 0
    assert ending_reason(story.state, story.now).endswith("x failing: 500")
    at = judge_gate(story.state, story.runbook, "phase:migrate", story.now)
    assert at.grounds == ("“Error rate exceeds 5%” is as before: x failing: 500",)
