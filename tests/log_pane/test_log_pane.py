"""The log pane as a person drives it: follow, scroll, filter, pause, wrap, copy, errors."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

import pytest
from textual import events

from optibid_console.signals import LogLines
from screens.widgets import log_copy
from screens.widgets.ring import Ring

SIZE = (80, 12)
NINE = 1_795_554_000.0
"""2026-11-24T21:00:00Z."""
ERROR = b"2026-11-24 01:57:11 - main - ERROR - %s\n"


@pytest.fixture
def app(pane_app: Any) -> Any:
    return pane_app(None)


def last_lines(app: Any) -> list[str]:
    return [row.split()[-1] for row in app.rows if " line " in row]


async def test_it_follows_the_newest_line(app: Any, settle: Any, numbered: Any) -> None:
    async with app.run_test(size=SIZE) as pilot:
        app.pane.add(numbered(0, 500))
        await settle(pilot)
        assert last_lines(app) == [str(number) for number in range(488, 500)]
        app.pane.add(numbered(500, 501))
        await settle(pilot)
        assert last_lines(app)[-1] == "500"


async def test_without_lines_it_says_why(app: Any, settle: Any) -> None:
    async with app.run_test(size=SIZE) as pilot:
        app.pane.set_tails(["backend"])
        await settle(pilot)
        assert app.rows[0] == "no lines yet from backend"
        app.pane.absent = "log lines aren't in the journal"
        app.pane.refresh()
        await settle(pilot)
        assert app.rows[0] == "log lines aren't in the journal"


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
        assert app.rows[-1] == "▼ 1,234 new below  f follows"
        await pilot.press("f")
        await settle(pilot)
        assert last_lines(app)[-1] == "1733"
        assert "new below" not in app.rows[-1]


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
        assert app.rows[-1].startswith("▼ ")
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
        assert app.rows[-1] == "‖ paused, 50 new  p goes on"
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


async def test_a_filter_is_typed_and_cleared(app: Any, settle: Any, numbered: Any) -> None:
    async with app.run_test(size=SIZE) as pilot:
        app.pane.add(numbered(0, 300))
        await settle(pilot)
        await pilot.press("slash", *"29")
        await settle(pilot)
        assert last_lines(app)[-3:] == ["297", "298", "299"]
        await pilot.press("enter")
        await settle(pilot)
        assert app.focused is app.pane
        assert app.rows[-1] == "29: 13 of 300 lines  Esc clears"
        app.pane.add(numbered(329, 331))
        await settle(pilot)
        assert last_lines(app)[-1] == "329"
        await pilot.press("escape")
        await settle(pilot)
        assert last_lines(app)[-1] == "330"
        assert "Esc clears" not in app.rows[-1]


async def test_escape_clears_the_filter_before_it_means_anything_else(
    app: Any, settle: Any, numbered: Any
) -> None:
    app.bind("escape", "rollback")
    async with app.run_test(size=SIZE) as pilot:
        app.pane.add(numbered(0, 20))
        for keys in (["slash", "1", "escape"], ["slash", "1", "enter", "escape"]):
            await pilot.press(*keys)
            await settle(pilot)
            assert app.pane.search.filter_text == ""
            assert app.focused is app.pane
            assert not app.rolled_back
        await pilot.press("escape")
        assert app.rolled_back


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
        assert app.rows[-1].startswith("▼ 10 new below")
        await pilot.press(*["down"] * 8)
        await settle(pilot)
        newest = int(last_lines(app)[-1])
        assert app.rows[-1].startswith(f"▼ {109 - newest} new below")


async def test_letters_typed_into_the_filter_are_not_keys(
    app: Any, settle: Any, numbered: Any
) -> None:
    async with app.run_test(size=SIZE) as pilot:
        app.pane.add(numbered(0, 20))
        await pilot.press("slash", *"pwtyef")
        await settle(pilot)
        assert app.pane.search.filter_text == "pwtyef"
        assert not app.pane.view.paused
        assert app.rows[0] == "no line matches the filter: Esc clears it"


async def test_a_bad_filter_is_a_message(app: Any, settle: Any, numbered: Any) -> None:
    async with app.run_test(size=SIZE) as pilot:
        app.pane.add(numbered(0, 20))
        await pilot.press("slash", "slash", "left_parenthesis")
        await settle(pilot)
        assert app.rows[-2].startswith("✗ /(/: missing ), unterminated subpattern")
        assert len(last_lines(app)) == 10


async def test_a_filter_that_runs_away_is_taken_off_and_named(app: Any, settle: Any) -> None:
    async with app.run_test(size=SIZE) as pilot:
        app.pane.add(LogLines("backend", b"a" * 60 + b"!\n", 1))
        app.pane.filter_by("/(a+)+$/")
        await settle(pilot)
        assert "takes too long on some line" in app.rows[-1]
        assert "a" * 60 in app.rows[0]


async def test_e_goes_to_the_next_error_and_shift_e_back(
    app: Any, settle: Any, numbered: Any
) -> None:
    async with app.run_test(size=SIZE) as pilot:
        app.pane.add(numbered(0, 100))
        app.pane.add(LogLines("backend", ERROR % b"first", 1))
        app.pane.add(numbered(100, 1000))
        app.pane.add(LogLines("backend", ERROR % b"second", 1))
        app.pane.add(numbered(1000, 1100))
        await settle(pilot)
        await pilot.press("E")
        await settle(pilot)
        assert any("second" in row for row in app.rows)
        assert not app.pane.view.follow
        await pilot.press("E")
        await settle(pilot)
        assert any("first" in row for row in app.rows)
        await pilot.press("e")
        await settle(pilot)
        assert any("second" in row for row in app.rows)
        await pilot.press("e")
        await settle(pilot)
        assert "no more errors this way" in app.rows[-1]


async def test_a_line_without_a_time_shows_dimly_when_it_came(app: Any, settle: Any) -> None:
    async with app.run_test(size=(60, 6)) as pilot:
        data = b'INFO:     10.0.0.1:9 - "GET /health HTTP/1.1" 200 OK\n'
        own = b"2026-11-24 01:57:11 - main - INFO - ready\n"
        app.pane.add(LogLines("backend", data + own, 2, at=NINE))
        app.pane.add(LogLines("backend", b"not known when\n", 1))
        await settle(pilot)
        assert [row[:9] for row in app.rows[:3]] == ["21:00:00 ", "01:57:11 ", " " * 9]
        came, said = (app.pane.render_line(y)._segments[0].style for y in (0, 1))
        assert came is not None
        assert came.dim
        assert said is not None
        assert not said.dim


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


@pytest.mark.alone
async def test_a_line_of_fifty_megabytes_is_drawn_at_once(app: Any, settle: Any) -> None:
    async with app.run_test(size=SIZE) as pilot:
        app.pane.add(LogLines("backend", b"\x1b[31m" + b"x" * 50_000_000 + b"\n", 1))
        app.pane.add(LogLines("backend", b'{"a": "' + b"\xc3\xa9" * 90_000 + b'"}\n', 1))
        loop = asyncio.get_running_loop()
        began = loop.time()
        await settle(pilot)
        assert "xxxx" in app.rows[0]
        await pilot.press("w")
        await settle(pilot)
        await pilot.press("home", "pagedown", "right")
        await settle(pilot)
        took_s = loop.time() - began
        assert took_s < 2
        await pilot.press("home", *["pagedown"] * 5)
        await settle(pilot)
        assert any("more: y saves it" in row for row in app.rows)


HOSTILE = (
    b"[@click=app.rollback]roll back[/] [/] [bold\n"
    b"\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m \x9b2J \xc2\x9b2J\n"
    b"exec [/usr/bin/x] \xe2\x80\xae evil \x00 \xff\n"
)


async def test_markup_and_escapes_are_only_text(app: Any, settle: Any) -> None:
    async with app.run_test(size=SIZE) as pilot:
        app.pane.set_tails(["[@click=app.rollback]x", "\x1b[2J"])
        app.pane.add(LogLines("[@click=app.rollback]x", HOSTILE, 3, 1, "lost: \x1b[2J [/x]"))
        await settle(pilot)
        shown = "\n".join(app.rows)
        assert "[@click=app.rollback]roll back[/] [/] [bold" in shown
        assert "^[]0;owned^G^[[2Jred �2J �2J" in shown
        assert "exec [/usr/bin/x] � evil ^@ �" in shown
        assert "lost: ^[[2J [/x]" in shown
        for char in shown + app.pane.title_text:
            assert char == "\n" or char.isprintable()
        await pilot.click(app.pane, offset=(30, 2))
        assert not app.rolled_back


async def test_drops_and_gaps_are_rows_among_the_lines(
    app: Any, settle: Any, numbered: Any
) -> None:
    async with app.run_test(size=SIZE) as pilot:
        app.pane.add(numbered(0, 1))
        app.pane.add(LogLines("backend", b"line 1\n", 1, dropped=1204))
        app.pane.missed(77)
        app.pane.filter_by("nothing has this")
        await settle(pilot)
        assert app.rows[:2] == [
            "── backend: 1,204 lines were dropped here ──",
            "── 77 lines are missing here: this screen couldn't keep up ──",
        ]


async def test_a_lost_tail_is_in_the_title_until_it_is_back(app: Any, settle: Any) -> None:
    async with app.run_test(size=SIZE) as pilot:
        app.pane.set_tails(["backend", "postgres"])
        await settle(pilot)
        assert app.pane.title_text == "Logs  all·○backend·○postgres  0/s ▶"
        app.pane.add(LogLines("backend", b"x\n", 1))
        app.pane.add(LogLines("postgres", b"", 0, notice="lost: refused, retry in 2 s"))
        await settle(pilot)
        assert app.pane.title_text == "Logs  all·backend·✗postgres lost  0.3/s ▶"
        assert "postgres: lost: refused, retry in 2 s" in app.rows[1]
        app.pane.add(LogLines("postgres", b"", 0, notice="connected"))
        await settle(pilot)
        assert "·postgres " in app.pane.title_text


async def test_t_goes_round_the_tails(app: Any, settle: Any, numbered: Any) -> None:
    async with app.run_test(size=SIZE) as pilot:
        app.pane.set_tails(["backend", "postgres"])
        app.pane.add(numbered(0, 3, "backend"))
        app.pane.add(numbered(3, 6, "postgres"))
        await settle(pilot)
        assert app.rows[0].split() == ["backend", "line", "0"]
        await pilot.press("t")
        await settle(pilot)
        assert "▸backend" in app.pane.title_text
        assert [row.strip() for row in app.rows[:3]] == ["line 0", "line 1", "line 2"]
        assert app.rows[-1] == "3 of 6 lines  t next tail"
        await pilot.press("t")
        await settle(pilot)
        assert app.rows[0].strip() == "line 3"
        await pilot.press("t")
        await settle(pilot)
        assert len(last_lines(app)) == 6


async def saved(app: Any, pilot: Any) -> None:
    async with asyncio.timeout(60):
        while not app.told:
            await pilot.pause()


async def test_y_copies_what_is_seen_to_the_clipboard_and_a_file(
    app: Any, settle: Any, state_home: Path
) -> None:
    async with app.run_test(size=SIZE) as pilot:
        app.pane.add(LogLines("backend", b"one \x1b]0;t\x07\n" + b"w" * 300 + b"\n", 2))
        await settle(pilot)
        await pilot.press("y")
        await saved(app, pilot)
    (path,) = (state_home / "optibid-console" / "copies").iterdir()
    expected = f"backend | one ^[]0;t^G\nbackend | {'w' * 300}\n"
    assert path.read_text() == expected
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert app.copied == [expected]
    assert app.told[0].startswith("2 lines: sent to the clipboard, which your terminal may not")
    assert app.told[0].endswith(str(path))


async def test_a_copy_too_large_for_the_clipboard_is_only_saved(
    app: Any, settle: Any, state_home: Path
) -> None:
    async with app.run_test(size=SIZE) as pilot:
        app.pane.add(LogLines("backend", b"w" * 70_000 + b"\n", 1))
        await settle(pilot)
        await pilot.press("y")
        await saved(app, pilot)
    assert app.copied == []
    assert "too large for the clipboard" in app.told[0]
    (path,) = (state_home / "optibid-console" / "copies").iterdir()
    assert path.read_text() == f"backend | {'w' * 70_000}\n"


async def test_a_copy_that_cannot_be_saved_says_so(app: Any, settle: Any, state_home: Path) -> None:
    (state_home / "optibid-console").write_text("a file in the way")
    async with app.run_test(size=SIZE) as pilot:
        app.pane.add(LogLines("backend", b"x\n", 1))
        await settle(pilot)
        await pilot.press("y")
        await saved(app, pilot)
    assert app.told[0].startswith("The copy could not be saved: ")
    assert "only in the clipboard" in app.told[0]


def test_copies_of_one_second_do_not_overwrite_each_other(tmp_path: Path) -> None:
    first = log_copy.save_copy("a", tmp_path, 0.0)
    second = log_copy.save_copy("b", tmp_path, 0.0)
    assert (first.name, second.name) == ("log_19700101_000000.txt", "log_19700101_000000_2.txt")
    assert (first.read_text(), second.read_text()) == ("a", "b")


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


async def test_a_quiet_pane_has_no_timer_running(app: Any, settle: Any) -> None:
    async with app.run_test(size=SIZE) as pilot:
        await settle(pilot)
        await settle(pilot)
        assert not app.pane._timer._active.is_set()
        app.pane.add(LogLines("backend", b"x\n", 1))
        assert app.pane._timer._active.is_set()


@pytest.mark.parametrize("size", [(20, 3), (5, 1), (1, 1)])
async def test_a_tiny_pane_still_draws(
    app: Any, settle: Any, numbered: Any, size: tuple[int, int]
) -> None:
    async with app.run_test(size=size) as pilot:
        app.pane.set_tails(["backend", "postgres"])
        app.pane.add(numbered(0, 100))
        await pilot.press("up", "w", "p")
        await settle(pilot)
        assert all(len(row) <= size[0] for row in app.rows)


@pytest.mark.usefixtures("only_ascii")
async def test_ascii_only(app: Any, settle: Any, numbered: Any) -> None:
    async with app.run_test(size=SIZE) as pilot:
        app.pane.set_tails(["backend", "a-tail-with-a-very-long-name"])
        app.pane.add(numbered(0, 100, text="x" * 90))
        app.pane.missed(3)
        await pilot.press("up", "up")
        app.pane.add(numbered(0, 100))
        await settle(pilot)
        assert all(row.isascii() for row in [*app.rows, app.pane.title_text])
