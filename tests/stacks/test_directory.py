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
from tests.stacks.conftest import Place, running, until_running

pytestmark = pytest.mark.server("sshd")

SERVICE = """#!/bin/sh
# Starts and stops one of the two; `$1`: start, stop, restart, status.
cd "$(dirname "$0")/.." || exit 1
runs() {{ [ -e {part}.pid ] && [ -e "/proc/$(cat {part}.pid)/exe" ]; }}  # no zombie has one
stop() {{
    runs || return 0
    kill "$(cat {part}.pid)"
    while runs; do sleep 0.02; done
}}
start() {{
    ! runs || return 0
    setsid /usr/bin/python3 current/{part}/serve.py {port} </dev/null >{part}.log 2>&1 &
    echo $! >{part}.pid
}}
case $1 in
    start) start ;;
    stop) stop ;;
    restart) stop; start ;;
    status) runs ;;
esac
"""
VENV = """#!/bin/sh
[ "$1 $2" = "-m venv" ] || exec /usr/bin/python3 "$@"
mkdir -p "$3/bin" && ln -s {programs}/pip "$3/bin/pip"
"""

RECORDED = ("1.2a-directory", "1.2b-directory")
BEFORE = ("1.1a", "1.1b", *RECORDED, "1.2e", "1.2f")
DEPLOYED = ("3.1a-directory", "3.1b-directory", "3.2-directory", "3.3a", "4.1-directory",
            "4.2-directory", "4.3", "5.1a-directory")  # fmt: skip
ROLLBACK = ("R1-directory", "R3-directory", "R4a", "R4b", "R5")


class Directories(Place):
    """A host where `v1` runs from its directory."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        super().__init__(folder, "directory")
        self.check_out({})
        self.stand_ins()
        programs = folder / "programs"
        (programs / "python3").write_text(VENV.format(programs=programs))
        (programs / "python3").chmod(0o755)
        self.env = {**env, "PATH": f"{programs}:{env['PATH']}"}
        self._lay_out()

    def _lay_out(self) -> None:
        """A clone without its files; beside it releases and symlinks to one of them."""
        room, git = self.room, self.checkout.git
        revision = git("rev-parse", "v1")
        release = room / "releases/v1"
        release.mkdir(parents=True)
        for part, port in self.ports.items():
            secret = next((room / part).glob(".env*"))
            kept = secret.read_text()
            (room / part).rename(release / part)
            (room / part).mkdir()
            (room / part / secret.name).write_text(kept)
            (release / part / "REVISION").write_text(f"{revision}\n")
            for folder in ("current", "bin"):
                (room / folder).mkdir(exist_ok=True)
            (room / "current" / part).symlink_to(release / part)
            program = room / "bin" / part
            program.write_text(SERVICE.format(part=part, port=port))
            program.chmod(0o755)
            self.service(part, "start")

    def service(self, part: str, what: str) -> None:
        subprocess.run([self.room / "bin" / part, what], check=True, env=dict(os.environ))

    def current(self) -> list[str]:
        """Where the symlinks go."""
        return [os.readlink(self.room / "current" / part) for part in ("backend", "frontend")]


@pytest.fixture
def place(tmp_path: Path, host_env: dict[str, str]) -> Iterator[Directories]:
    made = Directories(tmp_path, host_env)
    with contextlib.ExitStack() as stack:
        for part in made.ports:
            stack.callback(made.service, part, "stop")
        stack.enter_context(made.host())
        yield made


async def test_back_to_the_directories_that_ran(place: Directories) -> None:
    before = place.current()
    revision = place.checkout.git("rev-parse", "v1")
    async with place.window(*BEFORE, *DEPLOYED) as window:
        await until_running(place, "v1")
        await window.not_ready("no previous.backend yet (1.2a-directory)")
        await window.done(*BEFORE)
        tag = window.state.facts["previous.tag"]
        assert place.checkout.git("rev-parse", f"{tag}^{{commit}}") == revision
        await window.done(*DEPLOYED[:2])
        assert (running(place), place.current()) == (["v1", "v1"], before)
        await window.done(*DEPLOYED[2:])
        assert running(place) == ["v2", "v2"]
        assert place.current() == [one.replace("/v1/", "/v2/") for one in before]
        action = await window.act("rollback")
        assert action.outcome is e.Outcome.SUCCEEDED, window.ended(action.stopped_at_step)
        assert action.steps == ROLLBACK
        assert (running(place), place.current()) == (["v1", "v1"], before)
        reply = await window.do(c.StartAction("rollback", "rollback"))
        assert isinstance(reply, c.Refused)
        assert "there is nothing to do" in reply.why
        action = await window.act("forward")
        assert action.outcome is e.Outcome.SUCCEEDED, window.ended(action.stopped_at_step)
        assert action.steps == ("3.2-directory", "3.3a", "4.2-directory", "4.3", "5.1a-directory")
        await until_running(place, "v2")


async def test_a_previous_directory_that_is_gone_is_said_by_the_lamp_and_by_the_step(
    place: Directories,
) -> None:
    backend = Path(place.current()[0])
    deployed = place.room / "releases/v2"
    async with place.window(*RECORDED, *DEPLOYED[:3]) as window:
        await window.done(*RECORDED, *DEPLOYED[:3])
        backend.rename(backend.with_name("elsewhere"))
        await window.not_ready("the previous directories are there: failing")
        action = await window.act("rollback")
        assert action.stopped_at_step == "R3-directory"
        assert "No such file or directory" in window.ended("R3-directory")[1]
        assert place.current() == [str(deployed / "backend"), str(backend.with_name("frontend"))]
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
