"""Following, scrolling and pausing: the place is kept, and what is new or lost is counted."""

from __future__ import annotations

from typing import Any

from textual import events

from optibid_console.signals import LogLines
from screens.widgets.ring import Ring
from tests.log_pane.conftest import SIZE, last_lines


async def test_scrolling_up_stops_following_and_counts_what_is_new(
    app: Any, settle: Any, numbered: Any
) -> None:
    async with app.run_test(size=SIZE) as pilot:
        app.pane.add(numbered(0, 500))
        await settle(pilot)
        await pilot.press("up", "up")
        await settle(pilot)
        before = last_lines(app)
        app.pane.add(numbered(500, 1734))
        await settle(pilot)
        assert last_lines(app)[:10] == before[:10]
        assert app.rows[-1] == "‖ paused, 1,234 newer lines, f follows"
        await pilot.press("f")
        await settle(pilot)
        assert last_lines(app)[-1] == "1733"
        assert "newer line" not in app.rows[-1]


async def test_reading_down_counts_down_and_follows_at_the_end(
    app: Any, settle: Any, numbered: Any
) -> None:
    async with app.run_test(size=SIZE) as pilot:
        app.pane.add(numbered(0, 100))
        await settle(pilot)
        await pilot.press("pageup")
        await settle(pilot)
        app.pane.add(numbered(100, 120))
        await settle(pilot)
        await pilot.press("pagedown", "pagedown")
        await settle(pilot)
        assert app.rows[-1].startswith("‖ paused, ")
        await pilot.press("end")
        app.pane.add(numbered(120, 121))
        await settle(pilot)
        assert last_lines(app)[-1] == "120"


async def test_home_shows_the_oldest_line_and_what_the_ring_forgot(
    pane_app: Any, settle: Any, numbered: Any
) -> None:
    app = pane_app(Ring(max_lines=100))
    async with app.run_test(size=SIZE) as pilot:
        app.pane.add(numbered(0, 1300))
        await settle(pilot)
        await pilot.press("home")
        await settle(pilot)
        assert app.rows[0] == (
            "── 1,200 older lines are gone: this screen keeps 100 lines, 67.1 MB ──"
        )
        assert last_lines(app)[0] == "1200"


async def test_a_resize_keeps_the_place(app: Any, settle: Any, numbered: Any) -> None:
    async with app.run_test(size=SIZE) as pilot:
        app.pane.add(numbered(0, 500))
        await settle(pilot)
        await pilot.press("pageup", "pageup")
        await settle(pilot)
        top = last_lines(app)[0]
        await pilot.resize_terminal(40, 20)
        await settle(pilot)
        assert last_lines(app)[0] == top
        await pilot.resize_terminal(*SIZE)
        await settle(pilot)
        assert last_lines(app)[0] == top


async def test_pause_freezes_what_is_seen_while_the_ring_fills(
    app: Any, settle: Any, numbered: Any
) -> None:
    async with app.run_test(size=SIZE) as pilot:
        app.pane.add(numbered(0, 100))
        await settle(pilot)
        await pilot.press("p")
        await settle(pilot)
        before = last_lines(app)
        app.pane.add(numbered(100, 150))
        await settle(pilot)
        assert last_lines(app) == before
        assert len(app.pane.ring) == 150
        assert app.rows[-1] == "‖ paused, 50 newer lines, f follows"
        await pilot.press("p")
        await settle(pilot)
        assert last_lines(app)[-1] == "149"


async def test_a_paused_view_says_when_its_lines_are_gone(
    pane_app: Any, settle: Any, numbered: Any
) -> None:
    app = pane_app(Ring(max_lines=50))
    async with app.run_test(size=SIZE) as pilot:
        app.pane.add(numbered(0, 40))
        await settle(pilot)
        await pilot.press("p")
        app.pane.add(numbered(40, 200))
        await settle(pilot)
        assert "150 older lines are gone" in app.rows[0]
        assert last_lines(app) == []


async def test_a_line_under_the_bottom_row_counts_as_below(
    app: Any, settle: Any, numbered: Any
) -> None:
    async with app.run_test(size=SIZE) as pilot:
        app.pane.add(numbered(0, 100))
        await settle(pilot)
        await pilot.press(*["up"] * 5)
        await settle(pilot)
        app.pane.add(numbered(100, 110))
        await settle(pilot)
        assert app.rows[-1].startswith("‖ paused, 10 newer lines")
        await pilot.press(*["down"] * 8)
        await settle(pilot)
        newest = int(last_lines(app)[-1])
        assert app.rows[-1].startswith(f"‖ paused, {109 - newest} newer line")


async def test_long_lines_scroll_sideways_or_wrap(app: Any, settle: Any) -> None:
    async with app.run_test(size=SIZE) as pilot:
        text = "".join(f"<{number:03}>" for number in range(30))
        app.pane.add(LogLines("backend", text.encode() + b"\n", 1))
        await settle(pilot)
        assert app.rows[0].endswith("›")
        await pilot.press("right", "right")
        await settle(pilot)
        assert "‹" in app.rows[0]
        await pilot.press("left", "left", "w")
        await settle(pilot)
        lead = app.rows[0].index("<")
        assert "".join(row[lead:] for row in app.rows[:3]) == text
        assert not app.rows[1][:lead].strip()


async def test_scrolling_in_wrapped_lines_goes_row_by_row(app: Any, settle: Any) -> None:
    async with app.run_test(size=SIZE) as pilot:
        for letter in b"abcdef":
            app.pane.add(LogLines("backend", bytes([letter]) * 250 + b"\n", 1))
        await pilot.press("w")
        await settle(pilot)
        rows = app.rows
        await pilot.press("up")
        await settle(pilot)
        assert app.rows[1:] == rows[: len(app.rows) - 1]


async def test_the_wheel_scrolls(app: Any, settle: Any, numbered: Any) -> None:
    async with app.run_test(size=SIZE) as pilot:
        app.pane.add(numbered(0, 100))
        await settle(pilot)
        app.pane.post_message(events.MouseScrollUp(app.pane, 5, 5, 0, -1, 0, False, False, False))
        await settle(pilot)
        assert last_lines(app)[0] == "85"
        app.pane.post_message(events.MouseScrollDown(app.pane, 5, 5, 0, 1, 0, False, False, False))
        await settle(pilot)
        assert app.pane.view.follow
