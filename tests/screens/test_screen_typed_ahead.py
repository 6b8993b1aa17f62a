"""Keys that come faster than sheets open: none is lost, none does what it wasn't meant for."""

from __future__ import annotations

import asyncio

import pytest
from textual import events
from textual.command import CommandInput, CommandList, Hits

from optibid_console import commands as c
from optibid_console.commands import Accepted
from screens import typed_ahead
from screens.modals.refused import RefusedSheet
from screens.modals.sheet import Sheet
from screens.palette import Everything
from tests.screens import recording as rec
from tests.screens.conftest import Console, Start

NAMES = {" ": "space", "\r": "enter", "\x1b": "escape"}


async def burst(it: Console, keys: str) -> None:
    """All keys at once, as a slow link delivers them."""
    for one in keys:
        it.app.post_message(events.Key(NAMES.get(one, one), one if one.isprintable() else None))
    await it.pilot.pause()


async def test_a_reason_typed_before_its_sheet_is_there_is_the_sheet_s(console: Start) -> None:
    async with console(rec.migrated()) as it:
        await burst(it, "hnow disk\r")
        assert await it.sent() == [c.Hold("now disk")]
        await it.until(lambda: it.app.screen is it.app.window)


async def test_one_key_after_the_other_goes_to_what_the_one_before_opened(console: Start) -> None:
    async with console(rec.migrated()) as it:
        await burst(it, "snot now\rhso I hold\rz")
        await it.until(lambda: it.app.window.zoomed)
        assert it.source.sent == [c.SkipStep("2.1c", "not now"), c.Hold("so I hold")]
        assert it.app.screen is it.app.window


async def test_abort_and_enter_in_one_piece_abort(console: Start) -> None:
    async with console(rec.good_day()) as it:
        await burst(it, "x\r")
        assert [type(one) for one in await it.sent()] == [c.Abort]


async def test_abort_and_esc_in_one_piece_do_nothing(console: Start) -> None:
    async with console(rec.good_day()) as it:
        await burst(it, "x\x1bz")
        await it.until(lambda: it.app.window.zoomed)
        assert it.app.screen is it.app.window
        assert it.source.sent == []


async def test_enter_pressed_twice_confirms_nothing_that_nobody_has_read(console: Start) -> None:
    async with console(rec.migrated()) as it:
        await burst(it, "\r\r\r")
        await it.until(lambda: isinstance(it.app.screen, Sheet))
        await it.until(lambda: not it.app.typed_ahead.holds)
        assert "./deploy/2.1c.sh" in it.sheet()
        assert it.source.sent == []
        await it.press("enter")
        assert await it.sent() == [c.RunStep("2.1c")]


async def test_while_the_engine_answers_keys_are_the_window_s(console: Start) -> None:
    async with console(rec.good_day()) as it:
        answer: asyncio.Future[c.Reply] = asyncio.get_running_loop().create_future()

        async def send(command: c.Command) -> c.Reply:
            it.source.sent.append(command)
            return await answer

        it.source.send = send
        await burst(it, "hslow\rx")
        await it.until(lambda: isinstance(it.app.screen, Sheet) and len(it.source.sent) == 1)
        assert it.app.screen.sheet_title == "Abort 2.1b"
        answer.set_result(Accepted())


async def test_keys_are_the_window_s_again_when_a_flow_never_asks(
    console: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typed_ahead, "MOST_S", 0.05)
    async with console(rec.migrated()) as it:
        it.app.start(asyncio.Event().wait)
        await burst(it, "z")
        await it.until(lambda: it.app.window.zoomed)


class Hand:
    """A person's keys, each at its own moment of a clock that stands still between them."""

    def __init__(self, it: Console, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(typed_ahead, "REST_S", 0.4)
        self.it = it
        self.now = 1000.0
        it.app.typed_ahead.clock = lambda: self.now

    async def types(self, *keys: str, each_s: float = 0.1) -> None:
        """Press the keys, each `each_s` after the one before."""
        for key in keys:
            self.now += each_s
            await self.it.press(key)


def jumped_over(it: Console) -> None:
    """Choose a step that required steps stand before."""
    it.app.window.timeline.reveal("6.1")


async def test_what_is_typed_after_a_refusal_opens_nothing(
    console: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with console(rec.migrated()) as it:
        hand = Hand(it, monkeypatch)
        jumped_over(it)
        await hand.types("J", *"because")
        what, why = it.refused()
        assert (what, why) == (
            "Can't jump to 6.1",
            "3.1 switch the release and restart the backend and 1 more required step come first",
        )
        assert "Next is 2.1c" in it.sheet()
        await hand.types("enter")
        assert it.refused() == (what, why), "the Enter of the reason isn't an answer to it"
        hand.now += 2.0
        await hand.types("b", "enter", "R", "enter")
        assert it.refused() == (what, why), "text stays swallowed however late it comes"
        hand.now += 2.0
        await hand.types("enter")
        assert it.app.screen is it.app.window
        assert it.source.sent == []


async def test_a_refusal_in_one_piece_with_its_reason_stays(console: Start) -> None:
    async with console(rec.migrated()) as it:
        typed_ahead.REST_S = 0.4  # _no_rest takes it back
        jumped_over(it)
        await burst(it, "Jbecause\r")
        await it.until(lambda: isinstance(it.app.screen, RefusedSheet))
        await it.until(lambda: not it.app.typed_ahead.holds)
        assert it.refused()[0] == "Can't jump to 6.1"
        await it.press("escape")
        assert it.app.screen is it.app.window
        assert it.source.sent == []


async def test_esc_closes_a_refusal_at_once_and_text_rests_after_it(
    console: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with console(rec.migrated()) as it:
        hand = Hand(it, monkeypatch)
        jumped_over(it)
        await hand.types("J", "escape", "b", "h", "enter")
        assert it.app.screen is it.app.window
        assert it.said() == ["Ignored what was typed while the dialog closed"]
        hand.now += 0.4
        await hand.types("h")
        assert "clock stands still" in it.sheet()


async def test_text_for_a_dialog_that_closes_by_itself_launches_nothing(
    console: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with console(rec.migrated()) as it:
        hand = Hand(it, monkeypatch)
        await hand.types("h", *"wait")
        it.app.screen.dismiss(None)  # it was answered elsewhere
        await it.until(lambda: it.app.screen is it.app.window)
        await hand.types(*"bRmh", "enter", "enter")
        assert it.app.screen is it.app.window
        assert it.source.sent == []
        hand.now += 1.0
        await hand.types("z")
        assert it.app.window.zoomed, "after the rest keys are the window's again"


async def test_after_an_answer_keys_do_not_rest(
    console: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with console(rec.migrated()) as it:
        hand = Hand(it, monkeypatch)
        await hand.types("s", *"no", "enter", "z")
        assert it.source.sent == [c.SkipStep("2.1c", "no")]
        assert it.app.window.zoomed


@pytest.mark.parametrize("keys", ["share", "share\r"])
async def test_what_is_typed_with_the_palettes_key_is_the_palettes(
    console: Start, monkeypatch: pytest.MonkeyPatch, keys: str
) -> None:
    typed: list[str] = []
    search = Everything.search

    def searched(self: Everything, query: str) -> Hits:
        typed.append(query)
        return search(self, query)

    monkeypatch.setattr(Everything, "search", searched)
    async with console(rec.migrated()) as it:
        it.app.post_message(events.Key("ctrl+p", None))
        await burst(it, keys)
        await it.until(lambda: "share" in typed and not it.app.typed_ahead.holds)
        assert it.source.sent == []
        if isinstance(it.app.screen, Sheet):  # there was one hit, so Enter chose it
            assert keys.endswith("\r")
            assert it.app.screen.sheet_title == "Share this window"
        else:
            assert it.app.screen.query_one(CommandInput).value == "share"


async def test_what_follows_a_choice_of_the_palette_is_for_what_it_opens(console: Start) -> None:
    async with console(rec.migrated()) as it:
        await it.press("ctrl+p")
        await it.type("hold: ")
        hits = it.app.screen.query_one(CommandList)
        await it.until(lambda: hits.option_count == 1)
        await burst(it, "\rslow disk\r")
        assert await it.sent() == [c.Hold("slow disk")]


async def test_a_beat_in_the_middle_of_the_end_finds_a_sheet_without_its_parts(
    console: Start,
) -> None:
    async with console(rec.good_day()) as it:
        await it.press("h")
        sheet = it.app.screen
        assert isinstance(sheet, Sheet)
        for part in ("#sheet-input", "#page"):
            await sheet.query_one(part).remove()
            it.app.window.tick()
