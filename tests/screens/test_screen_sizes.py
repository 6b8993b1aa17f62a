"""What is seen at each size, and that no place is lost in between."""

from __future__ import annotations

import pytest

from optibid_console import entries as e
from probes.probe import Status
from screens.keys import PANES
from tests.screens import recording as rec
from tests.screens.conftest import Start
from tests.screens.small_runbook import INJECTED


@pytest.mark.parametrize("size", [(160, 45), (120, 40)])
async def test_a_wide_screen_shows_all_panes(console: Start, size: tuple[int, int]) -> None:
    async with console(rec.good_day(), size=size) as it:
        assert all(it.app.window.pane(name).display for name in PANES)
        assert not it.app.window.pane_bar.display
        header = it.seen("header")
        for part in (
            "OptiBid production", "T-00:42:17", "2/5", "behind", "20:17:43Z", "oncall-1",
            "ROLLBACK READY", "2 pass 1 inconclusive", "1 failing",
        ):  # fmt: skip
            assert part in header
        assert "2.1b run migrations" in it.pane("timeline")
        assert "1:12/2:30" in it.pane("timeline")
        assert "Executing migration: 004_market_prices" in it.pane("run")
        assert 'status "error": database' in it.pane("probes")
        assert "p95 latency" in it.pane("metrics")
        await it.until(lambda: "checkpoint complete" in it.pane("logs"))


async def test_80x24_shows_one_pane_under_the_header_and_every_key_works(console: Start) -> None:
    async with console(rec.tripped(), size=(80, 24)) as it:
        window = it.app.window
        assert [name for name in PANES if window.pane(name).display] == ["timeline"]
        assert "T-00:42:17" in it.seen("header")
        assert "READY" in it.seen("header")
        assert "Error rate exceeds 5%" in it.seen("banner")
        assert "5 Probes" in it.seen("pane-bar")
        for number, name in enumerate(PANES, 1):
            await it.press(str(number))
            assert [one for one in PANES if window.pane(one).display] == [name]
            assert window.focused is window.pane(name)
        await it.press("tab")
        assert window.current == "timeline"
        await it.press("shift+tab")
        assert window.current == "metrics"
        await it.press("R")
        assert "Why now" in it.sheet()
        assert any(line == "Ready" for line in it.sheet_lines())


@pytest.mark.parametrize("state", ["opened", "good_day", "tripped", "rolling_back"])
@pytest.mark.parametrize("size", [(20, 5), (1, 1), (40, 10)])
async def test_a_tiny_screen_does_not_crash(
    console: Start, size: tuple[int, int], state: str
) -> None:
    async with console(getattr(rec, state)(), size=size) as it:
        for key in ("1", "2", "3", "4", "5", "6", "question_mark", "escape", "R", "escape"):
            await it.press(key)
        assert it.app.is_running


async def test_20x5_says_where_we_are(console: Start) -> None:
    async with console(rec.good_day(), size=(20, 5)) as it:
        assert "T-00:4" in it.seen("header")
        assert "2.1b" in it.pane("timeline")


async def test_resizing_loses_no_place(console: Start) -> None:
    async with console(rec.good_day(), size=(160, 45)) as it:
        window = it.app.window
        window.timeline.reveal("3.2")
        await it.press("2")
        window.checklist.reveal("plan")
        for size in ((80, 24), (20, 5), (130, 12), (160, 45)):
            await it.pilot.resize_terminal(*size)
            await it.pilot.pause()
            assert window.current == "checklist"
            assert window.checklist.chosen == "item:plan"
            assert window.timeline.chosen == "step:3.2"
        assert "Rollback plan reviewed" in it.pane("checklist")


async def test_zoom_gives_the_pane_the_screen_and_esc_gives_it_back(console: Start) -> None:
    async with console(rec.good_day()) as it:
        window = it.app.window
        await it.press("4", "z")
        assert [name for name in PANES if window.pane(name).display] == ["run"]
        assert window.run_pane.size.width == 160
        await it.press("escape")
        assert all(window.pane(name).display for name in PANES)
        assert window.current == "run"


async def test_what_others_wrote_is_shown_as_it_is(console: Start) -> None:
    recorder = rec.good_day()
    nasty = rec.reading("redis", Status.FAILING, "[@click=app.quit]x[/] \x1b[2J\x07", rec.NOW)
    recorder.add(e.ProbeChanged(nasty))
    async with console(recorder, size=(200, 50)) as it:
        assert INJECTED in it.pane("timeline")
        assert "[bold]creating[/bold] index" in it.pane("run")
        it.app.window.logs.filter_by("level:error")
        await it.until(lambda: "[red]database is migrating[/red]" in it.pane("logs"))
        assert "[@click=app.quit]x[/]" in it.pane("probes")
        for pane in PANES:
            assert "\x1b" not in it.pane(pane)
            assert "\x07" not in it.pane(pane)
        it.app.window.timeline.reveal("2.1c")
        await it.press("enter")
        assert INJECTED in str(it.app.screen.query_one("#sheet").border_title).replace("\\", "")


async def test_ascii_draws_nothing_else_of_its_own(console: Start) -> None:
    async with console(rec.tripped(), ascii=True, size=(120, 40)) as it:
        for widget in ("header", "banner", "footer", "timeline", "checklist", "probes"):
            assert it.seen(widget).isascii(), widget


@pytest.mark.parametrize("theme", ["dark", "light", "contrast", "colour-blind"])
async def test_every_theme_draws(console: Start, theme: str) -> None:
    async with console(rec.tripped(), theme=theme) as it:
        assert it.app.theme == f"optibid-{theme}"
        assert "Error rate exceeds 5%" in it.seen("banner")


@pytest.mark.parametrize("operator", [True, False], ids=["drives", "watches"])
@pytest.mark.parametrize("size", [(160, 45), (80, 24), (40, 12)])
async def test_a_rehearsal_says_so_first_of_all(
    console: Start, size: tuple[int, int], operator: bool
) -> None:
    async with console(rec.rehearsal(), size=size, operator=operator) as it:
        assert it.seen("header").lstrip().startswith("REHEARSAL")
