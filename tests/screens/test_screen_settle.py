"""A run that is gone without a trace: the question, its evidence, and the operator's word."""

from __future__ import annotations

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from screens.modals.settle import SettleSheet
from screens.modals.stopped import LATER
from tests.screens import recording as rec
from tests.screens.conftest import Console, Start, text_of


def pinned(it: Console) -> str:
    return text_of(it.app.screen.query_one("#sheet-pinned"))


@pytest.mark.parametrize("size", [(160, 45), (80, 24)])
async def test_the_question_opens_by_itself_with_the_live_evidence_beside_it(
    console: Start, size: tuple[int, int]
) -> None:
    async with console(rec.unsettled(), size=size) as it:
        await it.until(lambda: isinstance(it.app.screen, SettleSheet))
        await it.settle()
        seen = it.sheet()
        for said in (
            f"⁇ unknown: {rec.GONE}", "launched 20:16:31Z, 1:12 ago, by oncall-1 on app-1",
            './deploy/migrate.sh --to "$RELEASE"', "creating index market_prices_at_idx",
            "! warn migrations applied", "0:01 ago", "004_market_prices is pending",
            "it succeeded", "it failed",
        ):  # fmt: skip
            assert said in seen
        assert "What is known" in seen.splitlines()[0]
        assert ("Its evidence now" in seen.splitlines()[0]) is (size[0] == 160)


async def test_an_answer_needs_a_choice_and_a_reason(console: Start) -> None:
    async with console(rec.unsettled()) as it:
        await it.until(lambda: isinstance(it.app.screen, SettleSheet))
        await it.type("row 4 has success = true")
        await it.press("enter")
        assert it.app.screen.problem == "choose what happened with ↑↓, then Enter"
        assert it.source.sent == []
        await it.press("down")
        assert "▸ it succeeded" in it.sheet()
        await it.press("enter")
        run_id = rec.list_runs(rec.unsettled())[-1]
        said = c.Settle("2.1b", run_id, e.Outcome.SUCCEEDED, "row 4 has success = true")
        assert await it.sent() == [said]


async def test_failed_without_a_reason_is_not_sent(console: Start) -> None:
    async with console(rec.unsettled()) as it:
        await it.until(lambda: isinstance(it.app.screen, SettleSheet))
        await it.press("down", "down", "enter")
        assert it.app.screen.problem == "it needs a reason: what says so?"
        await it.type("no such row")
        await it.press("enter")
        assert [one.outcome for one in await it.sent()] == [e.Outcome.FAILED]


async def test_esc_decides_nothing_and_enter_asks_again(console: Start) -> None:
    async with console(rec.unsettled()) as it:
        await it.until(lambda: isinstance(it.app.screen, SettleSheet))
        await it.press("down", "escape")
        assert it.app.screen is it.app.window
        assert it.source.sent == []
        assert "⁇ unknown" in it.pane("timeline")
        assert "1 unknown" in it.app.window.timeline.title(rec.NOW)
        assert "2.1b UNKNOWN: decision awaited" in it.seen("header")
        assert "2.1b unknown, a decision is awaited" in it.seen("banner")
        assert "enter settle" in it.seen("footer")
        await it.press("question_mark")
        assert "settle 2.1b" in it.sheet()
        await it.press("escape", "enter")
        assert isinstance(it.app.screen, SettleSheet)
        await it.press("enter")
        assert it.app.screen is it.app.window
        assert it.source.sent == []


async def test_who_watches_can_look_and_not_answer(console: Start) -> None:
    async with console(rec.unsettled(), operator=False) as it:
        assert it.app.screen is it.app.window
        assert "enter look" in it.seen("footer")
        await it.press("enter")
        assert "! warn migrations applied" in it.sheet()
        assert "the operator decides: oncall-1" in it.sheet()
        assert "it succeeded" not in it.sheet()
        assert not it.app.screen.query("#sheet-input")
        await it.press("enter", "escape")
        assert it.source.sent == []


async def test_what_was_settled_meanwhile_is_said_and_not_answered_again(console: Start) -> None:
    recorder = rec.unsettled()
    async with console(recorder) as it:
        await it.until(lambda: isinstance(it.app.screen, SettleSheet))
        run_id = rec.list_runs(recorder)[-1]
        settled = e.StepSettled("2.1b", run_id, e.Outcome.FAILED, "the row is missing")
        recorder.add(settled, actor="oncall-2")
        it.source.push(recorder.entries[-1])
        await it.settle()
        assert "settled by oncall-2: failed, the row is missing" in it.sheet()
        await it.press("enter")
        assert it.source.sent == []
        assert "UNKNOWN" not in it.seen("header")
        assert "settled by oncall-2: the row is missing" in it.pane("run")


async def test_a_step_that_records_something_cannot_be_settled_as_done(console: Start) -> None:
    recorder = rec.opened()
    recorder.step("1.1a", 1)
    recorder.step("1.2a", 1, outcome=None)
    rec.lose(recorder)
    async with console(recorder) as it:
        await it.until(lambda: isinstance(it.app.screen, SettleSheet))
        assert "it records" not in it.sheet()
        assert "1.2a records backup.path, and that is lost with it" in it.sheet()
        await it.type("seen")
        await it.press("down", "enter")
        assert it.source.sent == []


async def test_a_stopped_action_asks_how_to_go_on_once_it_is_settled_as_failed(
    console: Start,
) -> None:
    recorder = rec.unsettled_rollback()
    async with console(recorder) as it:
        await it.until(lambda: isinstance(it.app.screen, SettleSheet))
        assert "ROLLBACK STOPPED: R.2 unknown" in it.seen("banner")
        await it.press("escape")
        run_id = rec.list_runs(recorder)[-1]
        recorder.add(e.StepSettled("R.2", run_id, e.Outcome.FAILED, "no tables"))
        it.source.push(recorder.entries[-1])
        await it.settle()
        assert "settled by oncall-1: no tables" in it.sheet()
        assert it.app.screen.first_choice == f"option:{LATER}"


async def test_where_the_page_does_not_fit_the_evidence_stays_in_sight(console: Start) -> None:
    async with console(rec.unsettled(), size=(80, 18)) as it:
        await it.until(lambda: isinstance(it.app.screen, SettleSheet))
        await it.settle()
        assert "evidence now  ! warn migrations applied" in pinned(it)
