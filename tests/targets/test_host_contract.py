"""What every target is as a host: short commands and streams that end and leave nothing."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from optibid_console.targets.shell_target import ShellTarget
from probes.probe import HostError
from tests.servers.mine import MINE
from tests.targets.conftest import RunOf, processes, until


async def test_execute_gives_status_and_both_outputs(target: ShellTarget) -> None:
    done = await target.execute("echo out; echo $NAME >&2; exit 4", timeout_s=10, env={"NAME": "é"})
    assert (done.exit_status, done.stdout, done.stderr) == (4, b"out\n", "é\n".encode())
    assert (await target.execute("kill -9 $$", timeout_s=10)).exit_status == -9


async def test_execute_in_time_or_ended(target: ShellTarget) -> None:
    with pytest.raises(TimeoutError):
        await target.execute(f"trap '' TERM; sleep 4715.{MINE}", timeout_s=0.3)
    await until(lambda: not processes(f"4715.{MINE}"))


async def test_execute_has_no_endless_output(target: ShellTarget) -> None:
    with pytest.raises(HostError, match="more than 1,000 bytes"):
        await target.execute("yes", timeout_s=10, max_bytes=1000)


async def test_a_stream_ends_with_its_command(target: ShellTarget) -> None:
    async with target.stream("echo a; echo b >&2; echo c") as chunks:
        assert b"".join([one async for one in chunks]) == b"a\nc\n"


async def test_a_stream_that_cannot_start_says_why(target: ShellTarget) -> None:
    with pytest.raises(HostError, match="not found"):
        async with target.stream("nosuchcommand") as chunks:
            await _first(chunks)


async def test_an_error_of_whoever_reads_a_stream_stays_what_it_is(target: ShellTarget) -> None:
    with pytest.raises(ValueError, match="mine"):
        async with target.stream(f"echo a; sleep 4717.{MINE}"):
            raise ValueError("mine")
    await until(lambda: not processes(f"4717.{MINE}"))


async def test_no_tail_is_left_behind(target: ShellTarget, tmp_path: Path) -> None:
    log = tmp_path / "backend.log"
    log.write_text("first\n")
    async with target.stream(f"tail -n 10 -F '{log}' | cat") as chunks:
        assert await _first(chunks) == b"first\n"
        assert processes(str(log))
    await until(lambda: not processes(str(log)))


async def test_no_follower_is_left_behind(target: ShellTarget, run_of: RunOf, runs: Path) -> None:
    spec = run_of(f"echo a; sleep 4716.{MINE}")
    await target.launch(spec)
    following = target.follow(spec.run_id, 0)
    await anext(following)
    await following.aclose()
    await until(lambda: not processes(f"-f{chr(0)}{runs}/{spec.run_id}/out"))
    assert await target.ended(spec.run_id) is None
    await target.cancel(spec.run_id, 1)


async def _first(chunks: AsyncIterator[bytes]) -> bytes:
    return await anext(chunks)


def _fifo(runs: Path) -> Path:
    gate = runs.parent / "gate"
    os.mkfifo(gate)
    return gate
