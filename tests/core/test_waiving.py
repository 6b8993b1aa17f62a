"""A required step that can't be done: who waives it, what it changes, what it never opens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.advice import Seat, Situation, advice
from optibid_console.cli.showing import closing_words
from optibid_console.codec import from_plain, to_plain
from optibid_console.engine.fact_of import fact_of
from optibid_console.feed.snapshot import packed, unpacked
from optibid_console.findings import findings
from optibid_console.findings import in_words as report
from optibid_console.friction import Ask, friction
from optibid_console.journal_place import place_of
from optibid_console.permit import permit
from optibid_console.plan import next_move, preview
from optibid_console.runbook.model import Gate, Runbook, Step, StepKind
from optibid_console.scope import phase_begun
from optibid_console.state import StepState, StepStatus, WindowState
from optibid_console.status import describe, lines
from optibid_console.telling import messages
from optibid_console.waiving import left_out, relies_on_waived
from tests.core.conftest import Story, small_runbook

FAILED = e.Outcome.FAILED


def waived(story: Story, step_id: str = "1.2", why: str = "the script is broken") -> Story:
    """The step failed by itself, and ann went on without it."""
    story.do(step_id, FAILED)
    give(story, c.WaiveStep(step_id, why, f"waive {step_id}"), "ann")
    return story


def give(story: Story, command: c.Command, by: str) -> e.Fact:
    assert permit(story.state, command) == ""
    fact = fact_of(command, story.state, story.now, dict, by)
    story.add(fact, by)
    return fact


def changed_steps(**changes: Step) -> Runbook:
    """The small runbook with some of its steps in place of its own."""
    book = small_runbook()
    phases = tuple(
        replace(phase, steps=tuple(changes.get(f"s{one.id}".replace(".", "_"), one)
                                   for one in phase.steps))
        for phase in book.phases
    )  # fmt: skip
    return replace(book, phases=phases)


def test_a_step_that_is_waived_alone_lets_the_window_go_on(story: Story) -> None:
    story.do("1.1")
    waived(story)
    seen = story.state.step("1.2")
    assert (seen.status, seen.by) == (StepStatus.WAIVED, "ann")
    assert seen.reason == "by ann alone: the script is broken"
    assert next_move(story.state).step_id == "2.1"
    assert permit(story.state, c.RunStep("2.1")) == ""
    assert permit(story.state, c.RunStep("1.2")) == "1.2 is waived already"


def test_a_second_person_confirms_the_waiver_that_was_read(story: Story) -> None:
    story.do("1.2", FAILED)
    give(story, c.AskWaiver("1.2", "broken"), "ann")
    first = story.state.seq
    assert story.state.step("1.2").status is StepStatus.FAILED
    assert permit(story.state, c.RunStep("2.1")).startswith("1.2 Back up comes first")
    give(story, c.AskWaiver("1.2", "broken, and the disk is full"), "ann")
    assert "asked for anew" in permit(story.state, c.ConfirmWaiver("1.2", first))
    fact = give(story, c.ConfirmWaiver("1.2", story.state.seq, "seen"), "bob")
    assert fact == e.StepWaived("1.2", "broken, and the disk is full", "ann", "bob", "seen")
    seen = story.state.step("1.2")
    assert seen.reason == "by ann, confirmed by bob: broken, and the disk is full (bob: seen)"
    assert story.state.waiver is None
    assert "nobody asks" in permit(story.state, c.ConfirmWaiver("1.2", first))


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (c.WaiveStep("1.2", "x", "waive"), "type 'waive 1.2' to waive it alone"),
        (c.WaiveStep("1.2", "x", "1.2"), "type 'waive 1.2' to waive it alone"),
        (c.WaiveStep("1.2", " ", "waive 1.2"), "waiving a step needs a reason"),
        (c.WaiveStep("1.1", "x", "waive 1.1"), "1.1 isn't required: skip it"),
        (c.WaiveStep("2.1", "x", "waive 2.1"),
         "1.2 Back up comes first: only the next step can be waived"),
        (c.WaiveStep("R1", "x", "waive R1"), "no step 'R1' in the phases"),
        (c.WaiveStep("9", "x", "waive 9"), "no step '9' in the phases"),
        (c.AskWaiver("1.2", ""), "waiving a step needs a reason"),
        (c.AskWaiver("2.1", "x"), "1.2 Back up comes first: only the next step can be waived"),
        (c.ConfirmWaiver("1.2", 1), "nobody asks to waive 1.2"),
        (c.SkipStep("1.2", "x"), "1.2 is required: it can't be skipped, only waived"),
    ],
)  # fmt: skip
def test_what_a_waiver_needs(story: Story, command: c.Command, why: str) -> None:
    assert permit(story.state, command) == why


def test_nothing_is_waived_while_it_runs_or_its_outcome_is_unknown(story: Story) -> None:
    run = story.start("1.2")
    command = c.WaiveStep("1.2", "x", "waive 1.2")
    assert permit(story.state, command) == "1.2 is running"
    story.add(e.RunEnded(run, e.Outcome.UNKNOWN, "gone"))
    story.add(e.StepFinished("1.2", run, e.Outcome.UNKNOWN, "gone"))
    assert "settle it first" in permit(story.state, command)
    waived(story := Story(small_runbook()))
    assert permit(story.state, command) == "1.2 is waived"


def test_its_words_are_typed_and_a_request_takes_a_reason(story: Story) -> None:
    book = small_runbook()
    typed = friction(story.state, book, c.WaiveStep("1.2", "x"))
    assert (typed.ask, typed.words) == (Ask.TYPED, "waive 1.2")
    assert friction(story.state, book, c.AskWaiver("1.2", "x")).ask is Ask.REASON


@pytest.mark.parametrize("goes", ["run", "jump"])
def test_a_request_is_void_once_the_step_goes_another_way(story: Story, goes: str) -> None:
    story.do("1.1")
    story.do("1.2", FAILED)
    give(story, c.AskWaiver("1.2", "broken"), "ann")
    asked = story.state.seq
    if goes == "run":
        story.do("1.2", FAILED)
    else:
        story.add(e.Jumped("1.1", "again", again=("1.1",)))
    assert "nobody asks" in permit(story.state, c.ConfirmWaiver("1.2", asked))


def test_who_watches_is_asked_to_confirm_it(story: Story) -> None:
    story.do("1.1")
    story.do("1.2", FAILED)
    assert [one.word for one in advice(story.state, 0.0).ways][:2] == ["run again", "waive"]
    give(story, c.AskWaiver("1.2", "broken"), "ann")
    for seat, act in ((Seat(), "open"), (Seat(drives=False), "open")):
        found = advice(story.state, 0.0, seat)
        assert (found.situation, found.subject) == (Situation.WAIVER, "step:1.2")
        assert found.text == "1.2 Back up: a second person confirms its waiver"
        assert found.ways[0].act == act
    watched = advice(story.state, 0.0, Seat(drives=False)).ways[0]
    assert watched.word == "look, or confirm"
    assert advice(story.state, 0.0, Seat(drives=False, observer=True)).ways == ()


# What it never opens, and what it leaves missing


def backed_up() -> Story:
    """A window whose 1.2 backs the database up, and whose 2.1 migrates it."""
    backup = Step("1.2", "Back up", kind=StepKind.BACKUP, on="app-1", database="main", run="dump")
    migrate = Step("2.1", "Migrate", kind=StepKind.MIGRATE, on="app-1", database="main", run="up")
    return Story(changed_steps(s1_2=backup, s2_1=migrate))


def test_a_waived_backup_opens_no_migration() -> None:
    story = waived(backed_up())
    why = "this window has no verified backup of main (step 1.2, waived)"
    assert permit(story.state, c.RunStep("2.1")) == why
    story.add(e.BackupOverridden("main", "2.1", "the dba keeps a replica"))
    assert permit(story.state, c.RunStep("2.1")) == ""


def test_a_step_that_needs_a_fact_of_a_waived_one_says_so() -> None:
    migrate = Step("2.1", "Migrate", on="app-1", run="psql ${backup.path}")
    story = waived(Story(changed_steps(s2_1=migrate)))
    assert permit(story.state, c.RunStep("2.1")) == (
        "it needs backup.path, which no step has recorded yet; 1.2, which records backup.path, "
        "was waived"
    )
    assert relies_on_waived(story.state, migrate, ("backup.path",)) == (
        "backup.path isn't recorded: 1.2 was waived",
    )
    story.do("2.1")
    missing = preview(story.state, "rollback", 0.0).not_ready
    assert missing[0] == "no backup.path yet (1.2, waived)"


def test_a_step_with_the_evidence_of_a_waived_one_says_so() -> None:
    backup = Step("1.2", "Back up", on="app-1", run="dump", evidence=("health",))
    wait = Step("2.1", "Wait", kind=StepKind.WAIT, wait_for=("health",))
    story = waived(Story(changed_steps(s1_2=backup, s2_1=wait)))
    assert relies_on_waived(story.state, wait, ()) == ("health proves 1.2 too, and 1.2 was waived",)
    assert relies_on_waived(Story(changed_steps(s1_2=backup)).state, wait, ()) == ()


# How it is shown, for good


STATES = [
    ((StepStatus.DONE, StepStatus.DONE), ""),
    ((StepStatus.DONE, StepStatus.SKIPPED), "1 skipped"),
    ((StepStatus.SKIPPED, StepStatus.WAIVED, StepStatus.WAIVED), "2 waived, 1 skipped"),
    ((StepStatus.FAILED, StepStatus.WAIVED), "1 failed, 1 waived"),
]


@pytest.mark.parametrize(("statuses", "said"), STATES)
def test_what_a_phase_has_left_out(statuses: tuple[StepStatus, ...], said: str) -> None:
    assert left_out(StepState(one) for one in statuses) == said


def test_as_before_counts_as_left_out() -> None:
    assert left_out([StepState(StepStatus.DONE, as_before=("health",))]) == "1 as before"


def to_its_end(story: Story) -> WindowState:
    for step_id in ("1.1", "2.1", "7.1"):
        story.do(step_id)
    return story.state


def status_of(state: WindowState) -> list[str]:
    return list(lines(describe(state, place_of("w.journal"), None, state.at)))


def test_the_windows_end_names_what_was_waived(story: Story) -> None:
    state = to_its_end(waived(story))
    assert next_move(state).why == "every step is over, 1 waived"
    assert advice(state, 0.0).text == "Every step is over, 1 waived"
    said = status_of(state)
    assert "! 1.2 waived by ann alone: the script is broken" in said
    assert "all phases are over, 1 waived" in said[0]
    assert permit(state, c.CloseWindow("completed", "")) == ""
    closed = story.add(e.WindowClosed("completed", "bye"))
    after = story.state
    assert advice(after, 0.0).text == "CLOSED: completed, 1 waived"
    assert closing_words(after)[:2] == [
        "the window is closed: completed, 1 waived",
        "! 1.2 waived by ann alone: the script is broken",
    ]
    assert messages(state, closed, after, small_runbook()) == ()  # no channel is configured


def test_a_waived_step_that_is_done_later_was_waived_all_the_same(story: Story) -> None:
    waived(story)
    story.add(e.Jumped("1.2", "it works now", again=("1.2",)))
    story.do("1.2")
    assert story.state.step("1.2").status is StepStatus.DONE
    assert "! 1.2 waived by ann alone: the script is broken; it is done since" in status_of(
        story.state
    )


def test_a_rehearsals_report_names_it(story: Story) -> None:
    waived(story)
    assert "  ! 1.2 waived by ann alone: the script is broken" in report(findings(story.state))


def test_observers_get_it_in_a_snapshot_and_old_journals_have_none(story: Story) -> None:
    story.do("1.2", FAILED)
    give(story, c.AskWaiver("1.2", "broken"), "ann")
    assert unpacked(b"".join(packed(story.state))).waiver == story.state.waiver
    give(story, c.ConfirmWaiver("1.2", story.state.seq), "bob")
    assert unpacked(b"".join(packed(story.state))).waived == story.state.waived
    fact = e.StepWaived("1.2", "x", "ann")
    assert from_plain(e.StepWaived, to_plain(fact)) == fact


def test_a_step_that_was_waived_unseen_has_begun_no_phase(story: Story) -> None:
    book = small_runbook()
    give(story, c.WaiveStep("1.2", "no disk", "waive 1.2"), "ann")
    assert not phase_begun(book, story.state, "prepare")
    tried = waived(Story(book)).state
    assert phase_begun(book, tried, "prepare")


# Jumps


def test_a_jump_to_a_step_that_would_refuse_is_refused_with_its_reason() -> None:
    look = Step("7.1", "Look", on="app-1", run="look ${previous.release}")
    optional = Step("2.1", "Migrate", on="app-1", run="psql", required=False)
    story = Story(changed_steps(s2_1=optional, s7_1=look))
    story.do("1.2")
    own = permit(story.state, c.RunStep("7.1"))
    assert own == "it needs previous.release, which no step has recorded yet"
    assert permit(story.state, c.Jump("7.1", "x")) == f"can't jump: 7.1 would refuse: {own}"
    story.add(e.FactRecorded("previous.release", "v1"))
    assert permit(story.state, c.Jump("7.1", "x")) == ""


def test_a_jump_to_an_unbacked_migration_is_refused() -> None:
    optional = Step("1.2", "Back up", kind=StepKind.BACKUP, on="app-1", database="main",
                    run="dump", required=False)  # fmt: skip
    migrate = Step("2.1", "Migrate", kind=StepKind.MIGRATE, on="app-1", database="main", run="up")
    story = Story(changed_steps(s1_2=optional, s2_1=migrate))
    assert permit(story.state, c.Jump("2.1", "x")) == (
        "can't jump: 2.1 would refuse: this window has no verified backup of main (step 1.2)"
    )


def test_a_jump_to_a_shut_gate_is_refused_and_one_back_asks_it_anew() -> None:
    book = small_runbook()
    gate = Gate(second_person=True)
    phases = tuple(replace(one, gate=gate) if one.id == "watch" else one for one in book.phases)
    optional = replace(phases[1], steps=(replace(phases[1].steps[0], required=False),))
    story = Story(replace(book, phases=(phases[0], optional, phases[2])))
    story.do("1.2")
    refused = permit(story.state, c.Jump("7.1", "x"))
    assert refused.startswith("can't jump: 7.1 would refuse: the gate of Monitoring waits for")
    story.add(e.GateOpened("phase:watch"))
    story.add(e.GateConfirmed("phase:watch"), "bob")
    assert permit(story.state, c.Jump("7.1", "x")) == ""
    story.add(e.GatePassed("phase:watch", ("bob",)))
    story.do("7.1")
    assert permit(story.state, c.Jump("7.1", "look again")) == ""


def test_a_step_that_was_skipped_by_mistake_is_opened_again_before_what_comes_first() -> None:
    story = Story(changed_steps(s2_1=Step("2.1", "Migrate", on="app-1", run="up", required=False)))
    story.add(e.StepSkipped("2.1", "by mistake"))
    assert permit(story.state, c.Jump("2.1", "after all")) == ""
