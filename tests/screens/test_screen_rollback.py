"""The keys of actions: what they ask, how a rollback is typed out, and the ways on from a stop."""

from __future__ import annotations

import asyncio

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.signals import Pulse
from screens.modals.type_out import TypeOut
from tests.screens import recording as rec
from tests.screens.conftest import Start, text_of


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


@pytest.mark.parametrize("size", [(160, 45), (80, 24)])
async def test_what_the_last_look_finds_is_shown_and_a_longer_word_goes_on_all_the_same(
    console: Start, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    looked = asyncio.Event()
    why = "it can't be done as it is: PostgreSQL: authentication failed. Nothing was stopped"
    async with console(rec.tripped(), size=size) as it:
        send = it.source.send

        async def looking(command: c.Command) -> c.Reply:
            await send(command)
            await looked.wait()
            return c.Refused(why, "rollback anyway")

        monkeypatch.setattr(it.source, "send", looking)
        await it.press("R")
        await it.type("rollback")
        await it.press("enter")
        if it.source.sent == []:  # the end of a long page had to be shown first
            await it.press("enter")
        await it.sent()
        await it.settle()
        assert "checking: can everything be done? …" in it.seen("banner")
        await it.press("q")
        await it.press("escape")  # the screen works on meanwhile
        looked.set()
        await it.until(lambda: isinstance(it.app.screen, TypeOut))
        await it.press()
        assert "checking" not in it.seen("banner")
        assert " ".join(it.sheet().split()) == why
        monkeypatch.setattr(it.source, "send", send)
        await it.type("rollback")
        await it.press("enter")
        assert it.source.sent == [c.StartAction("rollback", "rollback")]
        await it.type(" anyway")
        await it.press("enter")
        await it.until(lambda: len(it.source.sent) == 2)
        assert it.source.sent[-1] == c.StartAction("rollback", "rollback anyway", anyway=True)


async def test_where_the_sheet_does_not_fit_all_before_the_commands_is_shown_first(
    console: Start,
) -> None:
    recorder = rec.tripped()
    missing = e.ReadinessChanged("rollback", False, ("disk to restore: 3 GB free",))
    recorder.add(missing, actor="console")
    async with console(recorder, size=(80, 20)) as it:
        await it.press("R")
        assert "Why now" in it.sheet()
        assert "disk to restore  fine" not in it.sheet()
        pinned = it.app.screen.query_one("#sheet-pinned")
        assert "Not ready: disk to restore: 3 GB free" in text_of(pinned)
        await it.type("rollback")
        await it.press("enter")
        assert it.source.sent == []
        assert "disk to restore  fine" in it.sheet()
        await it.press("enter")
        assert await it.sent() == [c.StartAction("rollback", "rollback")]


async def test_a_rollback_with_nothing_to_undo_says_so_once(console: Start) -> None:
    async with console(rec.opened()) as it:
        await it.press("R")
        lines = it.sheet_lines()
        assert lines[0] == ("Nothing to do: nothing was done in this window that it would undo.")
        assert sum("nothing was done" in one for one in lines) == 1
        assert "Ready" in lines
        assert not it.app.screen.query("#sheet-input")


async def test_a_step_done_by_hand_in_an_action_is_confirmed_with_enter(console: Start) -> None:
    async with console(rec.waiting_for_a_person()) as it:
        assert "enter confirm" in it.seen("footer")
        assert "R.4 tell the stakeholders is waiting for you" in it.seen("advice")
        assert "Enter confirm" in it.seen("advice")
        assert "to confirm" in it.pane("timeline")
        await it.press("q")
        assert "R.4 waits until a person confirms it" in it.sheet()
        await it.press("escape", "enter")
        assert "You confirm it was done. Runs no command" in it.sheet()
        await it.type("told")
        await it.press("enter")
        assert await it.sent() == [c.RunStep("R.4", "told")]


async def test_enter_in_the_run_pane_confirms_too_and_elsewhere_does_not(console: Start) -> None:
    async with console(rec.waiting_for_a_person()) as it:
        assert "You confirm it was done" in it.pane("run")
        await it.press("5", "enter")
        assert "You confirm it was done. Runs no command" not in it.sheet()
        await it.press("escape", "4", "enter")
        assert "You confirm it was done. Runs no command" in it.sheet()


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
