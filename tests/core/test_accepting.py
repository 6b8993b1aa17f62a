"""Another runbook for a window that is under way: what it changes, and when it can't be taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from optibid_console import entries as e
from optibid_console.accepting import consequences, why_not_accepted
from optibid_console.codec import to_plain
from optibid_console.plan import next_move
from optibid_console.runbook.model import ProbeSpec, Runbook, Step, TargetSpec
from optibid_console.state import StepStatus
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
