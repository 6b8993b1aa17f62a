"""The rollback's lamp logs in anew, and so does the last look before R1: with a real PostgreSQL and
a real sshd whose kept connections outlive the password and the key."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.engine import observed
from optibid_console.runbook.load import load
from optibid_console.state import WindowState
from probes.probe import Status
from tests.engine.bench import Bench, driven
from tests.servers.postgres import PostgresServer
from tests.servers.sshd import Keys, OpenSshServer, ssh_target

pytestmark = [pytest.mark.server("postgres"), pytest.mark.server("sshd")]

ROLE = "keeper_of_the_preflight"

RUNBOOK = """
[window]
name = "A window with a lamp"
version = "v2"
stack = "directory"

{target}

[probes.database]
kind = "postgres"
title = "PostgreSQL"
host = "127.0.0.1"
port = {port}
dbname = "postgres"
user = "{role}"
password = "${{DB_PASSWORD}}"
every = "{every}"
timeout = "5s"

[probes.previous]
kind = "command"
title = "the previous release is there"
on = "there"
run = "test -e {room}/previous"
every = "{every}"
timeout = "5s"

[[phases]]
id = "deploy"
title = "Deploy"
at = "T-30m"

[[phases.steps]]
id = "1.1"
title = "Deploy"
on = "local"
run = "true"

[[actions]]
id = "rollback"
title = "Rollback"
key = "R"
ready_when = ["database", "previous"]

[[actions.steps]]
id = "R1"
title = "Stop production"
on = "local"
run = "echo launched >>{room}/launches"
undoes = ["1.1"]
"""


class Scene:
    """A window whose rollback rests on a login to PostgreSQL and one over SSH."""

    def __init__(self, room: Path, postgres: PostgresServer, keys: Keys, sshd: OpenSshServer):
        self.room = room
        self.postgres = postgres
        self.keys = keys
        self.sshd = sshd

    @contextlib.asynccontextmanager
    async def ready(self, every: str) -> AsyncIterator[Bench]:
        """An engine whose lamp is lit and that has something to roll back."""
        (self.room / "previous").touch()
        config = self.room / "config.toml"
        target = ssh_target(self.room, self.keys.spec(self.sshd.port))
        config.write_text(
            RUNBOOK.format(target=target, port=self.postgres.port, role=ROLE, every=every,
                           room=self.room)
        )  # fmt: skip
        loaded = load(config, {"DB_PASSWORD": self.postgres.password})
        async with driven(loaded, self.room / "window.journal", self.room, Bench) as bench:
            await bench.until(lambda state: state.readiness["rollback"].ready)
            await bench.step("1.1")
            yield bench

    def change_password(self) -> None:
        """The sessions that are open stay open."""
        self.postgres.execute(f"ALTER ROLE {ROLE} PASSWORD 'another'")

    def remove_key(self) -> None:
        """The connections that are open stay open."""
        self.keys.authorized.write_text("")

    def launches(self) -> int:
        path = self.room / "launches"
        return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.fixture
def scene(tmp_path: Path, postgres: PostgresServer) -> Iterator[Scene]:
    postgres.execute(
        f"DO 'BEGIN CREATE ROLE {ROLE}; EXCEPTION WHEN duplicate_object THEN NULL; END'"
    )
    postgres.execute(f"ALTER ROLE {ROLE} LOGIN PASSWORD '{postgres.password}'")
    keys = Keys(tmp_path)
    sshd = OpenSshServer(keys)
    keys.know(sshd.port)
    yield Scene(tmp_path, postgres, keys, sshd)
    sshd.stop()


TAKEN_AWAY = pytest.mark.parametrize(
    ("take_away", "says"),
    [
        (Scene.change_password, "PostgreSQL"),
        (Scene.remove_key, "the previous release is there"),
    ],
)


@TAKEN_AWAY
async def test_the_lamp_goes_dark_when_nobody_can_log_in_any_more(
    scene: Scene,
    take_away: Callable[[Scene], None],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert observed.LOG_IN_EVERY_S == 30.0
    monkeypatch.setattr(observed, "LOG_IN_EVERY_S", 0.3)
    async with scene.ready("300ms") as bench:
        take_away(scene)

        def dark(state: WindowState) -> bool:
            return f"{says}: error" in state.readiness["rollback"].missing

        state = await bench.until(dark, 10.0)
        assert not state.readiness["rollback"].ready
        probe = "database" if says == "PostgreSQL" else "previous"
        assert state.readings[probe].status is Status.ERROR
    if probe == "previous":
        assert state.readings[probe].summary.startswith("no new log-in: there: ")


async def test_a_log_in_that_was_made_lately_is_not_made_again(scene: Scene) -> None:
    log = scene.keys.directory / f"sshd_config-{scene.sshd.port}.log"
    async with scene.ready("100ms") as bench:
        seen = len([one for one in bench.heard.signals if _is_reading(one, "previous")])
        await bench.until_signal(
            lambda: sum(_is_reading(one, "previous") for one in bench.heard.signals) > seen + 5
        )
        assert log.read_text().count("Accepted publickey") == 2, "the kept one, and the lamp's"


def _is_reading(signal: object, probe: str) -> bool:
    return isinstance(signal, observed.Sampled) and signal.reading.probe == probe


@TAKEN_AWAY
async def test_what_cannot_be_done_is_not_begun(
    scene: Scene, take_away: Callable[[Scene], None], says: str
) -> None:
    async with scene.ready("1h") as bench:
        take_away(scene)
        assert bench.state.readiness["rollback"].ready, "the lamp has not noticed"
        loop = asyncio.get_running_loop()
        began = loop.time()
        refused = await bench.do(c.StartAction("rollback", "rollback"))
        assert isinstance(refused, c.Refused), refused
        assert loop.time() - began < 8.0
        assert f"it can't be done as it is: {says}: " in refused.why
        assert "Nothing was stopped or started" in refused.why
        assert refused.words == "rollback anyway"
        assert bench.state.action() is None
        assert not bench.state.actions
        assert scene.launches() == 0
        await bench.until(lambda state: not state.readiness["rollback"].ready)

        reply = await bench.do(c.StartAction("rollback", refused.words, anyway=True))
        assert isinstance(reply, c.Accepted), reply
        state = await bench.until(lambda state: state.action() is None and state.actions)
        assert scene.launches() == 1
        (started,) = bench.heard.of(e.ActionStarted)
        assert len(started.not_ready) == 1
        assert started.not_ready[0].startswith(f"{says}: ")
        assert state.actions["rollback1"].not_ready == started.not_ready
        assert state.actions["rollback1"].outcome is e.Outcome.SUCCEEDED


async def test_with_everything_there_it_begins_and_an_abort_need_not_wait(scene: Scene) -> None:
    async with scene.ready("1h") as bench:
        starting = asyncio.create_task(bench.do(c.StartAction("rollback", "rollback")))
        await asyncio.sleep(0)
        assert isinstance(await bench.do(c.Abort("no-such-run")), c.Refused)
        assert not starting.done(), "the probes are being read"
        assert isinstance(await starting, c.Accepted)
        await bench.until(lambda state: state.action() is None and state.actions)
        assert scene.launches() == 1
        assert bench.heard.of(e.ActionStarted)[0].not_ready == ()
