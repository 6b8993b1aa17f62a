"""Keys of steps, the checklist and the window: what each asks, shows and sends."""

from __future__ import annotations

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.commands import Refused
from screens.modals.help import help_lines
from tests.screens import recording as rec
from tests.screens.conftest import Start
from tests.screens.small_runbook import small_runbook


async def test_enter_shows_the_exact_command_and_runs_the_next_step(console: Start) -> None:
    async with console(rec.migrated()) as it:
        await it.press("enter")
        assert "./deploy/2.1c.sh" in it.sheet()
        assert "app-1" in it.sheet()
        assert it.source.sent == []
        await it.press("enter")
        assert await it.sent() == [c.RunStep("2.1c")]


async def test_esc_on_a_confirmation_sends_nothing(console: Start) -> None:
    async with console(rec.migrated()) as it:
        await it.press("enter", "escape")
        assert it.app.screen is it.app.window
        assert it.source.sent == []


async def test_facts_are_filled_into_the_command_that_is_shown(console: Start) -> None:
    recorder = rec.opened()
    for step in ("1.1a", "1.2a", "2.1a"):
        recorder.step(step, 1)
    async with console(recorder) as it:
        await it.press("enter")
        assert 'export RELEASE="v2.4.0"' in it.sheet()
        assert './deploy/migrate.sh --to "$RELEASE"' in it.sheet()


async def test_a_manual_step_is_confirmed_with_a_note(console: Start) -> None:
    recorder = rec.opened()
    for step in ("1.1a", "1.2a", "2.1a", "2.1b", "2.1c", "3.1", "3.2"):
        recorder.step(step, 1)
    async with console(recorder) as it:
        await it.press("enter")
        await it.type("bid 42 placed")
        await it.press("enter")
        assert await it.sent() == [c.RunStep("6.1", "bid 42 placed")]


async def test_enter_on_a_running_step_shows_its_output(console: Start) -> None:
    async with console(rec.good_day()) as it:
        await it.press("enter")
        assert it.app.window.current == "run"
        assert it.app.screen is it.app.window
        assert it.source.sent == []


async def test_esc_comes_back_from_the_run_pane_to_the_step_that_enter_runs(
    console: Start,
) -> None:
    async with console(rec.good_day()) as it:
        await it.press("enter", "escape")
        assert it.app.window.current == "timeline"
        assert it.app.window.timeline.has_focus


async def test_esc_first_gives_the_run_pane_its_own_run_again(console: Start) -> None:
    async with console(rec.good_day()) as it:
        await it.press("4", "left_square_bracket", "escape")
        assert it.app.window.current == "run"
        await it.press("escape")
        assert it.app.window.current == "timeline"


@pytest.mark.parametrize("key", ["ctrl+c", "ctrl+q"])
async def test_ctrl_c_and_ctrl_q_ask_as_q_does_and_leave_the_second_time(
    console: Start, key: str
) -> None:
    async with console(rec.good_day()) as it:
        await it.press(key)
        assert "leave the window running" in it.sheet()
        assert it.said() == []
        await it.press(key)
        assert it.app.return_code == 0
        assert it.source.sent == []


async def test_ctrl_c_over_a_sheet_says_the_way_out(console: Start) -> None:
    async with console(rec.migrated()) as it:
        await it.press("enter", "ctrl+c")
        assert it.said() == ["Esc goes back, then q leaves"]
        assert "./deploy/2.1c.sh" in it.sheet()


async def test_after_a_rollback_leaving_begins_at_closing_as_rolled_back(console: Start) -> None:
    async with console(rec.rolled_back()) as it:
        await it.press("q", "enter")
        assert "It is closed as rolled back." in it.sheet()


async def test_space_ticks_an_item_and_again_opens_it(console: Start) -> None:
    async with console(rec.good_day()) as it:
        await it.press("2")
        it.app.window.checklist.reveal("plan")
        await it.press("space")
        assert await it.sent() == [c.MarkItem("plan", e.Mark.DONE)]
        it.app.window.checklist.reveal("backup")
        await it.press("space")
        assert it.source.sent[-1] == c.MarkItem("backup", e.Mark.OPEN)


async def test_the_checklist_is_at_the_first_open_item_until_a_person_moves(
    console: Start,
) -> None:
    recorder = rec.good_day()
    async with console(recorder) as it:
        checklist = it.app.window.checklist
        assert checklist.chosen == "item:plan"
        await it.press("2", "up")
        assert checklist.chosen != "item:plan"
        recorder.add(e.ItemMarked("plan", e.Mark.DONE))
        it.source.push(recorder.entries[-1])
        await it.settle()
        assert checklist.chosen == "item:extensions"
        await it.press("escape")
        assert checklist.chosen != "item:extensions"


async def test_space_and_arrows_fold_a_phase(console: Start) -> None:
    async with console(rec.good_day()) as it:
        it.app.window.timeline.choose("phase:migration")
        assert "2.1b run migrations" in it.pane("timeline")
        await it.press("space")
        assert "2.1b run migrations" not in it.pane("timeline")
        await it.press("right")
        assert "2.1b run migrations" in it.pane("timeline")


async def test_a_note_names_what_is_focused(console: Start) -> None:
    async with console(rec.good_day()) as it:
        await it.press("5")
        it.app.window.probes.choose("probe:redis")
        await it.press("n")
        await it.type("known issue")
        await it.press("enter")
        assert await it.sent() == [c.WriteNote("probe:redis", "known issue")]


async def test_skipping_asks_for_a_reason_and_takes_no_blank_one(console: Start) -> None:
    async with console(rec.migrated()) as it:
        await it.press("s", "enter")
        assert it.source.sent == []
        await it.type("no need")
        await it.press("enter")
        assert await it.sent() == [c.SkipStep("2.1c", "no need")]


async def test_a_required_step_is_not_skipped_but_can_be_waived(console: Start) -> None:
    async with console(rec.migrated()) as it:
        it.app.window.timeline.reveal("3.1")
        await it.press("s")
        assert "It is required. It is not run" in it.sheet()
        await it.press("escape")
        assert it.source.sent == []


async def test_a_failed_step_is_run_again_with_what_it_said_before(console: Start) -> None:
    async with console(rec.failed_step()) as it:
        await it.press("enter")
        assert "it failed before: exit 2: done" in it.sheet()
        await it.press("enter")
        assert await it.sent() == [c.RunStep("2.1c", "")]


async def test_a_finished_step_is_looked_at_not_run_again(console: Start) -> None:
    async with console(rec.migrated()) as it:
        it.app.window.timeline.reveal("2.1b")
        await it.press("enter")
        assert "show its output" in it.sheet()
        assert "run it" not in it.sheet()
        assert "skip it" not in it.sheet()


async def test_what_is_asked_is_not_covered_by_what_was_said(console: Start) -> None:
    async with console(rec.migrated()) as it:
        await it.press("x")
        assert it.said()
        await it.press("h")
        assert not it.said()


async def test_hold_asks_why_and_the_same_key_resumes(console: Start) -> None:
    async with console(rec.good_day()) as it:
        await it.press("h")
        await it.type("waiting for the dba")
        await it.press("enter")
        assert await it.sent() == [c.Hold("waiting for the dba")]
        recorder = rec.good_day()
        recorder.add(e.Held("waiting for the dba"))
        it.source.push(recorder.entries[-1])
        await it.settle()
        assert "HOLD" in it.seen("header")
        await it.press("h", "enter")
        assert it.source.sent[-1] == c.Resume("")


async def test_what_the_engine_refuses_is_said(console: Start) -> None:
    async with console(rec.migrated(), reply=Refused("disk [full]: nothing starts")) as it:
        await it.press("enter", "enter")
        await it.sent()
        await it.pilot.pause()
        assert it.refused() == ("Can't run 2.1c", "disk [full]: nothing starts")


async def test_a_person_asserts_a_criterion(console: Start) -> None:
    async with console(rec.good_day()) as it:
        await it.press("5")
        it.app.window.probes.choose("criterion:users")
        await it.press("enter", "enter")
        await it.type("three tickets")
        await it.press("enter")
        assert await it.sent() == [c.AssertCriterion("users", e.Verdict.FAIL, "three tickets")]


async def test_the_runbook_moves_keys(console: Start) -> None:
    runbook = small_runbook(keys={"hold": "f8", "rollback": "f9"})
    async with console(rec.tripped(runbook)) as it:
        await it.press("R")
        assert it.app.screen is it.app.window
        await it.press("f9")
        assert "What will happen" in it.sheet()
        await it.press("escape", "h")
        assert it.app.screen is it.app.window
        await it.press("f8")
        assert "clock stands still" in it.sheet()


async def test_help_names_the_keys_of_the_pane(console: Start) -> None:
    async with console(rec.good_day()) as it:
        await it.press("3", "question_mark")
        assert "In Logs" in it.sheet()
        assert "filter" in it.sheet()
        assert any("Rollback" in line for line in it.sheet_lines())
        timeline = [line.text for line in help_lines(it.app.view, "timeline", 90)]
        assert "  Up Down j k  move" in timeline
