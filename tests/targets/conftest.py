"""The same target five ways: this machine, two SSH servers, a container here and behind SSH."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from optibid_console.runbook.model import TargetSpec
from optibid_console.targets.container import ContainerTarget
from optibid_console.targets.local import LocalTarget
from optibid_console.targets.shell_target import ShellTarget
from optibid_console.targets.ssh import SshTarget
from optibid_console.targets.target import LinkState, RunSpec
from tests.servers.docker import DockerServer
from tests.servers.sshd import CuttableLink, Keys, OpenSshServer, asyncssh_server


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def sshd(keys: Keys) -> Iterator[OpenSshServer]:
    """OpenSSH's sshd. Mark the test with `server("sshd")`.

    bash then takes itself for nested and leaves ~/.bashrc out, which may take 0.1 s a session.
    """
    server = OpenSshServer(keys, "SetEnv SHLVL=2")
    yield server
    server.stop()


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "the runs"


@pytest.fixture
def links() -> list[LinkState]:
    """Every state of the links that was told."""
    return []


@pytest.fixture(scope="session")
def box(docker_server: DockerServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A container that sees the tests' directories and processes, as the other targets do."""
    root = tmp_path_factory.getbasetemp()
    name = f"optibid-console-box-{os.getpid()}"
    options = ("-v", f"{root}:{root}", "--pid", "host", "--user", f"{os.getuid()}:{os.getgid()}")
    docker_server.run(name, "import signal; signal.pause()", *options)
    return name


KINDS = [
    "local",
    "asyncssh",
    pytest.param("openssh", marks=pytest.mark.server("sshd")),
    pytest.param("container", marks=pytest.mark.server("docker")),
    pytest.param("container over ssh", marks=pytest.mark.server("docker")),
]

Open = Callable[..., Awaitable[ShellTarget]]


@pytest.fixture(params=KINDS)
async def open_target(
    request: pytest.FixtureRequest, keys: Keys, runs: Path, links: list[LinkState]
) -> AsyncIterator[Open]:
    """Opens a target of each kind; what isn't said of it is as usual."""
    async with AsyncExitStack() as stack:

        async def opened(**more: object) -> ShellTarget:
            more = {"run_dir": str(runs), **more}
            made = await machine(request, keys, links, stack, more)
            if "container" in request.param:
                server, box = (request.getfixturevalue(one) for one in ("docker_server", "box"))
                spec = TargetSpec("box", kind="container", container=box, docker=server.url)
                host = made if "ssh" in request.param else None
                made = ContainerTarget(replace(spec, **more), links.append, host)  # type: ignore[arg-type]
                stack.push_async_callback(made.close)
            return made

        yield opened


async def machine(
    request: pytest.FixtureRequest,
    keys: Keys,
    links: list[LinkState],
    stack: AsyncExitStack,
    more: dict[str, object],
) -> ShellTarget:
    """This machine, or this machine as an SSH host."""
    made: ShellTarget
    if request.param in ("local", "container"):
        made = LocalTarget(replace(TargetSpec("local", kind="local"), **more))  # type: ignore[arg-type]
    else:
        if request.param == "openssh":
            port = request.getfixturevalue("sshd").port
        else:
            port = await stack.enter_async_context(asyncssh_server(keys))
        keys.know(port)
        made = SshTarget(replace(keys.spec(port), **more), links.append)  # type: ignore[arg-type]
    stack.push_async_callback(made.close)
    return made


@pytest.fixture
async def target(open_target: Open) -> ShellTarget:
    return await open_target()


@pytest.fixture
def run_of() -> Callable[..., RunSpec]:
    """A run of a command; what isn't said is as usual."""

    def run_of(command: str, run_id: str = "w-2.1b-1", epoch: int = 1, **more: object) -> RunSpec:
        return RunSpec(run_id, command, epoch, 60.0, window="w", **more)  # type: ignore[arg-type]

    return run_of


RunOf = Callable[..., RunSpec]


async def until(truth: Callable[[], object]) -> None:
    """Wait for something on disk that nothing here is told of."""
    async with asyncio.timeout(60):
        while not truth():
            await asyncio.sleep(0.01)


def processes(word: str) -> list[int]:
    """Processes with `word` in their arguments, zombies left out."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in entry.read_bytes() and int(entry.parent.name) != os.getpid():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


@pytest.fixture
async def link(sshd: OpenSshServer, keys: Keys) -> AsyncIterator[CuttableLink]:
    """A link to sshd that can be cut."""
    made = CuttableLink(sshd.port)
    await made.start()
    keys.know(made.port)
    yield made
    await made.stop()
