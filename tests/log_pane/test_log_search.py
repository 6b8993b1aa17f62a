"""Filters, and going from error to error."""

from __future__ import annotations

from typing import Any

from optibid_console.signals import LogLines
from tests.log_pane.conftest import ERROR, SIZE, last_lines


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
        assert app.rows[-2].startswith("✗ /(/: not a regular expression: a ( is never closed: '('")
        assert len(last_lines(app)) == 10


async def test_a_filter_that_made_backtracking_run_away_just_filters(app: Any, settle: Any) -> None:
    async with app.run_test(size=SIZE) as pilot:
        app.pane.add(LogLines("backend", b"a" * 60 + b"!\n" + b"b" + b"a" * 60 + b"\n", 2))
        app.pane.filter_by("/(a+)+$/")
        await settle(pilot)
        assert "1 of 2 lines" in app.rows[-1]
        assert "b" + "a" * 60 in app.rows[0]


async def test_what_a_filter_cannot_do_is_said(app: Any, settle: Any, numbered: Any) -> None:
    async with app.run_test(size=SIZE) as pilot:
        app.pane.add(numbered(0, 20))
        app.pane.filter_by("/a(?!b)/")
        await settle(pilot)
        assert "RE2 has no negative look-ahead (?!…): name what is wanted" in app.rows[-1]


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
