"""The log pane as a person drives it: follow, scroll, filter, pause, wrap, copy, errors."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from optibid_console.signals import LogLines
from tests.log_pane.conftest import SIZE, last_lines

NINE = 1_795_554_000.0
"""2026-11-24T21:00:00Z."""


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
