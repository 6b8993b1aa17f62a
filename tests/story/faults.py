"""How a fault of the story is played, and what is asked of each."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from optibid_console import commands as c
from optibid_console.cli.action_result import stopped
from optibid_console.entries import Choice, DatabaseRestored, Outcome
from optibid_console.permit import permit
from optibid_console.state import WindowState
from tests.crash.attached import Attached
from tests.story.portrait import Portrait, differences
from tests.story.shown import on_screen
from tests.story.stage import Stage, allowed


async def start(screen: Attached, action: str, words: str = "", *, anyway: bool = False) -> None:
    reply = await screen.send(c.StartAction(action, words or action, anyway=anyway))
    assert isinstance(reply, c.Accepted), reply


async def stops(screen: Attached, step_id: str, because: str) -> str:
    """Wait until the action under way has stopped at that step; the whole reason."""
    await screen.until(lambda one: one.state.action() and one.state.action().stopped_at_step)
    action = screen.state.action()
    assert action.stopped_at_step == step_id, action
    assert because in action.stopped_reason
    return action.stopped_reason


async def offers_a_retry_and_no_skip(stage: Stage, state: WindowState, said: str) -> Any:
    """The ways on, as the engine permits them, and as they are on the screens."""
    action = state.action()
    ways = {one: permit(state, c.Decide(action.action_run, one, "why not")) for one in Choice}
    assert ways == {
        Choice.RETRY: "",
        Choice.SKIP: f"{action.stopped_at_step} is required: it can't be skipped",
        Choice.STOP: "",
    }
    assert allowed(state, c.StartAction("rollback", "rollback")) is (action.action_id == "migrate")
    result = stopped(state, action, "again")
    assert [one.split()[0] for one in result.way_on] == ["retry", "can't", "stop"]
    seen = await on_screen(stage, asked=True)
    step_id = action.stopped_at_step
    for words in (f"{action.action_id} stopped", said, f"retry {step_id}", "can't be skipped",
                  f"stop {action.action_id} here"):  # fmt: skip
        assert words in seen, str.__str__(seen)
    return seen


async def retried(screen: Attached, action_run: str) -> None:
    await screen.send(c.Decide(action_run, Choice.RETRY))
    await screen.until(
        lambda one: (
            one.state.actions[action_run].outcome or one.state.action().stopped_at_step == ""
        )
    )
    await screen.until(
        lambda one: one.state.actions[action_run].outcome or one.state.action().stopped_at_step
    )
    action = screen.state.actions[action_run]
    assert action.outcome is Outcome.SUCCEEDED, action


async def rolled_back(stage: Stage, screen: Attached, backed_up: Portrait) -> None:
    await start(screen, "rollback")
    await screen.until(lambda one: one.state.action() is None)
    action = screen.state.actions["rollback1"]
    assert action.outcome is Outcome.SUCCEEDED, action
    is_back(stage, backed_up)


def launched(state: WindowState, step_id: str) -> bool:
    run = state.runs.get(state.step(step_id, "rollback1").run_id)
    return run is not None and run.launched


def is_back(stage: Stage, backed_up: Portrait) -> None:
    assert differences(backed_up, stage.portrait()) == []
    assert stage.runs() == "v1"
    (restored,) = stage.facts(DatabaseRestored)
    assert stage.databases() == sorted(["optibid", restored.fact.kept_as])


def no_backup(stage: Stage, state: WindowState, *left: str) -> None:
    assert not state.artifacts
    backups = stage.host / "backups"
    assert sorted(one.name for one in backups.iterdir()) == list(left)
    assert "no verified backup of optibid" in permit(state, c.StartAction("migrate", "migrate"))


def backed_up_now(stage: Stage, state: WindowState) -> None:
    made = state.artifacts["optibid"].recorded
    assert Path(made.path).stat().st_size == made.size_bytes
    assert allowed(state, c.StartAction("migrate", "migrate"))


def kill_dump(stage: Stage) -> None:
    pid = ""
    while not pid.endswith("\n"):
        pid = (stage.programs / "pid").read_text()
    os.kill(int(pid), signal.SIGKILL)


async def until(holds: Any) -> None:
    async with asyncio.timeout(40):
        while not holds():
            await asyncio.sleep(0.02)


@contextlib.contextmanager
def small_disk(path: Path) -> Iterator[None]:
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "small", path], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", path], check=True)
