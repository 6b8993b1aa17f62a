"""What tests of crashes share: a directory of their own, targets of each kind, a team's journal."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from optibid_console.stop_points import VARIABLE
from tests.crash.place import Place, container_target
from tests.home import own_home
from tests.servers.docker import DockerServer
from tests.servers.postgres import PostgresServer
from tests.servers.sshd import Keys, OpenSshServer, ssh_target
from tests.servers.team import Team


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with own_home(monkeypatch) as path:
        monkeypatch.delenv(VARIABLE, raising=False)
        yield path


@pytest.fixture
def team(postgres: Any, room: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    """A team's database. Mark the test with `server("postgres")`."""
    monkeypatch.setenv("PGPASSWORD", postgres.password)
    made = Team(postgres)
    yield made
    made.remove()


@pytest.fixture
def own_team(room: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    """A team's database on a server of its own, which the test may stop, kill and freeze."""
    server = PostgresServer()
    monkeypatch.setenv("PGPASSWORD", server.password)
    try:
        server.start()
        yield Team(server)
    finally:
        server.remove()


@pytest.fixture
def place(room: Path) -> Iterator[Place]:
    place = Place(room)
    yield place
    place.clear()


@pytest.fixture(scope="session")
def box(docker_server: DockerServer) -> str:
    """A container with processes of its own, whose first one reaps nobody."""
    name, shared = f"optibid-console-crash-{os.getpid()}", tempfile.gettempdir()
    options = ("-v", f"{shared}:{shared}", "--user", f"{os.getuid()}:{os.getgid()}")
    docker_server.run(name, "import signal; signal.pause()", *options)
    return name


@pytest.fixture
def sshd(room: Path) -> Iterator[tuple[Keys, OpenSshServer]]:
    keys = Keys(room)
    sshd = OpenSshServer(keys, "MaxStartups 100")
    keys.know(sshd.port)
    yield keys, sshd
    sshd.stop()


LOCAL_AND_SSH = ["local", pytest.param("ssh", marks=pytest.mark.server("sshd"))]
EVERYWHERE = [
    *LOCAL_AND_SSH,
    pytest.param("container", marks=pytest.mark.server("docker")),
    pytest.param(
        "container over ssh", marks=[pytest.mark.server("docker"), pytest.mark.server("sshd")]
    ),
]

NewPlace = Callable[[str], Place]


def places(room: Path, request: pytest.FixtureRequest) -> Iterator[NewPlace]:
    """Makes places in `room` whose step runs on a target of the kind that is asked for."""
    made: list[Place] = []
    kind = request.param
    far = request.getfixturevalue("sshd") if "ssh" in kind else None

    def new(name: str) -> Place:
        path = room / name
        path.mkdir(exist_ok=True)
        tables = ""
        if far is not None:
            keys, sshd = far
            tables = ssh_target(path, keys.spec(sshd.port), "there" if kind == "ssh" else "far")
        if "container" in kind:
            docker, box = request.getfixturevalue("docker_server"), request.getfixturevalue("box")
            tables += container_target(path, box, docker.url, "far" if far else "")
        made.append(Place(path, "there" if tables else "here", tables))
        return made[-1]

    yield new
    for place in made:
        place.clear()


@pytest.fixture(params=EVERYWHERE)
def new_place(room: Path, request: pytest.FixtureRequest) -> Iterator[NewPlace]:
    """Windows whose step runs here, through SSH, in a container, and in one through SSH."""
    yield from places(room, request)


@pytest.fixture(params=LOCAL_AND_SSH)
def any_place(room: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """The same window, its step on this machine and on one that is reached through SSH."""
    for new in places(room, request):
        yield new("")
