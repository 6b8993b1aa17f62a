"""A container's state, health, image, restarts and stats; a Docker that isn't there."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker.errors
import pytest
import requests

from probes.container import (
    ContainerExpect,
    ContainerProbe,
    ContainerSettings,
    Seen,
    judge,
    measure,
)
from probes.deadline import deadline
from probes.docker_api import find_address, in_words
from probes.probe import ProbeError, Status
from tests.probes.hosts import CuttableHost
from tests.servers.docker import IMAGE, DockerServer

GOOD = Seen("c1", "backend-1", "running", 0, "healthy", "", "optibid/backend:v2", "sha256:aaa", 0)


@pytest.mark.parametrize(
    ("seen", "expect", "status", "words"),
    [
        (GOOD, ContainerExpect(), Status.OK, "running, healthy"),
        (replace(GOOD, health=""), ContainerExpect(), Status.OK, "running"),
        (replace(GOOD, health=""), ContainerExpect(healthy=True), Status.FAILING,
         "has no health check"),
        (replace(GOOD, health="starting"), ContainerExpect(), Status.WARN,
         "running, its health check is starting"),
        (replace(GOOD, health="unhealthy", last_check="refused"), ContainerExpect(),
         Status.FAILING, "unhealthy: refused"),
        (replace(GOOD, health="unhealthy"), ContainerExpect(healthy=False), Status.OK,
         "running, unhealthy"),
        (replace(GOOD, state="exited", exit_code=137), ContainerExpect(), Status.FAILING,
         "exited with 137, expected running"),
        (GOOD, ContainerExpect(image="optibid/backend:v3"), Status.FAILING,
         "image optibid/backend:v2, expected optibid/backend:v3, which this Docker does not have"),
        (replace(GOOD, expected_image_ids=("sha256:bbb",)),
         ContainerExpect(image="optibid/backend:v2"), Status.FAILING,
         "runs optibid/backend:v2 sha256:aaa, which is not what optibid/backend:v2 is now"),
        (replace(GOOD, expected_image_ids=("sha256:aaa",)),
         ContainerExpect(image="optibid/backend:v2"), Status.OK, "running, healthy"),
        (replace(GOOD, expected_image_ids=("sha256:aaa", "optibid/backend@sha256:ddd")),
         ContainerExpect(image="sha256:ddd"), Status.OK, "running, healthy"),
        (GOOD, ContainerExpect(image="sha256:bbb"), Status.FAILING,
         "image sha256:aaa, expected sha256:bbb"),
        (replace(GOOD, restarts=3), ContainerExpect(max_restarts=2), Status.FAILING,
         "restarted 3 times, at most 2"),
    ],
)  # fmt: skip
def test_judgement(seen: Seen, expect: ContainerExpect, status: Status, words: str) -> None:
    assert judge(seen, expect, None) == (status, words)


def test_a_new_restart_is_a_warning_and_a_new_container_is_not() -> None:
    again = replace(GOOD, restarts=1)
    assert judge(again, ContainerExpect(), GOOD)[0] is Status.WARN
    assert judge(again, ContainerExpect(), again)[0] is Status.OK
    assert judge(replace(again, id="c2"), ContainerExpect(), GOOD)[0] is Status.OK


SAMPLE: dict[str, Any] = {
    "read": "2026-11-24T03:48:19.1Z",
    "cpu_stats": {
        "cpu_usage": {"total_usage": 300}, "system_cpu_usage": 2000, "online_cpus": 2},
    "precpu_stats": {"cpu_usage": {"total_usage": 100}, "system_cpu_usage": 1000},
    "memory_stats": {"usage": 300, "limit": 1000, "stats": {"inactive_file": 50}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "what", "value"),
    [
        ({}, "cpu", 40.0),
        ({}, "memory", 250.0),
        ({}, "memory_percent", 25.0),
        ({"read": "0001-01-01T00:00:00Z"}, "memory", None),
        ({"precpu_stats": {"cpu_usage": {"total_usage": 0}}}, "cpu", None),  # the first sample
        ({"memory_stats": {}}, "memory", None),
    ],
)
def test_measures(change: dict[str, Any], what: Any, value: float | None) -> None:
    assert measure(SAMPLE | change, what) == value


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (FileNotFoundError(), "no Docker socket at /run/d: is Docker installed and running?"),
        (PermissionError(), "permission denied at /run/d: the user has to be in the group docker"),
        (ConnectionRefusedError(), "nothing listens at /run/d: Docker is stopped"),
        (TimeoutError(), "Docker at /run/d did not answer within 10 s"),
        (ValueError("Expecting value"), "/run/d answers, but it is not Docker: outer"),
    ],
)
def test_each_cause_has_words_of_its_own(cause: Exception, words: str) -> None:
    outer = docker.errors.DockerException("outer")
    outer.__cause__ = requests.ConnectionError(cause)
    assert in_words(outer, "/run/d") == words


async def test_an_address_that_is_none() -> None:
    with pytest.raises(ProbeError, match=r"ssh://app-1.*name it as a target"):
        await find_address("ssh://app-1", None)


async def test_this_machines_docker_host_is_for_this_machine(
    monkeypatch: pytest.MonkeyPatch, host: CuttableHost
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/mine.sock")
    assert (await find_address("", None)).url == "unix:///run/mine.sock"
    assert (await find_address("", host)).url == "unix:///run/mine.sock"

    async def elsewhere(path: str) -> str:
        return f"/tmp/forward{path}"

    monkeypatch.setattr(host, "reach_socket", elsewhere)
    there = await find_address("", host)
    assert there.url == "unix:///tmp/forward/var/run/docker.sock"
    assert there.place == "/var/run/docker.sock on here"


def probe_of(url: str, container: str = "backend", **more: Any) -> ContainerProbe:
    return ContainerProbe("c", ContainerSettings(container, docker=url, **more), None)


async def test_no_socket_and_a_dead_one(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    probe = probe_of(f"unix://{path}")
    with pytest.raises(ProbeError, match=f"no Docker socket at {path}"):
        await probe.read()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(ProbeError, match="Docker is stopped"):
        await probe.read()
    await probe.close()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", "it is not Docker"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", "it is not Docker"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "it is not Docker"),
        (b"", "did not answer within 1 s"),
    ],
)
async def test_something_else_at_the_socket(tmp_path: Path, said: bytes, words: str) -> None:
    asked, closed = asyncio.Event(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(said)
            if not said:
                await asked.wait()
        writer.close()
        await writer.wait_closed()
        closed.set()

    path = tmp_path / "docker.sock"
    server = await asyncio.start_unix_server(answer, path)
    probe = probe_of(f"unix://{path}")
    with deadline(1), pytest.raises(ProbeError, match=words):
        await probe.read()
    await probe.close()
    asked.set()
    await closed.wait()
    server.close()
    await server.wait_closed()


def test_settings_say_what_is_wrong() -> None:
    both = ContainerSettings("a", service="b")
    assert list(both.problems()) == [("", "needs one of container and service")]
    alone = ContainerSettings("a", project="p")
    assert list(alone.problems()) == [("project", "belongs to service")]


# A real Docker

real = pytest.mark.server("docker")
WAIT = (
    "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(3))\nwhile 1: time.sleep(.05)"
)


@pytest.fixture
def name(docker_server: DockerServer) -> Iterator[str]:
    name = f"probe-{time.time_ns()}"
    yield name
    if name in docker_server.cli("ps", "-a", "--format", "{{.Names}}"):
        docker_server.remove(name)


@real
async def test_running_then_stopped_then_gone(docker_server: DockerServer, name: str) -> None:
    docker_server.run(name, WAIT)
    probe = probe_of(docker_server.url, name, expect=ContainerExpect(image=IMAGE))
    reading = await probe.read()
    assert (reading.status, reading.summary) == (Status.OK, "running")
    assert reading.detail["container"] == name
    docker_server.cli("stop", name)
    reading = await probe.read()
    assert (reading.status, reading.summary) == (
        Status.FAILING,
        "exited with 3, expected running",
    )
    docker_server.remove(name)
    reading = await probe.read()
    assert (reading.status, reading.summary) == (Status.FAILING, f"no container {name}")
    await probe.close()


@real
async def test_a_tag_that_moved_on_is_seen(docker_server: DockerServer, name: str) -> None:
    docker_server.run(name, WAIT)
    docker_server.cli("tag", IMAGE, f"{name}:1")
    settings = ContainerExpect(image=f"{name}:1")
    probe = probe_of(docker_server.url, name, expect=settings)
    assert (await probe.read()).status is Status.OK
    docker_server.cli("commit", name, f"{name}:1")
    reading = await probe.read()
    assert reading.status is Status.FAILING
    assert f"which is not what {name}:1 is now" in reading.summary
    await probe.close()
    docker_server.cli("rmi", f"{name}:1")


@real
async def test_a_failing_health_check(docker_server: DockerServer, name: str) -> None:
    check = ("--health-cmd", "echo database refused; exit 1", "--health-interval", "200ms")
    docker_server.run(name, WAIT, *check, "--health-retries", "1")
    probe = probe_of(docker_server.url, name)
    async with asyncio.timeout(60):
        while (reading := await probe.read()).status is Status.WARN:
            await asyncio.sleep(0.1)
    assert (reading.status, reading.summary) == (Status.FAILING, "unhealthy: database refused")
    await probe.close()


@real
@pytest.mark.parametrize("measure", ["cpu", "memory"])
async def test_stats_come_from_a_stream(
    docker_server: DockerServer, name: str, measure: Any
) -> None:
    docker_server.run(name, "while 1: pass")
    probe = probe_of(docker_server.url, name, value=measure)
    reading = await probe.read()
    assert reading.value is not None, reading
    assert reading.value > (10 if measure == "cpu" else 1_000_000)
    started = time.monotonic()
    await probe.read()
    assert time.monotonic() - started < 0.5  # the stream has the sample already
    await probe.close()


@real
async def test_a_compose_service_by_its_labels(docker_server: DockerServer, name: str) -> None:
    labels = ("--label", f"com.docker.compose.service={name}")
    docker_server.run(name, WAIT, *labels, "--label", "com.docker.compose.project=p1")
    docker_server.run(f"{name}-2", WAIT, *labels, "--label", "com.docker.compose.project=p2")
    one = ContainerSettings(service=name, project="p2", docker=docker_server.url)
    probe = ContainerProbe("c", one, None)
    assert (await probe.read()).detail["container"] == f"{name}-2"
    await probe.close()
    both = ContainerProbe("c", ContainerSettings(service=name, docker=docker_server.url), None)
    with pytest.raises(ProbeError, match=f"2 containers run service {name}: {name}, {name}-2;"):
        await both.read()
    await both.close()
    docker_server.remove(f"{name}-2")
