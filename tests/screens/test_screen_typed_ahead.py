"""Keys that come faster than sheets open: none is lost, none does what it wasn't meant for."""

from __future__ import annotations

import asyncio

import pytest
from textual import events

from optibid_console import commands as c
from optibid_console.commands import Accepted
from screens import typed_ahead
from screens.modals.sheet import Sheet
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
