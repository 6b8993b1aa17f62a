"""The escalation clock against OptiBid's checklist: 15, 30, 45 and 60 minutes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optibid_console import entries as e
from optibid_console.escalation import (
    ending_reason,
    in_words,
    newly_due,
    next_rung,
    reach,
    starting_reason,
)
from optibid_console.runbook.model import Contact, Rung
from probes.probe import Seconds
from tests.core.conftest import Story, small_runbook

PATH = (
    Rung(Seconds(900), "On-call engineer attempts resolution", "first"),
    Rung(Seconds(1800), "Escalate to secondary on-call", "second"),
    Rung(Seconds(2700), "Escalate to engineering manager", "second"),
    Rung(Seconds(3600), "Initiate rollback procedure", "nobody"),
)
CONTACTS = {
    "first": Contact("first", "Primary On-Call", "Grace", "+1 555", "grace@x"),
    "second": Contact("second", "Secondary On-Call", phone="+44 20"),
}


@pytest.fixture
def story() -> Story:
    return Story(replace(small_runbook(), escalation=PATH, contacts=CONTACTS))


def fail(story: Story, criterion: str = "errors", verdict: str = "fail") -> None:
    story.add(e.CriterionJudged(criterion, e.Verdict(verdict), "errors 9 %", 0.0), "console")


def test_it_starts_with_the_first_criterion_that_fails(story: Story) -> None:
    assert starting_reason(story.state) == ""
    fail(story, verdict="inconclusive")
    assert starting_reason(story.state) == ""
    fail(story)
    fail(story, "approval")
    assert starting_reason(story.state) == "Error rate exceeds 5%: errors 9 %"
    story.add(e.EscalationStarted("errors"))
    assert starting_reason(story.state) == ""


def test_a_person_s_assertion_starts_it(story: Story) -> None:
    story.add(e.CriterionAsserted("approval", e.Verdict.FAIL, "they said so"))
    assert starting_reason(story.state) == "Stakeholder approval for rollback: they said so"


def test_ended_it_starts_again_only_with_another_trip(story: Story) -> None:
    fail(story)
    story.add(e.EscalationStarted("errors"))
    story.add(e.EscalationEnded("known, harmless"))
    fail(story)
    assert starting_reason(story.state) == ""
    fail(story, verdict="pass")
    fail(story)
    assert starting_reason(story.state) != ""


def held(story: Story, seconds: float) -> Story:
    """The same window, whose trigger has to hold for so long."""
    criteria = tuple(replace(one, hold_for=Seconds(seconds)) for one in story.runbook.criteria)
    return Story(replace(story.runbook, criteria=criteria))


def test_it_ends_once_its_trigger_has_passed_for_as_long_as_it_must_hold(story: Story) -> None:
    story = held(story, 30)
    fail(story)
    story.add(e.EscalationStarted("errors"), "console")
    assert ending_reason(story.state, story.now) == ""
    story.add(
        e.CriterionJudged("errors", e.Verdict.PASS, "errors 1 %, limit 5 %", story.now), "console"
    )
    assert ending_reason(story.state, story.now + 29) == ""
    reason = ending_reason(story.state, story.now + 30)
    assert reason == "cleared: Error rate exceeds 5%: errors 1 %, limit 5 %"
    story.add(e.EscalationEnded(reason), "console")
    assert next_rung(story.state, story.now + 9999) is None
    assert newly_due(story.state, story.now + 9999) == ()
    fail(story)
    assert starting_reason(story.state) == "Error rate exceeds 5%: errors 9 %"


def test_it_goes_on_while_another_trigger_that_tripped_since_has_not_cleared(story: Story) -> None:
    fail(story)
    story.add(e.EscalationStarted("errors"), "console")
    story.add(e.CriterionAsserted("approval", e.Verdict.FAIL, "they said so"))
    fail(story, verdict="pass")
    assert ending_reason(story.state, story.now + 60) == ""
    story.add(e.CriterionAsserted("approval", e.Verdict.PASS, "they changed their mind"))
    assert "cleared: Stakeholder approval" in ending_reason(story.state, story.now)


@pytest.mark.parametrize("verdict", ["inconclusive", "error"])
def test_no_data_ends_no_escalation(story: Story, verdict: str) -> None:
    fail(story)
    story.add(e.EscalationStarted("errors"), "console")
    fail(story, verdict=verdict)
    assert ending_reason(story.state, story.now + 9999) == ""
    fail(story, verdict="pass")
    fail(story, verdict=verdict)
    assert ending_reason(story.state, story.now + 9999) == ""


def test_what_a_person_started_a_person_ends(story: Story) -> None:
    fail(story)
    fail(story, verdict="pass")
    story.add(e.EscalationStarted("the market calls"), "oncall-1")
    assert ending_reason(story.state, story.now + 9999) == ""


def test_a_placeholder_is_no_number() -> None:
    nobody = Contact("x", "Primary On-Call", "[Name]", "[Phone]", " [Email] ")
    assert reach(nobody) == "Primary On-Call, no number set"
    assert reach(replace(nobody, phone="+1 [ext] 5")) == "Primary On-Call, +1 [ext] 5"


def test_a_closed_window_escalates_no_more(story: Story) -> None:
    fail(story)
    story.add(e.WindowClosed("abandoned", "enough"))
    assert starting_reason(story.state) == ""
    assert newly_due(story.state, story.now + 9999) == ()


def test_rungs_come_due_at_their_minutes_once(story: Story) -> None:
    story.add(e.EscalationStarted("errors"))
    start = story.now
    assert newly_due(story.state, start + 899) == ()
    assert newly_due(story.state, start + 900) == (0,)
    story.add(e.RungDue(0, PATH[0].action, "first"), after_s=900)
    assert newly_due(story.state, start + 1799) == ()
    assert newly_due(story.state, start + 3600) == (1, 2, 3)


def test_what_is_acknowledged_never_comes_due(story: Story) -> None:
    story.add(e.EscalationStarted("errors"))
    story.add(e.EscalationAcknowledged(0, "I am on it"))
    assert newly_due(story.state, story.now + 900) == ()


def test_the_window_s_speed_is_the_clock_s(story: Story) -> None:
    fast = replace(story.state, speed=60.0)
    fast = fast.apply(story.add(e.EscalationStarted("errors")))
    assert newly_due(fast, story.now + 15) == (0,)


def test_the_next_rung_says_whom_to_call_with_what_is_known(story: Story) -> None:
    assert next_rung(story.state, story.now) is None
    story.add(e.EscalationStarted("errors"))
    coming = next_rung(story.state, story.now + 60)
    assert coming is not None
    assert (coming.index, in_words(coming.due_in_s)) == (0, "in 14:00")
    assert reach(coming.contact) == "Primary On-Call Grace, +1 555, grace@x"
    story.add(e.EscalationAcknowledged(0))
    coming = next_rung(story.state, story.now + 1860)
    assert coming is not None
    assert (coming.index, in_words(coming.due_in_s)) == (1, "DUE for 1:00")
    assert reach(coming.contact) == "Secondary On-Call, +44 20"
    for index in (1, 2):
        story.add(e.EscalationAcknowledged(index))
    last = next_rung(story.state, story.now)
    assert last is not None
    assert reach(last.contact) == ""
    story.add(e.EscalationAcknowledged(3))
    assert next_rung(story.state, story.now) is None
