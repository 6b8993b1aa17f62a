"""config.toml's own probes of the rollback's lamp: what each looks at is taken away, and it is
dark and says so; it is given back, and it is lit again."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from optibid_console import commands as c
from optibid_console.plan import preview
from optibid_console.state import WindowState
from tests.backup.conftest import WITHIN_S, Place
from tests.engine.bench import Bench
from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.server("postgres")

OPTIBID = (Path(__file__).parents[2] / "config.toml").read_text()
LAMPS = ("backup-there", "backup-verified", "configuration-backup", "space-to-restore",
         "previous-revision", "database")  # fmt: skip
HOST = 'host = "localhost"\nport = "${DB_PORT}"'
ROLE = "keeper_of_the_lamp"

STEPS = """
[[phases.steps]]
id = "1.1"
title = "Back up the configuration"
on = "local"
run = 'mkdir -p backups && echo kept >backups/config.tar && echo "$PWD/backups/config.tar"'
record = "backup.config"
artifact = "files"

[[phases.steps]]
id = "1.1b"
title = "Record the revision that runs"
on = "local"
run = '''
git init -q .
git -c user.name=a -c user.email=b commit -q --allow-empty -m one
git rev-parse HEAD
'''
record = "previous.revision"
"""

ROLLBACK = """
[[actions]]
id = "rollback"
title = "Rollback"
key = "R"
needs_facts = ["backup.path", "backup.config", "previous.revision"]
ready_when = [{lamps}]

[[actions.steps]]
id = "R1"
title = "Restore"
kind = "restore"
database = "optibid"
"""


class Lamp(Place):
    """A place whose window has OptiBid's own lamp, on this machine."""

    def config(self, room: Path) -> str:
        probes = "\n".join(self.probe(name) for name in LAMPS)
        lamps = ", ".join(f'"{name}"' for name in LAMPS)
        text = super().config(room).replace('user = "postgres"', f'user = "{ROLE}"')
        return f"{text}\n{probes}\n{ROLLBACK.format(lamps=lamps)}"

    def probe(self, name: str) -> str:
        """The probe as config.toml has it, but for where it looks and how often."""
        found = re.search(rf"(?ms)^\[probes\.{name}\]\n.*?(?=^\[[a-z\[]|^# )", OPTIBID)
        assert found is not None
        text = re.sub(r'(?m)^every = ".*"$', 'every = "300ms"', found[0])
        text = re.sub(r'(?m)^on = ".*"$', 'on = "local"', text)
        text = re.sub(r"(?m)^stack = .*\n", "", text)
        text = text.replace(HOST, f'host = "127.0.0.1"\nport = {self.server.port}')
        text = text.replace("${DB_NAME}", self.dbname).replace("${DB_USER}", ROLE)
        text = text.replace("${DB_DATA}", f"{self.room}/disk").replace("${DB_BIN}", str(self.bin))
        return text


@pytest.fixture
def lamp(tmp_path: Path, postgres: PostgresServer) -> Lamp:
    made = Lamp(tmp_path, postgres, "lamp")
    postgres.recreate("lamp")
    postgres.execute(
        f"DO 'BEGIN CREATE ROLE {ROLE}; EXCEPTION WHEN duplicate_object THEN NULL; END'"
    )
    postgres.execute(f"ALTER ROLE {ROLE} LOGIN CREATEDB PASSWORD '{postgres.password}'")
    postgres.execute(f"GRANT pg_signal_backend TO {ROLE}")
    postgres.execute(f"ALTER DATABASE lamp OWNER TO {ROLE}")
    postgres.execute(f"CREATE TABLE bids (id int); ALTER TABLE bids OWNER TO {ROLE}", "lamp")
    postgres.execute("INSERT INTO bids VALUES (1)", "lamp")
    made.first = STEPS
    (tmp_path / "disk").mkdir()
    return made


async def backed_up(bench: Bench) -> None:
    """The whole set."""
    for step_id in ("1.1", "1.1b", "1.2a"):
        assert isinstance(await bench.do(c.RunStep(step_id)), c.Accepted)
        state = await bench.until(
            lambda state, one=step_id: state.step(one).outcome is not None, WITHIN_S
        )
        assert state.step(step_id).outcome == "succeeded", state.step(step_id).reason


async def ready(bench: Bench) -> WindowState:
    return await bench.until(lambda state: state.readiness["rollback"].ready, WITHIN_S)


@pytest.mark.slow
async def test_each_part_goes_dark_when_it_is_taken_away_and_comes_back(lamp: Lamp) -> None:
    server = lamp.server

    def move(path: Path, to: Path) -> Callable[[], object]:
        return lambda: path.rename(to)

    def sql(text: str, dbname: str = "postgres") -> Callable[[], object]:
        return lambda: server.execute(text, dbname)

    async with lamp.engine() as bench:
        await bench.until(lambda state: "rollback" in state.readiness)
        missing = bench.state.readiness["rollback"].missing
        assert missing[:2] == ("no backup.path yet (1.2a)", "no backup.config yet (1.1)")
        await backed_up(bench)
        await ready(bench)
        assert bench.state.facts["backup.database_size"].isdecimal()
        backup = Path(bench.state.facts["backup.path"])
        config, git = lamp.room / "backups" / "config.tar", lamp.room / ".git"
        there = backup.read_bytes()
        for says, take, give in (
            ("this window's backup is there", move(backup, backup.with_suffix(".x")),
             move(backup.with_suffix(".x"), backup)),
            ("this window's backup reads",
             lambda: backup.write_bytes(there[:-9] + b"\0" * 9), lambda: backup.write_bytes(there)),
            ("the configuration's backup is there", move(config, config.with_suffix(".x")),
             move(config.with_suffix(".x"), config)),
            ("the previous revision is in the checkout", move(git, lamp.room / "x.git"),
             move(lamp.room / "x.git", git)),
            ("PostgreSQL", sql(f"ALTER ROLE {ROLE} PASSWORD 'another'; "
                               "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                               f"WHERE usename = '{ROLE}'"),
             sql(f"ALTER ROLE {ROLE} PASSWORD '{server.password}'")),
        ):  # fmt: skip
            await goes_dark(bench, says, take)
            give()
            await ready(bench)


async def goes_dark(bench: Bench, says: str, take: Callable[[], object]) -> None:
    take()

    def dark(state: WindowState) -> bool:
        missing = state.readiness["rollback"].missing
        return f"{says}: failing" in missing or f"{says}: error" in missing

    state = await bench.until(dark, WITHIN_S)
    assert not state.readiness["rollback"].ready
    shown = preview(state, "rollback", state.at)
    assert any(one.startswith(says) for one in shown.not_ready)


@pytest.mark.parametrize(("free", "ready_then"), [("1000", False), ("900000000", True)])
async def test_there_must_be_as_much_room_as_the_database_had(
    lamp: Lamp, free: str, ready_then: bool
) -> None:
    df = lamp.room / "bin" / "df"
    df.parent.mkdir()
    df.write_text(f"#!/bin/sh\necho Filesystem\necho /dev/x 9 9 {free} 9% /\n")
    df.chmod(0o755)
    text = lamp.probe("space-to-restore").replace("df -Pk", f"{df} -Pk")
    lamp.probe = lambda name: text if name == "space-to-restore" else Lamp.probe(lamp, name)  # type: ignore[method-assign]  # this test's own disk
    async with lamp.engine() as bench:
        await backed_up(bench)
        if ready_then:
            await ready(bench)
        else:
            await goes_dark(bench, "space to restore", lambda: None)
            reading = bench.state.readings["space-to-restore"]
            assert "MB free, " in reading.summary
            assert "\\" not in reading.summary
