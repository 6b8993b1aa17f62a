"""A recorded window of a small runbook, and a source that plays it and keeps what is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

from optibid_console import entries as e
from optibid_console.codec import to_plain
from optibid_console.commands import Accepted, Command, Reply
from optibid_console.runbook.model import (
    Action,
    CheckItem,
    CheckSection,
    Contact,
    Criterion,
    PanelSpec,
    Phase,
    ProbeSpec,
    Runbook,
    Rung,
    Step,
    StepKind,
    TailSpec,
    TargetSpec,
    Window,
)  # fmt: skip
from optibid_console.signals import Link, LogLines, Output, Presence, Pulse, Sampled, Signal
from optibid_console.source import CaughtUp, Event, Role
from probes.probe import Reading, Seconds, Status

T0 = 1_795_554_000.0
"""2026-11-24T21:00:00Z."""
NOW = T0 - 42 * 60 - 17
"""T-00:42:17."""
INJECTED = "verify [@click=app.quit]database[/] [red]now"


def s(value: float) -> Seconds:
    return Seconds(float(value))


def small_runbook(**changes: object) -> Runbook:
    """A window with every kind of thing in it."""
    probes = {
        name: ProbeSpec(name, kind, title=title, every=s(5), on=on)
        for name, kind, title, on in (
            ("backend-health", "http", "backend /health", ""),
            ("postgres", "postgres", "postgres", "app-1"),
            ("redis", "redis", "redis", ""),
            ("market-ws", "websocket", "market websocket PJM", ""),
            ("migrations-applied", "postgres", "migrations applied", "app-1"),
            ("backup-verified", "command", "backup verified", "app-1"),
            ("disk-space", "command", "disk to restore", "app-1"),
        )
    }
    panels = {
        "cpu": PanelSpec("cpu", "metrics", "CPU", unit="percent", warn_above=80.0),
        "memory": PanelSpec("memory", "metrics", "memory", unit="percent", warn_above=80.0),
        "p95": PanelSpec("p95", "prometheus", "p95 latency", unit="ms", warn_above=200.0),
        "errors": PanelSpec("errors", "metrics", "errors", unit="ratio", fail_above=0.05),
        "ws": PanelSpec("ws", "metrics", "websockets", unit="count"),
    }
    fields: dict[str, object] = {
        "window": Window("OptiBid production", "v2.4.0"),
        "services": ("redis",),
        "targets": {
            "app-1": TargetSpec("app-1", host="app-1.optibid.example", user="deploy"),
            "local": TargetSpec("local", kind="local"),
        },
        "probes": probes,
        "panels": panels,
        "tails": {one: TailSpec(one, on="app-1", path=f"/var/log/{one}.log")
                  for one in ("backend", "frontend", "postgres")},
        "phases": _phases(),
        "actions": _actions(),
        "checklist": _checklist(),
        "criteria": (
            Criterion("error-rate", "Error rate exceeds 5%", "panel.errors > 0.05", s(30)),
            Criterion("latency", "p95 latency exceeds 500 ms", "panel.p95 > 500", s(60)),
            Criterion("health", "Health check failing", "probe.backend-health is failing", s(60)),
            Criterion("users", "User complaints about trading"),
        ),
        "contacts": {
            "lead": Contact("lead", "Deployment Lead", "Ada Byron", "+1 555 0101", "ada@x.example",
                            "Primary on-call"),
            "dba": Contact("dba", "Database Admin", "Edgar Codd", "+1 555 0102",
                           group="Primary on-call"),
        },
        "escalation": (
            Rung(s(900), "Notify the deployment lead", "lead"),
            Rung(s(1800), "Escalate to the database admin", "dba"),
        ),
        "signoffs": ("Deployment Lead", "Database Admin"),
    }  # fmt: skip
    return Runbook(**{**fields, **changes})  # type: ignore[arg-type]


def _phases() -> tuple[Phase, ...]:
    def step(step_id: str, title: str, group: str, expected: float, **more: object) -> Step:
        given: dict[str, object] = {"on": "app-1", "run": f"./deploy/{step_id}.sh", **more}
        return Step(step_id, title, group, expect_duration=s(expected), **given)  # type: ignore[arg-type]

    return (
        Phase("pre", "Pre-deployment", s(-3600), None, (
            step("1.1a", "verify the release tag", "1.1 Verify", 20),
            step("1.2a", "back up the database", "1.2 Backup", 240, record="backup.path",
                 evidence=("backup-verified",)),
        )),
        Phase("migration", "Database migration", s(-2700), None, (
            step("2.1a", "migration status", "2.1 Apply database migrations", 5, read_only=True),
            step("2.1b", "run migrations", "2.1 Apply database migrations", 150,
                 run='export RELEASE="${window.version}"\n./deploy/migrate.sh --to "$RELEASE"',
                 evidence=("migrations-applied",)),
            step("2.1c", INJECTED, "2.1 Apply database migrations", 30, required=False),
        )),
        Phase("backend", "Backend deployment", s(-1800), None, (
            step("3.1", "switch the release and restart the backend", "", 90),
            step("3.2", "wait until healthy", "", 60, kind=StepKind.WAIT, run="", on="",
                 wait_for=("backend-health",)),
        )),
        Phase("smoke", "Smoke tests", s(-300), None, (
            step("6.1", "log in and place a test bid", "", 120, kind=StepKind.MANUAL, run="",
                 on=""),
        )),
        Phase("monitor", "Post-deployment monitoring", s(0), s(3600), (
            step("7.1", "announce the release", "", 60, kind=StepKind.MANUAL, run="", on=""),
        )),
    )  # fmt: skip


def _actions() -> tuple[Action, ...]:
    def step(step_id: str, title: str, expected: float, run: str, **more: object) -> Step:
        return Step(step_id, title, on="app-1", run=run, expect_duration=s(expected), **more)  # type: ignore[arg-type]

    return (
        Action("backup", "Backup", "b", uses=("1.2a",)),
        Action("migrate", "Migrate", "m", uses=("2.1b",), needs_facts=("backup.path",)),
        Action("rollback", "Rollback", "R", ready_when=("backup-verified", "disk-space"),
               needs_facts=("backup.path",),
               costs="database returns to 20:05:11Z; 1,284 transactions since then are lost",
               steps=(
                   step("R.1", "stop the new backend", 5, "systemctl --user stop optibid-backend"),
                   step("R.2", "restore the database", 180,
                        'pg_restore --exit-on-error -1 -d optibid "${backup.path}"',
                        undoes=("2.1b",)),
                   step("R.3", "start the previous release", 30, "./deploy/previous.sh",
                        required=False),
               )),
    )  # fmt: skip


def _checklist() -> tuple[CheckSection, ...]:
    return (
        CheckSection("code", "1 Code readiness", "Pre-deployment checks", (
            CheckItem("tests", "All tests pass in CI"),
            CheckItem("review", "Code review completed and approved by two reviewers"),
        ), "pre"),
        CheckSection("database", "3 Database preparation", "Pre-deployment checks", (
            CheckItem("backup", "Backup completed and verified", "backup-verified"),
            CheckItem("extensions", "Extensions: PostGIS, TimescaleDB, uuid-ossp", "postgres"),
            CheckItem("plan", "Rollback plan reviewed"),
        ), "migration"),
        CheckSection("signoff", "Sign-off", "Sign-off", (
            CheckItem("sign-lead", "Deployment Lead", role="Deployment Lead"),
        ), "monitor"),
    )  # fmt: skip


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
             evidence: Iterable[Reading] = ()) -> str:  # fmt: skip
        """A step from its start to its end; `outcome=None` leaves it running."""
        run_id = f"run-{action_run}{step_id}-{len(self.entries)}"
        shown = command or f"./deploy/{step_id}.sh"
        self.add(e.StepStarted(step_id, run_id, 1, "run", "app-1", shown, 1, 600.0, action_run))
        self.add(e.RunLaunched(run_id), actor="console")
        if outcome is None:
            return run_id
        status = 0 if outcome is e.Outcome.SUCCEEDED else 1
        ended = e.RunEnded(run_id, outcome, reason, status, duration_s=took, last_lines=("done",))
        self.add(ended, after=took, actor="console")
        taken = tuple(evidence)
        if taken:
            self.add(e.EvidenceTaken(step_id, run_id, taken), actor="console")
        self.add(e.StepFinished(step_id, run_id, outcome, reason, took), actor="console")
        return run_id


def reading(probe: str, status: Status, summary: str, at: float, **more: object) -> Reading:
    return Reading(probe, status, summary, at, 3.0, **more)  # type: ignore[arg-type]


def opened(runbook: Runbook | None = None, operator: str = "oncall-1") -> Recorder:
    """A window that was just opened, at T-62 minutes."""
    book = runbook or small_runbook()
    r = Recorder(T0 - 62 * 60)
    window = e.WindowOpened("w-1", book.window.name, book.window.version, "20261124_195800", T0,
                            1.0, "d" * 64, to_plain(book))  # fmt: skip
    r.add(window, actor="console")
    r.add(e.EngineStarted("0.1", "bastion", 4711), actor="console")
    r.add(e.OperatorTook(operator, 1))
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
    r.step("2.1c", 3, outcome=e.Outcome.FAILED, reason="exit 2")
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
        for one in _actions()
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


def signals(r: Recorder, now: float = NOW) -> list[Signal]:
    """Passing facts of the good day: output, samples, logs, presence, a pulse."""
    run_id = list_runs(r)[-1] if list_runs(r) else ""
    made: list[Signal] = [Pulse(now, 0.4), Presence(("support", "product", "cto"))]
    made.append(Link("app-1", "connected", "", 12.0))
    output = (
        b"Executing migration: 004_market_prices\n"
        + "\x1b[32m✓\x1b[0m 003_seed_data 412 ms\n".encode()
    )
    made.append(Output(run_id, 0, output + b"[bold]creating[/bold] index market_prices_at_idx\n"))
    for name, value in (
        ("postgres", 3.0),
        ("market-ws", 41.0),
        ("disk-space", None),
        ("backup-verified", None),
    ):
        unit = "ms" if value is not None else ""
        made.append(
            Sampled("probe", reading(name, Status.OK, "fine", now - 1, value=value, unit=unit))
        )
    late = reading("migrations-applied", Status.WARN, "004_market_prices is pending", now - 1)
    made.append(Sampled("probe", late))
    made.append(Sampled("probe", reading("redis", Status.OK, "PONG", now - 42)))
    said = 'status "error": database is migrating'
    made.append(Sampled("probe", reading("backend-health", Status.FAILING, said, now - 1)))
    for i in range(24):
        at = now - 48 + 2 * i
        for panel, value, unit in (("cpu", 30.0 + i % 7 * 2, "percent"),
                                   ("memory", 63.0, "percent"),
                                   ("p95", 150.0 + i * 3, "ms"), ("errors", 0.004, "ratio"),
                                   ("ws", 1204.0 - i, "count")):  # fmt: skip
            sample = Reading(panel, Status.OK, "", at, 4.0, value, unit)
            made.append(Sampled("panel", sample))
    made += [
        LogLines("backend", _log_lines("backend"), 40),
        LogLines("postgres", _log_lines("postgres"), 40),
    ]
    return made


def _log_lines(tail: str) -> bytes:
    lines = []
    for i in range(40):
        moment = f"2026-11-24 20:17:{i:02}"
        if tail == "postgres":
            lines.append(f"{moment} UTC [81] LOG:  checkpoint complete: wrote {i * 11} buffers")
        elif i % 9 == 4:
            lines.append(
                f"{moment} - main - ERROR - Health check failed: [red]database is migrating[/red]"
            )
        else:
            lines.append(
                f'{moment} - uvicorn - INFO - 10.0.0.{i}:5059 - "GET /health HTTP/1.1" 200 OK'
            )
    return "".join(f"{line}\n" for line in lines).encode()


class RecordedSource:
    """Plays events as a live engine would, and keeps the commands that are sent."""

    def __init__(self, events: Iterable[Event] = (), *, reply: Reply | None = None) -> None:
        self.name = "oncall-1"
        self.sent: list[Command] = []
        self.reply: Reply = Accepted() if reply is None else reply
        self.closed = False
        self._waiting = False
        self.commanded = asyncio.Event()
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue()
        for event in events:
            self.push(event)

    def push(self, *events: Event) -> None:
        for event in events:
            self._queue.put_nowait(event)

    @property
    def drained(self) -> bool:
        """Everything that was pushed has been asked for, and the last one been taken."""
        return self._queue.empty() and self._waiting

    def end(self) -> None:
        self._queue.put_nowait(None)

    async def events(self) -> AsyncIterator[Event]:
        while True:
            self._waiting = True
            event = await self._queue.get()
            self._waiting = False
            if event is None:
                return
            yield event

    async def send(self, command: Command) -> Reply:
        self.sent.append(command)
        self.commanded.set()
        return self.reply

    async def close(self) -> None:
        self.closed = True


def played(r: Recorder, *, operator: bool = True, now: float = NOW) -> list[Event]:
    """The recording as a source gives it: entries, role, caught up, then signals."""
    role = Role(operator, "oncall-1", T0 - 62 * 60)
    return [*r.entries, role, CaughtUp(len(r.entries)), *signals(r, now)]
