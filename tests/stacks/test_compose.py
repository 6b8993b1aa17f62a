"""OptiBid's own runbook on Docker Compose: deployed, and rolled back to the very images."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from tests.servers.docker import IMAGE, DockerServer
from tests.servers.postgres import PostgresServer
from tests.servers.registry import Registry
from tests.stacks.conftest import Place, running, until_running
from tests.stacks.release import SERVE

pytestmark = [
    pytest.mark.server(one)
    for one in ("docker", "docker-compose", "docker-registry", "sshd", "postgres")
]

SERVICES = """
version: '3'
services:
  backend:
    image: {registry}/optibid/backend:latest
    ports: ["127.0.0.1:{backend}:8000"]
    environment: [KEY]
    volumes: ["/usr:/usr:ro"]
    command: ["/usr/bin/python3", "serve.py", "8000", "0.0.0.0"]
  frontend:
    image: {registry}/optibid/frontend:latest
    network_mode: host
    volumes: ["/usr:/usr:ro"]
    command: ["/usr/bin/python3", "serve.py", "{frontend}"]
  postgres:
    image: {image}
    network_mode: none
    volumes: ["/usr:/usr:ro"]
    command: ["/usr/bin/python3", "-c", "import signal; signal.pause()"]
"""
"""The production file: images of a registry, and no `container_name`."""
PLUGIN = """#!/bin/sh
[ "$1" != docker-cli-plugin-metadata ] || {{
    echo '{{"SchemaVersion": "0.1.0", "Vendor": "the test", "Version": "v2.0.0"}}'; exit
}}
shift
exec {compose} "$@"
"""

PARTS = ("backend", "frontend")
RECORDED = ("1.2a", "1.2b", "1.2b-keep", "1.2a-git")
DEPLOYED = ("3.1a", "3.1b-docker", "3.2-docker", "3.3a", "3.3b", "4.1-docker", "4.2-docker", "4.3",
            "5.1a")  # fmt: skip
ROLLBACK = ("R1", "R2", "R3", "R3b", "R4a", "R4b", "R5")
IMAGES = "the previous images are on the host"


class Images:
    """A registry with the images of both releases; `v1` is the latest, too."""

    def __init__(self, folder: Path, docker: DockerServer) -> None:
        self.docker = docker
        self.label = f"place=optibid{secrets.token_hex(3)}"
        self.registry = Registry(folder / "registry")
        for part in PARTS:
            for release in ("v2", "v1"):
                context = folder / f"{part}-{release}"
                context.mkdir()
                (context / "Dockerfile").write_text(
                    f"FROM {IMAGE}\nLABEL {self.label}\nCOPY . /srv/\nWORKDIR /srv\n"
                )
                (context / "serve.py").write_text(SERVE)
                (context / "RELEASE").write_text(f"{release}\n")
                if part == "backend":
                    (context / "requirements.txt").touch()
                self._publish(part, context, release)

    def name(self, part: str) -> str:
        return f"{self.registry.address}/optibid/{part}"

    def _publish(self, part: str, context: Path, release: str) -> None:
        for tag in (release, "latest"):
            name = f"{self.name(part)}:{tag}"
            self.docker.cli("build", "--quiet", "--tag", name, str(context))
            self.docker.cli("push", name)
        self.clear()

    def clear(self) -> None:
        """Leave none of them on the host."""
        listed = self.docker.cli("images", "--quiet", "--filter", f"label={self.label}")
        if listed:
            self.docker.cli("rmi", "--force", *dict.fromkeys(listed.split()))


class Compose(Place):
    """A Docker with OptiBid's containers, and a database's beside them."""

    def __init__(
        self, folder: Path, images: Images, postgres: PostgresServer, env: Mapping[str, str]
    ) -> None:
        super().__init__(folder, "docker-compose", postgres)
        self.docker, self.published = images.docker, images
        self.env = {**env, "DOCKER_HOST": self.docker.url}
        self.values |= {"COMPOSE_PROJECT": self.name, "DOCKER_URL": self.docker.url}
        for part in PARTS:
            self.values[f"{part.upper()}_IMAGE"] = images.name(part)
        text = SERVICES.format(registry=images.registry.address, image=IMAGE, **self.ports)
        self.check_out({"v1": {"docker-compose.prod.yml": text}})

    def compose(self, *words: str) -> None:
        env = {**os.environ, "DOCKER_HOST": self.docker.url}
        fixed = ["docker-compose", "--project-name", self.name, "--file", "docker-compose.prod.yml"]
        done = subprocess.run(
            [*fixed, *words], cwd=self.room, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    def make_compose_a_plugin(self) -> None:
        """Let the next host have `docker compose` and no program `docker-compose`."""
        plugins = self.folder / "docker" / "cli-plugins"
        plugins.mkdir(parents=True)
        plugin = plugins / "docker-compose"
        plugin.write_text(PLUGIN.format(compose=shutil.which("docker-compose")))
        plugin.chmod(0o755)
        programs = self.folder / "programs"
        programs.mkdir()
        for folder in reversed(self.env["PATH"].split(os.pathsep)):
            for program in Path(folder).iterdir():
                (programs / program.name).unlink(missing_ok=True)
                (programs / program.name).symlink_to(program)
        (programs / "docker-compose").unlink()
        self.env |= {"PATH": str(programs), "DOCKER_CONFIG": str(plugins.parent)}

    def inspect(self, part: str, what: str) -> str:
        label = f"label=com.docker.compose.service={part}"
        own = f"label=com.docker.compose.project={self.name}"
        found = self.docker.cli("ps", "--all", "--quiet", "--filter", label, "--filter", own)
        return self.docker.cli("inspect", "--format", f"{{{{{what}}}}}", *found.split())

    def images(self) -> list[str]:
        """The ids of the images from which backend and frontend run."""
        return [self.inspect(part, ".Image") for part in ("backend", "frontend")]

    def inspect_image(self, image: str, what: str) -> str:
        return self.docker.cli("image", "inspect", "--format", f"{{{{{what}}}}}", image)

    def prune(self) -> None:
        """Clear away what nothing names, as some hosts do every night; but of this place."""
        own = f"label={self.published.label}"
        self.docker.cli("image", "prune", "--force", "--filter", own)

    def clear(self) -> None:
        self.compose("down", "--timeout", "0")
        self.published.clear()


@pytest.fixture(scope="module")
def images(
    tmp_path_factory: pytest.TempPathFactory, docker_server: DockerServer
) -> Iterator[Images]:
    made = Images(tmp_path_factory.mktemp("images"), docker_server)
    yield made
    made.registry.stop()


@pytest.fixture
def place(
    tmp_path: Path, images: Images, postgres: PostgresServer, host_env: dict[str, str]
) -> Iterator[Compose]:
    made = Compose(tmp_path, images, postgres, host_env)
    with contextlib.ExitStack() as stack:
        stack.enter_context(made.host())
        stack.callback(made.clear)
        made.compose("up", "--detach")
        yield made


async def test_a_whole_window_there_and_back_to_the_very_images(place: Compose) -> None:
    compose_file = place.room / "docker-compose.prod.yml"
    by_hand = compose_file.read_text() + "# changed by hand\n"
    compose_file.write_text(by_hand)
    images, database = place.images(), place.inspect("postgres", ".State.StartedAt")
    dump = place.dump()
    await until_running(place, "v1")
    async with place.window() as window:
        assert window.planned("rollback") == ()
        reply = await window.do(c.StartAction("rollback", "rollback"))
        assert isinstance(reply, c.Refused)
        assert "there is nothing to do" in reply.why
        await window.not_ready("no previous.backend yet (1.2a)")
        assert await window.all_done(before="3.1a") == {}
        for part, image in zip(PARTS, images, strict=True):
            assert window.state.facts[f"previous.{part}"] == image
        assert place.images() == images
        assert await window.all_done() == {}
        assert running(place) == ["v2", "v2"]
        assert not set(place.images()) & set(images)
        place.prune()
        action = await window.rolled_back()
        assert action.outcome is e.Outcome.SUCCEEDED, window.ended(action.stopped_at_step)
        assert action.steps == ROLLBACK
        assert (running(place), place.images(), place.dump()) == (["v1", "v1"], images, dump)
        assert compose_file.read_text() == by_hand
        assert place.inspect("postgres", ".State.StartedAt") == database
        assert place.inspect("postgres", ".State.Running") == "true"
        reply = await window.do(c.StartAction("rollback", "rollback"))
        assert isinstance(reply, c.Refused)
        assert "there is nothing to do" in reply.why
        action = await window.act("forward")
        assert action.outcome is e.Outcome.SUCCEEDED, window.ended(action.stopped_at_step)
        await until_running(place, "v2")


async def test_what_would_answer_in_the_release_s_place_is_named_with_compose_2_too(
    place: Compose,
) -> None:
    """The command lines as with `docker compose`: here that plugin hands on to Compose 1."""
    said = await place.said_by("1.1-app-docker", COMPOSE_FILE="docker-compose.yml")
    assert "lacks: no valid file docker-compose.yml (COMPOSE_FILE)" in said
    place.make_compose_a_plugin()
    place.values["START_TIMEOUT"] = "2s"
    file = place.room / "docker-compose.prod.yml"
    with place.host():
        async with place.window(*RECORDED, *DEPLOYED) as window:
            await window.done(*RECORDED, *DEPLOYED[:2])
            text, before = file.read_text(), place.images()[0]
            (digest,) = json.loads(place.inspect_image(before, "json .RepoDigests"))
            file.write_text(text.replace(f"{place.published.name('backend')}:latest", digest))
            outcome, said = await window.tried("3.2-docker")  # a file that pins an old image
            assert outcome is e.Outcome.FAILED
            assert f"the service backend runs {before}, not sha256:" in said
            file.write_text(text)
            place.compose("stop", "--timeout", "0", "backend", "frontend")
            with place.keeping("backend", place.folders["backend"]):  # Docker can't publish it
                outcome, said = await window.tried("3.2-docker")
            assert outcome is e.Outcome.FAILED
            port = place.ports["backend"]
            assert f"an old process keeps the port: listen tcp4 127.0.0.1:{port}: bind" in said
            await window.done(*DEPLOYED[2:6])
            with place.keeping("frontend", place.folders["frontend"]) as pid:
                await window.done("4.2-docker")
                outcome, said = await window.tried("4.3")
            assert outcome is e.Outcome.TIMED_OUT
            kept = f"port {place.ports['frontend']} is kept by an old process, of no container"
            assert f"{kept} of the release: {pid} (python3)" in said
            await window.done("4.3")


async def test_a_previous_image_that_is_gone_is_said_by_the_lamp_and_by_the_step(
    place: Compose,
) -> None:
    images = place.images()
    place.look_often()
    async with place.window(*RECORDED, *DEPLOYED) as window:
        await window.done(*RECORDED, *DEPLOYED)
        kept = place.folder / "image.tar"
        place.docker.cli("save", "--output", str(kept), images[0])
        place.docker.cli("rmi", "--force", images[0])
        await window.not_ready(f"{IMAGES}: failing")
        action = await window.act("rollback")
        assert action.stopped_at_step == "R3"
        _, said = window.ended("R3")
        assert f"No such image: {images[0]}" in said
        # what is missing is brought back: the same step goes on from there
        place.docker.cli("load", "--input", str(kept))
        action = await window.decide(e.Choice.RETRY)
        assert action.outcome is e.Outcome.SUCCEEDED, window.ended("R3")
        assert place.images() == images
