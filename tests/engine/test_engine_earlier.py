"""What earlier windows measured is read from their journals and feeds this window's estimates."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.engine import earlier
from optibid_console.engine.earlier import measured_before
from optibid_console.plan import preview
from tests.engine.bench import Bench
from tests.engine.conftest import StartEngine


async def whole_window(bench: Bench) -> None:
    """Deploy, then roll it back."""
    for step_id in ("1a", "1b", "2a"):
        await bench.step(step_id)
    (bench.room / "may-roll-back").touch()
    assert isinstance(await bench.do(c.StartAction("rollback", "rollback")), c.Accepted)
    await bench.until(lambda state: state.runs[state.last_run].step_id == "R2")
    assert isinstance(await bench.do(c.RunStep("R2")), c.Accepted)
    await bench.until(lambda state: state.actions["rollback1"].outcome)


@pytest.fixture
def put_away(tmp_path: Path) -> Any:
    """Moves the window's journal aside, so that the next engine opens another window."""

    def put(name: str, where: Path = tmp_path) -> Path:
        where.mkdir(parents=True, exist_ok=True)
        kept = where / f"{name}.journal"
        shutil.move(tmp_path / "window.journal", kept)
        return kept

    return put


async def test_the_medians_of_earlier_windows_are_recorded_and_said(
    start_engine: StartEngine, put_away: Any, tmp_path: Path
) -> None:
    async with start_engine() as bench:
        await whole_window(bench)
        assert bench.state.earlier is None
        first = bench.state
    put_away("first", tmp_path / "state" / "optibid-console" / "windows")
    (tmp_path / "not-one.journal").write_text("no journal at all")
    async with start_engine() as bench:
        await bench.until(lambda state: state.earlier)
        await whole_window(bench)
    put_away("second")
    async with start_engine() as bench:
        state = await bench.until(lambda state: state.earlier)
        seen = state.earlier
        assert len(seen.windows) == 2
        assert seen.windows[1] == first.window_id
        assert set(seen.steps) == {"1a", "1b", "2a", "R1"}, "a person is not measured"
        assert all(one.windows == 2 for one in seen.steps.values())
        (bench.room / "flag").touch()
        await bench.step("1b")
        await bench.step("2a")
        shown = preview(bench.state, "rollback", bench.state.at)
        assert shown.measured == (
            "R1 measured in 2 earlier windows, median; R2 not measured, as the runbook expects"
        )
    async with start_engine() as again:
        assert len(again.heard.of(e.WindowsMeasured)) == 0, "it is known already"


async def test_other_commands_other_windows_and_broken_journals_measure_nothing(
    start_engine: StartEngine, put_away: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start_engine() as bench:
        await bench.step("1a")
        book = bench.state.runbook
    kept = put_away("first")
    assert book is not None
    found = measured_before(book, "another", [kept])
    assert found is not None
    assert set(found.steps) == {"1a"}
    assert measured_before(book, found.windows[0], [kept]) is None, "that is this window itself"
    assert measured_before(_with(book, run="echo another"), "another", [kept]) is None
    assert measured_before(_named(book, "Another window"), "another", [kept]) is None
    with sqlite3.connect(kept) as db:
        db.execute("UPDATE entries SET body = '{' WHERE kind = 'step-finished'")
    assert measured_before(book, "another", [kept]) is None
    monkeypatch.setattr(earlier, "MOST_BYTES", 10)
    assert kept not in earlier.journals_beside(kept.with_name("window.journal"))


def test_a_restore_is_measured_by_its_backup_s_bytes() -> None:
    took = [{"R": earlier._Took(10.0, "d", 1000)}, {"R": earlier._Took(10.0, "d", 3000)},
            {"R": earlier._Took(40.0, "d", 8000)}]  # fmt: skip
    assert earlier._medians(took) == {"R": e.StepMeasured(10.0, 3, 200.0)}
    took[0] = {"R": earlier._Took(10.0, "d")}
    assert earlier._medians(took) == {"R": e.StepMeasured(10.0, 3)}, "one of them has no size"


def _with(book: Any, **changes: Any) -> Any:
    phase = book.phases[0]
    steps = tuple(replace(one, **changes) if one.id == "1a" else one for one in phase.steps)
    return replace(book, phases=(replace(phase, steps=steps), *book.phases[1:]))


def _named(book: Any, name: str) -> Any:
    return replace(book, window=replace(book.window, name=name))
