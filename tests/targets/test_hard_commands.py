"""Commands and targets that do what nobody hopes for: daemons, lost programs, jumping clocks."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from optibid_console.targets.shell_target import ShellTarget
from optibid_console.targets.target import Ending, OutputChunk, RunEnd, RunSpec
from tests.servers.mine import MINE

RunOf = Callable[..., RunSpec]


def living(word: str) -> list[int]:
    """Processes with `word` in their arguments, zombies left out."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


async def until(truth: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not truth():
            await asyncio.sleep(0.01)


async def test_cancel_ends_a_daemon_that_left_the_group(target: ShellTarget, run_of: RunOf) -> None:
    daemon = f"setsid /bin/sh -c 'trap \"\" TERM; while :; do sleep 4741.{MINE}; done' &"
    await target.launch(run_of(f"{daemon} sleep 4741.{MINE}"))
    await target.launch(run_of(f"sleep 4742.{MINE}", "w-2.1b-11"))  # its name begins like the other
    await until(lambda: len(living(f"4741.{MINE}")) >= 3 and living(f"4742.{MINE}"))
    await target.cancel("w-2.1b-1", 0.3)
    await until(lambda: not living(f"4741.{MINE}"))
    assert living(f"4742.{MINE}"), "another run goes on"
    await target.cancel("w-2.1b-11", 0.3)


async def test_a_daemon_of_a_run_that_ended_well_is_left_alone(
    target: ShellTarget, run_of: RunOf
) -> None:
    command = f"setsid sleep 4743.{MINE} >/dev/null 2>&1 & exit 0"
    events = [event async for event in target.run(run_of(command))]
    assert events[-1] == RunEnd(Ending.EXITED, 0, "", 0)
    await target.cancel("w-2.1b-1", 0.1)
    (pid,) = living(f"4743.{MINE}")
    os.kill(pid, signal.SIGKILL)


async def test_a_target_whose_clock_jumps_an_hour_does_not_confuse_a_run(
    target: ShellTarget, run_of: RunOf, runs: Path
) -> None:
    spec = run_of(f"echo one; sleep 4744.{MINE} & wait")
    began = time.monotonic()
    await target.launch(spec)
    async for chunk in target.follow(spec.run_id, 0):
        assert chunk.data == b"one\n"
        break
    for hours in (1, -1):
        jumped = time.time() + hours * 3600
        for path in (runs / spec.run_id).iterdir():  # as the clock would have written them
            os.utime(path, (jumped, jumped))
        assert await target.ended(spec.run_id) is None
        assert await target.launch(spec) is False
    await target.cancel(spec.run_id, 1)
    assert await target.ended(spec.run_id) == RunEnd(Ending.SIGNALLED, None, "TERM", 4)
    assert time.monotonic() - began < 60, "no wait was counted by the clock"


async def test_a_late_end_does_not_take_back_what_was_told(
    target: ShellTarget, run_of: RunOf
) -> None:
    command = "trap 'echo late; exit 0' TERM; echo ready; sleep 60 & wait"
    spec = run_of(command)
    got = b""
    async for event in target.run(spec):
        if isinstance(event, OutputChunk):
            got += event.data
            if got == b"ready\n":
                await target.cancel(spec.run_id, 5)
    end = await target.ended(spec.run_id)
    assert (got, event, end) == (b"ready\nlate\n", end, RunEnd(Ending.EXITED, 0, "", 11))
    await target.cancel(spec.run_id, 1)
    assert await target.ended(spec.run_id) == end
