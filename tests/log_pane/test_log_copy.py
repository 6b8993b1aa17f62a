"""Copying what is seen."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

from optibid_console.signals import LogLines
from screens.widgets import log_copy
from tests.log_pane.conftest import SIZE


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
