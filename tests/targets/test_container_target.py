"""A container that isn't there, has no shell, restarts or is made anew while a run is on."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing

import pytest

from optibid_console.runbook.model import Runbook, TargetSpec, Window
from optibid_console.targets import open_targets
from optibid_console.targets.container import ContainerTarget
from optibid_console.targets.target import (
    Ending,
    Launched,
    LinkLost,
    LinkState,
    OutputChunk,
    RunEnd,
    RunSpec,
)
from probes.probe import HostError
from tests.servers.docker import DockerServer
from tests.servers.mine import MINE

pytestmark = pytest.mark.server("docker")

SLEEP = "import signal; signal.pause()"
SERVICE = f"backend-{MINE}"
RUN = RunSpec("w-1-1", f"echo begun; sleep 4751.{MINE}", 1, 60, window="w")


@pytest.fixture
def name(docker_server: DockerServer) -> Iterator[str]:
    """A container with processes and files of its own, which are all that it has."""
    name = f"optibid-console-own-{os.getpid()}"
    docker_server.run(name, SLEEP, "--label", f"com.docker.compose.service={SERVICE}")
    yield name
    docker_server.remove(name)


@pytest.fixture
async def opened(
    docker_server: DockerServer, links: list[LinkState]
) -> AsyncIterator[Callable[[str], ContainerTarget]]:
    made: list[ContainerTarget] = []

    def opened(container: str) -> ContainerTarget:
        spec = TargetSpec("box", kind="container", container=container, docker=docker_server.url)
        made.append(ContainerTarget(spec, links.append))
        return made[-1]

    yield opened
    for target in made:
        await target.close()


async def test_a_run_in_a_container_without_a_home(
    opened: Callable[[str], ContainerTarget], name: str, links: list[LinkState]
) -> None:
    target = opened(name)
    events = [one async for one in target.run(RunSpec("w-1", "pwd; cat /proc/1/comm", 1, 9))]
    assert getattr(events[1], "data", b"").startswith(b"/\npython3")
    assert [one.state for one in links] == ["connected"]


async def test_a_compose_service_is_found(
    opened: Callable[[str], ContainerTarget], name: str
) -> None:
    assert (await opened(SERVICE).execute("echo x", timeout_s=9)).stdout == b"x\n"


async def test_a_container_that_is_not_there(
    opened: Callable[[str], ContainerTarget], links: list[LinkState]
) -> None:
    target = opened("no-such-box")
    with pytest.raises(LinkLost, match="box: no container no-such-box at /") as lost:
        await target.launch(RUN)
    assert lost.value.sent is False
    assert (links[-1].state, links[-1].attempt) == ("reconnecting", 1)


async def test_no_docker_is_told(links: list[LinkState]) -> None:
    spec = TargetSpec("box", kind="container", container="x", docker="unix:///no/docker.sock")
    target = ContainerTarget(spec, links.append)
    with pytest.raises(HostError, match=r"no Docker socket at /no/docker\.sock"):
        await target.execute("true", timeout_s=9)
    await target.close()


async def test_a_container_that_stopped_is_told_and_restarting_it_ends_its_runs(
    opened: Callable[[str], ContainerTarget], name: str, docker_server: DockerServer
) -> None:
    target = opened(name)
    assert await target.launch(RUN)
    async with aclosing(target.follow(RUN.run_id, 0)) as events:
        assert await anext(events) == OutputChunk(0, b"begun\n")
    docker_server.cli("kill", name)
    with pytest.raises(LinkLost, match="is not running"):
        await target.ended(RUN.run_id)
    docker_server.cli("start", name)
    end = await target.ended(RUN.run_id)
    assert end == RunEnd(Ending.REBOOTED, output_bytes=6)
    assert await target.launch(RUN) is False, "and it isn't started again"


async def test_a_link_that_ends_with_the_container_is_lost(
    opened: Callable[[str], ContainerTarget], name: str, docker_server: DockerServer
) -> None:
    events = opened(name).run(RUN)
    assert await anext(events) == Launched()
    assert await anext(events) == OutputChunk(0, b"begun\n")
    docker_server.cli("kill", name)
    with pytest.raises(LinkLost):
        await anext(events)


async def test_a_container_that_was_made_anew_does_not_know_the_run(
    opened: Callable[[str], ContainerTarget], name: str, docker_server: DockerServer
) -> None:
    target = opened(SERVICE)
    assert await target.launch(RUN)
    docker_server.remove(name)
    with pytest.raises(LinkLost, match="no container backend"):
        await target.ended(RUN.run_id)
    docker_server.run(name, SLEEP, "--label", f"com.docker.compose.service={SERVICE}")
    assert await target.ended(RUN.run_id) == RunEnd(Ending.GONE), "it was started, nobody knows"


async def test_targets_of_a_runbook_with_a_container(
    name: str, docker_server: DockerServer
) -> None:
    specs = {
        "box": TargetSpec("box", "container", container=name, docker=docker_server.url, on="local")
    }
    targets = open_targets(Runbook(Window("w", "v1"), targets=specs), lambda state: None)
    assert (await targets["box"].execute("echo x", timeout_s=9)).stdout == b"x\n"
    for target in targets.values():
        await target.close()
