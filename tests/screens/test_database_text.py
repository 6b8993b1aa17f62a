"""What panes and sheets say of a database that is migrated and restored."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from optibid_console import entries as e
from optibid_console.database.locks import LockWait, Session
from optibid_console.database.measures import Cost
from optibid_console.plan import preview
from optibid_console.runbook.model import DatabaseSpec, Phase, Runbook, StepKind
from optibid_console.signals import CostSampled, LockWaits
from screens.lines import Line
from screens.modals.action import preview_lines
from screens.modals.confirm import step_lines
from screens.view import View
from screens.widgets.run_pane import run_tail
from screens.widgets.timeline import timeline_lines
from tests.screens import recording as rec
from tests.screens.recorded_source import played
from tests.screens.small_runbook import small_runbook

BACKUP_AT = rec.T0 - 3289
"""20:05:11Z."""


def runbook() -> Runbook:
    """The usual window, its migration and its restore by the console's own steps."""
    book = small_runbook()
    phases = tuple(_with_kinds(one) for one in book.phases)
    rollback = book.action("rollback")
    assert rollback is not None
    steps = tuple(
        replace(one, kind=StepKind.RESTORE, database="optibid", run="restore it")
        if one.id == "R.2" else one
        for one in rollback.steps
    )  # fmt: skip
    actions = tuple(
        replace(one, steps=steps, costs="") if one.id == "rollback" else one
        for one in book.actions
    )  # fmt: skip
    database = DatabaseSpec("optibid", "app-1", "optibid", migrations="migrations")
    return replace(book, phases=phases, actions=actions, databases={"optibid": database})


def _with_kinds(phase: Phase) -> Phase:
    kinds = {"1.2a": StepKind.BACKUP, "2.1b": StepKind.MIGRATE}
    return replace(phase, steps=tuple(
        replace(one, kind=kinds[one.id], database="optibid") if one.id in kinds else one
        for one in phase.steps
    ))  # fmt: skip


def window(applied: tuple[str, ...] = (), *, backed: bool = True) -> rec.Recorder:
    """The migration runs; `applied` says what it has done so far."""
    r = rec.good_day(runbook())
    run_id = rec.list_runs(r)[-1]
    files = ("004_market_prices", "005_notes")
    if backed:
        r.add(e.ArtifactRecorded("optibid", "database", "app-1", "/backups/a.dump", run_id="b"))
    read = e.MigrationsRead("optibid", "before", ("003_seed",), files, run_id=run_id)
    r.add(read, actor="console")
    if applied:
        left = tuple(one for one in files if one not in applied)
        r.add(e.MigrationsRead("optibid", "during", ("003_seed", *applied), left, run_id=run_id))
    return r


def seen(recorder: rec.Recorder) -> View:
    view = View("oncall-1", clock=lambda: rec.NOW)
    for event in played(recorder, operator=True):
        view.take(event)
    return view


def text(lines: list[Line]) -> str:
    return "\n".join(line.text for line in lines)


def test_the_timeline_shows_the_point_of_no_return_after_its_step() -> None:
    before = timeline_lines(seen(window()), 90, rec.NOW)
    assert "point of no return" not in text(before)
    lines = timeline_lines(seen(window(("004_market_prices",))), 90, rec.NOW)
    at = next(i for i, line in enumerate(lines) if "point of no return" in line.text)
    assert lines[at].text.startswith(
        "── point of no return for code-only rollback · 004_market_prices 20:1"
    )
    assert next(line.key for line in lines[at + 1 :] if line.key) == "step:2.1c"


def test_what_is_pending_is_named_before_it_runs() -> None:
    view = seen(window(backed=False))
    shown = preview(view.state, "migrate", rec.NOW)
    assert shown.override == "migrate without backup"
    assert "this window has no verified backup of optibid (step 1.2a)" in shown.not_ready
    step = view.state.runbook.step("2.1b") if view.state.runbook else None
    assert step is not None
    for said in (text(preview_lines(shown, 80)), text(step_lines(view, step, 80))):
        assert "optibid: 2 pending" in said
        assert "  004_market_prices\n" in said
        assert "  005_notes" in said


def test_the_sheet_of_the_rollback_says_what_is_lost_and_how_old_that_is() -> None:
    view = seen(window(("004_market_prices",)))
    rows = {"bids": (1200, 4, 0), "audit_logs": (0, 0, 2015)}
    cost = Cost("optibid", BACKUP_AT, rec.NOW - 4, 1284, 38_000_000, rows)
    view.take(CostSampled(cost))
    said = text(preview_lines(preview(view.state, "rollback", rec.NOW, view.costs), 100))
    assert (
        "optibid returns to 20:05:11Z; 1,284 transactions and 38 MB of WAL since then are lost "
        "(measured\n  0:04 ago)"
    ) in said
    assert "rows changed since: audit_logs 2,015 deleted; bids 1,200 new, 4 changed" in said
    assert "R.2 restore the database  004_market_prices was applied" in said
    away = replace(cost, problem="db-1 refused the connection", failed_at=rec.NOW - 2)
    view.take(CostSampled(away))
    said = text(preview_lines(preview(view.state, "rollback", rec.NOW, view.costs), 100))
    assert "optibid can't be measured (0:02 ago: db-1 refused the connection)" in said
    assert "(was known" in said


def test_without_a_backup_the_rollback_goes_on_and_says_that_the_database_stays() -> None:
    shown = preview(seen(window(("004_market_prices",), backed=False)).state, "rollback", rec.NOW)
    restore = next(one for one in shown.steps if one.step_id == "R.2")
    assert not restore.included
    assert restore.because == (
        "004_market_prices was applied, and this window has no backup of optibid: it stays as it is"
    )


def test_the_run_s_pane_shows_who_waits_for_whom() -> None:
    view = seen(window())
    run = view.shown_run()
    assert run is not None
    waiter = Session(7, "app", "migrate w", "ALTER TABLE bids ADD x int", 6.0)
    blocker = Session(8, "ann", "reports", "LOCK TABLE bids", 60.0)
    view.take(LockWaits(run.run_id, "optibid", (LockWait(waiter, (blocker,)),)))
    said = " ".join(line.text for line in run_tail(view, run, 70, rec.NOW))
    assert "! pid 7 (app, migrate w): ALTER TABLE bids ADD x int waits 6 s for pid 8" in said
    assert "(ann, reports): LOCK TABLE bids" in said
    view.take(LockWaits(run.run_id, "optibid", (), "db-1 didn't answer in time"))
    said = " ".join(line.text for line in run_tail(view, run, 90, rec.NOW))
    assert "locks of optibid can't be seen: db-1 didn't answer in time" in said
    view.take(LockWaits(run.run_id, "optibid"))
    assert "pid 7" not in text(run_tail(view, run, 90, rec.NOW))


def test_what_is_pending_and_cannot_be_read_is_said_with_its_reason_and_age() -> None:
    recorder = rec.opened(runbook())
    for step_id in ("1.1a", "1.2a", "2.1a"):
        recorder.step(step_id, 5)
    recorder.at = rec.NOW - 80
    recorder.add(e.MigrationsRead("optibid", "seen", ("003_seed",), ("004_market_prices",)))
    why = "optibid, seen from app-1: no answer from port 5432"
    recorder.add(e.MigrationsUnread("optibid", why), after=5, actor="console")
    recorder.add(e.MigrationsUnread("optibid", f"{why}[red]"), after=35, actor="console")
    view = seen(recorder)
    said = "optibid: what is pending can't be read for 1:15: seen from app-1: no answer from"
    assert any(f"? {said}" in line.text for line in timeline_lines(view, 120, rec.NOW))
    shown = preview(view.state, "migrate", rec.NOW)
    assert shown.pending == (
        f"{said} port 5432[red]",
        f"optibid: 1 pending when it was read last, before {clock(rec.NOW - 75)}",
        "  004_market_prices",
    )
    assert "2.1b: what is pending can't be read" in shown.not_ready
    recorder.add(e.MigrationsUnread("optibid", ""), actor="console")
    view = seen(recorder)
    assert not any("can't be read" in one.text for one in timeline_lines(view, 120, rec.NOW))
    assert preview(view.state, "migrate", rec.NOW).pending[0].startswith("optibid: 1 pending")


def clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%SZ")
