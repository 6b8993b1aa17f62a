"""Watching, taking over and leaving."""

from __future__ import annotations

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.source import Role
from tests.screens import recording as rec
from tests.screens.conftest import Start


@pytest.mark.parametrize("key", ["R", "x", "h", "b", "n", "s"])
async def test_who_only_watches_is_told_why_a_key_does_nothing(console: Start, key: str) -> None:
    async with console(rec.good_day(), operator=False) as it:
        assert "WATCHING oncall-1's window · read only" in it.seen("header")
        assert "rollback" not in it.seen("footer")
        await it.press(key)
        assert it.refused()[1] == ("read only: oncall-1 holds this window. Press l to take over")
        assert it.source.sent == []


async def test_taking_over_needs_a_reason(console: Start) -> None:
    async with console(rec.good_day(), operator=False) as it:
        await it.press("l")
        assert "oncall-1 has held this window" in it.sheet()
        await it.press("down", "enter")
        await it.type("their laptop died")
        await it.press("enter")
        assert await it.sent() == [c.TakeOver("their laptop died")]


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


async def test_from_another_console_that_answers_it_is_taken_by_typing_whose_it_is(
    console: Start,
) -> None:
    async with console(rec.good_day(), operator=False) as it:
        it.source.push(Role(False, "oncall-1", rec.T0 - 62 * 60, elsewhere=True))
        await it.settle()
        await it.press("l")
        assert "its last heartbeat came within 5 s" in it.sheet()
        await it.press("down", "enter")
        assert "Type oncall-1 to take the window" in " ".join(it.sheet().split())
        await it.type("oncall-2")
        await it.press("enter")
        assert it.app.screen.problem == 'Type "oncall-1" exactly, or press Esc'
        assert it.source.sent == []
        await it.press("backspace")
        await it.type("1")
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


async def test_a_key_that_is_refused_again_opens_no_second_dialog(console: Start) -> None:
    async with console(rec.good_day(), operator=False) as it:
        await it.press("s", "s", "s")
        assert it.refused()
        await it.press("escape")
        assert it.app.screen is it.app.window


async def test_from_one_that_is_silent_a_reason_is_enough(console: Start) -> None:
    async with console(rec.good_day(), operator=False) as it:
        it.source.push(Role(False, "oncall-1", rec.T0 - 62 * 60, 75, elsewhere=True))
        await it.settle()
        assert "oncall-1's console is silent for 1:15" in it.seen("banner")
        await it.press("l")
        assert "The last heartbeat of their console came 1:15 ago." in it.sheet()
        await it.press("down", "enter")
        await it.type("their laptop died")
        await it.press("enter")
        assert await it.sent() == [c.TakeOver("their laptop died")]


async def test_who_reads_the_journal_alone_is_not_said_to_record(console: Start) -> None:
    async with console(rec.good_day(), operator=False) as it:
        assert "recording" in it.seen("header")
        it.source.push(Role(False, "oncall-1", rec.T0 - 62 * 60, elsewhere=True))
        await it.settle()
        assert "recording" not in it.seen("header")


async def test_what_was_done_while_cut_off_is_told_until_the_driver_has_looked(
    console: Start,
) -> None:
    recorder = rec.good_day()
    done = e.SpillDelivered("oncall-2", "laptop", "/a.spill", ())
    recorder.add(done, actor="oncall-2")
    async with console(recorder) as it:
        assert "ANOTHER CONSOLE ACTED while it was cut off" in it.seen("banner")
        assert "oncall-2's console on laptop" in it.seen("banner")
        recorder.add(
            e.NoteWritten("window", "looked at it"), actor=it.app.window.view.state.operator
        )
        it.source.push(recorder.entries[-1])
        await it.settle()
        assert "ANOTHER CONSOLE ACTED" not in it.seen("banner")
        where = "8 entries of a rollback that was forced here aren't in the journal: /a.spill"
        it.source.push(Role(False, "oncall-1", rec.T0, elsewhere=True, unmerged=where))
        await it.settle()
        assert "NOT IN THE JOURNAL" in it.seen("banner")
        assert "/a.spill" in it.seen("banner")
