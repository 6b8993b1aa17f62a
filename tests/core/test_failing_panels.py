"""What is said of a panel beyond its limit, before and while a trigger judges it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optibid_console import entries as e
from optibid_console.failing_panels import failing_panels
from optibid_console.plan import preview
from optibid_console.runbook.model import Criterion, PanelSpec
from probes.probe import Reading, Seconds, Status
from tests.core.conftest import Story, small_runbook

PANELS = {
    "errors": PanelSpec("errors", "metrics", "errors", unit="ratio", fail_above=0.05),
    "pool": PanelSpec("pool", "metrics", "free connections", unit="count", fail_below=2.0),
}
ERRORS = Criterion("errors", "Error rate exceeds 5%", "panel.errors > 0.05", Seconds(30))


def story_of(*criteria: Criterion) -> Story:
    return Story(replace(small_runbook(), panels=PANELS, criteria=criteria))


def says(story: Story, panel: str, value: float, status: Status = Status.FAILING) -> None:
    reading = Reading(panel, status, "", story.now, 1.0, value, PANELS[panel].unit)
    story.add(e.ProbeChanged(reading, "panel"), "console")


@pytest.mark.parametrize(
    ("criteria", "judged"),
    [
        ((), "no trigger judges it"),
        ((replace(ERRORS, active_from="migrate"),), "judged from phase 2 (Database migration)"),
        ((ERRORS,), "judged by “Error rate exceeds 5%”, not yet"),
        ((Criterion("x", "X", "panel.pool < 1"),), "no trigger judges it"),
    ],
)
def test_from_when_it_is_judged(criteria: tuple[Criterion, ...], judged: str) -> None:
    story = story_of(*criteria)
    assert failing_panels(story.state) == ()
    says(story, "errors", 0.52)
    (panel,) = failing_panels(story.state)
    assert (panel.said, panel.judged) == ("errors 52 %, limit 5 %", judged)
    assert preview(story.state, "rollback", story.now).why_now == (panel.words,)
    says(story, "errors", 0.02, Status.OK)
    assert failing_panels(story.state) == ()


def test_once_the_phase_has_begun_the_verdict_is_said() -> None:
    story = story_of(replace(ERRORS, active_from="migrate"))
    says(story, "errors", 0.52)
    story.start("2.1")
    holds = e.CriterionJudged("errors", e.Verdict.INCONCLUSIVE, "errors 52 % for 3 s of 30 s", 0.0)
    story.add(holds, "console")
    (panel,) = failing_panels(story.state)
    assert panel.judged == (
        "judged by “Error rate exceeds 5%”, inconclusive: errors 52 % for 3 s of 30 s"
    )
    story.add(replace(holds, verdict=e.Verdict.FAIL, reason="errors 52 %"), "console")
    (panel,) = failing_panels(story.state)
    assert panel.tripped  # the trigger says it: not twice in the plan
    assert preview(story.state, "rollback", story.now).why_now == (
        "Error rate exceeds 5%: errors 52 %",
    )


def test_a_lower_limit_and_newer_readings_than_the_journal_s() -> None:
    story = story_of()
    says(story, "pool", 1.0)
    (panel,) = failing_panels(story.state)
    assert panel.said == "free connections 1, limit 2"
    newer = {"pool": Reading("pool", Status.OK, "", story.now, 1.0, 5.0, "count")}
    assert failing_panels(story.state, newer) == ()
