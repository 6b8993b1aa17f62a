"""Recorded windows of a small runbook: a good day, and what can go wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from optibid_console import entries as e
from optibid_console.codec import to_plain
from optibid_console.runbook.model import (
    Action,
    Runbook,
    Step,
    StepKind,
)  # fmt: skip
from probes.probe import Reading, Status
from tests.screens.small_runbook import s, small_actions, small_runbook

T0 = 1_795_554_000.0
"""2026-11-24T21:00:00Z."""
NOW = T0 - 42 * 60 - 17
"""T-00:42:17."""


class Recorder:
    """Seals facts into entries, each some seconds after the one before."""

    def __init__(self, at: float, actor: str = "oncall-1") -> None:
        self.entries: list[e.Entry] = []
        self.at = at
        self.actor = actor

    def add(self, fact: e.Fact, *, after: float = 0.0, actor: str | None = None) -> None:
        self.at += after
        prev = self.entries[-1].hash if self.entries else e.GENESIS
        seq = len(self.entries) + 1
        by = self.actor if actor is None else actor
        self.entries.append(e.seal(seq, self.at, float(seq), by, fact, prev))

    def step(self, step_id: str, took: float, *, action_run: str = "", command: str = "",
             outcome: e.Outcome | None = e.Outcome.SUCCEEDED, reason: str = "",
             exit_status: int = 1, evidence: Iterable[Reading] = ()) -> str:  # fmt: skip
        """A step from its start to its end; `outcome=None` leaves it running."""
        run_id = f"run-{action_run}{step_id}-{len(self.entries)}"
        shown = command or f"./deploy/{step_id}.sh"
        self.add(e.StepStarted(step_id, run_id, 1, "run", "app-1", shown, 1, 600.0, action_run))
        self.add(e.RunLaunched(run_id), actor="console")
        if outcome is None:
            return run_id
        status = 0 if outcome is e.Outcome.SUCCEEDED else exit_status
        ended = e.RunEnded(run_id, outcome, reason, status, duration_s=took, last_lines=("done",))
        self.add(ended, after=took, actor="console")
        taken = tuple(evidence)
        if taken:
            self.add(e.EvidenceTaken(step_id, run_id, taken), actor="console")
        self.add(e.StepFinished(step_id, run_id, outcome, reason, took), actor="console")
        return run_id


def reading(probe: str, status: Status, summary: str, at: float, **more: object) -> Reading:
    return Reading(probe, status, summary, at, 3.0, **more)  # type: ignore[arg-type]


def opened(
    runbook: Runbook | None = None, operator: str = "oncall-1", *, rehearsal: bool = False
) -> Recorder:
    """A window that was just opened, at T-62 minutes."""
    book = runbook or small_runbook()
    r = Recorder(T0 - 62 * 60)
    window = e.WindowOpened("w-1", book.window.name, book.window.version, "20261124_195800", T0,
                            1.0, "d" * 64, to_plain(book), rehearsal)  # fmt: skip
    r.add(window, actor="console")
    r.add(e.EngineStarted("0.1", "bastion", 4711), actor="console")
    r.add(e.OperatorTook(operator, 1))
    return r


def rehearsal(runbook: Runbook | None = None) -> Recorder:
    """A rehearsal: a read was done, the step after it was only walked."""
    r = opened(runbook, rehearsal=True)
    r.step("1.1a", 12)
    why = "rehearsed: it isn't marked read-only, so nothing was started"
    command = "pg_dump -Fc optibid"
    r.add(e.StepStarted("1.2a", "run-1.2a", 1, "run", "db-1", command, 1, 600.0))
    r.add(e.RunEnded("run-1.2a", e.Outcome.REHEARSED, why), actor="console")
    r.add(e.StepFinished("1.2a", "run-1.2a", e.Outcome.REHEARSED, why), actor="console")
    r.add(e.FactRecorded("backup.path", "(rehearsed: backup.path)", "1.2a"), actor="console")
    return r


def good_day(runbook: Runbook | None = None) -> Recorder:
    """T-42: the migration runs, a probe fails, one criterion is inconclusive, all recorded."""
    r = opened(runbook)
    r.add(
        e.ReadinessChanged("rollback", False, ("backup.path was never recorded",)), actor="console"
    )
    for item in ("tests", "review"):
        r.add(e.ItemMarked(item, e.Mark.DONE), after=20)
    r.at = T0 - 3600
    r.step("1.1a", 12)
    verified = reading("backup-verified", Status.OK, "pg_restore --list reads it", r.at)
    r.step("1.2a", 224, evidence=(verified,))
    r.add(e.FactRecorded("backup.path", "/backups/20261124_195800.dump", "1.2a"), actor="console")
    r.add(e.ReadinessChanged("rollback", True, (), 252.0), actor="console")
    for name, status, summary in (
        ("postgres", Status.OK, "26 tables"), ("redis", Status.OK, "PONG"),
        ("market-ws", Status.OK, "connection_established"),
        ("migrations-applied", Status.WARN, "004_market_prices is pending"),
        ("backup-verified", Status.OK, "readable, 38 MB"), ("disk-space", Status.OK, "212 GB free"),
        ("backend-health", Status.OK, "200 healthy"),
    ):  # fmt: skip
        r.add(e.ProbeChanged(reading(name, status, summary, r.at)), actor="console")
    for name, verdict, why in (
        ("error-rate", e.Verdict.PASS, "0.4 % is at most 5 %"),
        ("latency", e.Verdict.PASS, "182 ms is at most 500 ms"),
        ("health", e.Verdict.INCONCLUSIVE, "failing for 0:12 of 1:00"),
    ):
        r.add(e.CriterionJudged(name, verdict, why, r.at), actor="console")
    r.add(e.ItemMarked("backup", e.Mark.DONE))
    r.add(e.BaselineTaken({"p95": 170.0, "errors": 0.004}), actor="console")
    r.add(e.LinkChanged("app-1", "connected", "12 ms"), actor="console")
    r.at = NOW - 75
    r.step("2.1a", 2)
    r.at = NOW - 72
    r.step("2.1b", 150, outcome=None,
           command='export RELEASE=v2.4.0\n./deploy/migrate.sh --to "$RELEASE"')  # fmt: skip
    r.at = NOW - 12
    failing = reading(
        "backend-health", Status.FAILING, 'status "error": database is migrating', r.at
    )
    r.add(e.ProbeChanged(failing), actor="console")
    r.add(e.ItemMarked("extensions", e.Mark.FAILED, "TimescaleDB is missing on the replica"))
    return r


def migrated(runbook: Runbook | None = None) -> Recorder:
    """The same, with the migration done."""
    r = good_day(runbook)
    run_id = list_runs(r)[-1]
    r.at = NOW - 4
    r.add(e.RunEnded(run_id, e.Outcome.SUCCEEDED, "", 0, duration_s=68.0), actor="console")
    applied = reading("migrations-applied", Status.OK, "004_market_prices applied", r.at)
    r.add(e.EvidenceTaken("2.1b", run_id, (applied,)), actor="console")
    r.add(e.StepFinished("2.1b", run_id, e.Outcome.SUCCEEDED, "", 68.0), actor="console")
    return r


def tripped(runbook: Runbook | None = None) -> Recorder:
    """The error rate is past its trigger."""
    r = migrated(runbook)
    trip(r)
    return r


def trip(r: Recorder) -> None:
    why = "7.3 % > 5 % for 42 s (baseline 0.4 %)"
    r.add(e.CriterionJudged("error-rate", e.Verdict.FAIL, why, r.at - 42), actor="console")


def failed_step(runbook: Runbook | None = None) -> Recorder:
    """A step of the phases failed."""
    r = migrated(runbook)
    r.step("2.1c", 3, outcome=e.Outcome.FAILED, reason="exit 2", exit_status=2)
    return r


GONE = "it is gone from app-1 without an exit status"


def lose(r: Recorder, *, action_run: str = "") -> None:
    """The run that was started last is gone without a trace."""
    started = [one.fact for one in r.entries if isinstance(one.fact, e.StepStarted)][-1]
    r.at = max(r.at, NOW - 4)
    said = ("Executing migration: 004_market_prices", "creating index market_prices_at_idx")
    run_id, step_id = started.run_id, started.step_id
    ended = e.RunEnded(run_id, e.Outcome.UNKNOWN, GONE, None, duration_s=68.0, last_lines=said)
    r.add(ended, actor="console")
    if step_id == "2.1b":
        taken = reading("migrations-applied", Status.WARN, "004_market_prices is pending", r.at)
        r.add(e.EvidenceTaken(step_id, run_id, (taken,)), actor="console")
    r.add(e.StepFinished(step_id, run_id, e.Outcome.UNKNOWN, GONE, 68.0), actor="console")
    if action_run:
        r.add(e.ActionStopped(action_run, step_id, f"unknown: {GONE}"), actor="console")


def unsettled(runbook: Runbook | None = None) -> Recorder:
    """The migration's run is gone without a trace."""
    r = good_day(runbook)
    lose(r)
    return r


def unsettled_rollback(runbook: Runbook | None = None) -> Recorder:
    """The restore of a rollback is gone without a trace."""
    r = rolling_back(runbook)
    lose(r, action_run="act-1")
    return r


def waiting_for_a_person(runbook: Runbook | None = None) -> Recorder:
    """A rollback whose last step is done by hand and waits for its confirmation."""
    r = tripped(runbook or small_runbook(actions=_with_a_last_step_by_hand()))
    r.add(e.ActionStarted("rollback", "act-1", ("R.1", "R.4"), ("error rate",)))
    r.step("R.1", 2, action_run="act-1")
    r.add(e.StepStarted("R.4", "run-by-hand", 1, "manual", "", "", 1, 600.0, "act-1"))
    return r


def rolled_back(runbook: Runbook | None = None) -> Recorder:
    """The rollback is done."""
    r = tripped(runbook)
    r.add(e.ActionStarted("rollback", "act-1", ("R.1",), ("error rate",)))
    r.step("R.1", 62, action_run="act-1")
    r.add(e.ActionFinished("act-1", e.Outcome.SUCCEEDED), actor="console")
    return r


def _with_a_last_step_by_hand() -> tuple[Action, ...]:
    last = Step("R.4", "tell the stakeholders", kind=StepKind.MANUAL, expect_duration=s(60))
    return tuple(
        replace(one, steps=(*one.steps, last)) if one.id == "rollback" else one
        for one in small_actions()
    )


def rolling_back(runbook: Runbook | None = None, *, stopped: bool = False) -> Recorder:
    """R was pressed: the first step is done, the restore runs, or it failed and waits."""
    r = tripped(runbook)
    r.add(e.ActionStarted("rollback", "act-1", ("R.1", "R.2", "R.3"), ("error rate",)))
    r.step("R.1", 2, action_run="act-1")
    if not stopped:
        r.step("R.2", 180, action_run="act-1", outcome=None)
        return r
    r.step("R.2", 9, action_run="act-1", outcome=e.Outcome.FAILED,
           reason="exit 1: could not connect to server")  # fmt: skip
    r.add(e.ActionStopped("act-1", "R.2", "exit 1: could not connect to server"), actor="console")
    return r


def list_runs(r: Recorder) -> list[str]:
    return [one.fact.run_id for one in r.entries if isinstance(one.fact, e.StepStarted)]
