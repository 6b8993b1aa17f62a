"""What is told of which entries: tables, no I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optibid_console import entries as e
from optibid_console.codec import to_plain
from optibid_console.runbook.channels import Channel, ChannelKind, Event, Template
from optibid_console.runbook.model import Contact, Runbook, Rung
from optibid_console.state import WindowState
from optibid_console.telling import Message, filled, marked_late, messages, outdated, rehearsal
from probes.probe import Seconds
from tests.core.conftest import Story, small_runbook

ALL = tuple(Event)
CHAT = Channel("chat", ChannelKind.APPRISE, "json://chat", ALL)


def runbook(*channels: Channel, **more: Any) -> Runbook:
    return replace(
        small_runbook(),
        tell={one.id: one for one in channels or (CHAT,)},
        contacts={"second": Contact("second", "Secondary On-Call", "Ada", "+44 20", "ada@x")},
        escalation=(Rung(Seconds(900), "Escalate to secondary", "second"),),
        **more,
    )


def told(story: Story) -> list[Message]:
    """Everything that is told of a story, from its first entry on."""
    state, all_messages = WindowState(), []
    for entry in story.entries:
        before, state = state, state.apply(entry)
        all_messages += messages(before, entry, state, story.runbook)
    return all_messages


def events(story: Story) -> list[str]:
    return [one.event.value for one in told(story)]


@pytest.fixture
def story() -> Story:
    return Story(runbook())


def test_a_phase_begins_with_its_first_step_and_only_once(story: Story) -> None:
    story.do("1.1")
    story.do("1.2")
    story.do("2.1")
    assert events(story) == ["window-opened", "phase-begun", "phase-begun"]
    assert [one.title for one in told(story)][1:] == [
        "OptiBid production v2.4.0: Pre-deployment",
        "OptiBid production v2.4.0: Database migration",
    ]


def test_a_step_tried_again_begins_no_phase(story: Story) -> None:
    story.do("1.1", e.Outcome.FAILED)
    story.do("1.1")
    assert events(story) == ["window-opened", "phase-begun", "step-failed"]


def test_an_aborted_step_is_no_failed_step(story: Story) -> None:
    story.do("1.1", e.Outcome.ABORTED)
    assert "step-failed" not in events(story)


def test_of_a_rehearsal_nobody_is_told(story: Story) -> None:
    story.do("1.1")
    state, said = WindowState(), []
    for entry in story.entries:
        before, state = state, replace(state.apply(entry), rehearsal=True)
        said += messages(before, entry, state, story.runbook)
    assert told(story)
    assert said == []


def test_holds_and_resumes_say_who_and_why(story: Story) -> None:
    story.add(e.Held("slow"), "ada")
    story.add(e.Resumed(62.0, "fast again"), "grace")
    held, resumed = told(story)[1:]
    assert held.body == "Held by ada: slow"
    assert resumed.body == "Resumed by grace. What is left shifts by 1:02. fast again"


def judged(verdict: e.Verdict) -> e.CriterionJudged:
    return e.CriterionJudged("errors", verdict, f"errors 9 %: {verdict.value}", 0.0)


def test_a_criterion_trips_once_and_only_a_pass_clears_it(story: Story) -> None:
    for verdict in ("pass", "fail", "fail", "inconclusive", "error", "fail", "pass", "pass"):
        story.add(judged(e.Verdict(verdict)), "console")
    assert events(story) == ["window-opened", "criterion-tripped", "criterion-cleared"]
    assert told(story)[1].title.endswith("ROLLBACK TRIGGER: Error rate exceeds 5%")
    assert told(story)[1].body == "errors 9 %: fail"


def test_an_asserted_trigger_is_told_too(story: Story) -> None:
    story.add(e.CriterionAsserted("approval", e.Verdict.FAIL, "the board said so"))
    assert events(story) == ["window-opened", "criterion-tripped"]


def test_a_due_rung_says_whom_to_call(story: Story) -> None:
    story.add(e.EscalationStarted("errors 9 %"))
    story.add(e.RungDue(0, "Escalate to secondary", "second"))
    rung = told(story)[-1]
    assert rung.title == "OptiBid production v2.4.0: ESCALATION 15:00: Escalate to secondary"
    assert rung.body == "Call Secondary On-Call Ada, +44 20, ada@x. errors 9 %"


def test_the_end_of_an_escalation_is_told_to_whom_its_rungs_were_told(story: Story) -> None:
    paging = Channel("paging", ChannelKind.APPRISE, "json://p", (Event.ESCALATION_RUNG,))
    page = Channel(
        "page", ChannelKind.STATUS_PAGE, "http://p", (Event.ESCALATION_RUNG,),
        states={"escalation-rung": "degraded"},
    )  # fmt: skip
    story = Story(runbook(paging, page, Channel("x", ChannelKind.APPRISE, "json://x", ())))
    story.add(e.EscalationStarted("errors 9 %"), "console")
    story.add(e.EscalationEnded("cleared: errors 1 %"), "console")
    assert events(story) == []  # nobody had been told of it
    story.add(e.EscalationStarted("errors 9 %"), "console")
    story.add(e.RungDue(0, "Escalate to secondary", "second"), "console")
    story.add(e.EscalationEnded("cleared: errors 1 %"), "console")
    ended = [one for one in told(story) if one.event is Event.ESCALATION_ENDED]
    assert [(one.channel, one.title, one.body) for one in ended] == [
        ("paging", "OptiBid production v2.4.0: ESCALATION ENDED",
         "By console. cleared: errors 1 %"),
    ]  # fmt: skip


def test_a_rung_is_not_told_after_its_escalation_ended(story: Story) -> None:
    story.add(e.EscalationStarted("errors 9 %"), "console")
    story.add(e.RungDue(0, "Escalate to secondary", "second"), "console")
    rung = told(story)[-1]
    assert outdated(rung, story.state) == ""
    story.add(e.EscalationEnded("cleared"), "console")
    assert outdated(rung, story.state) == "the escalation was ended before this was told"
    assert outdated(told(story)[0], story.state) == ""


def test_a_rollback_is_told_when_it_begins_stops_and_is_done(story: Story) -> None:
    story.add(e.ActionStarted("rollback", "rollback1", ("R1",), ("errors 9 %",)))
    story.add(e.ActionStopped("rollback1", "R1", "exit 1"))
    story.add(e.ActionDecided("rollback1", e.Choice.RETRY))
    story.add(e.ActionFinished("rollback1", e.Outcome.SUCCEEDED), after_s=65.0)
    assert events(story)[1:] == ["rollback-begun", "action-failed", "rollback-done"]
    assert [one.body for one in told(story)[1:]] == [
        "By oncall-1. errors 9 %", "Stopped at R1: exit 1", "It took 1:05.",
    ]  # fmt: skip


def test_another_action_is_told_of_only_when_it_fails(story: Story) -> None:
    story.add(e.ActionStarted("backup", "backup1", ("1.2",)))
    story.add(e.ActionFinished("backup1", e.Outcome.SUCCEEDED))
    story.add(e.ActionStarted("backup", "backup2", ("1.2",)))
    story.add(e.ActionFinished("backup2", e.Outcome.FAILED, "disk full"))
    assert events(story) == ["window-opened", "action-failed"]
    assert told(story)[-1].title.endswith("Backup failed")


def test_closing_says_the_outcome(story: Story) -> None:
    story.add(e.WindowClosed("rolled back", "errors"))
    assert told(story)[-1].title == "OptiBid production v2.4.0: window closed, rolled back"


def test_each_channel_is_told_only_of_its_own_events() -> None:
    book = runbook(replace(CHAT, on=(Event.HELD,)), replace(CHAT, id="page", on=(Event.RESUMED,)))
    story = Story(book)
    story.add(e.Held("slow"))
    story.add(e.Resumed(1.0))
    assert [one.key for one in told(story)] == [(2, "chat"), (3, "page")]


def test_words_come_from_the_channel_then_the_runbook_then_the_default() -> None:
    own = {"held": Template(title="OWN ${event.subject} ${window.version}")}
    book = runbook(
        replace(CHAT, templates=own, states={"held": "maintenance"}),
        replace(CHAT, id="page"),
        tell_templates={"held": Template("SHARED", "backup ${backup.path}, by ${event.by}")},
    )
    story = Story(book)
    story.add(e.FactRecorded("backup.path", "/b.dump"))
    story.add(e.Held("slow ${event.by}"))
    chat, page = told(story)[-2:]
    assert (chat.title, chat.body) == ("OWN hold v2.4.0", "backup /b.dump, by oncall-1")
    assert chat.facts["message.state"] == "maintenance"
    assert (page.title, page.facts["message.state"]) == ("SHARED", "")


def test_what_others_wrote_is_not_read_as_a_template(story: Story) -> None:
    story.add(e.Held("${window.version} ${SECRET}"))
    assert told(story)[-1].body == "Held by oncall-1: ${window.version} ${SECRET}"


def test_a_long_reason_is_cut_and_a_title_is_one_line(story: Story) -> None:
    story.add(e.WindowClosed("abandoned\nfor good", "x" * 5000))
    closed = told(story)[-1]
    assert closed.title.endswith("window closed, abandoned for good")
    assert len(closed.body) < 800


def test_late_is_said_with_the_moment(story: Story) -> None:
    story.add(e.Held("slow"))
    late = marked_late(told(story)[-1], story.now + 130)
    assert late.title.startswith("LATE by 2:10 (happened at 07:00:00Z): OptiBid")
    assert late.facts["message.title"] == late.title


@pytest.mark.parametrize("event", ALL)
def test_a_test_message_says_that_nothing_happened(event: Event) -> None:
    channel = replace(CHAT, on=(event,))
    message = rehearsal(channel, runbook(channel), 1_800_000_000.0)
    assert message.title.startswith("TEST: OptiBid production v2.4.0")
    assert "${" not in message.title + message.body


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["pass", "fail", "error", "inconclusive"]), max_size=12))
def test_trips_and_clears_alternate_and_each_message_has_its_own_key(verdicts: list[str]) -> None:
    story = Story(runbook())
    for verdict in verdicts:
        story.add(judged(e.Verdict(verdict)), "console")
    said = events(story)[1:]
    assert said == (["criterion-tripped", "criterion-cleared"] * len(said))[: len(said)]
    keys = [one.key for one in told(story)]
    assert len(set(keys)) == len(keys)


@settings(max_examples=40, deadline=None)
@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_filling_in_nothing_leaves_everything_but_escapes(value: Any) -> None:
    after = filled(value, lambda name: f"${{{name}}}")
    assert to_plain(after) == _unescaped(value)


def _unescaped(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("$${", "${")
    if isinstance(value, dict):
        return {key: _unescaped(one) for key, one in value.items()}
    return [_unescaped(one) for one in value]


def test_the_head_of_the_journal_is_told_as_the_window_goes_from_phase_to_phase() -> None:
    page = replace(CHAT, id="page", kind=ChannelKind.STATUS_PAGE)
    own = Template(body="${journal.head} and no more")
    story = Story(runbook(CHAT, page, replace(CHAT, id="own", templates={Event.PHASE_BEGUN: own})))
    story.do("1.1")
    story.do("2.1")
    story.add(e.Held("a pause"))
    story.add(e.WindowClosed("completed"))
    heads = {one.seq: f"{one.seq}:{one.hash}" for one in story.entries}
    for message in told(story):
        head = heads[message.about]
        if message.event is Event.HELD or message.channel == "page":
            assert head not in message.body
        elif message.channel == "own" and message.event is Event.PHASE_BEGUN:
            assert message.body == f"{head} and no more"
        else:
            assert message.body.endswith(f"\nJournal head {head}")
    assert [one.event.value for one in told(story) if one.channel == "chat"] == [
        "window-opened", "phase-begun", "phase-begun", "held", "window-closed",
    ]  # fmt: skip


def test_no_head_is_told_while_a_spill_holds_it() -> None:
    story = Story(runbook(CHAT))
    story.add(e.SpillOpened("/a.spill", "rollback"))
    story.add(e.WindowClosed("rolled back"))
    assert "Journal head" not in told(story)[-1].body
