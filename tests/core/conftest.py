"""A small window whose entries the tests of the pure core write by hand."""

from __future__ import annotations

import pytest

from optibid_console import entries as e
from optibid_console.codec import to_plain
from optibid_console.runbook.model import (
    Action,
    CheckItem,
    CheckSection,
    Criterion,
    Phase,
    ProbeSpec,
    Runbook,
    Rung,
    Step,
    StepKind,
    Window,
)
from optibid_console.state import WindowState, fold
from probes.probe import Seconds

T0 = 1_800_000_000.0


class Story:
    """Entries of one window, one after the other, and the state that they fold to."""

    def __init__(self, runbook: Runbook) -> None:
        self.runbook = runbook
        self.entries: list[e.Entry] = []
        self.now = T0 - 3600.0
        self.add(
            e.WindowOpened(
                "w1",
                "OptiBid production",
                "v2.4.0",
                "20270115_070000",
                T0,
                1.0,
                "d",
                to_plain(runbook),
            )
        )

    def add(self, fact: e.Fact, actor: str = "oncall-1", after_s: float = 0.0) -> e.Entry:
        self.now += after_s
        prev = self.entries[-1].hash if self.entries else e.GENESIS
        entry = e.seal(len(self.entries) + 1, self.now, self.now, actor, fact, prev)
        self.entries.append(entry)
        return entry

    def start(self, step_id: str, *, action_run: str = "", kind: str = "run") -> str:
        run_id = f"w1-{action_run}-{step_id}-{len(self.entries)}"
        self.add(e.StepStarted(step_id, run_id, 1, kind, "app-1", "true", 1, 60.0, action_run))
        return run_id

    def finish(self, run_id: str, outcome: e.Outcome = e.Outcome.SUCCEEDED) -> None:
        step_id = self.state.runs[run_id].step_id
        self.add(e.RunEnded(run_id, outcome, "exit 0", 0, duration_s=7.0), after_s=7.0)
        self.add(e.StepFinished(step_id, run_id, outcome, "", 7.0))

    def do(self, step_id: str, outcome: e.Outcome = e.Outcome.SUCCEEDED, **where: str) -> None:
        self.finish(self.start(step_id, **where), outcome)

    @property
    def state(self) -> WindowState:
        return fold(self.entries)


def small_runbook() -> Runbook:
    """Three phases, one optional and one manual step, and a rollback that undoes two steps."""
    return Runbook(
        window=Window("OptiBid production", "v2.4.0"),
        probes={"health": ProbeSpec("health", "http")},
        phases=(
            Phase(
                "prepare",
                "Pre-deployment",
                Seconds(-3600),
                steps=(
                    Step(
                        "1.1",
                        "Verify",
                        on="app-1",
                        run="true",
                        required=False,
                        expect_duration=Seconds(60),
                    ),
                    Step(
                        "1.2",
                        "Back up",
                        on="app-1",
                        run="pg_dump",
                        record="backup.path",
                        expect_duration=Seconds(120),
                    ),
                ),
            ),
            Phase(
                "migrate",
                "Database migration",
                Seconds(-2700),
                steps=(Step("2.1", "Migrate", on="app-1", run="psql"),),
            ),
            Phase(
                "watch",
                "Monitoring",
                Seconds(0),
                until=Seconds(3600),
                steps=(Step("7.1", "Look", kind=StepKind.MANUAL),),
            ),
        ),
        actions=(
            Action("backup", "Backup", "b", uses=("1.2",)),
            Action(
                "rollback",
                "Rollback",
                "R",
                needs_facts=("backup.path",),
                costs="database returns to ${backup.path.at}",
                steps=(
                    Step("R1", "Stop", on="app-1", run="stop", expect_duration=Seconds(5)),
                    Step(
                        "R2",
                        "Restore",
                        on="app-1",
                        run="pg_restore ${backup.path}",
                        undoes=("2.1",),
                        expect_duration=Seconds(40),
                    ),
                    Step("R5", "Tell people", kind=StepKind.MANUAL),
                ),
            ),
        ),
        checklist=(CheckSection("db", "Database", "Pre", (CheckItem("db-1", "Backup done"),)),),
        criteria=(
            Criterion("errors", "Error rate exceeds 5%", "panel.errors > 0.05"),
            Criterion("approval", "Stakeholder approval for rollback"),
        ),
        escalation=(Rung(Seconds(900), "On-call engineer"),),
        signoffs=("Engineering Lead", "QA Lead"),
    )


@pytest.fixture
def story() -> Story:
    return Story(small_runbook())
