"""The demo's own operator: what it does when. Tables over states."""

from __future__ import annotations

from typing import Any

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.codec import to_plain
from optibid_console.demo.operator import SHOWS_WITHIN_S, GivenUp, next_command
from optibid_console.runbook.model import (
    Action,
    CheckItem,
    CheckSection,
    Phase,
    Runbook,
    Step,
    StepKind,
    Window,
)
from optibid_console.state import WindowState
from probes.probe import Reading, Seconds, Status

T0 = 10_000.0
RUNBOOK = Runbook(
    window=Window("demo", "v2"),
    phases=(
        Phase("before", "Before", Seconds(-600), steps=(Step("1", "One", on="x", run="true"),)),
        Phase("after", "After", Seconds(0), steps=(Step("2", "Two", kind=StepKind.MANUAL),)),
    ),
    actions=(
        Action(
            "rollback",
            "Back",
            steps=(Step("R", "Back", on="x", run="true", undoes=("1",)),),
            confirm="rollback v1",
        ),
    ),
    checklist=(
        CheckSection(
            "s", "S", "G", (CheckItem("plain", "Plain"), CheckItem("hinted", "Hinted", probe="p")),
            phase="before",
        ),
    ),
)  # fmt: skip


def window(*facts: Any, at: float = T0 - 600) -> WindowState:
    """The state after the opening and `facts`."""
    opened = e.WindowOpened(
        "w", "demo", "v2", "20261124_200000", T0, 1.0, "digest", to_plain(RUNBOOK)
    )
    state = WindowState()
    for fact in (opened, *facts):
        state = state.apply(e.seal(state.seq + 1, at, 0.0, "demo", fact, state.head))
    return state


def ran(step_id: str, attempt: int, outcome: e.Outcome, action_run: str = "") -> tuple[Any, ...]:
    run_id = f"{action_run}{step_id}.{attempt}"
    return (
        e.StepStarted(step_id, run_id, attempt, "run", action_run=action_run),
        e.RunEnded(run_id, outcome, "as the test says"),
        e.StepFinished(step_id, run_id, outcome, "as the test says"),
    )


MARKED = (e.ItemMarked("plain", e.Mark.DONE), e.ItemMarked("hinted", e.Mark.DONE))
ONE_DONE = ran("1", 1, e.Outcome.SUCCEEDED)
ONE_FAILED = ran("1", 1, e.Outcome.FAILED)
TRIPPED = e.CriterionJudged("error-rate", e.Verdict.FAIL, "7 %", T0)
ROLLING = e.ActionStarted("rollback", "r1", ("R",))
ROLLED = e.ActionFinished("r1", e.Outcome.SUCCEEDED)


@pytest.mark.parametrize(
    ("facts", "offset_s", "expected"),
    [
        pytest.param((), -601, None, id="nothing before its time"),
        pytest.param((), -600, c.MarkItem("plain", e.Mark.DONE), id="ticks first"),
        pytest.param(MARKED, -600, c.RunStep("1"), id="then the step"),
        pytest.param(MARKED[:1], -600, c.RunStep("1"), id="no tick without its probe"),
        pytest.param((*MARKED, *ONE_DONE), -1, None, id="waits for the next phase"),
        pytest.param((*MARKED, *ONE_DONE), 0, c.RunStep("2"), id="confirms a manual step"),
        pytest.param((*MARKED, *ONE_FAILED), -1, c.RunStep("1"), id="tries again once"),
        pytest.param(
            (*ONE_DONE, TRIPPED), 5, c.StartAction("rollback", "rollback v1"), id="rolls back"
        ),
        pytest.param(
            (*MARKED, *ONE_DONE[:2], TRIPPED), 5, None, id="lets evidence be taken first"
        ),
        pytest.param((*ONE_DONE, TRIPPED, ROLLING), 5, None, id="waits for the rollback"),
        pytest.param(
            (*ONE_DONE, ROLLING, *ran("R", 1, e.Outcome.FAILED, "r1"),
             e.ActionStopped("r1", "R", "no")),
            5, c.Decide("r1", e.Choice.RETRY), id="tries a stopped rollback again",
        ),
        pytest.param((e.WindowClosed("completed"),), 5, None, id="over"),
    ],
)  # fmt: skip
def test_the_operator_does(
    facts: tuple[Any, ...], offset_s: float, expected: c.Command | None
) -> None:
    assert next_command(window(*facts), T0 + offset_s) == expected


def test_it_closes_the_window_after_a_rollback() -> None:
    command = next_command(window(*ONE_DONE, TRIPPED, ROLLING, ROLLED), T0)
    assert isinstance(command, c.CloseWindow)
    assert command.outcome == "rolled back"


def test_an_item_is_ticked_when_its_probe_reads_ok() -> None:
    well = e.ProbeChanged(Reading("p", Status.OK, "fine", T0, 1.0))
    command = next_command(window(MARKED[0], well), T0 - 600)
    assert command == c.MarkItem("hinted", e.Mark.DONE)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ((*MARKED, *ONE_FAILED, *ran("1", 2, e.Outcome.FAILED)), "step 1 failed 2 times"),
        ((*ONE_DONE, ROLLING, e.ActionFinished("r1", e.Outcome.FAILED, "no disk")), "no disk"),
        ((*MARKED, *ONE_DONE, *ran("2", 1, e.Outcome.SUCCEEDED)), "no criterion has failed"),
    ],
)
def test_it_gives_up_with_a_reason(facts: tuple[Any, ...], why: str) -> None:
    with pytest.raises(GivenUp, match=why):
        next_command(window(*facts), T0 + 1)


def test_it_gives_a_criterion_a_minute_to_fail() -> None:
    state = window(*MARKED, *ONE_DONE, *ran("2", 1, e.Outcome.SUCCEEDED), at=T0)
    assert next_command(state, T0 + SHOWS_WITHIN_S) is None
    with pytest.raises(GivenUp, match="no criterion has failed"):
        next_command(state, T0 + SHOWS_WITHIN_S + 1)
