"""What the headless action says, without an engine."""

from __future__ import annotations

import pytest

from optibid_console import entries as e
from optibid_console.cli.action_report import ForPeople
from optibid_console.cli.action_result import stopped, unconfirmed
from optibid_console.cli.preview_text import preview_text
from optibid_console.plan import preview
from optibid_console.runbook.model import Action
from optibid_console.signals import Output
from optibid_console.state import WindowState
from tests.core.conftest import T0, Story, small_runbook


@pytest.fixture
def rolled() -> Story:
    """A window whose backup was made and which was deployed to."""
    story = Story(small_runbook())
    for step_id in ("1.1", "1.2", "2.1"):
        story.finish(story.start(step_id))
    story.add(e.FactRecorded("backup.path", "/backups/b.dump", "1.2"))
    return story


def test_the_plan_has_the_five_parts_of_the_modal_in_its_order(rolled: Story) -> None:
    lines = list(preview_text(preview(rolled.state, "rollback", T0)))
    heads = [line for line in lines if line in (
        "Why now", "What will happen", "What it costs", "How long", "What is not ready",
    )]  # fmt: skip
    assert heads == ["Why now", "What will happen", "What it costs", "How long",
                     "What is not ready"]  # fmt: skip


@pytest.mark.parametrize(
    ("action", "typed", "said"),
    [
        (Action("backup", "Backup"), "backup", ""),
        (Action("backup", "Backup"), "", "type --confirm backup to do it"),
        (Action("backup", "Backup"), "Backup", "type --confirm backup to do it"),
        (Action("x", "X", confirm="do it"), "x", 'type --confirm "do it" to do it'),
        (Action("rollback", "Rollback"), "rollback without journal", ""),
        (Action("backup", "Backup"), "backup without journal", "type --confirm backup to do it"),
    ],
)
def test_the_word_is_the_one_that_the_key_asks_for(action: Action, typed: str, said: str) -> None:
    assert unconfirmed(WindowState(), action, typed) == said


def test_an_unknown_outcome_is_not_a_failure(rolled: Story) -> None:
    rolled.add(e.ActionStarted("rollback", "rollback1", ("R1",)))
    rolled.finish(rolled.start("R1", action_run="rollback1"), e.Outcome.UNKNOWN)
    rolled.add(e.ActionStopped("rollback1", "R1", "unknown: it is gone"))
    action = rolled.state.action()
    assert action is not None
    result = stopped(rolled.state, action, "AGAIN")
    assert (result.exit_status, result.said) == (4, "rollback stopped at R1: unknown: it is gone")
    assert result.way_on[0] == "retry it     AGAIN --decide retry"


def test_output_is_whole_lines_and_cannot_move_the_cursor(
    rolled: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = rolled.start("R1", action_run="rollback1")
    report, state = ForPeople(), rolled.state
    report.output(Output(run_id, 0, "one\tand ü".encode()[:-1]), state)
    assert capsys.readouterr().out == ""
    report.output(Output(run_id, 9, b"\xbc\n  \x1b[2J\x1b]0;gone\x07two\r\xc2\x9b1A\nthree"), state)
    assert capsys.readouterr().out == "  R1 | one     and ü\n  R1 |   two\n"
    rolled.add(e.RunEnded(run_id, e.Outcome.SUCCEEDED, "exit 0"))
    report.entry(rolled.entries[-1], rolled.state)
    assert capsys.readouterr().out == "  R1 | three\n"
