"""The window as an observer sees it: from a link, with no way to send; and who shares it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import pytest
from textual.pilot import Pilot

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.commands import Accepted
from optibid_console.signals import LogLines, Presence
from optibid_console.source import CaughtUp, Event, FeedDelay, Lost, Role, Snapshot
from optibid_console.state import fold
from screens.app import ConsoleApp
from screens.modals.refused import RefusedSheet
from tests.screens import recording as rec
from tests.screens.recorded_source import RecordedSource, played

LINK = f"optibid://deploy-1:7443/#{'t' * 43}@{'f' * 43}"


class Watched:
    """A recorded source that can't send, as an observer's."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.name = "bob"
        self._recorded = RecordedSource(events)
        self.push = self._recorded.push

    @property
    def drained(self) -> bool:
        return self._recorded.drained

    def events(self) -> AsyncIterator[Event]:
        return self._recorded.events()

    async def close(self) -> None:
        await self._recorded.close()


def seen_from_afar(story: rec.Recorder) -> list[Event]:
    """Without a role, which observers aren't told, and without logs, whose rate is a matter of
    the moment."""
    left_out = (LogLines, Role)
    return [
        *(one for one in played(story) if not isinstance(one, left_out)),
        Presence(("ann (support)", "bob (sales)")), FeedDelay(23.0),
    ]  # fmt: skip


def console(events: Iterable[Event]) -> tuple[ConsoleApp, Watched]:
    source = Watched(events)

    async def connect() -> Watched:
        return source

    return ConsoleApp(connect, "OptiBid", clock=lambda: rec.NOW), source


async def drawn(app: ConsoleApp, source: Watched, pilot: Pilot[Any]) -> None:
    while not source.drained:
        await pilot.pause()
    await pilot.pause()
    app.draw_now()
    app.window.tick()
    await pilot.pause()


@pytest.mark.parametrize("size", [(160, 45), (80, 24)])
@pytest.mark.parametrize("lost", [False, True])
def test_the_observers_window_looks_as_it_did(
    snap_compare: Callable[..., bool], size: tuple[int, int], lost: bool
) -> None:
    events = seen_from_afar(rec.good_day())
    if lost:
        events.append(Lost("the connection was lost", 3, 1.0))
    app, source = console(events)

    async def before(pilot: Pilot[Any]) -> None:
        await drawn(app, source, pilot)

    assert snap_compare(app, terminal_size=size, run_before=before)


def text_of(widget: Any) -> str:
    return "\n".join("".join(span.text for span in line.spans) for line in widget.lines)


@pytest.mark.parametrize("size", [(160, 45), (80, 24)])
async def test_an_observer_sees_the_head_of_the_journal(size: tuple[int, int]) -> None:
    story = rec.good_day()
    app, source = console(seen_from_afar(story))
    async with app.run_test(size=size) as pilot:
        await drawn(app, source, pilot)
        for text in ("waiting for the all-clear", "and on"):
            last = story.entries[-1]
            assert f"{last.seq}:{last.hash[:16]}" in text_of(app.window.footer)
            story.add(e.NoteWritten("window", text))
            source.push(story.entries[-1])
            await drawn(app, source, pilot)


async def test_an_observer_has_no_action_keys_and_a_key_says_why_it_does_nothing() -> None:
    app, source = console(seen_from_afar(rec.good_day()))
    async with app.run_test(size=(200, 45)) as pilot:
        await drawn(app, source, pilot)
        header, footer = text_of(app.window.header), text_of(app.window.footer)
        assert "WATCHING oncall-1's window · read only" in header
        assert "feed 23 ms" in header
        for word in ("take over", "rollback", "hold", "abort", "skip", "note", "backup", "confirm"):
            assert word not in footer
        for key in ("h", "x", "s", "n", "J", "a"):
            await pilot.press(key)
            for _ in range(200):
                if app.screen is not app.window:
                    break
                await pilot.pause()
            assert isinstance(app.screen, RefusedSheet), key
            assert "this link is for watching" in app.screen.refusal.why, key
            await pilot.press("escape")
            assert app.screen is app.window, key
        await pilot.press("l")
        await pilot.pause()
        while app.screen is app.window:
            await pilot.pause()
        assert "take" not in text_of(app.screen.query_one("#page"))
        await pilot.press("escape", "q")
        await pilot.pause()
        assert app.screen is not app.window


async def test_a_lost_feed_dims_and_comes_back_with_what_was_missed() -> None:
    story = rec.good_day()
    app, source = console(seen_from_afar(story))
    async with app.run_test(size=(160, 45)) as pilot:
        await drawn(app, source, pilot)
        source.push(Lost("the connection was lost", 1, 0.2))
        await drawn(app, source, pilot)
        assert app.window.has_class("-lost")
        assert "feed lost" in text_of(app.window.header)
        story.add(e.Held("waiting for the all-clear"))
        source.push(story.entries[-1])
        await drawn(app, source, pilot)
        assert not app.window.has_class("-lost")
        assert "HOLD" in text_of(app.window.header)


async def test_a_snapshot_shows_the_same_window_as_its_entries() -> None:
    story = rec.tripped()
    joined = [Snapshot(fold(story.entries)), CaughtUp(len(story.entries))]
    shown = []
    for events in (joined, [*story.entries, CaughtUp(len(story.entries))]):
        app, source = console(events)
        async with app.run_test(size=(160, 45)) as pilot:
            await drawn(app, source, pilot)
            panes = (app.window.header, app.window.timeline, app.window.checklist)
            shown.append([text_of(one) for one in panes])
    assert shown[0] == shown[1]
    assert "phase" in shown[0][0]


async def test_the_operator_shares_the_window_and_sees_the_link_once() -> None:
    story = rec.good_day()
    story.add(e.SharingStarted("deploy-1:7443", "f" * 43))
    source = RecordedSource(played(story), reply=Accepted("a link", 1, LINK))

    async def connect() -> RecordedSource:
        return source

    app = ConsoleApp(connect, "OptiBid", clock=lambda: rec.NOW)
    async with app.run_test(size=(100, 40)) as pilot:
        while not source.drained:
            await pilot.pause()
        app.draw_now()
        app.start(app.operator.sharing.sheet)
        await pilot.pause()
        await pilot.press("n")
        await pilot.pause()
        await pilot.press(*"support", "enter")
        await source.commanded.wait()
        assert source.sent == [c.Share("support", 12.0)]
        while "A link for support" not in str(getattr(app.screen, "sheet_title", "")):
            await pilot.pause()
        page = app.screen.query_one("#page")
        while not text_of(page):
            await pilot.pause()
        assert LINK in text_of(page).replace("\n", "")
        await pilot.press("escape")
