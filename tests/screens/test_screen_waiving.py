"""Waiving a required step on screen: asked, confirmed, typed, and shown for good."""

from __future__ import annotations

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from screens.glyphs import use_ascii
from screens.modals.waive import waive_sheet
from screens.widgets.timeline import timeline_lines
from tests.screens import recording as rec
from tests.screens.conftest import Start
from tests.screens.small_runbook import small_runbook
from tests.screens.viewed import seen

SIZES = [(160, 45), (80, 24)]


def failed(*facts: e.Fact) -> rec.Recorder:
    """1.2a, required, failed by itself."""
    recorder = rec.opened(small_runbook())
    recorder.step("1.1a", 20)
    recorder.step("1.2a", 5, outcome=e.Outcome.FAILED)
    for fact in facts:
        recorder.add(fact)
    return recorder


def waived(second: str = "") -> e.StepWaived:
    return e.StepWaived("1.2a", "the disk is full", "oncall-1", second)


@pytest.mark.parametrize("size", SIZES)
async def test_alone_the_words_are_typed_after_the_reason(
    console: Start, size: tuple[int, int]
) -> None:
    async with console(failed(), size=size) as it:
        it.app.window.timeline.reveal("1.2a")
        await it.press("s")
        said = it.sheet()
        assert "It is required. It is not run" in said
        assert "nothing records backup.path" in said
        assert "ask a second person to confirm it" in said
        await it.press("down", "enter")
        await it.type("the disk is full")
        await it.press("enter")
        await it.type("waive")
        await it.press("enter")
        assert it.source.sent == []
        await it.type(" 1.2a")
        await it.press("enter")
        assert await it.sent() == [c.WaiveStep("1.2a", "the disk is full", "waive 1.2a")]


async def test_a_second_person_is_asked_with_a_reason(console: Start) -> None:
    async with console(failed()) as it:
        it.app.window.timeline.reveal("1.2a")
        await it.press("s", "enter")
        await it.type("the disk is full")
        await it.press("enter")
        assert await it.sent() == [c.AskWaiver("1.2a", "the disk is full")]


@pytest.mark.parametrize("size", SIZES)
async def test_a_watching_screen_confirms_the_waiver_it_shows(
    console: Start, size: tuple[int, int]
) -> None:
    recorder = failed(e.WaiverAsked("1.2a", "the disk is full"))
    asked = recorder.entries[-1].seq
    async with console(recorder, operator=False, size=size) as it:
        it.app.view.name = "bob"
        it.app.window.timeline.reveal("1.2a")
        await it.press("enter")
        assert any("waits for a second person: the disk is full" in one for one in it.sheet_lines())
        assert any("confirm as bob that 1.2a is waived" in one for one in it.sheet_lines())
        await it.press("enter")
        assert "oncall-1 asks to go on without 1.2a: the disk is full" in " ".join(
            one.strip() for one in it.sheet().splitlines()
        )
        await it.type("seen it")
        await it.press("enter")
        assert await it.sent() == [c.ConfirmWaiver("1.2a", asked, "seen it")]


async def test_the_operator_on_a_second_screen_is_no_second_person(console: Start) -> None:
    recorder = failed(e.WaiverAsked("1.2a", "the disk is full"))
    async with console(recorder, operator=False) as it:
        it.app.view.name = "Oncall-1"
        it.app.window.timeline.reveal("1.2a")
        await it.press("enter")
        assert any("attach under your own name" in one for one in it.sheet_lines())
        await it.press("enter")
        assert it.source.sent == []


@pytest.mark.parametrize("width", [80, 40])
@pytest.mark.parametrize(("ascii_only", "done"), [(False, "✓"), (True, "+")])
def test_a_phase_over_a_waived_step_shows_no_bare_tick(
    width: int, ascii_only: bool, done: str
) -> None:
    use_ascii(ascii_only)
    view = seen(failed(waived()))
    opened = [one.text for one in timeline_lines(view, width, rec.NOW, {"phase:pre": False})]
    phase = next(one for one in opened if "1 Pre-deployment" in one)
    assert "! T-60 1 Pre-deployment" in phase
    assert done not in phase
    assert "done, 1 waived" in phase
    step = next(one for one in opened if "1.2a" in one)
    assert "! 1.2a" in step
    assert step.rstrip().endswith("waived")
    assert any("waived by oncall-1 alone" in one for one in opened)


def test_a_phase_over_a_skipped_step_says_so_and_a_whole_one_keeps_its_tick() -> None:
    recorder = rec.opened(small_runbook())
    for step_id in ("1.1a", "1.2a", "2.1a", "2.1b"):
        recorder.step(step_id, 5)
    recorder.add(e.StepSkipped("2.1c", "not needed"))
    drawn = [one.text for one in timeline_lines(seen(recorder), 80, rec.NOW)]
    assert any("✓ T-60 1 Pre-deployment" in one for one in drawn)
    assert any("! T-45 2 Database migration" in one and "done, 1 skipped" in one for one in drawn)


async def test_details_and_the_panes_title_keep_the_waiver(console: Start) -> None:
    async with console(failed(waived("bob"))) as it:
        assert it.app.window.timeline.title(rec.NOW).endswith("! 1 waived")
        it.app.window.timeline.reveal("1.2a")
        await it.press("enter")
        said = " ".join(one.strip() for one in it.sheet_lines())
        assert "by oncall-1, confirmed by bob: the disk is full" in said


def test_a_waived_backup_says_that_migrations_stay_locked() -> None:
    view = seen(failed())
    assert view.state.runbook is not None
    sheet = waive_sheet(view, "1.2a")
    said = " ".join(one.text for one in sheet.make_lines(90, rec.NOW))
    assert "not asked for by it" in said
    assert "migrations" not in said  # 1.2a is a command here, and no backup of the console's
