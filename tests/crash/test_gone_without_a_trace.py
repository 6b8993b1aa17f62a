"""A run whose processes are killed on the target: unknown, until a person settles it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Any

from optibid_console import commands as c
from optibid_console.entries import Outcome, RunEnded, StepFinished, StepSettled
from optibid_console.journal.chain import verify
from optibid_console.state import StepStatus


def unsettled(screen: Any) -> bool:
    return screen.state.step("1.1").status is StepStatus.UNSETTLED


async def killed(run: Path) -> None:
    """SIGKILL to the wrapper, the shell around the command and the command's group."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(FileNotFoundError, IndexError, ProcessLookupError):
                wrapper, inner, command = (
                    int((run / one).read_text().split()[0])
                    for one in ("wrapper.pid", "status", "command.pid")
                )
                if os.getpgid(command) == command and (run / "out").stat().st_size:
                    break
            await asyncio.sleep(0.02)
    os.kill(wrapper, signal.SIGKILL)
    os.kill(inner, signal.SIGKILL)
    os.killpg(command, signal.SIGKILL)


async def test_it_is_unknown_until_the_operator_settles_it_also_after_the_engine_died(
    any_place: Any,
) -> None:
    place = any_place
    place.config.write_text(place.config.read_text().replace("sleep 0.3", "sleep 60"))
    first = await place.engine("--as", "ann")
    async with place.attached() as ann:
        await ann.send(c.RunStep("1.1"))
        await ann.until(lambda one: any(run.launched for run in one.state.active_runs()))
        run_id = ann.state.last_run
        await killed(place.path / "runs" / run_id)
        await ann.until(unsettled)
        assert "is gone from" in ann.state.step("1.1").reason
    await place.end(first, signal.SIGKILL)
    again = await place.engine("--as", "ann")
    async with place.attached() as ann:
        assert unsettled(ann)
        reply = await ann.send(c.RunStep("1.1"))
        assert reply == c.Refused("1.1's outcome is unknown: settle it first")
        word = c.Settle("1.1", run_id, Outcome.SUCCEEDED, "its last line is in the log")
        assert isinstance(await ann.send(word), c.Accepted)
        await ann.until(lambda one: one.state.step("1.1").status is StepStatus.DONE)
    assert await place.end(again) == 0
    assert place.lines("launches") == 1
    for kind in (RunEnded, StepFinished, StepSettled):
        assert len(place.facts(kind)) == 1
    assert place.facts(StepSettled)[0].actor == "ann"
    assert verify(place.journal).problem == ""
