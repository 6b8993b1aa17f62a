"""A small runbook with one of each thing that a screen shows."""

from __future__ import annotations

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
from probes.probe import Seconds

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
        "actions": small_actions(),
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


def small_actions() -> tuple[Action, ...]:
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
