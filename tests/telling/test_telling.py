"""The lines of messages on a real journal, with channels on real servers and short patience."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from optibid_console import entries as e
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.opening import opening
from optibid_console.engine.telling import Patience, Telling
from optibid_console.journal.lease import this_engine
from optibid_console.journal.spilling import SpillingJournal
from optibid_console.journal.sqlite import SqliteJournal
from optibid_console.runbook.channels import Channel
from optibid_console.runbook.load import Loaded
from optibid_console.runbook.model import Runbook, Window
from optibid_console.runbook.secrets import Secrets
from tests.servers.page import Page
from tests.telling.desk import QUICK, Desk, Silent, all_entries, channel, failures


@pytest.fixture
def desk(tmp_path: Path) -> Callable[..., contextlib.AbstractAsyncContextManager[Desk]]:
    """Opens the window's journal, or goes on with it, as an engine does."""

    @contextlib.asynccontextmanager
    async def opened(
        *channels: Channel, patience: Patience = QUICK, off: dict[str, str] | None = None,
        **more: Any,
    ) -> AsyncIterator[Desk]:  # fmt: skip
        book = Runbook(Window("OptiBid", "v2"), tell={one.id: one for one in channels})
        loaded = Loaded(book, Secrets(), "digest", tmp_path / "c.toml", channels_off=off or {})
        journal = await SqliteJournal.open(tmp_path / "w.journal", create=True)
        spilling = SpillingJournal(journal, journal.path)
        await journal.acquire("ada", this_engine())
        ledger = Ledger(spilling, Silent(), loaded.secrets)
        await ledger.restore()
        if ledger.state.seq == 0:
            await ledger.record(opening(loaded, "", time.time()), "ada")
        telling = Telling(loaded, ledger, patience, **more)
        await ledger.record(e.EngineStarted("0", "here", 1))
        running = asyncio.create_task(telling.run())
        try:
            yield Desk(ledger, telling)
            await telling.finish()
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            await journal.release()
            await spilling.close()

    return opened


async def test_refused_twice_then_told(desk: Any, page: Page) -> None:
    page.statuses = [500, 500]
    async with desk(channel("page", f"http://{page.address}/")) as one:
        held = await one.ledger.record(e.Held("slow"), "ada")
        state = await one.until(lambda state: "page" in state.telling.last)
        assert failures(await all_entries(one)) == [(1, False), (2, False)]
    assert state.telling.untold == {}
    assert dict(state.telling.settled) == {(held.seq, "page"): True}
    assert len(page.asked) == 3


async def test_given_up_after_five_tries_and_told_when_asked(desk: Any, page: Page) -> None:
    page.refuses = True
    async with desk(channel("page", f"http://{page.address}/")) as one:
        await one.ledger.record(e.Held("slow"), "ada")
        state = await one.until(lambda state: len(state.telling.settled) == 1)
        assert failures(await all_entries(one)) == [
            (1, False), (2, False), (3, False), (4, False), (5, True),
        ]  # fmt: skip
        (untold,) = state.telling.untold.values()
        assert (untold.attempts, untold.retry_at) == (5, 0.0)
        assert untold.reason.startswith("status 500")
        page.refuses = False
        assert one.telling.again() == 1
        state = await one.until(lambda state: not state.telling.untold)
        assert list(state.telling.settled.values()) == [True]


async def test_a_failing_channel_holds_no_other_up_nor_its_own_next_message(
    desk: Any, page: Page, nobody: int
) -> None:
    patient = replace(QUICK, delays_s=(60.0,), grace_s=0.1)
    page.statuses = [500]
    async with desk(
        channel("away", f"http://127.0.0.1:{nobody}/"),
        channel("page", f"http://{page.address}/"),
        patience=patient,
    ) as one:
        first = await one.ledger.record(e.Held("first"), "ada")
        await one.until(lambda state: len(state.telling.untold) == 2)
        second = await one.ledger.record(e.Held("second"), "ada")
        state = await one.until(lambda state: "page" in state.telling.last)
        assert dict(state.telling.settled) == {(second.seq, "page"): True}
        assert (first.seq, "page") in state.telling.untold
        state = await one.until(lambda state: len(state.telling.untold) == 3)
        assert all(one.retry_at > time.time() for one in state.telling.untold.values())


async def test_what_is_too_old_is_skipped_with_the_reason_and_told_when_asked(
    desk: Any, page: Page
) -> None:
    hasty = replace(QUICK, too_old_s=-1.0)
    async with desk(channel("page", f"http://{page.address}/"), patience=hasty) as one:
        await one.ledger.record(e.Held("slow"), "ada")
        state = await one.until(lambda state: state.telling.untold)
        (untold,) = state.telling.untold.values()
        assert "told now it would mislead" in untold.reason
        assert page.asked == []
        assert one.telling.again() == 1
        await one.until(lambda state: not state.telling.untold)
    assert len(page.asked) == 1


async def test_a_restart_tells_nothing_twice_and_the_rest_late(desk: Any, page: Page) -> None:
    patient = replace(QUICK, delays_s=(60.0,), grace_s=0.1)
    where = channel("page", f"http://{page.address}/")
    async with desk(where, patience=patient) as one:
        await one.ledger.record(e.Held("told"), "ada")
        await one.until(lambda state: "page" in state.telling.last)
        page.refuses = True
        await one.ledger.record(e.Held("refused"), "ada")
        await one.until(lambda state: state.telling.untold)
    page.refuses = False
    async with desk(where) as again:
        await again.until(lambda state: not state.telling.untold)
        told = [one.fact for one in await all_entries(again) if isinstance(one.fact, e.Told)]
    async with desk(where) as third:
        await third.ledger.record(e.Held("the third"), "ada")
        await third.until(lambda state: len(state.telling.settled) == 3)
    assert [(one.late, one.attempt) for one in told] == [(False, 1), (True, 2)]
    assert [one["body"]["title"].startswith("LATE") for one in page.asked] == [
        False, False, True, False,
    ]  # fmt: skip


async def test_what_was_given_up_can_be_told_by_the_next_engine_when_asked(
    desk: Any, page: Page
) -> None:
    page.refuses = True
    where = channel("page", f"http://{page.address}/")
    async with desk(where) as one:
        await one.ledger.record(e.Held("slow"), "ada")
        await one.until(lambda state: len(state.telling.settled) == 1)
    page.refuses = False
    async with desk(where) as again:
        async with asyncio.timeout(60):
            while not again.telling.again():
                await asyncio.sleep(0)
        await again.until(lambda state: not state.telling.untold)


async def test_a_new_channel_is_told_nothing_of_before(desk: Any, page: Page) -> None:
    async with desk() as one:
        await one.ledger.record(e.Held("before"), "ada")
    where = channel("page", f"http://{page.address}/")
    async with desk(where) as again:
        await again.ledger.record(e.Held("after"), "ada")
        await again.until(lambda state: "page" in state.telling.last)
    assert [one["body"]["body"] for one in page.asked] == ["Held by ada: after"]


async def test_a_channel_without_its_value_is_said_once_and_tells_nothing(
    desk: Any, page: Page
) -> None:
    where = channel("page", f"http://{page.address}/")
    off = {"page": "no value for ${PAGE}"}
    for _ in range(2):
        async with desk(where, off=off) as one:
            state = await one.until(lambda state: state.telling.off)
            assert state.telling.off == off
            await one.ledger.record(e.Held("slow"), "ada")
    async with desk(where) as again:
        await again.until(lambda state: not state.telling.off)
        said = [one for one in await all_entries(again) if isinstance(one.fact, e.ChannelsSet)]
        assert len(said) == 2
    assert page.asked == []


async def test_a_bug_in_telling_is_a_failed_try_and_nothing_more(desk: Any) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    async with desk(channel("page", "http://x/"), send_one=broken) as one:
        await one.ledger.record(e.Held("slow"), "ada")
        state = await one.until(lambda state: len(state.telling.settled) == 1)
    (untold,) = state.telling.untold.values()
    assert untold.reason == "internal error of the console (runtime error: a bug)"


async def test_a_closed_window_ends_within_the_grace_and_says_what_was_not_told(
    desk: Any, page: Page
) -> None:
    page.refuses = True
    patient = replace(QUICK, delays_s=(60.0,))
    async with desk(channel("page", f"http://{page.address}/"), patience=patient) as one:
        await one.ledger.record(e.Held("slow"), "ada")
        await one.until(lambda state: state.telling.untold)
        await one.ledger.record(e.WindowClosed("abandoned", "enough"), "ada")
        await one.until(lambda state: len(state.telling.untold) == 2)
        begun = time.monotonic()
        await one.telling.finish()
        assert time.monotonic() - begun < 5
        reasons = [untold.reason for untold in one.state.telling.untold.values()]
    why = "the window is closed, and its engine ended before this was told"
    assert len(reasons) == 2
    assert all(reason.startswith(f"{why}; the last try said: status 500") for reason in reasons)


async def test_what_a_closed_window_s_channel_never_answered_is_skipped_too(
    desk: Any, page: Page
) -> None:
    page.hangs = True
    async with desk(channel("page", f"http://{page.address}/")) as one:
        await one.ledger.record(e.Held("in flight"), "ada")
        await page.until(1)
        await one.ledger.record(e.Held("waits"), "ada")
        await one.ledger.record(e.WindowClosed("abandoned", "enough"), "ada")
        await one.telling.finish()
        assert list(one.state.telling.settled.values()) == [False] * 3


async def test_a_try_that_an_engine_s_end_cut_off_is_said_to_be_perhaps_a_repeat(
    desk: Any, page: Page
) -> None:
    page.hangs = True
    where = channel("page", f"http://{page.address}/")
    hasty = replace(QUICK, grace_s=0.0)
    async with desk(where, patience=hasty) as one:
        await one.ledger.record(e.Held("in flight"), "ada")
        await page.until(1)  # it has read the message, and its answer never comes
    page.hangs = False
    async with desk(where) as again:
        await again.until(lambda state: "page" in state.telling.last)
    first, second = (one["body"]["title"] for one in page.asked)
    assert second.startswith("LATE by ")
    assert second.endswith(f", may be a repeat): {first}")


async def test_what_failed_and_waited_for_its_next_try_is_no_repeat(desk: Any, page: Page) -> None:
    page.statuses = [500]
    where = channel("page", f"http://{page.address}/")
    patient = replace(QUICK, delays_s=(60.0,), grace_s=0.0)
    async with desk(where, patience=patient) as one:
        await one.ledger.record(e.Held("refused"), "ada")
        await one.until(lambda state: state.telling.untold)
    async with desk(where) as again:
        await again.until(lambda state: "page" in state.telling.last)
    assert "repeat" not in page.asked[1]["body"]["title"]


async def test_another_runbook_s_channels_are_told_from_then_on_and_a_removed_one_says_so(
    desk: Any, page: Page
) -> None:
    url = f"http://{page.address}/"
    page.statuses = [500] * 20
    late = replace(QUICK, delays_s=(60.0,))
    async with desk(channel("old", url), channel("stays", url), patience=late) as one:
        await one.ledger.record(e.Held("slow"), "ada")
        await one.until(lambda state: len(state.telling.untold) == 2)
        book = Runbook(
            Window("OptiBid", "v2"), tell={n: channel(n, url) for n in ("stays", "new", "off")}
        )
        page.statuses = []
        one.telling.adopt(
            Loaded(book, Secrets(), "next", Path("c.toml"), channels_off={"off": "no value"})
        )
        await one.until(lambda state: state.telling.off == {"off": "no value"})
        resumed = await one.ledger.record(e.Held("again"), "ada")
        state = await one.until(lambda state: {"stays", "new"} <= state.telling.last.keys())
        assert (resumed.seq, "new") in state.telling.settled
        skipped = [x.fact for x in await all_entries(one) if isinstance(x.fact, e.TellingSkipped)]
    assert [(x.channel, x.reason) for x in skipped] == [
        ("old", "the accepted runbook doesn't use the channel old")
    ]
