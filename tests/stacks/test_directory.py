"""OptiBid's own runbook on plain directories and symlinks, on an SSH host."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from tests.servers.postgres import PostgresServer
from tests.stacks.conftest import Place, running, until_running
from tests.stacks.release import FRONTEND

pytestmark = [pytest.mark.server("sshd"), pytest.mark.server("postgres")]

SERVICE = """#!/bin/sh
# Starts and stops one of the two; `$1`: start, stop, restart, status.
cd "$(dirname "$0")/.." || exit 1
room=$PWD
runs() {{ [ -e {part}.pid ] && [ -e "/proc/$(cat {part}.pid)/exe" ]; }}  # no zombie has one
stop() {{
    runs || return 0
    kill "$(cat {part}.pid)"
    while runs; do sleep 0.02; done
}}
start() {{
    ! runs || return 0
    cd current/{part} || exit 1
    setsid /usr/bin/python3 serve.py {port} </dev/null >>{log} 2>&1 &
    echo $! >"$room/{part}.pid"
}}
case $1 in
    start) start ;;
    stop) stop ;;
    restart) stop; start ;;
    status) runs ;;
esac
"""
RECORDED = ("1.2a-directory", "1.2b-directory")
DEPLOYED = ("3.1a-directory", "3.1b-directory", "3.2-directory", "3.3a", "4.1-directory",
            "4.2-directory", "4.3", "5.1a-directory")  # fmt: skip
ROLLBACK = ("R1-directory", "R2", "R3-directory", "R3b-directory", "R4a", "R4b", "R5")
FORWARD = ("2.1b", "2.1c", "2.2a", "3.2-directory", "3.3a", "4.2-directory", "4.3",
           "5.1a-directory", "5.2a", "5.2b")  # fmt: skip


class Directories(Place):
    """A host where `v1` runs from its directory."""

    def __init__(self, folder: Path, postgres: PostgresServer, env: Mapping[str, str]) -> None:
        super().__init__(folder, "directory", postgres)
        self.check_out({"v2": {"backend/START_S": "1.5\n"}})
        self.stand_ins()
        self.env = {**env, "PATH": f"{folder}/programs:{env['PATH']}"}
        self._lay_out()

    def _lay_out(self) -> None:
        """A clone without its files; beside it releases and symlinks to one of them."""
        room, git = self.room, self.checkout.git
        revision = git("rev-parse", "v1")
        release = room / "releases/v1"
        release.mkdir(parents=True)
        (room / "current").mkdir()
        (room / "bin").mkdir()
        for part, port in self.ports.items():
            folder = self.folders[part]
            secret = next(folder.glob(".env*"))
            kept = secret.read_text()
            folder.rename(release / folder.name)
            folder.mkdir()
            (folder / secret.name).write_text(kept)
            (release / folder.name / "REVISION").write_text(f"{revision}\n")
            (room / "current" / part).symlink_to(release / folder.name)
            program = room / "bin" / part
            program.write_text(
                SERVICE.format(part=part, port=port, log=f"{self.folder}/{part}.log")
            )
            program.chmod(0o755)
            self.service(part, "start")

    def service(self, part: str, what: str) -> None:
        subprocess.run([self.room / "bin" / part, what], check=True, env=dict(os.environ))

    def current(self) -> list[str]:
        """Where the symlinks go."""
        return [os.readlink(self.room / "current" / part) for part in ("backend", "frontend")]


@pytest.fixture
def place(
    tmp_path: Path, postgres: PostgresServer, host_env: dict[str, str]
) -> Iterator[Directories]:
    made = Directories(tmp_path, postgres, host_env)
    with contextlib.ExitStack() as stack:
        for part in made.ports:
            stack.callback(made.service, part, "stop")
        stack.enter_context(made.host())
        yield made


async def test_a_whole_window_there_and_back_and_forward_again(place: Directories) -> None:
    before = place.current()
    revision, dump = place.checkout.git("rev-parse", "v1"), place.dump()
    await until_running(place, "v1")
    async with place.window() as window:
        await window.not_ready("no previous.backend yet (1.2a-directory)")
        assert await window.all_done() == {}
        tag = window.state.facts["previous.tag"]
        assert place.checkout.git("rev-parse", f"{tag}^{{commit}}") == revision
        assert running(place) == ["v2", "v2"]
        assert place.current() == [one.replace("/v1/", "/v2/") for one in before]
        assert "note text" in place.dump()
        action = await window.rolled_back()
        assert action.outcome is e.Outcome.SUCCEEDED, window.ended(action.stopped_at_step)
        assert action.steps == ROLLBACK
        assert (running(place), place.current(), place.dump()) == (["v1", "v1"], before, dump)
        reply = await window.do(c.StartAction("rollback", "rollback"))
        assert isinstance(reply, c.Refused)
        assert "there is nothing to do" in reply.why
        action = await window.act("forward")
        assert action.outcome is e.Outcome.SUCCEEDED, window.ended(action.stopped_at_step)
        assert action.steps == FORWARD
        await until_running(place, "v2")


async def test_an_old_process_that_keeps_the_port_is_named(place: Directories) -> None:
    port, old = place.ports["backend"], place.room / "releases/v1/backend"
    place.service("backend", "stop")
    elsewhere = old.with_name(FRONTEND)
    with place.keeping("backend", elsewhere) as pid:
        said = await place.said_by("1.1-app-directory")
    assert f"lacks: process {pid} on port {port} works in {elsewhere}"[:150] in said
    place.values["START_TIMEOUT"] = "2s"
    async with place.window(*RECORDED, *DEPLOYED) as window:
        with place.keeping("backend", old) as pid:
            await window.done(*RECORDED, *DEPLOYED[:3])
            outcome, said = await window.tried("3.3a")
            assert outcome is e.Outcome.TIMED_OUT
            kept = f"port {port} is kept by an old process, started before the restart"
            assert f"{kept}: {pid} (python3)" in said
            action = await window.act("rollback")  # nothing is restored while it may write
            assert action.stopped_at_step == "R1-directory"
            assert f"a process still listens on port {port}" in window.ended("R1-directory")[1]
        action = await window.decide(e.Choice.RETRY)
        assert action.outcome is e.Outcome.SUCCEEDED, window.ended(action.stopped_at_step)
        assert running(place) == ["v1", "v1"]


async def test_a_previous_directory_that_is_gone_is_said_by_the_lamp_and_by_the_step(
    place: Directories,
) -> None:
    backend = Path(place.current()[0])
    deployed = place.room / "releases/v2"
    place.look_often()
    async with place.window(*RECORDED, *DEPLOYED[:3]) as window:
        await window.done(*RECORDED, *DEPLOYED[:3])
        backend.rename(backend.with_name("elsewhere"))
        await window.not_ready("the previous directories are there: failing")
        action = await window.act("rollback")
        assert action.stopped_at_step == "R3-directory"
        assert "No such file or directory" in window.ended("R3-directory")[1]
        assert place.current() == [str(deployed / "backend"), str(backend.with_name(FRONTEND))]
        backend.with_name("elsewhere").rename(backend)
        action = await window.decide(e.Choice.RETRY)
        assert action.outcome is e.Outcome.SUCCEEDED, window.ended(action.stopped_at_step)
        assert running(place) == ["v1", "v1"]


async def test_a_directory_that_was_made_of_another_revision_is_not_deployed(
    place: Directories,
) -> None:
    other = place.room / "releases/v2/backend"
    other.mkdir(parents=True)
    (other / "REVISION").write_text("0123abc\n")
    async with place.window("3.1a-directory") as window:
        outcome, said = await window.tried("3.1a-directory")
    assert outcome is e.Outcome.FAILED
    assert f"{other.parent} was made of 0123abc, not of " in said
