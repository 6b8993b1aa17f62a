"""The same target three ways: this machine, asyncssh's server, OpenSSH's sshd."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from optibid_console.targets.local import LocalTarget
from optibid_console.targets.shell_target import ShellTarget
from optibid_console.targets.ssh import SshTarget
from optibid_console.targets.target import LinkState, RunSpec
from tests.servers.sshd import Keys, OpenSshServer, asyncssh_server


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def sshd(keys: Keys) -> Iterator[OpenSshServer]:
    """OpenSSH's sshd. Mark the test with `server("sshd")`."""
    server = OpenSshServer(keys)
    yield server
    server.stop()


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "the runs"


@pytest.fixture
def links() -> list[LinkState]:
    """Every state of the links that was told."""
    return []


KINDS = ["local", "asyncssh", pytest.param("openssh", marks=pytest.mark.server("sshd"))]


@pytest.fixture(params=KINDS)
async def target(
    request: pytest.FixtureRequest, keys: Keys, runs: Path, links: list[LinkState]
) -> AsyncIterator[ShellTarget]:
    async with AsyncExitStack() as stack:
        if request.param == "local":
            made: ShellTarget = LocalTarget("local", str(runs))
        else:
            if request.param == "asyncssh":
                port = await stack.enter_async_context(asyncssh_server(keys))
            else:
                port = request.getfixturevalue("sshd").port
            keys.know(port)
            made = SshTarget(keys.spec(port, run_dir=str(runs)), links.append)
        yield made
        await made.close()


@pytest.fixture
def run_of() -> Callable[..., RunSpec]:
    """A run of a command; what isn't said is as usual."""

    def run_of(command: str, run_id: str = "w-2.1b-1", epoch: int = 1, **more: object) -> RunSpec:
        return RunSpec(run_id, command, epoch, 60.0, window="w", **more)  # type: ignore[arg-type]

    return run_of
