"""A whole engine that tells people, with channels that work, fail, hang and are away."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.signals import Pulse
from tests.servers.page import open_page


def add_channels(tmp_path: Path, **urls: str) -> None:
    """Channels at the end of the engine's config: each told of all that these tests do."""
    events = '["held", "resumed", "rollback-begun", "rollback-done", "window-closed"]'
    with (tmp_path / "config.toml").open("a") as config:
        for name, url in urls.items():
            kind = "status-page" if url.startswith("http") else "apprise"
            config.write(f'\n[tell.{name}]\nkind = "{kind}"\nurl = "{url}"\non = {events}\n')


async def test_a_hold_is_told_and_recorded(start_engine: Any, tmp_path: Path) -> None:
    async with open_page() as page:
        add_channels(tmp_path, chat=f"json://{page.address}/chat")
        async with start_engine() as bench:
            await bench.do(c.Hold("the database is slow"))
            await page.until(1)
            assert page.asked[0]["body"]["title"] == "A window of the tests v2: on hold"
            assert page.asked[0]["body"]["message"] == "Held by oncall-1: the database is slow"
            state = await bench.until(lambda state: "chat" in state.telling.last)
            assert state.telling.untold == {}


async def test_channels_that_hang_hold_up_neither_a_rollback_nor_the_loop(
    start_engine: Any, tmp_path: Path
) -> None:
    async with open_page(hangs=True) as page:
        add_channels(
            tmp_path, chat=f"json://{page.address}/chat?rto=60", page=f"http://{page.address}/page"
        )
        (tmp_path / "room" / "may-roll-back").touch()
        async with start_engine() as bench:
            for step_id in ("1b", "2a"):
                await bench.step(step_id)
            await bench.do(c.Hold("a message that hangs"))
            await page.until(2)
            begun = time.monotonic()
            reply = await bench.do(c.StartAction("rollback", "rollback"))
            assert isinstance(reply, c.Accepted), reply
            state = await bench.until(
                lambda state: state.step("R1", "rollback1").outcome is not None
            )
            took_s = time.monotonic() - begun
            assert state.step("R1", "rollback1").outcome is e.Outcome.SUCCEEDED
            assert took_s < 10, "the channel's limit is 20 s"
            stopping = time.monotonic()
        assert time.monotonic() - stopping < 10, "an engine that ends waits 2 s for its channels"
        lags = [one.lag_ms for one in bench.heard.signals if isinstance(one, Pulse)]
        assert max(lags, default=0.0) < 2000


async def test_closing_the_window_is_told_before_the_engine_ends(
    start_engine: Any, tmp_path: Path
) -> None:
    async with open_page() as page:
        add_channels(tmp_path, page=f"http://{page.address}/page")
        async with start_engine() as bench:
            reply = await bench.do(c.CloseWindow("abandoned", "another night"))
            assert isinstance(reply, c.Accepted), reply
        assert page.asked[0]["body"]["title"].endswith("window closed, abandoned")
        assert list(bench.state.telling.settled.values()) == [True]


async def test_the_next_engine_tells_late_what_was_left_and_nothing_twice(
    start_engine: Any, tmp_path: Path
) -> None:
    async with open_page() as page:
        add_channels(tmp_path, page=f"http://{page.address}/page")
        async with start_engine() as bench:
            await bench.do(c.Hold("told"))
            await bench.until(lambda state: "page" in state.telling.last)
            page.refuses = True
            await bench.do(c.Resume("not told"))
            await bench.until(lambda state: state.telling.untold)
        page.refuses = False
        async with start_engine() as again:
            state = await again.until(lambda state: not state.telling.untold)
        titles = [one["body"]["title"] for one in page.asked if one["answer"] == 200]
        assert len(titles) == 2
        assert titles[0].endswith("on hold")
        assert titles[1].startswith("LATE by ")
        assert titles[1].endswith("resumed")
        assert list(state.telling.settled.values()) == [True, True]


async def test_an_assertion_starts_the_escalation_clock(bench: Any) -> None:
    await bench.until(lambda state: "flag" in state.criteria)
    await bench.do(c.AssertCriterion("flag", e.Verdict.FAIL, "someone saw it"))
    state = await bench.until(lambda state: state.escalation)
    assert state.escalation.reason == "The flag is down: someone saw it"
    await bench.do(c.EndEscalation("a false alarm"))
    state = await bench.until(lambda state: state.escalation is None)
    pulses = len(bench.heard.of(Pulse))
    await bench.until_signal(lambda: len(bench.heard.of(Pulse)) >= pulses + 3)
    assert bench.state.escalation is None, "the same criterion starts it only once"
