"""Keys: what each asks, shows and sends."""

from __future__ import annotations

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.changed import changed
from optibid_console.commands import Refused
from optibid_console.runbook.channels import Channel, ChannelKind, Event
from optibid_console.signals import Pulse
from optibid_console.source import Role
from screens.modals.help import help_lines
from tests.screens import recording as rec
from tests.screens.conftest import Start, text_of


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


async def test_a_required_step_says_why_it_cannot_be_skipped(console: Start) -> None:
    async with console(rec.migrated()) as it:
        it.app.window.timeline.reveal("3.1")
        await it.press("s")
        assert it.said() == ["3.1 is required: it can't be skipped"]
        assert it.source.sent == []


async def test_rollback_is_typed_out_before_it_is_sent(console: Start) -> None:
    async with console(rec.tripped()) as it:
        await it.press("R")
        await it.type("rolback")
        await it.press("enter")
        assert it.source.sent == []
        await it.press(*["backspace"] * 7)
        await it.type("rollback")
        await it.press("enter")
        assert await it.sent() == [c.StartAction("rollback", "rollback")]


async def test_without_a_journal_rollback_goes_after_a_second_word_and_nothing_else_does(
    console: Start,
) -> None:
    async with console(rec.tripped()) as it:
        it.source.push(Pulse(rec.NOW, 0.1, False, "the disk is full"))
        await it.settle()
        await it.press("R")
        await it.type("rollback")
        await it.press("enter")
        assert "Nothing can be recorded now: the disk is full." in it.sheet()
        await it.type("rollback")
        await it.press("enter")
        assert it.source.sent == []
        await it.type(" without journal")
        await it.press("enter")
        assert await it.sent() == [
            c.StartAction("rollback", "rollback without journal", forced=True)
        ]


async def test_where_the_sheet_does_not_fit_its_end_is_shown_before_anything_goes(
    console: Start,
) -> None:
    recorder = rec.tripped()
    missing = e.ReadinessChanged("rollback", False, ("disk to restore: 3 GB free",))
    recorder.add(missing, actor="console")
    async with console(recorder, size=(80, 20)) as it:
        await it.press("R")
        assert "Why now" in it.sheet()
        assert "What it costs" not in it.sheet()
        pinned = it.app.screen.query_one("#sheet-pinned")
        assert "not ready: disk to restore: 3 GB free" in text_of(pinned)
        await it.type("rollback")
        await it.press("enter")
        assert it.source.sent == []
        assert "What it costs" in it.sheet()
        await it.press("enter")
        assert await it.sent() == [c.StartAction("rollback", "rollback")]


async def test_a_rollback_with_nothing_to_undo_says_so_once(console: Start) -> None:
    async with console(rec.opened()) as it:
        await it.press("R")
        lines = it.sheet_lines()
        assert lines[0] == ("Nothing to do: nothing was done in this window that it would undo.")
        assert sum("nothing was done" in one for one in lines) == 1
        assert "What is not ready" in lines
        assert not it.app.screen.query("#sheet-input")


async def test_a_step_done_by_hand_in_an_action_is_confirmed_with_enter(console: Start) -> None:
    async with console(rec.waiting_for_a_person()) as it:
        assert "enter confirm" in it.seen("footer")
        assert "R.4 tell the stakeholders" in it.seen("banner")
        assert "to confirm" in it.pane("timeline")
        await it.press("q")
        assert "R.4 waits until a person confirms it" in it.sheet()
        await it.press("escape", "enter")
        assert "you say that it is done" in it.sheet()
        await it.type("told")
        await it.press("enter")
        assert await it.sent() == [c.RunStep("R.4", "told")]


async def test_enter_in_the_run_pane_confirms_too_and_elsewhere_does_not(console: Start) -> None:
    async with console(rec.waiting_for_a_person()) as it:
        assert "done by hand" in it.pane("run")
        await it.press("5", "enter")
        assert "you say that it is done" not in it.sheet()
        await it.press("escape", "4", "enter")
        assert "you say that it is done" in it.sheet()


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


async def test_a_note_says_what_it_is_about_in_the_runbooks_words(console: Start) -> None:
    async with console(rec.good_day()) as it:
        await it.press("2")
        it.app.window.checklist.choose("item:plan")
        await it.press("n")
        assert "About “Rollback plan reviewed”." in it.sheet()


async def test_what_is_asked_is_not_covered_by_what_was_said(console: Start) -> None:
    async with console(rec.migrated()) as it:
        await it.press("x")
        assert it.said()
        await it.press("h")
        assert not it.said()


async def test_abort_names_the_run_and_asks(console: Start) -> None:
    recorder = rec.good_day()
    run_id = rec.list_runs(recorder)[-1]
    async with console(recorder) as it:
        await it.press("x")
        assert "2.1b on app-1" in it.sheet()
        await it.press("enter")
        assert await it.sent() == [c.Abort(run_id)]


async def test_abort_with_nothing_running_does_nothing_and_says_so(console: Start) -> None:
    async with console(rec.migrated()) as it:
        await it.press("x")
        assert it.said() == ["nothing is running: there is nothing to abort"]


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


@pytest.mark.parametrize("key", ["R", "x", "h", "b", "n", "s"])
async def test_who_only_watches_is_told_why_a_key_does_nothing(console: Start, key: str) -> None:
    async with console(rec.good_day(), operator=False) as it:
        assert "WATCHING oncall-1's window · read only" in it.seen("header")
        assert "rollback" not in it.seen("footer")
        await it.press(key)
        assert it.app.screen is it.app.window
        assert it.said() == ["read only: oncall-1 holds this window. Press l to take over"]
        assert it.source.sent == []


async def test_taking_over_needs_a_reason(console: Start) -> None:
    async with console(rec.good_day(), operator=False) as it:
        await it.press("l")
        assert "oncall-1 has held this window" in it.sheet()
        await it.press("down", "enter")
        await it.type("their laptop died")
        await it.press("enter")
        assert await it.sent() == [c.TakeOver("their laptop died")]


async def test_what_the_engine_refuses_is_said(console: Start) -> None:
    async with console(rec.migrated(), reply=Refused("disk [full]: nothing starts")) as it:
        await it.press("enter", "enter")
        await it.sent()
        await it.pilot.pause()
        assert it.said() == ["disk [full]: nothing starts"]


async def test_an_action_that_stopped_offers_the_ways_on(console: Start) -> None:
    async with console(rec.rolling_back(stopped=True)) as it:
        text = it.sheet()
        assert "could not connect to server" in text
        assert "R.2 is required: it can't be skipped" in text
        await it.press("enter")
        assert it.source.sent == [], "the first line only looks"
        await it.press("enter", "down", "enter")
        await it.type("the server is up")
        await it.press("enter")
        assert await it.sent() == [c.Decide("act-1", e.Choice.RETRY, "the server is up")]


async def test_a_required_step_of_an_action_cannot_be_skipped(console: Start) -> None:
    async with console(rec.rolling_back(stopped=True)) as it:
        await it.press("down", "down", "enter")
        assert it.source.sent == []
        await it.press("down", "enter", "enter")
        assert await it.sent() == [c.Decide("act-1", e.Choice.STOP)]


async def test_a_poll_is_called_then_voted_in(console: Start) -> None:
    recorder = rec.good_day()
    async with console(recorder) as it:
        await it.press("g")
        await it.type("go for T-30")
        await it.press("enter")
        assert await it.sent() == [c.CallPoll("go for T-30")]
        recorder.add(e.PollCalled("p-1", "go for T-30", ("Deployment Lead", "Database Admin")))
        it.source.push(recorder.entries[-1])
        await it.settle()
        assert "Poll: go for T-30" in it.seen("banner")
        await it.press("g", "down", "x")
        await it.type("replica lags")
        await it.press("enter")
        assert it.source.sent[-1] == c.CastVote(
            "p-1", "Database Admin", e.Vote.NO_GO, "replica lags"
        )


async def test_contacts_show_numbers_and_start_the_clock(console: Start) -> None:
    async with console(rec.good_day()) as it:
        await it.press("c")
        assert "+1 555 0101" in it.sheet()
        assert "Notify the deployment lead" in it.sheet()
        await it.press("s")
        await it.type("users complain")
        await it.press("enter")
        assert await it.sent() == [c.StartEscalation("users complain")]


def escalated(*acknowledged: int) -> rec.Recorder:
    recorder = rec.tripped()
    recorder.add(e.EscalationStarted("Error rate exceeds 5%: errors 7.2 %"))
    for rung in acknowledged:
        recorder.add(e.EscalationAcknowledged(rung))
    return recorder


async def test_the_escalation_says_all_its_times_on_the_windows_clock(console: Start) -> None:
    recorder = escalated()
    async with console(recorder) as it:
        it.app.view.state = changed(it.app.view.state, speed=24.0)
        it.clock[0] = recorder.entries[-1].at + 100.0
        it.app.window.tick()
        await it.settle()
        assert "Escalation 40:00" in it.seen("banner")
        assert "DUE for 25:00" in it.seen("banner")


async def test_a_acknowledges_the_next_rung_with_whom_to_call_in_sight(console: Start) -> None:
    async with console(escalated()) as it:
        banner = it.seen("banner")
        assert "Notify the deployment lead in " in banner
        assert "Deployment Lead Ada Byron, +1 555 0101, ada@x.example" in banner
        assert "a  acknowledge" in banner
        await it.press("a")
        assert "Rung 1, in " in it.sheet()
        assert "+1 555 0101" in it.sheet()
        await it.type("she is coming")
        await it.press("enter")
        assert await it.sent() == [c.AcknowledgeEscalation(0, "she is coming")]


async def test_a_is_for_the_first_rung_that_is_left(console: Start) -> None:
    async with console(escalated(0)) as it:
        assert "Database Admin Edgar Codd, +1 555 0102" in it.seen("banner")
        await it.press("c", "a", "enter")
        assert await it.sent() == [c.AcknowledgeEscalation(1, "")]


async def test_a_says_when_there_is_nothing_to_acknowledge(console: Start) -> None:
    async with console(rec.good_day()) as it:
        await it.press("a")
        assert it.said() == ["the escalation clock doesn't run"]
    async with console(escalated(0, 1)) as it:
        await it.press("a")
        assert it.said() == ["every rung is acknowledged"]
        assert "Escalation" not in it.seen("banner")


def untold() -> rec.Recorder:
    """The chat was told, the page was refused twice and given up once, paging lacks a value."""
    on = (Event.HELD,)
    channels = {
        "chat": Channel("chat", ChannelKind.APPRISE, "${CHAT_URL}", on, "the team's chat"),
        "page": Channel("page", ChannelKind.STATUS_PAGE, "https://page.example", on),
        "paging": Channel("paging", ChannelKind.APPRISE, "${PAGING_URL}", on),
    }
    recorder = rec.migrated(rec.small_runbook(tell=channels))
    recorder.add(e.ChannelsSet({"paging": "no value for ${PAGING_URL}"}))
    recorder.add(e.Told(4, "chat", "OptiBid: on hold"))
    recorder.add(e.TellingFailed(4, "page", "OptiBid: on hold", "status 500 [red]", 1, 9999.0))
    recorder.add(e.TellingFailed(9, "page", "OptiBid: resumed", "ConnectError", 5, over=True))
    return recorder


async def test_what_was_not_told_is_in_the_header_and_can_be_told_again(console: Start) -> None:
    async with console(untold()) as it:
        assert "! 2 not told" in it.seen("header")
        await it.press("c")
        said = "\n".join(it.sheet_lines())
        assert "the team's chat" in said
        assert "OptiBid: on hold" in said
        assert "not used: no value for ${PAGING_URL}" in said
        assert "tried 1 time, again in " in said
        assert "status 500 [red]" in said
        assert "tried 5 times, given up" in said
        await it.press("t")
        assert await it.sent() == [c.TellAgain()]


async def test_where_everything_was_told_the_header_is_silent(console: Start) -> None:
    recorder = untold()
    for about in (4, 9):
        recorder.add(e.Told(about, "page", "OptiBid: told", 2))
    async with console(recorder) as it:
        assert "not told" not in it.seen("header")
        await it.press("c")
        assert "tell the" not in "\n".join(it.sheet_lines())


async def test_an_observer_sees_what_was_not_told_and_changes_nothing(console: Start) -> None:
    async with console(untold(), operator=False) as it:
        assert "! 2 not told" in it.seen("header")
        await it.press("c", "t", "escape", "a")
        assert it.source.sent == []


async def test_leaving_gives_the_lease_back_and_ends_the_screen(console: Start) -> None:
    async with console(rec.good_day()) as it:
        await it.press("q")
        assert "2.1b is under way on app-1: it goes on by itself" in it.sheet()
        await it.press("l")
        assert await it.sent() == [c.Leave()]
    assert "attach" in it.app.farewell
    assert it.source.closed


async def test_a_window_with_steps_left_cannot_be_closed_as_completed(console: Start) -> None:
    async with console(rec.migrated()) as it:
        await it.press("q")
        assert "not completed:" in it.sheet()


async def test_a_person_asserts_a_criterion(console: Start) -> None:
    async with console(rec.good_day()) as it:
        await it.press("5")
        it.app.window.probes.choose("criterion:users")
        await it.press("enter", "enter")
        await it.type("three tickets")
        await it.press("enter")
        assert await it.sent() == [c.AssertCriterion("users", e.Verdict.FAIL, "three tickets")]


async def test_the_runbook_moves_keys(console: Start) -> None:
    runbook = rec.small_runbook(keys={"hold": "f8", "rollback": "f9"})
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


async def test_from_another_console_that_answers_it_is_taken_by_typing_whose_it_is(
    console: Start,
) -> None:
    async with console(rec.good_day(), operator=False) as it:
        it.source.push(Role(False, "oncall-1", rec.T0 - 62 * 60, elsewhere=True))
        await it.settle()
        await it.press("l")
        assert "its last heartbeat came within 5 s" in it.sheet()
        await it.press("down", "enter")
        assert "Type oncall-1 to take the window from them" in it.sheet()
        await it.type("oncall-2")
        await it.press("enter")
        assert it.said()[-1] == "oncall-1 holds this window: nothing was done"
        assert it.source.sent == []
        await it.press("l", "down", "enter")
        await it.type("oncall-1")
        await it.press("enter")
        await it.type("they are asleep")
        await it.press("enter")
        assert await it.sent() == [c.TakeOver("they are asleep", "oncall-1")]


async def test_a_screen_that_only_has_the_journal_says_where_log_lines_are(
    console: Start,
) -> None:
    async with console(rec.good_day(), operator=False) as it:
        it.source.push(Role(False, "oncall-1", rec.T0 - 62 * 60, elsewhere=True))
        await it.settle()
        logs = it.app.window.logs
        assert logs.absent == "log lines aren't in the journal: a link has them, or l takes over"
        it.source.push(Role(True, "oncall-2"))
        await it.settle()
        assert logs.absent == ""


async def test_from_one_that_is_silent_a_reason_is_enough(console: Start) -> None:
    async with console(rec.good_day(), operator=False) as it:
        it.source.push(Role(False, "oncall-1", rec.T0 - 62 * 60, 75, elsewhere=True))
        await it.settle()
        await it.press("l")
        assert "The last heartbeat of their console came 1:15 ago." in it.sheet()
        await it.press("down", "enter")
        await it.type("their laptop died")
        await it.press("enter")
        assert await it.sent() == [c.TakeOver("their laptop died")]
