"""A container's log is followed through restarts and recreation, with nothing twice."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from probes.probe import Tail
from probes.tails.container import ContainerTail, ContainerTailSettings
from probes.tails.docker_frames import FrameError, LogReader

if TYPE_CHECKING:
    from tests.probes.tails.conftest import Follower
    from tests.servers.docker import DockerServer

    Follow = Callable[[Tail], Follower]

SPEAK = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
for n in range(5): print("line", n)
print("to stderr", file=sys.stderr)
while True: time.sleep(0.05)
"""


def stamp(n: int) -> bytes:
    return b"2026-11-24T03:48:%02d.000000000Z " % n


def frame(stream: int, at: int, text: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, 31 + len(text)) + stamp(at) + text


class TestLogReader:
    def test_frames_may_come_in_any_pieces(self) -> None:
        data = frame(1, 1, b"one\n") + frame(2, 2, b"two\n") + frame(1, 3, b"three\n")
        for size in (1, 5, 40, 1000):
            reader = LogReader()
            reader.resume(is_raw=False)
            pieces = (data[at : at + size] for at in range(0, len(data), size))
            assert b"".join(map(reader.feed, pieces)) == b"one\ntwo\nthree\n"

    def test_a_long_line_comes_in_parts_and_the_outputs_do_not_mix(self) -> None:
        reader = LogReader()
        reader.resume(is_raw=False)
        data = frame(1, 1, b"aa") + frame(2, 2, b"b\n") + frame(1, 3, b"aa\n")
        assert reader.feed(data) == b"b\naaaa\n"

    def test_a_new_stream_gives_nothing_twice_by_time_within_each_output(self) -> None:
        reader = LogReader()
        reader.resume(is_raw=False)
        reader.feed(frame(1, 5, b"a\n") + frame(1, 6, b"b\n") + frame(1, 6, b"c\n"))
        reader.resume(is_raw=False)
        again = frame(1, 5, b"a\n") + frame(1, 6, b"b\n") + frame(1, 6, b"c\n")
        late = frame(2, 5, b"stderr, written late\n")
        new = frame(1, 6, b"d\n") + frame(1, 7, b"e\n")
        assert reader.feed(again + late + new) == b"stderr, written late\nd\ne\n"

    def test_what_is_older_than_the_first_line_stays_out(self) -> None:
        reader = LogReader()
        reader.resume(is_raw=False)
        reader.feed(frame(1, 5, b"a\n"))
        reader.resume(is_raw=False)
        assert reader.feed(frame(2, 4, b"before\n") + frame(1, 5, b"a\n")) == b""

    def test_a_terminal_has_no_frames(self) -> None:
        reader = LogReader()
        reader.resume(is_raw=True)
        assert reader.feed(stamp(1) + b"one\r\n" + stamp(2) + b"tw") == b"one\n"
        assert reader.feed(b"o\r\n") == b"two\n"

    def test_garbage_is_refused(self) -> None:
        reader = LogReader()
        reader.resume(is_raw=False)
        with pytest.raises(FrameError, match="stream 72"):
            reader.feed(b"HTTP/1.1 500 what")


@pytest.fixture
def name(docker_server: DockerServer) -> Iterator[str]:
    name = f"tail-{time.time_ns()}"
    yield name
    if name in docker_server.cli("ps", "-a", "--format", "{{.Names}}"):
        docker_server.remove(name)


def tail(server: DockerServer, name: str, lines: int = 200) -> ContainerTail:
    return ContainerTail("backend", ContainerTailSettings(name, server.url, lines), None)


docker = pytest.mark.server("docker")


@docker
async def test_begins_with_the_last_lines(
    docker_server: DockerServer, follow: Follow, name: str
) -> None:
    docker_server.run(name, SPEAK)
    first = follow(tail(docker_server, name))
    await first.until(lambda: first.count == 6)
    assert sorted(first.lines()) == [*(f"line {n}" for n in range(5)), "to stderr"]
    assert first.notices == ["connected"]
    second = follow(tail(docker_server, name, lines=1))
    await second.until(lambda: second.count == 1)


@docker
@pytest.mark.parametrize("options", [(), ("-t",)], ids=["pipes", "terminal"])
async def test_a_restart_is_said_and_nothing_comes_twice(
    docker_server: DockerServer, follow: Follow, name: str, options: tuple[str, ...]
) -> None:
    docker_server.run(name, SPEAK, *options)
    following = follow(tail(docker_server, name))
    await following.until(lambda: following.count == 6)
    docker_server.cli("stop", name)
    await following.until_notice(f"container {name} exited with 0: waiting for it")
    docker_server.cli("start", name)
    await following.until(lambda: following.count == 12)
    assert following.lines().count("line 4") == 2
    assert following.notices[-1] == f"container {name} was restarted"


@docker
async def test_a_recreated_container_is_followed_from_its_beginning(
    docker_server: DockerServer, follow: Follow, name: str
) -> None:
    following = follow(tail(docker_server, name))
    await following.until_notice(f"waiting for container {name}")
    docker_server.run(name, SPEAK)
    await following.until(lambda: following.count == 6)
    docker_server.remove(name)
    await following.until(lambda: following.notices[-1].startswith("waiting for"))
    docker_server.run(name, "print('the new one'); import time; time.sleep(60)")
    await following.until_line("the new one")
    assert following.count == 7
    assert following.notices[-1].endswith("was recreated: its log from the beginning")


@docker
@pytest.mark.alone  # all workers use the same one
async def test_a_docker_that_goes_and_comes_back(
    docker_server: DockerServer, follow: Follow, name: str
) -> None:
    if not docker_server.is_ours:
        pytest.skip("needs a dockerd that the tests may stop: this one is not ours")
    docker_server.run(name, SPEAK, "--restart", "always")
    following = follow(tail(docker_server, name))
    await following.until(lambda: following.count == 6)
    await asyncio.to_thread(docker_server.stop)
    await following.until_notice("lost: no Docker socket at")
    await asyncio.to_thread(docker_server.start)
    await following.until(lambda: following.count == 12)
    assert following.lines().count("line 0") == 2


@docker
async def test_a_flood_comes_whole_and_in_order(
    docker_server: DockerServer, follow: Follow, name: str
) -> None:
    flood = "import time\nfor n in range(100_000): print('%0100d' % n)\nprint('x' * 100_000)"
    docker_server.run(name, f"import sys; sys.stdout.reconfigure(write_through=False)\n{flood}")
    following = follow(tail(docker_server, name, lines=100_000))
    await following.until(lambda: following.count >= 100_001, timeout_s=30)
    lines = following.lines()
    assert lines[-1] == "x" * 100_000
    assert lines[-100_001:-1][-50_000:] == [f"{n:0100d}" for n in range(50_000, 100_000)]
