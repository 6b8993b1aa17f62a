"""OptiBid's own runbook on PM2, with npm's real build of the frontend."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from tests.conftest import PM2
from tests.servers.postgres import PostgresServer
from tests.stacks.conftest import Place, running, until_running
from tests.stacks.release import FRONTEND

pytestmark = [pytest.mark.server(one) for one in ("sshd", "pm2", "postgres")]

RECORDED = ("1.2a-git", "1.2-build")
APPS = {"backend": "optibid-backend", "frontend": "optibid-energy-platform"}
DEPLOYED = ("3.1a", "3.1b", "3.2-pm2", "3.3a", "4.1", "4.2-pm2", "4.3", "5.1a-pm2")
QUIET = {"npm_config_offline": "true", "npm_config_update_notifier": "false"}
FRONT = """
const http = require("http");
const release = require("fs").readFileSync("RELEASE", "utf8").trim();
const asset = `/_next/static/chunks/main-${release}.css`;
const answers = {
    "/": ["text/html", `<link rel="stylesheet" href="${asset}">`],
    "/release": ["application/json", JSON.stringify({ release })],
    [asset]: ["text/css", "a {}"],
};
http.createServer((asked, answer) => {
    const [kind, body] = answers[asked.url] || ["text/plain", ""];
    answer.writeHead(body ? 200 : 404, { "Content-Type": kind });
    answer.end(body);
}).listen(Number(process.argv[2]), "127.0.0.1");
"""
"""In PM2's cluster mode, as Next.js often is: PM2's daemon listens, not the workers."""


class Processes(Place):
    """A host on which PM2 keeps OptiBid's processes, and a database's beside them."""

    def __init__(self, folder: Path, postgres: PostgresServer, env: Mapping[str, str]) -> None:
        super().__init__(folder, "pm2", postgres)
        self.check_out({"v1": {f"{FRONTEND}/serve.js": FRONT}})
        self.build("v1")
        self.stand_ins()
        (folder / "programs/npm").unlink()
        path = f"{folder}/programs:{PM2.parent}:{env['PATH']}"
        self.env = {**env, **QUIET, "PATH": path, "PM2_HOME": str(folder / "pm2")}

    def start(self) -> None:
        fixed = {
            part: {
                "name": APPS[part], "cwd": str(self.folders[part]), "args": [port],
                "out_file": f"{self.folder}/{part}.log",
            }
            for part, port in self.ports.items()
        }  # fmt: skip
        apps: list[dict[str, Any]] = [
            {"script": "serve.py", "interpreter": "/usr/bin/python3", **fixed["backend"]},
            {"script": "serve.js", "exec_mode": "cluster", "instances": 2, **fixed["frontend"]},
        ]
        sleep = {"script": "/usr/bin/sleep", "args": ["infinity"], "interpreter": "none"}
        apps.append({**sleep, "name": "optibid-postgres"})
        (self.folder / "apps.json").write_text(json.dumps({"apps": apps}))
        self.pm2("start", str(self.folder / "apps.json"))

    def pm2(self, *words: str) -> str:
        done = subprocess.run(
            [PM2, *words], env={**os.environ, **self.env}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()


@pytest.fixture
def place(
    tmp_path: Path, postgres: PostgresServer, host_env: dict[str, str]
) -> Iterator[Processes]:
    made = Processes(tmp_path, postgres, host_env)
    with contextlib.ExitStack() as stack:
        stack.callback(made.pm2, "kill")
        made.start()
        stack.enter_context(made.host())
        yield made


async def test_a_whole_window_there_and_back_beside_a_database_that_runs_on(
    place: Processes,
) -> None:
    (place.room / "notes.txt").write_text("changed by hand\n")
    database, dump = place.pm2("pid", "optibid-postgres"), place.dump()
    await until_running(place, "v1")
    async with place.window() as window:
        await window.not_ready("no previous.build yet (1.2-build)")
        assert await window.all_done(before="1.1d") == {}
        outcome, said = await window.tried("1.1d")  # the release changes that file too
        assert outcome is e.Outcome.FAILED
        assert "Entry 'notes.txt' not uptodate. Cannot merge." in said
        place.checkout.git("checkout", "--quiet", "notes.txt")
        assert await window.all_done() == {}
        assert (running(place), place.built()) == (["v2", "v2"], "v2")
        (place.room / "notes.txt").write_text("in a hurry\n")
        action = await window.rolled_back()
        assert action.outcome is e.Outcome.SUCCEEDED, window.ended(action.stopped_at_step)
        assert action.steps == ("R1-pm2", "R2", "R3-pm2", "R3b-pm2", "R4a", "R4b", "R5")
        assert (running(place), place.built(), place.dump()) == (["v1", "v1"], "v1", dump)
        assert (place.room / "notes.txt").read_text() == "v1\n"
        assert place.pm2("pid", "optibid-postgres") == database
        reply = await window.do(c.StartAction("rollback", "rollback"))
        assert isinstance(reply, c.Refused)
        assert "there is nothing to do" in reply.why


async def test_what_the_host_lacks_and_an_old_process_that_keeps_the_port_are_named(
    place: Processes,
) -> None:
    said = await place.said_by("1.1-app-pm2", FRONTEND_APP="optibid-frontend")
    assert "lacks: no application optibid-frontend (FRONTEND_APP)" in said
    place.values["START_TIMEOUT"] = "2s"
    place.pm2("stop", "optibid-backend")
    async with place.window(*RECORDED, *DEPLOYED) as window:
        with place.keeping("backend", place.folders["backend"]) as pid:
            await window.done(*RECORDED, *DEPLOYED[:3])
            outcome, said = await window.tried("3.3a")
        assert outcome is e.Outcome.TIMED_OUT
        kept = (
            f"port {place.ports['backend']} is kept by an old process, started before the restart"
        )
        assert f"{kept}: {pid} (python3)" in said


async def test_a_process_that_does_not_stay_up_is_no_deployment_and_a_build_that_is_gone_is_said(
    place: Processes,
) -> None:
    judged = "sha256sum --check --quiet'\nevery = "
    place.edits[f'{judged}"60s"'] = f'{judged}"1s"'
    judged = 'evidence = ["backend-process"]\n'
    place.edits[judged] = f'{judged}evidence_timeout = "2s"\n'
    async with place.window(*RECORDED, *DEPLOYED[:3]) as window:
        await window.done(*RECORDED, *DEPLOYED[:2])
        (place.room / "backend/serve.py").write_text("exit(1)\n")
        outcome, said = await window.tried("3.2-pm2")
        assert outcome is e.Outcome.FAILED
        assert "backend-process failing" in said
        build = Path(window.state.facts["previous.build"])
        build.rename(build.with_suffix(".elsewhere"))
        await window.not_ready("the frontend's previous build is there: failing")
        action = await window.act("rollback")
        assert action.stopped_at_step == "R3-pm2"
        assert f"{build}': No such file or directory" in window.ended("R3-pm2")[1]
        build.with_suffix(".elsewhere").rename(build)
        action = await window.decide(e.Choice.RETRY)
        assert action.outcome is e.Outcome.SUCCEEDED, window.ended(action.stopped_at_step)
        assert (running(place), place.built()) == (["v1", "v1"], "v1")
