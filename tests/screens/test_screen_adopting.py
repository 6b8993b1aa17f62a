"""Adopting migrations on screen: from the palette, named, with a reason, typed out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.command import CommandList

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.plan import preview
from screens.modals.action import preview_lines
from screens.modals.confirm import step_lines
from screens.modals.sheet import Sheet
from tests.screens import recording as rec
from tests.screens.conftest import Start
from tests.screens.test_database_text import runbook, seen

UNKNOWN = "no table schema_migrations, but 26 other tables: what it has isn't recorded"


def recorded() -> rec.Recorder:
    recorder = rec.opened(replace(runbook()))
    read = e.MigrationsRead("optibid", "seen", (), ("001a", "001b", "002c"), unknown=UNKNOWN)
    recorder.add(read, actor="console")
    return recorder


@pytest.mark.parametrize("size", [(160, 45), (80, 24)])
async def test_what_the_database_has_is_named_and_typed_out(
    console: Start, size: tuple[int, int]
) -> None:
    async with console(recorded(), size=size) as it:
        await it.press("ctrl+p")
        await it.type("adopt migrations")
        hits = it.app.screen.query_one(CommandList)
        await it.until(lambda: hits.option_count == 1)
        await it.press("down", "enter")
        await it.until(lambda: isinstance(it.app.screen, Sheet))
        assert "001a, 001b, 002c" in it.sheet()
        await it.type("001a 001b")
        await it.press("enter")
        assert "recorded as applied, not run" in it.sheet()
        await it.type("by hand")
        await it.press("enter")
        await it.type("adopt optibid")
        await it.press("enter")
        assert await it.sent() == [
            c.AdoptMigrations("optibid", ("001a", "001b"), "by hand", "adopt optibid")
        ]


def test_both_sheets_say_all_of_it_on_a_narrow_screen() -> None:
    view = seen(recorded())
    shown = preview(view.state, "migrate", rec.NOW)
    step = view.state.runbook.step("2.1b") if view.state.runbook else None
    assert step is not None
    for lines in (preview_lines(shown, 76), step_lines(view, step, 76)):
        said = " ".join(" ".join(line.text for line in lines).split())
        assert UNKNOWN in said
        assert "adopt those that it has: optibid-console adopt optibid NAME …" in said
        assert "2 files have the number 001: 001a, 001b; each is recorded by its name" in said


async def test_a_name_that_isn_t_pending_is_refused_by_name(console: Start) -> None:
    async with console(recorded()) as it:
        it.app.start(lambda: it.app.operator.running.adopt("optibid"))
        await it.until(lambda: isinstance(it.app.screen, Sheet))
        await it.type("007x")
        await it.press("enter")
        assert it.refused() == (
            "Can't adopt migrations of optibid", "007x is not pending; pending are 001a, 001b, 002c"
        )  # fmt: skip
        assert it.source.sent == []
