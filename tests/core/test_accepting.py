"""Another runbook for a window that is under way: what it changes, and when it can't be taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from optibid_console import entries as e
from optibid_console.accepting import changes, consequences, why_not_accepted
from optibid_console.codec import to_plain
from optibid_console.plan import next_move
from optibid_console.runbook.model import (
    PanelSpec,
    ProbeSpec,
    Runbook,
    Rung,
    Stack,
    Step,
    TargetSpec,
)
from optibid_console.state import StepStatus
from probes.probe import Reading, Seconds, Status
from tests.core.conftest import Story, small_runbook

Change = Callable[[Runbook], Runbook]
NEW = Step("1.3", "Check the disk", on="app-1", run="df")


def without(step_id: str) -> Change:
    def change(book: Runbook) -> Runbook:
        phases = tuple(
            replace(one, steps=tuple(step for step in one.steps if step.id != step_id))
            for one in book.phases
        )
        return replace(book, phases=phases)

    return change


def other(step_id: str) -> Change:
    def change(book: Runbook) -> Runbook:
        phases = tuple(
            replace(one, steps=tuple(replace(step, run="other") if step.id == step_id else step
                                     for step in one.steps))
            for one in book.phases
        )  # fmt: skip
        return replace(book, phases=phases)

    return change


def inserted(step: Step) -> Change:
    def change(book: Runbook) -> Runbook:
        first, *rest = book.phases
        return replace(book, phases=(replace(first, steps=(*first.steps, step)), *rest))

    return change


def probes(book: Runbook) -> Runbook:
    return replace(book, probes={"disk": ProbeSpec("disk", "command")})


DONE = ("1.1", "1.2", "2.1")
TABLE: list[tuple[tuple[str, ...], Change, tuple[str, ...]]] = [
    ((), lambda book: book, ()),
    ((), without("7.1"), ("7.1 is removed: it isn't run",)),
    (DONE, without("1.1"), ("1.1 is removed: it was done, which stays in the journal",)),
    (DONE, other("2.1"),
     ("2.1 Migrate changes: it is done already, as it was before; it isn't run again",)),
    ((), other("2.1"), ("2.1 Migrate changes: it is run as it is now",)),
    ((), inserted(NEW), ("1.3 Check the disk is new, to come",)),
    (DONE, inserted(NEW), ("1.3 Check the disk is new, before steps that are over; it is "
                           "required: the window goes back to it",)),
    (DONE, probes, ("probes added: disk", "probes removed: health")),
    ((), lambda book: replace(book, criteria=book.criteria[1:]), ("criteria removed: errors",)),
]  # fmt: skip


@pytest.mark.parametrize(("done", "change", "said"), TABLE)
def test_what_it_changes(done: tuple[str, ...], change: Change, said: tuple[str, ...]) -> None:
    story = Story(small_runbook())
    for step_id in done:
        story.do(step_id)
    new = change(small_runbook())
    assert consequences(story.state, new) == said
    assert why_not_accepted(story.state, new) == ""


def test_a_new_required_step_is_where_the_window_goes_on_and_history_stays() -> None:
    story = Story(small_runbook())
    for step_id in DONE:
        story.do(step_id)
    new = without("1.1")(inserted(NEW)(small_runbook()))
    story.add(e.RunbookAccepted("new", (), to_plain(new)))
    assert next_move(story.state).step_id == "1.3"
    assert story.state.step("1.1").status is StepStatus.DONE


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (without("1.2"), "1.2 is running, and it is no step any more: it has to end first"),
        (other("1.2"), "1.2 is running, and the step is another one: it has to end first"),
        (lambda book: replace(book, targets={"app-1": TargetSpec("app-1", "local")}),
         "1.2 is running on app-1, and that target is another one"),
        (other("2.1"), ""),
        (probes, ""),
    ],
)  # fmt: skip
def test_what_is_under_way_stays_as_it_is(change: Change, why: str) -> None:
    story = Story(small_runbook())
    story.start("1.2")
    assert why_not_accepted(story.state, change(small_runbook())) == why


def test_what_waits_to_be_settled_stays_too() -> None:
    story = Story(small_runbook())
    run = story.start("1.2")
    story.add(e.RunEnded(run, e.Outcome.UNKNOWN, "gone"))
    story.add(e.StepFinished("1.2", run, e.Outcome.UNKNOWN, "gone"))
    assert why_not_accepted(story.state, without("1.2")(small_runbook())) == (
        "1.2 is unsettled, and it is no step any more: it has to end first"
    )


def test_an_action_under_way_stays_as_it_is() -> None:
    story = Story(small_runbook())
    story.add(e.ActionStarted("rollback", "r1", ("R1", "R2", "R5")))
    book = small_runbook()
    fewer = replace(book.actions[1], steps=book.actions[1].steps[:1])
    refused = why_not_accepted(story.state, replace(book, actions=(book.actions[0], fewer)))
    assert refused == "rollback is under way, and its action is another one: it has to end first"
    assert why_not_accepted(story.state, book) == ""


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"stack": Stack.PM2}, "the window's stack is systemd, not pm2: what was recorded"),
        ({"name": "Another"}, "the window's name is"),
        ({"speed": 60.0}, "the window's clock runs at speed 1, not 60"),
        ({"version": "v9"}, ""),
    ],
)
def test_what_a_window_keeps_from_its_opening_to_its_end(change: Any, why: str) -> None:
    book = small_runbook()
    book = replace(book, window=replace(book.window, stack=Stack.SYSTEMD))
    story = Story(book)
    refused = why_not_accepted(story.state, replace(book, window=replace(book.window, **change)))
    assert refused.startswith(why)
    assert bool(refused) == bool(why)


def test_what_a_second_person_is_asked_for_stays_as_it_is() -> None:
    story = Story(small_runbook())
    story.add(e.WaiverAsked("1.1", "the disk is full"), actor="ann")
    why = "a second person is asked to waive 1.1, and the step is another one"
    assert why_not_accepted(story.state, other("1.1")(small_runbook())) == why
    assert why_not_accepted(story.state, other("1.2")(small_runbook())) == ""


def test_the_rungs_of_an_escalation_that_runs_stay_as_they_are() -> None:
    book = small_runbook()
    story = Story(book)
    fewer = replace(book, escalation=(*book.escalation, Rung(Seconds(9000), "wake the CTO")))
    assert why_not_accepted(story.state, fewer) == ""
    story.add(e.EscalationStarted("errors"))
    assert why_not_accepted(story.state, fewer) == (
        "the escalation clock runs, and its rungs are others: it has to end first"
    )


def test_changes_come_in_groups_steps_that_are_done_first() -> None:
    panel = PanelSpec("errors", "prometheus", settings={"query": "one"})
    before = replace(small_runbook(), panels={"errors": panel})
    story = Story(before)
    story.do("1.1")
    story.add(e.CriterionJudged("errors", e.Verdict.FAIL, "0.2", 1.0))
    book = other("1.1")(other("2.1")(before))
    book = replace(
        book,
        panels={"errors": replace(panel, settings={"query": "another"})},
        criteria=book.criteria[1:],
        window=replace(book.window, t0="22:00"),
    )
    assert [(one.group, one.text) for one in changes(story.state, book)] == [
        ("steps done",
         "1.1 Verify changes: it is done already, as it was before; it isn't run again"),
        ("steps to come", "2.1 Migrate changes: it is run as it is now"),
        ("panels", "errors changes: it measures something else, so its history begins anew"),
        ("criteria", "errors is removed; it is tripped now"),
        ("others", "window changes; this window keeps its own T-0"),
    ]  # fmt: skip
    assert changes(story.state, book)[0].details[0].startswith("run: ")
    assert changes(story.state, before) == ()


def test_nothing_is_known_any_more_of_what_is_gone_or_measures_something_else() -> None:
    book = replace(small_runbook(), probes={
        "stays": ProbeSpec("stays", "http", settings={"url": "a"}),
        "moves": ProbeSpec("moves", "http", settings={"url": "a"}),
        "goes": ProbeSpec("goes", "http", settings={"url": "a"}),
    })  # fmt: skip
    story = Story(book)
    for name in book.probes:
        story.add(e.ProbeChanged(Reading(name, Status.FAILING, "", 1.0, 1.0), "probe"))
    for criterion in book.criteria:
        story.add(e.CriterionJudged(criterion.id, e.Verdict.FAIL, "x", 1.0))
    for target in book.targets:
        story.add(e.LinkChanged(target, "connected", ""))
    moved = {name: replace(one, port=2222) for name, one in book.targets.items()}
    new = replace(
        book,
        probes={
            "stays": replace(book.probes["stays"], title="other", every=Seconds(9)),
            "moves": ProbeSpec("moves", "http", settings={"url": "b"}),
        },
        criteria=book.criteria[:1],
        targets=moved,
    )
    story.add(e.RunbookAccepted("new", (), to_plain(new)))
    state = story.state
    assert set(state.readings) == set(state.before) == {"stays"}
    assert set(state.criteria) == {book.criteria[0].id}
    assert state.links == {}
