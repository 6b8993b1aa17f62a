"""What triggers say nothing about: what a step of ours stops, from its start until its wait."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optibid_console import entries as e
from optibid_console.criteria import Observations, Sample, judge
from optibid_console.entries import Verdict
from optibid_console.runbook.model import Action, Criterion, Phase, Step, StepKind
from optibid_console.scope import IDLE_S, Silence, silences
from probes.probe import Seconds, Status
from tests.core.conftest import Story, small_runbook

STOPS = ("health",)


def wait(step_id: str) -> Step:
    return Step(step_id, "Wait until it is healthy", kind=StepKind.WAIT, wait_for=("health",))


@pytest.fixture
def story() -> Story:
    """A phase that restarts the service and waits for it, and a rollback that stops it."""
    book = small_runbook()
    deploy = Phase(
        "deploy", "Deployment", Seconds(-1800),
        steps=(Step("3.2", "Restart", on="app-1", run="x", stops=STOPS), wait("3.3")),
    )  # fmt: skip
    rollback = Action(
        "rollback", "Rollback", "R",
        steps=(
            Step("R1", "Stop", on="app-1", run="stop", stops=STOPS, undoes=("3.2",)),
            Step("R2", "Restore", on="app-1", run="restore"),
            wait("R4a"),
            Step("R5", "Tell people", kind=StepKind.MANUAL),
        ),
    )  # fmt: skip
    return Story(replace(book, phases=(*book.phases[:2], deploy), actions=(rollback,)))


def quiet(story: Story, after_s: float = 0.0) -> Silence | None:
    return silences(story.runbook, story.state, story.now + after_s).get("health")


def test_from_the_start_of_the_step_until_its_wait_is_over(story: Story) -> None:
    assert quiet(story) is None
    run = story.start("3.2")
    assert quiet(story) == Silence("silent while 3.2 stops it, until 3.3")
    story.finish(run)
    assert quiet(story) == Silence("silent while 3.2 stops it, until 3.3")
    waiting = story.start("3.3", kind="wait")
    assert quiet(story, 600) == Silence("silent while 3.2 stops it, until 3.3")
    story.finish(waiting)
    ended = quiet(story, 1)
    assert ended is not None
    assert ended.ended_at == story.now
    story.start("3.2")  # once more
    assert quiet(story) == Silence("silent while 3.2 stops it, until 3.3")


@pytest.mark.parametrize("outcome", [e.Outcome.FAILED, e.Outcome.TIMED_OUT, e.Outcome.ABORTED])
def test_a_step_or_a_wait_that_fails_ends_it(story: Story, outcome: e.Outcome) -> None:
    story.do("3.2", outcome)
    failed = quiet(story)
    assert failed is not None
    assert failed.ended_at == story.now
    story.do("3.2")
    story.do("3.3", outcome, kind="wait")
    waited = quiet(story)
    assert waited is not None
    assert waited.ended_at == story.now


def test_nobody_who_goes_on_ends_it(story: Story) -> None:
    """A service that stays down while nothing of it runs is told."""
    story.do("3.2")
    assert quiet(story, IDLE_S) == Silence("silent while 3.2 stops it, until 3.3")
    late = quiet(story, IDLE_S + 1)
    assert late is not None
    assert late.ended_at == story.now + IDLE_S


def test_a_rollback_stops_it_until_its_own_wait(story: Story) -> None:
    story.do("3.2")
    story.add(e.ActionStarted("rollback", "rollback1", ("R1", "R2", "R4a", "R5")), after_s=900)
    story.do("R1", action_run="rollback1")
    restoring = story.start("R2", action_run="rollback1")
    said = Silence("silent while rollback stops it (R1), until R4a")
    assert quiet(story, 2000) == said  # a restore takes as long as it takes
    story.finish(restoring, e.Outcome.FAILED)
    story.add(e.ActionStopped("rollback1", "R2", "exit 1"))
    stopped = quiet(story, 600)
    assert stopped is not None
    assert stopped.ended_at  # it is down and nobody brings it up: that is told
    story.do("R2", action_run="rollback1")
    story.add(e.ActionDecided("rollback1", e.Choice.RETRY, ""))
    story.do("R4a", action_run="rollback1", kind="wait")
    over = quiet(story)
    assert over is not None
    assert over.ended_at == story.now


def test_a_trigger_on_it_says_that_it_is_silent_and_judges_anew_afterwards() -> None:
    away = [Sample(1000.0 + at, Status.FAILING, away=True, summary="refused") for at in range(60)]
    wanted = Criterion("c", "C", "probe.health is not passing", Seconds(30))
    seen = Observations({("probe", "health"): away}, silent={"health": "silent while R1 stops it"})
    judged = judge(wanted, seen, 1060.0)
    assert (judged.verdict, judged.reason, judged.silent) == (
        Verdict.INCONCLUSIVE, "silent while R1 stops it", True,
    )  # fmt: skip
    heard = replace(seen, silent={}, counts_from={"health": 1050.0})
    judged = judge(wanted, heard, 1060.0)
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert judged.reason == "health away: refused for 10 s of 30 s"
    assert judge(wanted, replace(heard, counts_from={}), 1060.0).verdict is Verdict.FAIL
    unread = replace(heard, counts_from={"health": 1060.0})
    assert judge(wanted, unread, 1061.0).reason == "health: no data yet"
