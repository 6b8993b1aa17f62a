"""The keys for people: notes, polls, contacts, escalation, and what was told."""

from __future__ import annotations

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.changed import changed
from optibid_console.runbook.channels import Channel, ChannelKind, Event
from tests.screens import recording as rec
from tests.screens.conftest import Start
from tests.screens.small_runbook import small_runbook


async def test_a_note_says_what_it_is_about_in_the_runbooks_words(console: Start) -> None:
    async with console(rec.good_day()) as it:
        await it.press("2")
        it.app.window.checklist.choose("item:plan")
        await it.press("n")
        assert "About “Rollback plan reviewed”." in it.sheet()


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
        assert it.refused() == ("Can't acknowledge", "the escalation clock doesn't run")
    async with console(escalated(0, 1)) as it:
        await it.press("a")
        assert it.refused()[1] == "every rung is acknowledged"
        assert "Escalation" not in it.seen("banner")


def untold() -> rec.Recorder:
    """The chat was told, the page was refused twice and given up once, paging lacks a value."""
    on = (Event.HELD,)
    channels = {
        "chat": Channel("chat", ChannelKind.APPRISE, "${CHAT_URL}", on, "the team's chat"),
        "page": Channel("page", ChannelKind.STATUS_PAGE, "https://page.example", on),
        "paging": Channel("paging", ChannelKind.APPRISE, "${PAGING_URL}", on),
    }
    recorder = rec.migrated(small_runbook(tell=channels))
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
