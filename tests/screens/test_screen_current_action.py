"""What Enter and `x` do after a rollback, beside a run that ends meanwhile, and by consequence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.runbook.model import Action, Runbook
from screens.modals.sheet import Sheet
from screens.widgets.timeline import timeline_lines
from tests.screens import recording as rec
from tests.screens.conftest import Console, Start
from tests.screens.small_runbook import small_runbook
from tests.screens.viewed import seen

SIZES = pytest.mark.parametrize("size", [(160, 45), (80, 24)])


def push(it: Console, recorder: rec.Recorder, *facts: e.Fact) -> None:
    for fact in facts:
        recorder.add(fact, actor="console")
        it.source.push(recorder.entries[-1])


def going_forward() -> Runbook:
    book = small_runbook()
    return replace(book, actions=(*book.actions, Action("forward", "Forward", "f6", ("2.1b",))))


def undone() -> rec.Recorder:
    """A rollback that has undone the migration."""
    r = rec.tripped()
    r.add(e.FactRecorded("previous.release", "v2.3.9", "1.1a"))
    r.add(e.ActionStarted("rollback", "act-1", ("R.1", "R.2"), ("error rate",)))
    r.step("R.1", 2, action_run="act-1")
    r.step("R.2", 60, action_run="act-1")
    r.add(e.ActionFinished("act-1", e.Outcome.SUCCEEDED), actor="console")
    return r


@SIZES
async def test_after_a_rollback_enter_closes_the_window_and_migrates_nothing(
    console: Start, size: tuple[int, int]
) -> None:
    async with console(undone(), size=size) as it:
        assert "ROLLED BACK to v2.3.9" in it.seen("advice")
        assert "ROLLED BACK: the previous release v2.3.9 is in service" in it.seen("banner")
        assert "Enter close" in it.seen("advice")
        assert "behind" not in it.seen("header")
        await it.press("enter", "enter")
        assert "It is closed as rolled back." in it.sheet()
        await it.type("errors")
        await it.press("enter")
        assert await it.sent() == [c.CloseWindow("rolled back", "errors")]


async def test_after_a_rollback_enter_on_the_next_step_runs_nothing(console: Start) -> None:
    async with console(undone()) as it:
        it.app.window.timeline.reveal("2.1b")
        await it.press("enter", "enter")
        assert it.source.sent == []
        assert "rolled back: the previous release v2.3.9 is in service" in " ".join(
            it.sheet_lines()
        )


async def test_going_forward_again_is_typed(console: Start) -> None:
    recorder = undone()
    async with console(recorder) as it:
        await it.press("enter", "down", "enter")
        assert "Runs no command" in " ".join(it.sheet_lines())
        await it.type("forwards")
        await it.press("enter")
        assert it.source.sent == []
        await it.press("backspace", "enter")
        assert await it.sent() == [c.GoForward("forward")]
        push(it, recorder, e.WentForward("act-1"))
        await it.settle()
        assert "ROLLED BACK" not in it.seen("banner")
        assert it.app.window.timeline.chosen == "step:2.1b"


async def test_the_runbooks_way_forward_is_offered_with_its_key(console: Start) -> None:
    r = rec.tripped(going_forward())
    r.add(e.ActionStarted("rollback", "act-1", ("R.2",)))
    r.step("R.2", 60, action_run="act-1")
    r.add(e.ActionFinished("act-1", e.Outcome.SUCCEEDED), actor="console")
    async with console(r) as it:
        assert "f6 forward again" in it.seen("advice")


def before_the_migration() -> rec.Recorder:
    r = rec.opened()
    for step_id in ("1.1a", "1.2a", "2.1a"):
        r.step(step_id, 5)
    r.add(e.FactRecorded("backup.path", "/b.dump", "1.2a"), actor="console")
    return r


async def test_enter_on_the_migration_asks_for_the_same_word_as_its_key(console: Start) -> None:
    async with console(before_the_migration()) as it:
        assert "Enter run, type migrate" in it.seen("advice")
        await it.press("enter", "enter")
        assert it.source.sent == []
        screen = it.app.screen
        assert isinstance(screen, Sheet)
        assert (screen.look, screen.prompt) == ("-danger", 'Type "migrate" to start')
        await it.type("migrate")
        await it.press("enter")
        assert await it.sent() == [c.RunStep("2.1b", "")]


async def test_a_backup_is_one_enter_and_not_red(console: Start) -> None:
    r = rec.opened()
    r.step("1.1a", 5)
    async with console(r) as it:
        await it.press("b")
        screen = it.app.screen
        assert isinstance(screen, Sheet)
        assert (screen.look, screen.prompt) == ("", "")
        await it.press("enter")
        assert await it.sent() == [c.StartAction("backup", "backup")]


async def test_a_stop_names_the_action_and_follows_what_runs(console: Start) -> None:
    recorder = rec.rolling_back()
    run_id = rec.list_runs(recorder)[-1]
    async with console(recorder) as it:
        await it.press("x")
        assert "R.2 on app-1" in it.sheet()
        assert "These steps don't begin: R.3." in it.sheet()
        push(
            it, recorder, e.RunEnded(run_id, e.Outcome.SUCCEEDED, "", 0),
            e.StepFinished("R.2", run_id, e.Outcome.SUCCEEDED),
            e.StepStarted("R.3", "r3", 1, "run", "app-1", "./previous.sh", 1, 60.0, "act-1"),
        )  # fmt: skip
        await it.settle()
        assert "R.3 on app-1" in it.sheet()
        assert "It is the last step." in it.sheet()
        await it.press("enter")
        assert await it.sent() == [c.StopAction("act-1")]


async def test_a_stop_that_comes_too_late_says_so_in_amber(console: Start) -> None:
    recorder = rec.rolling_back()
    run_id = rec.list_runs(recorder)[-1]
    async with console(recorder) as it:
        await it.press("x")
        push(
            it, recorder, e.RunEnded(run_id, e.Outcome.SUCCEEDED, "", 0),
            e.StepFinished("R.2", run_id, e.Outcome.SUCCEEDED),
            e.ActionFinished("act-1", e.Outcome.SUCCEEDED),
        )  # fmt: skip
        await it.settle()
        said = "rollback had ended (succeeded): nothing was stopped"
        assert said in it.sheet()
        await it.press("enter")
        assert it.said() == [said]
        assert [one.severity for one in it.app._notifications] == ["warning"]
        assert it.source.sent == []


async def test_an_abort_of_a_step_that_ended_says_what_is_next(console: Start) -> None:
    recorder = rec.good_day()
    run_id = rec.list_runs(recorder)[-1]
    async with console(recorder) as it:
        await it.press("x")
        push(
            it, recorder, e.RunEnded(run_id, e.Outcome.SUCCEEDED, "", 0),
            e.StepFinished("2.1b", run_id, e.Outcome.SUCCEEDED),
        )  # fmt: skip
        await it.settle()
        await it.press("enter")
        assert it.said() == ["2.1b had ended (succeeded): nothing was aborted; next is 2.1c"]
        assert [one.severity for one in it.app._notifications] == ["warning"]
        assert it.source.sent == []


@SIZES
async def test_the_line_of_the_current_action_never_moves_the_layout(
    console: Start, size: tuple[int, int]
) -> None:
    recorder = rec.good_day()
    async with console(recorder, size=size) as it:
        line = it.app.window.advice
        before = line.region
        assert "2.1b run migrations runs on app-1" in it.seen("advice")
        rec.trip(recorder)
        it.source.push(recorder.entries[-1])
        await it.settle()
        assert line.region == before
        assert "R rollback" in it.seen("advice")


async def test_enter_is_named_from_where_the_person_is(console: Start) -> None:
    async with console(before_the_migration()) as it:
        await it.press("3")
        await it.until(lambda: "1 Enter run" in it.seen("advice"))
        await it.press("1", "up")
        await it.until(lambda: " Esc Enter run" in it.seen("advice"))
        await it.press("escape")
        await it.until(lambda: " Enter run" in it.seen("advice"))
        assert "Esc" not in it.seen("advice")


async def test_who_only_watches_is_offered_no_act_of_the_operator(console: Start) -> None:
    async with console(undone(), operator=False) as it:
        assert "watching: ROLLED BACK to v2.3.9" in it.seen("advice")
        assert "Enter" not in it.seen("advice")
        assert "l take over" in it.seen("advice")


@pytest.mark.parametrize(
    ("ended", "word"),
    [(None, "being undone, R.2"), (e.Outcome.FAILED, "being undone, R.2"),
     (e.Outcome.SUCCEEDED, "rolled back")],
)  # fmt: skip
def test_a_step_that_a_rollback_has_begun_to_undo_is_not_shown_as_done(
    ended: e.Outcome | None, word: str
) -> None:
    recorder = rec.tripped()
    recorder.add(e.ActionStarted("rollback", "act-1", ("R.1", "R.2"), ("error rate",)))
    before = drawn(recorder)
    recorder.step("R.1", 2, action_run="act-1")
    assert drawn(recorder)["✓ 2.1b"] == before["✓ 2.1b"]
    recorder.step("R.2", 60, action_run="act-1")
    if ended is not None:
        recorder.add(e.ActionFinished("act-1", ended, "stopped"), actor="console")
    after = drawn(recorder)
    assert "✓ 2.1b" not in after
    assert word in after["↶ 2.1b"]
    assert not any("✓" in line for line in after.values() if "T-45" in line)


def drawn(recorder: rec.Recorder) -> dict[str, str]:
    lines = [
        one.text for one in timeline_lines(seen(recorder), 80, rec.NOW, {"phase:migration": False})
    ]
    return {" ".join(line.split()[:2]).lstrip("▸▾ "): line for line in lines}
