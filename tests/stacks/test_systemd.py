"""OptiBid's own runbook on systemd units, in a container that systemd has booted."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from tests.servers.docker import IMAGE, DockerServer
from tests.servers.postgres import PostgresServer
from tests.stacks.conftest import WITHIN_S, Place, running, until_running

pytestmark = [pytest.mark.server(one) for one in ("docker", "systemd", "sshd", "postgres")]

UNIT = """
[Unit]
DefaultDependencies=no
[Service]
WorkingDirectory={folder}
ExecStart=/usr/bin/python3 serve.py {port}
KillMode=process
"""
TARGET = """
[Unit]
DefaultDependencies=no
Wants=systemd-journald.service optibid-backend.service optibid-frontend.service \
optibid-postgres.service
"""
DATABASE = "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/usr/bin/sleep infinity\n"
WITHOUT_PRIVILEGES = (
    "--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "--cgroupns", "private",
    "--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp",
    "-v", "/sys/fs/cgroup/systemd:/sys/fs/cgroup/systemd:rw",
)  # fmt: skip

RECORDED = ("1.2a-git", "1.2-build")
DEPLOYED = ("3.1a", "3.1b", "3.2-systemd", "3.3a", "3.3b-journal", "4.1", "4.2-systemd", "4.3",
            "5.1a-systemd")  # fmt: skip
ROLLBACK = ("R1-systemd", "R2", "R3-systemd", "R3b-systemd", "R4a", "R4b", "R5")


class Units(Place):
    """A container with systemd as its process 1, with OptiBid's units and a database's."""

    def __init__(
        self, folder: Path, docker: DockerServer, postgres: PostgresServer, env: Mapping[str, str]
    ) -> None:
        super().__init__(folder, "systemd", postgres)
        self.docker = docker
        self.check_out()
        self.stand_ins()
        self.build("v1")
        self.env = {**env, "PATH": f"{self.folder}/programs:{env['PATH']}", "HOME": "/root"}
        units = folder / "units"
        units.mkdir()
        for part, port in self.ports.items():
            text = UNIT.format(folder=self.folders[part], port=port)
            (units / f"optibid-{part}.service").write_text(text)
        (units / "optibid-postgres.service").write_text(DATABASE)
        (units / "window.target").write_text(TARGET)
        (folder / "shadow").write_text("root:*:19000::::::\n")  # sshd lets nobody in without
        seen = {str(folder), sys.prefix, sys.base_prefix} - {"/usr"}
        options = [word for one in sorted(seen) for word in ("-v", f"{one}:{one}")]
        options += [word for one in self.env.items() for word in ("-e", "=".join(one))]
        docker.cli(
            "run", "-d", "--name", self.name, *WITHOUT_PRIVILEGES, *options,
            "-v", "/usr:/usr:ro", "-v", "/etc/alternatives:/etc/alternatives:ro",
            "-v", f"{units}:/etc/systemd/system", "-v", f"{folder}/shadow:/etc/shadow:ro",
            "--network", "host",
            IMAGE, "/usr/lib/systemd/systemd", "--unit=window.target",
        )  # fmt: skip
        docker.cli("exec", self.name, "mkdir", "-p", "/run/sshd")
        self.inside = ("docker", "-H", docker.url, "exec", self.name)
        asyncio.run(until_running(self, "v1"))

    def systemctl(self, *words: str) -> str:
        return self.docker.cli("exec", self.name, "systemctl", *words)


@pytest.fixture
def place(
    tmp_path: Path,
    docker_server: DockerServer,
    postgres: PostgresServer,
    host_env: dict[str, str],
) -> Iterator[Units]:
    made: Units | None = None
    try:
        made = Units(tmp_path, docker_server, postgres, host_env)
        with made.host():
            yield made
    finally:
        if made is not None:
            docker_server.remove(made.name)


async def test_a_whole_window_there_and_back_beside_a_database_that_runs_on(place: Units) -> None:
    (place.room / "backend/serve.py").write_text(
        (place.room / "backend/serve.py").read_text() + "# changed by hand\n"
    )
    by_hand, dump = place.checkout.git("diff"), place.dump()
    database = place.systemctl("show", "--property=MainPID", "optibid-postgres")
    async with place.window() as window:
        await window.not_ready("no previous.revision yet (1.2a-git)")
        await window.not_ready("no previous.build yet (1.2-build)")
        assert window.planned("rollback") == ()
        assert await window.all_done() == {}
        assert (running(place), place.built()) == (["v2", "v2"], "v2")
        (place.room / "notes.txt").write_text("in a hurry\n")
        action = await window.rolled_back()
        assert action.outcome is e.Outcome.SUCCEEDED, window.ended(action.stopped_at_step)
        assert action.steps == ROLLBACK
        assert (running(place), place.built(), place.dump()) == (["v1", "v1"], "v1", dump)
        assert place.checkout.git("diff", "v1") == by_hand
        kept = f"refs/optibid/rolled-back-{window.state.facts['window.stamp']}:notes.txt"
        assert place.checkout.git("show", kept) == "in a hurry"
        assert place.systemctl("show", "--property=MainPID", "optibid-postgres") == database
        reply = await window.do(c.StartAction("rollback", "rollback"))
        assert isinstance(reply, c.Refused)
        assert "there is nothing to do" in reply.why
        action = await window.act("forward")
        assert action.outcome is e.Outcome.SUCCEEDED, window.ended(action.stopped_at_step)
        await until_running(place, "v2")
        assert place.built() == "v2"


async def test_what_the_host_lacks_and_an_old_process_that_keeps_the_port_are_named(
    place: Units,
) -> None:
    said = await place.said_by("1.1-app-systemd", FRONTEND_UNIT="optibid-web")
    assert "lacks: no unit optibid-web (FRONTEND_UNIT)" in said
    place.values["START_TIMEOUT"] = "2s"
    place.systemctl("stop", "optibid-backend")
    old = ("cd", str(place.folders["backend"]), "&&", "exec", "python3", "serve.py")
    keeping = f"{' '.join(old)} {place.ports['backend']}"
    place.docker.cli("exec", "-d", place.name, "sh", "-c", keeping)
    async with asyncio.timeout(WITHIN_S):
        while await asyncio.to_thread(place.runs, "backend") != "v1":
            await asyncio.sleep(0.05)
    async with place.window(*RECORDED, *DEPLOYED) as window:
        await window.done(*RECORDED, *DEPLOYED[:3])
        outcome, said = await window.tried("3.3a")
        assert outcome is e.Outcome.TIMED_OUT
        kept = (
            f"port {place.ports['backend']} is kept by an old process, started before the restart"
        )
        assert kept in said


async def test_a_previous_revision_that_is_gone_is_said_by_the_lamp_and_by_the_step(
    place: Units,
) -> None:
    (place.room / "notes.txt").write_text("changed by hand\n")
    place.look_often()
    async with place.window(*RECORDED, *DEPLOYED[:3]) as window:
        await window.done(*RECORDED)
        git, revision = place.checkout.git, window.state.facts["previous.revision"]
        git("push", "--quiet", "origin", "refs/optibid/*:refs/optibid/*")
        git("checkout", "--quiet", "notes.txt")
        await window.done(*DEPLOYED[:3])
        git("update-ref", "-d", f"refs/optibid/before-{window.state.facts['window.stamp']}")
        git("gc", "--quiet", "--prune=now")
        await window.not_ready("the previous revision is in the checkout: failing")
        action = await window.act("rollback")
        assert action.stopped_at_step == "R3-systemd"
        _, said = window.ended("R3-systemd")
        assert f"reference is not a tree: {revision}" in said
        git("fetch", "--quiet", "origin", "refs/optibid/*:refs/optibid/*")
        action = await window.decide(e.Choice.RETRY)
        assert action.outcome is e.Outcome.SUCCEEDED, window.ended(action.stopped_at_step)
        assert running(place) == ["v1", "v1"]
        assert (place.room / "notes.txt").read_text() == "changed by hand\n"


async def test_a_unit_that_does_not_stay_up_is_no_deployment_and_what_it_needed_is_put_back(
    place: Units,
) -> None:
    place.needs("backend/requirements.txt", "fastapi==2")
    judged = 'evidence = ["backend-unit"]\n'
    place.edits[judged] = f'{judged}evidence_timeout = "2s"\n'
    async with place.window(*RECORDED, *DEPLOYED[:3]) as window:
        await window.done(*RECORDED, *DEPLOYED[:2])
        (place.room / "backend/serve.py").write_text("exit(1)\n")
        outcome, said = await window.tried("3.2-systemd")
        assert outcome is e.Outcome.FAILED
        # systemctl may have been quicker than the end of it
        assert "backend-unit failing" in said or said.startswith("exit 3")
        place.stand_ins(pip="echo 'no route to host' >&2; exit 1")
        action = await window.act("rollback")
        assert action.stopped_at_step == "R3-systemd"
        assert "no route to host" in window.ended("R3-systemd")[1]
        assert running(place)[1].startswith("nothing: ")
        place.stand_ins()
        action = await window.decide(e.Choice.RETRY)
        assert action.outcome is e.Outcome.SUCCEEDED, window.ended(action.stopped_at_step)
        assert place.asked() == ["pip install -r requirements.txt"]
        assert running(place) == ["v1", "v1"]
