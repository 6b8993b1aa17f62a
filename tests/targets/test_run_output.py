"""What a run prints: huge, broken, left out in the middle, and stderr told apart."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from optibid_console.targets.container import ContainerTarget
from optibid_console.targets.shell_target import ShellTarget
from optibid_console.targets.streams import Stream
from optibid_console.targets.target import (
    Ending,
    Launched,
    Loss,
    OutputChunk,
    RunEnd,
    RunEvent,
    RunSpec,
)

HEAVY = [
    "local",
    pytest.param("openssh", marks=pytest.mark.server("sshd")),
    pytest.param("container", marks=pytest.mark.server("docker")),
]
"""One of each way to open a shell: a second SSH server would only take time."""

RunOf = Callable[..., RunSpec]
Open = Callable[..., Awaitable[ShellTarget]]

MB = 1_000_000


async def all_of(target: ShellTarget, spec: RunSpec) -> list[RunEvent]:
    return [event async for event in target.run(spec)]


def data_of(events: list[RunEvent], stream: Stream = Stream.OUTPUT) -> bytes:
    chunks = [one for one in events if isinstance(one, OutputChunk) and one.stream is stream]
    return b"".join(one.data for one in chunks)


def used_bytes(run: Path) -> int:
    return sum(one.stat().st_size for one in run.glob("out*"))


async def test_launch_output_and_end_come_in_one_go(target: ShellTarget, run_of: RunOf) -> None:
    spec = run_of("echo one; sleep 0.1; echo two >&2; exit 3")
    events = await all_of(target, spec)
    assert (events[0], events[-1]) == (Launched(), RunEnd(Ending.EXITED, 3, "", 8))
    assert data_of(events) == b"one\ntwo\n"
    again = await all_of(target, spec)
    assert (again[0], again[-1]) == (Launched(attached=True), events[-1])
    assert data_of(again) == b"one\ntwo\n", "it was attached to, not started again"


@pytest.mark.parametrize("open_target", HEAVY, indirect=True)
async def test_a_hundred_megabytes_arrive_whole_where_they_may_be_kept(
    open_target: Open, run_of: RunOf
) -> None:
    target = await open_target(output_cap=240 * MB)
    digest = hashlib.sha256()
    async for event in target.run(run_of("yes 'a line of output' | head -c 100000000")):
        if isinstance(event, OutputChunk):
            assert event.left_out == 0
            digest.update(event.data)
    line = b"a line of output\n"
    assert digest.digest() == hashlib.sha256((line * (100 * MB // 17 + 1))[: 100 * MB]).digest()
    assert event == RunEnd(Ending.EXITED, 0, "", 100 * MB)


@pytest.mark.parametrize("open_target", HEAVY, indirect=True)
@pytest.mark.parametrize("cap", [4 * MB, 1_048_576])
async def test_too_much_output_keeps_its_beginning_and_its_end(
    open_target: Open, run_of: RunOf, runs: Path, cap: int
) -> None:
    target = await open_target(output_cap=cap)
    command = "i=0; while [ $i -lt 300 ]; do i=$((i+1)); printf '%099999d\\n' $i; done"
    assert await target.launch(run_of(command))
    async for _ in target.follow("w-2.1b-1", 0):
        pass
    assert await target.ended("w-2.1b-1") == RunEnd(Ending.EXITED, 0, "", 30 * MB)
    assert used_bytes(runs / "w-2.1b-1") <= cap + 6 * 65536
    chunks = [one async for one in target.follow("w-2.1b-1", 0)]
    gaps = [one for one in chunks if one.left_out]
    assert len(gaps) == 1
    at = chunks.index(gaps[0])
    head, tail = (b"".join(one.data for one in part) for part in (chunks[:at], chunks[at:]))
    whole = b"".join(b"%099999d\n" % number for number in range(1, 301))
    assert len(head) >= cap // 2
    assert len(tail) >= cap // 4
    assert whole.startswith(head)
    assert whole.endswith(tail)
    assert len(head) + gaps[0].left_out + len(tail) == 30 * MB
    assert gaps[0].offset == len(head) + gaps[0].left_out


async def go_on(pipe: Path) -> None:
    """Write a line once somebody reads there; never wait for ever."""
    async with asyncio.timeout(60):
        while True:
            try:
                pipe_end = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
                break
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                await asyncio.sleep(0.01)
    with open(pipe_end, "w") as file:
        file.write("on\n")


async def test_who_keeps_up_misses_nothing_of_too_much_output(
    open_target: Open, run_of: RunOf, runs: Path
) -> None:
    target = await open_target(output_cap=1_048_576)
    # A pipe for each part: the end that wrote to one may still be open when the next is read.
    pipes = [runs.parent / f"go-{number}" for number in range(9)]
    subprocess.run(["mkfifo", *pipes], check=True)
    part = f"head -c 100000 /dev/zero | tr '\\0' $i; read go <'{runs.parent}/go-'$i; i=$((i+1))"
    got, left_out, told = b"", 0, 0
    async for event in target.run(run_of(f"i=0; while [ $i -lt 9 ]; do {part}; done")):
        if isinstance(event, OutputChunk):
            got, left_out = got + event.data, left_out + event.left_out
            if len(got) % 100_000 == 0 and len(got) > told:
                told = len(got)
                await go_on(pipes[told // 100_000 - 1])
    assert left_out == 0
    assert got == b"".join(b"%d" % one * 100_000 for one in range(9))


@pytest.mark.parametrize("open_target", HEAVY, indirect=True)
async def test_a_line_of_fifty_megabytes_and_bytes_that_are_no_text(
    open_target: Open, run_of: RunOf
) -> None:
    target = await open_target(output_cap=200 * MB)
    command = r"printf '\0\377\376\033]0;x\007'; head -c 50000000 /dev/zero | tr '\0' x; echo"
    got = bytearray()
    async for event in target.run(run_of(command)):
        if isinstance(event, OutputChunk):
            got += event.data
    assert got == b"\0\377\376\033]0;x\007" + b"x" * 50 * MB + b"\n"


async def test_a_disk_that_fills_up_does_not_end_the_command(
    target: ShellTarget, run_of: RunOf, runs: Path, tmp_path: Path
) -> None:
    if isinstance(target, ContainerTarget):
        pytest.skip("a file system that is mounted here isn't seen by the container")
    runs.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(runs)]
    if subprocess.run(mount, check=False, stderr=-3).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        spec = run_of(f"head -c 3000000 /dev/zero; echo x >'{tmp_path}/after'; exit 4")
        events = await all_of(target, spec)
        end = events[-1]
        assert isinstance(end, RunEnd)
        assert (end.ending, end.exit_status) == (Ending.EXITED, 4)
        assert end.lost is not None
        assert end.lost.why is Loss.FULL
        # what `dd` had read when the disk was full isn't counted
        assert 3_000_000 - 65_536 <= end.lost.size + end.output_bytes <= 3_000_000
        assert 0 < end.output_bytes == len(data_of(events)) < 256 * 1024
        assert (tmp_path / "after").exists(), "the command went on to its end"
    finally:
        subprocess.run(["umount", "--lazy", str(runs)], check=True)


# stderr told apart


async def test_stderr_is_told_apart_byte_for_byte(open_target: Open, run_of: RunOf) -> None:
    target = await open_target(stderr="apart")
    command = r"""printf 'a\0\377b'; sleep 0.1; printf 'c\0\376' >&2; sleep 0.1; echo d
        head -c 300000 /dev/zero | tr '\0' e >&2"""
    events = await all_of(target, run_of(command))
    assert data_of(events, Stream.STDOUT) == b"a\0\377bd\n"
    assert data_of(events, Stream.STDERR) == b"c\0\376" + b"e" * 300_000
    order = [one.stream for one in events if isinstance(one, OutputChunk)]
    assert order[:3] == [Stream.STDOUT, Stream.STDERR, Stream.STDOUT], "as written, 0.1 s apart"
    assert data_of(events) == b""


async def test_following_goes_on_from_every_place_that_was_told(
    open_target: Open, run_of: RunOf
) -> None:
    target = await open_target(stderr="apart")
    command = "for i in 1 2 3 4 5; do echo out $i; sleep 0.05; echo err $i >&2; sleep 0.05; done"
    events = await all_of(target, run_of(command))
    chunks = [one for one in events if isinstance(one, OutputChunk)]
    for index, chunk in enumerate(chunks):
        rest = [one async for one in target.follow("w-2.1b-1", chunk.next_offset)]
        for stream in (Stream.STDOUT, Stream.STDERR):
            assert data_of([*chunks[: index + 1], *rest], stream) == data_of(events, stream)


async def test_a_command_without_stderr_is_as_quick_told_apart(
    open_target: Open, run_of: RunOf
) -> None:
    target = await open_target(stderr="apart")
    events = await all_of(target, run_of("echo x; exec 2>&-; exit 2"))
    end = events[-1]
    assert isinstance(end, RunEnd)
    assert (data_of(events, Stream.STDOUT), end.exit_status) == (b"x\n", 2)
