"""The project's own config.toml, with one stack chosen, run by a whole engine on a real one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from optibid_console.action_plan import action_plan
from optibid_console.runbook.load import load
from optibid_console.state import ActionState
from tests.engine.bench import Bench, driven
from tests.servers.ports import free_port
from tests.servers.sshd import Keys, OpenSshServer
from tests.stacks.release import GIT_ENVIRONMENT, Checkout

CONFIG = Path(__file__).parents[2] / "config.toml"
WITHIN_S = 60.0
SERVICES = ("redis", "kafka", "clickhouse", "mlflow", "minio")
LOADED = """
[targets.{target}]
kind = "ssh"
host = "${{{host}}}"
user = "${{DEPLOY_USER}}"
cwd = "/srv/optibid"
"""
"""How config.toml names its hosts."""

_PARTS = re.compile("optibid-(?=backend|frontend|postgres|[$])")


class Place:
    """OptiBid's hosts: a checkout, what serves it, and the window that deploys there."""

    def __init__(self, folder: Path, stack: str) -> None:
        self.name = f"optibid{secrets.token_hex(3)}"
        """In the place of `optibid` in the names of containers, units and processes."""
        self.folder = folder
        self.room = folder / self.name
        self.stack = stack
        self.release = "v2"
        self.ports = {"backend": free_port(), "frontend": free_port()}
        self.env: dict[str, str] = {}
        """The environment of the runs on its hosts."""
        self.edits: dict[str, str] = {}
        """What else is put into another's place in config.toml."""
        self.target = ""
        """The hosts as `[targets]` has them; empty: an SSH server for this machine."""
        self.checkout: Checkout

    def check_out(self, extra: Mapping[str, str]) -> None:
        """Make the checkout, with these files too."""
        given = {name: self.named(text) for name, text in extra.items()}
        self.checkout = Checkout(self.room, self.ports["backend"], given)

    def named(self, text: str) -> str:
        """The text with this place's names of containers, units and processes."""
        return _PARTS.sub(f"{self.name}-", text)

    @contextlib.contextmanager
    def host(self) -> Iterator[None]:
        """An SSH server whose runs have `env`."""
        keys = Keys(self.folder)
        words = " ".join(f'{name}="{value}"' for name, value in self.env.items())
        sshd = OpenSshServer(keys, f"SetEnv {words} SHLVL=2")
        keys.know(sshd.port)
        spec = keys.spec(sshd.port)
        self.target = (
            f'kind = "ssh"\nhost = "127.0.0.1"\nport = {sshd.port}\nuser = "{spec.user}"\n'
            f'identity = "{spec.identity}"\nknown_hosts = "{spec.known_hosts}"'
        )
        try:
            yield
        finally:
            sshd.stop()

    def config(self) -> str:
        """The project's config.toml with this stack, and these hosts in its hosts' place."""
        text = CONFIG.read_text()
        edits = {'stack = "docker-compose"\n': f'stack = "{self.stack}"\n', **self.edits}
        for target, host in (("app-1", "APP_HOST"), ("db-1", "DB_HOST")):
            edits[LOADED.format(target=target, host=host)] = (
                f"\n[targets.{target}]\n{self.target}\ncwd = '/srv/optibid'\n"
                f'run_dir = "{self.folder}/runs"\n'
            )
        edits |= {f"[services.{one}]\n": "" for one in SERVICES}
        edits |= {"/srv/optibid": str(self.room), 'every = "15s"': 'every = "1s"'}
        for part, port in (("backend", 8000), ("frontend", 3000)):
            edits[f"localhost:{port}"] = f"localhost:{self.ports[part]}"
        for before, after in edits.items():
            assert before in text, before
            text = text.replace(before, after)
        return self.named(text)

    def environment(self) -> dict[str, str]:
        plain = ("APP_HOST", "DB_HOST", "DB_NAME", "DB_USER", "DEPLOY_USER", "API_HOST",
                 "REDIS_HOST", "KAFKA_HOST", "CLICKHOUSE_HOST")  # fmt: skip
        secret = ("DB_PASSWORD", "TEST_USER_PASSWORD", "REDIS_PASSWORD")
        given = {name: f"of-the-test-{name.lower()}" for name in (*plain, *secret)}
        return {**given, "API_HOST": "localhost", "RELEASE": self.release}

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

    def asked(self) -> list[str]:
        """What the stand-ins were asked since they were made."""
        noted = self.folder / "asked"
        return noted.read_text().splitlines() if noted.exists() else []

    def build(self, release: str) -> None:
        """A build of the frontend."""
        (self.room / "frontend/.next").mkdir()
        (self.room / "frontend/.next/BUILD_ID").write_text(f"{release}\n")

    def built(self) -> str:
        """The release that was built last, of what is served."""
        return (self.room / "frontend/.next/BUILD_ID").read_text().strip()

    def needs(self, name: str, text: str) -> None:
        """Deploy a release that needs something else than what runs: that file differs."""
        self.checkout.change("v2", "v2-needs", name, text)
        self.release = "v2-needs"

    def runs(self, part: str) -> str:
        """The release that answers, or why none does."""
        try:
            url = f"http://127.0.0.1:{self.ports[part]}/health"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(json.load(answer)["release"])
        except OSError as error:
            return f"nothing: {error}"

    @contextlib.asynccontextmanager
    async def window(self, *steps: str) -> AsyncIterator[Window]:
        """A window in which only these steps are left to be done."""
        path = self.folder / "config.toml"
        path.write_text(self.config())
        loaded = load(path, self.environment())
        left_out = [
            e.StepSkipped(step.id, "no part of this test")
            for _, step in loaded.runbook.steps()
            if step.id not in steps
        ]
        journal = self.folder / "window.journal"
        async with driven(loaded, journal, self.room, Window, first=left_out) as made:
            yield made


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
        """Start the action; see `until_it_stands`. OptiBid's database isn't here: the rollback is
        refused with what isn't ready, and begun all the same."""
        reply = await self.do(c.StartAction(action_id, action_id))
        if action_id == "rollback":
            assert isinstance(reply, c.Refused), reply
            assert "PostgreSQL: localhost:" in reply.why
            reply = await self.do(c.StartAction(action_id, reply.words, anyway=True))
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
