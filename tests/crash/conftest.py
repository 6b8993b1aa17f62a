"""A real engine in a process of its own, without a screen, that a test ends at named points."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from optibid_console import engine_record
from optibid_console.commands import Command, Reply
from optibid_console.entries import Entry, kind_of
from optibid_console.feed.client import FeedSource
from optibid_console.journal.places import entries_of
from optibid_console.journal_place import Place as JournalPlace
from optibid_console.signals import Output
from optibid_console.source import CaughtUp, Event, Role
from optibid_console.state import WindowState, fold
from optibid_console.stop_points import VARIABLE
from tests.home import own_home
from tests.servers.docker import DockerServer
from tests.servers.sshd import Keys, OpenSshServer, ssh_target
from tests.servers.team import Team

WITHIN_S = 120.0

PRINTS = r"printf 'a\0b\377\033[2J\n'; echo wrong >&2; sleep 0.3; seq 1 3000; printf 'no newline'"
"""What step 1.1 does after it has noted its launch: bytes that are easily lost or changed."""

RUNBOOK = """
[window]
name = "Little window"
version = "v1"
stack = "directory"

[targets.here]
kind = "local"
run_dir = "{dir}/runs"
cwd = "{dir}"

{targets}

[[phases]]
id = "one"
title = "First phase"
at = "T-5m"

[[phases.steps]]
id = "1.1"
title = "Print"
on = "{on}"
run = '''echo launched >>{dir}/launches; {prints}'''
timeout = "1m"

[[actions]]
id = "rollback"
title = "Rollback"
key = "R"
needs_facts = []

[[actions.steps]]
id = "R1"
title = "Undo"
on = "{on}"
run = "echo undone >>{dir}/undone"
undoes = ["1.1"]
"""


class Attached:
    """A screen's end of the feed: sends commands, folds what it gets."""

    def __init__(self, socket: Path, name: str, take_over: str) -> None:
        self.source = FeedSource(socket, name, "drive", take_over=take_over)
        self.state = WindowState()
        self.role = Role(False)
        self.events: list[Event] = []
        self.error: Exception | None = None
        self._news = asyncio.Event()

    async def take(self) -> None:
        try:
            async with contextlib.aclosing(self.source.events()) as events:
                async for event in events:
                    self._took(event)
        except Exception as error:
            self.error = error
            self._news.set()

    def _took(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Entry):
            self.state = self.state.apply(event)
        if isinstance(event, Role):
            self.role = event
        self._news.set()

    async def until(self, true: Callable[[Attached], object]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not true(self):
                if self.error is not None:
                    raise self.error
                self._news.clear()
                await self._news.wait()

    async def send(self, command: Command) -> Reply:
        return await self.source.send(command)

    def printed(self, run_id: str) -> bytes:
        """What it got of a run's output, each piece where the one before ended."""
        got = b""
        for one in self.events:
            if isinstance(one, Output) and one.run_id == run_id:
                assert one.offset == len(got)
                got += one.data
        return got

    def has(self, kind: type) -> bool:
        return any(isinstance(event, kind) for event in self.events)


class Place:
    """A directory with a runbook, a journal and what engines leave there."""

    def __init__(
        self,
        path: Path,
        on: str = "here",
        targets: str = "",
        prints: str = PRINTS,
        journal: JournalPlace | None = None,
        home: Path | None = None,
    ) -> None:
        """`home`: where this console keeps its state, as on a machine of its own."""
        self.path = path
        self.config = path / "config.toml"
        self.journal = journal or path / "a.journal"
        given = {"dir": path, "on": on, "targets": targets, "prints": prints}
        self.config.write_text(RUNBOOK.format(**given))
        self.looked_at: JournalPlace | None = None
        """Where this process reads the journal, when that isn't where the consoles do."""
        self.env: dict[str, str] = {}
        if home is not None:
            (home / "run").mkdir(parents=True)
            state, runtime = str(home / "state"), str(home / "run")
            self.env = {"XDG_STATE_HOME": state, "XDG_RUNTIME_DIR": runtime}
        self.engines: list[subprocess.Popen[str]] = []

    async def engine(
        self, *options: str, stop_at: str = "", prefix: tuple[str, ...] = ()
    ) -> subprocess.Popen[str]:
        """An engine, once it is ready. Raises `AssertionError` with what it says when it isn't."""
        reads, writes = os.pipe()
        process = subprocess.Popen(
            [
                *prefix, sys.executable, "-m", "optibid_console", "engine", "-c", str(self.config),
                "--journal", str(self.journal), "--ready-fd", str(writes), *options,
            ],
            cwd=self.path, text=True, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
            pass_fds=(writes,), env={**os.environ, **self.env, VARIABLE: stop_at},
        )  # fmt: skip
        os.close(writes)
        self.engines.append(process)
        with os.fdopen(reads) as ready:
            said = await asyncio.to_thread(ready.read)
        assert said == "ready\n", said
        return process

    @contextlib.asynccontextmanager
    async def attached(self, name: str = "ann", take_over: str = "") -> AsyncIterator[Attached]:
        with self.at_home():
            record = engine_record.find(self.journal)
        assert record is not None
        screen = Attached(Path(record.socket), name, take_over)
        task = asyncio.create_task(screen.take())
        try:
            await screen.until(lambda one: one.has(CaughtUp))
            yield screen
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @contextlib.contextmanager
    def at_home(self) -> Iterator[None]:
        """This process as one on that console's machine."""
        before = {name: os.environ.get(name) for name in self.env}
        os.environ.update(self.env)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ[name] = value or ""

    async def end(self, process: subprocess.Popen[str], how: int = signal.SIGTERM) -> int:
        if process.poll() is None:
            process.send_signal(how)
        return await asyncio.to_thread(process.wait, WITHIN_S)

    @property
    def seen(self) -> JournalPlace:
        return self.looked_at or self.journal

    def state(self) -> WindowState:
        return fold(entries_of(self.seen))

    def facts(self, kind: type) -> list[Entry]:
        return [one for one in entries_of(self.seen) if isinstance(one.fact, kind)]

    def kinds(self) -> list[str]:
        return [kind_of(type(one.fact)) for one in entries_of(self.seen)]

    def lines(self, name: str) -> int:
        with contextlib.suppress(FileNotFoundError):
            return len((self.path / name).read_text().splitlines())
        return 0

    def output(self, run_id: str) -> bytes:
        return (self.path / "runs" / run_id / "out").read_bytes()

    def bare(self) -> bytes:
        """What the command prints when nobody is between."""
        return subprocess.run(
            ["/bin/sh", "-c", PRINTS], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True
        ).stdout

    def clear(self) -> None:
        for process in self.engines:
            if process.poll() is None:
                process.kill()
            _, said = process.communicate(timeout=WITHIN_S)
            assert "Traceback" not in said


def container_target(path: Path, container: str, docker: str, on: str = "") -> str:
    """The table of a container that sees the directory of temporary files."""
    return (
        f'[targets.there]\nkind = "container"\ncontainer = "{container}"\ndocker = "{docker}"\n'
        f'run_dir = "{path}/runs"\ncwd = "{path}"\n' + (f'on = "{on}"\n' if on else "")
    )


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
