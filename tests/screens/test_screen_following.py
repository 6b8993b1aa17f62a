"""Panes that don't show the newest say so in amber, and how to come back to it."""

from __future__ import annotations

from textual.color import Color

from optibid_console import entries as e
from optibid_console.signals import LogLines
from tests.screens import recording as rec
from tests.screens.conftest import Console, Start, border, text_of
from tests.screens.small_runbook import small_runbook


def amber(it: Console, pane: str) -> str:
    """The part of a pane's top border, as drawn, that has the colour of a warning."""
    widget = it.app.window.pane(pane)
    wanted = Color.parse(it.app.theme_variables["state-warn"]).rich_color.triplet
    strip = it.app.screen._compositor.render_strips()[widget.region.y]
    return "".join(
        segment.text
        for segment in strip.crop(widget.region.x, widget.region.right)
        if segment.style and segment.style.color and segment.style.color.triplet == wanted
    )


async def start_another(it: Console, recorder: rec.Recorder, *step_ids: str) -> None:
    """End the run under way and start these, one after the other."""
    before = len(recorder.entries)
    run_id = rec.list_runs(recorder)[-1]
    recorder.add(e.RunEnded(run_id, e.Outcome.SUCCEEDED, "", 0), actor="console")
    recorder.add(e.StepFinished("2.1b", run_id, e.Outcome.SUCCEEDED, "", 68.0), actor="console")
    for step_id in step_ids:
        recorder.step(step_id, 1)
    it.source.push(*recorder.entries[before:])
    await it.settle()


async def test_a_run_pinned_with_enter_gives_way_to_the_next_run(console: Start) -> None:
    recorder = rec.good_day()
    async with console(recorder) as it:
        await it.press("enter")
        assert it.app.window.current == "run"
        assert "Run 2.1b" in border(it, "run")
        assert "PINNED" not in border(it, "run"), "it is the newest one: nothing is out of sight"
        await start_another(it, recorder, "2.1c", "3.1")
        assert "Run 3.1" in border(it, "run")
        assert "./deploy/3.1.sh" in it.pane("run")


async def test_a_whole_rollback_is_seen_after_enter_on_a_running_step(console: Start) -> None:
    recorder = rec.good_day(small_runbook())
    async with console(recorder, size=(80, 24)) as it:
        await it.press("enter")
        await start_another(it, recorder)
        recorder.add(e.ActionStarted("rollback", "act-1", ("R.1", "R.2", "R.3"), ()))
        for step_id in ("R.1", "R.2", "R.3"):
            before = len(recorder.entries)
            recorder.step(step_id, 2, action_run="act-1")
            it.source.push(*recorder.entries[before - (step_id == "R.1") :])
            await it.settle()
            assert f"./deploy/{step_id}.sh" in it.pane("run")


async def test_an_earlier_run_is_pinned_in_amber_with_how_many_are_newer(console: Start) -> None:
    for size in ((160, 45), (80, 24)):
        async with console(rec.good_day(), size=size) as it:
            await it.press("4", "left_square_bracket", "left_square_bracket")
            assert "Run 1.2a" in border(it, "run")
            assert amber(it, "run") == "PINNED, 2 newer, f follows"
            await it.press("right_square_bracket")
            assert amber(it, "run") == "PINNED, 1 newer, f follows"
            await it.press("f")
            assert "Run 2.1b" in border(it, "run")
            assert amber(it, "run") == ""


async def test_esc_and_the_start_of_a_run_release_the_pin(console: Start) -> None:
    recorder = rec.good_day()
    async with console(recorder) as it:
        await it.press("4", "left_square_bracket", "escape")
        assert "Run 2.1b" in border(it, "run")
        assert "PINNED" not in border(it, "run")
        await it.press("left_square_bracket")
        assert "PINNED, 1 newer" in border(it, "run")
        await start_another(it, recorder)
        assert "PINNED, 1 newer" in border(it, "run"), "the end of a run isn't a new one"
        recorder.step("2.1c", 3, outcome=None)
        it.source.push(*recorder.entries[-2:])
        await it.settle()
        assert "Run 2.1c" in border(it, "run")
        assert "PINNED" not in border(it, "run")


async def test_a_log_that_is_scrolled_up_says_so_until_esc(console: Start) -> None:
    async with console(rec.good_day()) as it:
        logs = it.app.window.logs
        await it.until(lambda: "checkpoint complete" in it.pane("logs"))
        await it.press("3", "pageup")
        it.source.push(LogLines("backend", b"late one\nlate two\n", 2))
        await it.settle()
        await it.until(lambda: "‖ paused, 2 newer lines, f follows" in text_of(logs))
        assert "late two" not in text_of(logs)
        assert amber_row(it).startswith("‖ paused, 2 newer lines")
        await it.press("escape")
        await it.until(lambda: "late two" in text_of(logs))
        assert "paused" not in text_of(logs)
        assert it.app.window.current == "logs"


def amber_row(it: Console) -> str:
    """The part of the log pane's last row that has the colour of a warning."""
    logs = it.app.window.logs
    wanted = Color.parse(it.app.theme_variables["state-warn"]).rich_color.triplet
    return "".join(
        segment.text
        for segment in logs.render_line(logs.size.height - 1)
        if segment.style and segment.style.color and segment.style.color.triplet == wanted
    )
