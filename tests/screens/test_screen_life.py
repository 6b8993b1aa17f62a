"""From the first paint to leaving: connecting, losing the engine, tripping, ending."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.command import CommandList

from optibid_console import entries as e
from optibid_console.signals import Output, Pulse
from optibid_console.source import CaughtUp, Ended, Lost, Role, SourceError
from screens.app import ConsoleApp
from screens.modals.sheet import Sheet
from screens.window_title import title_sequence
from tests.screens import recording as rec
from tests.screens.conftest import Start, border, text_of
from tests.screens.recorded_source import RecordedSource, played


async def test_it_paints_before_the_engine_is_there() -> None:
    connected = asyncio.Event()
    source = RecordedSource(played(rec.good_day()))

    async def connect() -> RecordedSource:
        await connected.wait()
        return source

    app = ConsoleApp(connect, "test", clock=lambda: rec.NOW)
    async with app.run_test(size=(160, 45)) as pilot:
        await pilot.pause()
        assert "opening the window …" in text_of(app.window.header)
        await pilot.press("R")
        await pilot.pause()
        assert app.screen is app.window
        connected.set()
        while not source.drained:
            await pilot.pause()
        app.draw_now()
        assert "OptiBid production" in text_of(app.window.header)


class BadRunbook(Exception):
    exit_code = 2


@pytest.mark.parametrize(
    ("error", "text", "code"),
    [
        (BadRunbook("config.toml:3 phases: missing"), "config.toml:3 phases: missing", 2),
        (SourceError("/run/x.sock: refused"), "/run/x.sock: refused", 1),
        (KeyError("x"), "internal error of the console (key error: x is missing)", 1),
    ],
)
async def test_a_failed_connect_is_left_for_the_command_line(
    error: Exception, text: str, code: int
) -> None:
    async def connect() -> RecordedSource:
        raise error

    app = ConsoleApp(connect, "test")
    async with app.run_test() as pilot:
        await pilot.pause()
    assert (app.failure, app.exit_code) == (text, code)


async def test_a_lost_engine_dims_and_comes_back(console: Start) -> None:
    async with console(rec.good_day()) as it:
        it.source.push(Lost("connection refused", 3, 2.0))
        await it.settle()
        it.clock[0] += 12
        it.app.window.tick()
        assert "feed lost 12 s ago, retry 3" in it.seen("header")
        assert it.app.window.has_class("-lost")
        await it.pilot.pause()
        assert "Nothing came for 12 s  connection refused. What runs goes on" in it.seen("banner")
        assert "recording" not in it.seen("header")
        await it.press("R")
        assert it.refused()[1].startswith("the feed is lost")
        it.source.push(Pulse(rec.NOW + 13, 0.1))
        await it.settle()
        assert "feed lost" not in it.seen("header")
        assert not it.app.window.has_class("-lost")


async def test_a_tripping_criterion_takes_the_top_and_rings_once(
    console: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[int] = []
    monkeypatch.setattr(ConsoleApp, "bell", lambda self: rung.append(1))
    recorder = rec.migrated()
    async with console(recorder) as it:
        assert not it.app.window.banner.display
        rec.trip(recorder)
        it.source.push(recorder.entries[-1])
        await it.settle()
        banner = it.seen("banner")
        assert "Error rate exceeds 5%" in banner
        assert "7.3 % > 5 % for 42 s" in banner
        assert "since 20:16:57Z" in banner
        assert "R  rollback" in banner
        assert rung == [1]
        rec.trip(recorder)
        it.source.push(recorder.entries[-1])
        await it.settle()
        assert rung == [1]


async def test_a_rung_that_comes_due_rings(console: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[int] = []
    monkeypatch.setattr(ConsoleApp, "bell", lambda self: rung.append(1))
    recorder = rec.tripped()
    recorder.add(e.EscalationStarted("errors"))
    async with console(recorder) as it:
        recorder.add(e.RungDue(0, "Notify the deployment lead", "lead"))
        it.source.push(recorder.entries[-1])
        await it.settle()
        assert rung == [1]


async def test_what_tripped_before_this_screen_came_does_not_ring(
    console: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ConsoleApp, "bell", lambda self: pytest.fail("it rang"))
    async with console(rec.tripped()) as it:
        assert "Error rate exceeds 5%" in it.seen("banner")


async def test_the_lease_goes_and_comes(console: Start) -> None:
    async with console(rec.good_day()) as it:
        assert "rollback" in it.seen("footer")
        it.source.push(Role(False, "oncall-2"))
        await it.settle()
        assert "WATCHING oncall-2's window" in it.seen("header")
        assert "rollback" not in it.seen("footer")


async def test_a_journal_that_cannot_be_written_is_said_in_the_header(console: Start) -> None:
    async with console(rec.good_day()) as it:
        it.source.push(Pulse(rec.NOW, 0.1, journal_ok=False, problem="disk full"))
        await it.settle()
        assert "NOT RECORDING: disk full" in it.seen("header")


async def test_an_unknown_run_says_what_is_known_and_who_is_asked(console: Start) -> None:
    recorder = rec.good_day()
    lost = e.RunUnreachable(rec.list_runs(recorder)[-1], "connection to app-1 lost")
    recorder.add(lost, actor="console")
    async with console(recorder) as it:
        assert "2.1b on app-1: outcome unknown" in it.seen("banner")
        assert "nothing is started again" in it.seen("banner")
        assert "unknown" in it.pane("timeline")
        assert "outcome unknown: connection to app-1 lost" in it.pane("run")


async def test_output_follows_until_scrolled_up_and_counts_what_is_new(console: Start) -> None:
    recorder = rec.good_day()
    run_id = rec.list_runs(recorder)[-1]
    async with console(recorder) as it:
        start = it.app.view.outputs[run_id].next_offset
        lines = b"".join(b"row %d\n" % i for i in range(200))
        it.source.push(Output(run_id, start, lines))
        await it.settle()
        assert "row 199" in it.pane("run")
        await it.press("4", "pageup")
        assert "row 199" not in it.pane("run")
        it.source.push(Output(run_id, start + len(lines), b"late 1\nlate 2\n"))
        await it.settle()
        assert "paused, 2 newer lines, f follows" in border(it, "run")
        await it.press("f")
        assert "late 2" in it.pane("run")


async def test_it_ends_with_the_window(console: Start) -> None:
    async with console(rec.good_day()) as it:
        it.source.push(Ended("the engine was told to stop"))
        await it.settle()
        assert "ENDED: the engine was told to stop" in it.seen("header")
        await it.press("q")
        assert "leave this screen" in it.sheet()


async def test_ten_thousand_entries_are_taken_before_the_first_key(console: Start) -> None:
    recorder = rec.good_day()
    for i in range(10_000):
        recorder.add(
            e.NoteWritten("window", f"note {i}") if i % 100 == 0 else e.FactRecorded("x", str(i))
        )
    async with console(recorder) as it:
        assert it.app.view.state.facts["x"] == "9999"
        assert "2.1b run migrations" in it.pane("timeline")


async def test_the_first_entry_may_come_late(console: Start) -> None:
    recorder = rec.opened()
    async with console(rec.Recorder(rec.T0)) as it:
        assert "opening the window" in it.seen("header")
        it.source.push(*recorder.entries, CaughtUp(len(recorder.entries)))
        await it.settle()
        assert "1.1a verify the release tag" in it.pane("timeline")


def test_nothing_can_break_out_of_the_terminal_title() -> None:
    assert title_sequence("a\x07b\x1b]0;x✗") == "\x1b]2;a?b?]0;x?\x07"


async def test_the_palette_saves_a_picture_of_what_is_open(
    console: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with console(rec.tripped()) as it:
        await it.press("R", "ctrl+p")
        await it.type("picture save")
        hits = it.app.screen.query_one(CommandList)
        await it.until(lambda: hits.option_count == 1)
        await it.press("down", "enter")
        await it.until(lambda: any(one.startswith("Saved in") for one in it.said()))
    (saved,) = (tmp_path / "optibid-console" / "copies").glob("screen_*.svg")
    assert "Error&#160;rate&#160;exceeds" in saved.read_text()
    assert "cdnjs" not in saved.read_text()
    assert saved.stat().st_mode & 0o777 == 0o600


async def test_the_palette_finds_and_does(console: Start) -> None:
    async with console(rec.tripped()) as it:
        await it.press("ctrl+p")
        await it.type("action rollback")
        hits = it.app.screen.query_one(CommandList)
        await it.until(lambda: hits.option_count == 1)
        await it.press("down", "enter")
        await it.until(lambda: isinstance(it.app.screen, Sheet))
        await it.until(lambda: "What will happen" in it.sheet())
