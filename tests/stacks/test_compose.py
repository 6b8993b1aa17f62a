"""OptiBid's own runbook on Docker Compose: deployed, and rolled back to the very images."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from tests.servers.docker import IMAGE, DockerServer
from tests.stacks.conftest import Place, Window, running, until_running

pytestmark = [pytest.mark.server("docker"), pytest.mark.server("docker-compose")]

SERVICE = """
  {part}:
    container_name: optibid-{part}
    image: optibid-{part}:latest
    build: {part}
    network_mode: host
    volumes: ["/usr:/usr:ro"]
"""
DATABASE = """
  postgres:
    container_name: optibid-postgres
    image: {image}
    network_mode: none
    volumes: ["/usr:/usr:ro"]
    command: ["/usr/bin/python3", "-c", "import signal; signal.pause()"]
"""
DOCKERFILE = """
FROM {image}
LABEL place=optibid-backend
COPY serve.py RELEASE /srv/
CMD ["/usr/bin/python3", "/srv/serve.py", "{port}"]
"""

PLUGIN = """#!/bin/sh
[ "$1" != docker-cli-plugin-metadata ] || {{
    echo '{{"SchemaVersion": "0.1.0", "Vendor": "the test", "Version": "v2.0.0"}}'; exit
}}
shift
exec {compose} "$@"
"""

RECORDED = ("1.2a", "1.2b", "1.2b-keep", "1.2a-git")
BEFORE = ("1.1c", "1.1d", *RECORDED, "1.2e", "1.2f")
DEPLOYED = ("3.1a", "3.1b-docker", "3.2-docker", "3.3a", "3.3b", "4.2-docker", "4.3", "5.1a")
IMAGES = "the previous images are on the host"


class Compose(Place):
    """A Docker with OptiBid's containers, and a database's beside them."""

    def __init__(self, folder: Path, docker: DockerServer, env: Mapping[str, str]) -> None:
        super().__init__(folder, "docker-compose")
        self.docker = docker
        self.env = {**env, "DOCKER_HOST": docker.url}
        for part in ("backend", "frontend"):
            named = f'container = "optibid-{part}"\n'
            self.edits[named] = f'{named}docker = "{docker.url}"\n'
        text = "version: '3'\nservices:" + SERVICE.format(part="backend")
        text += SERVICE.format(part="frontend") + DATABASE.format(image=IMAGE)
        files = {
            f"{part}/Dockerfile": DOCKERFILE.format(image=IMAGE, port=self.ports[part])
            for part in ("backend", "frontend")
        }
        self.check_out({"docker-compose.yml": text, **files})

    def compose(self, *words: str) -> None:
        env = {**os.environ, "DOCKER_HOST": self.docker.url}
        done = subprocess.run(
            ["docker-compose", *words], cwd=self.room, env=env, capture_output=True, text=True
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
        return self.docker.cli("inspect", "--format", f"{{{{{what}}}}}", f"{self.name}-{part}")

    def images(self) -> list[str]:
        """The ids of the images from which backend and frontend run."""
        return [self.inspect(part, ".Image") for part in ("backend", "frontend")]

    def prune(self) -> None:
        """Clear away what nothing names, as some hosts do every night; but of this place."""
        own = f"label=place={self.name}-backend"
        self.docker.cli("image", "prune", "--force", "--filter", own)

    def clear(self) -> None:
        self.compose("down", "--timeout", "0")
        listed = self.docker.cli("images", "--quiet", f"{self.name}-*")
        if listed:
            self.docker.cli("rmi", "--force", *dict.fromkeys(listed.split()))
        self.prune()


@pytest.fixture
def place(
    tmp_path: Path, docker_server: DockerServer, host_env: dict[str, str]
) -> Iterator[Compose]:
    made = Compose(tmp_path, docker_server, host_env)
    with contextlib.ExitStack() as stack:
        stack.enter_context(made.host())
        stack.callback(made.clear)
        made.compose("up", "--detach", "--build")
        yield made


async def until_answered(window: Window) -> None:
    healthy = ("backend-health", "frontend")
    await window.until(
        lambda state: all(
            one in state.readings and state.readings[one].status == "ok" for one in healthy
        ),
        60,
    )


async def test_back_to_the_very_images_beside_a_database_that_runs_on(place: Compose) -> None:
    compose_file = place.room / "docker-compose.yml"
    by_hand = compose_file.read_text() + "# changed by hand\n"
    compose_file.write_text(by_hand)
    images, database = place.images(), place.inspect("postgres", ".State.StartedAt")
    async with place.window(*BEFORE, *DEPLOYED) as window:
        await until_answered(window)
        assert window.planned("rollback") == ()
        reply = await window.do(c.StartAction("rollback", "rollback"))
        assert isinstance(reply, c.Refused)
        assert "there is nothing to do" in reply.why
        await window.not_ready("no previous.backend yet (1.2a)")
        await window.done(*BEFORE)
        # a build that only tries takes the name of what runs from nobody
        latest = [f"{place.name}-{part}:latest" for part in ("backend", "frontend")]
        ids = place.docker.cli("image", "inspect", "--format", "{{.Id}}", *latest)
        assert ids.split() == images
        for part, image in zip(("backend", "frontend"), images, strict=True):
            assert window.state.facts[f"previous.{part}"] == image
        await window.done(*DEPLOYED)
        assert running(place) == ["v2", "v2"]
        assert not set(place.images()) & set(images)
        place.prune()
        action = await window.act("rollback")
        assert action.outcome is e.Outcome.SUCCEEDED, window.ended(action.stopped_at_step)
        assert action.steps == ("R1", "R3", "R4a", "R4b", "R5")
        assert running(place) == ["v1", "v1"]
        assert place.images() == images
        assert compose_file.read_text() == by_hand
        assert place.inspect("postgres", ".State.StartedAt") == database
        assert place.inspect("postgres", ".State.Running") == "true"
        reply = await window.do(c.StartAction("rollback", "rollback"))
        assert isinstance(reply, c.Refused)
        assert "there is nothing to do" in reply.why
        action = await window.act("forward")
        assert action.outcome is e.Outcome.SUCCEEDED, window.ended(action.stopped_at_step)
        await until_running(place, "v2")


async def test_a_previous_image_that_is_gone_is_said_by_the_lamp_and_by_the_step(
    place: Compose,
) -> None:
    images = place.images()
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


async def test_what_runs_another_image_in_the_end_is_no_rollback_with_compose_2_too(
    place: Compose,
) -> None:
    """The command lines as with `docker compose`: here that plugin hands on to Compose 1."""
    place.make_compose_a_plugin()
    with place.host():
        async with place.window(*RECORDED, *DEPLOYED[:4]) as window:
            await window.done(*RECORDED, *DEPLOYED[:2])
            # an image of its own, as in a file that somebody made once
            other = place.room / "docker-compose.override.yml"
            other.write_text(
                f"version: '3'\nservices:\n  backend:\n    image: {place.name}-backend:mine\n"
            )
            place.docker.cli("tag", place.images()[0], f"{place.name}-backend:mine")
            outcome, said = await window.tried("3.2-docker")
            assert outcome is e.Outcome.FAILED
            assert f"{place.name}-backend runs {place.images()[0]}, not " in said
            place.docker.cli("tag", f"{place.name}-backend:v2", f"{place.name}-backend:mine")
            await window.done(*DEPLOYED[2:4])
            action = await window.act("rollback")
            assert action.stopped_at_step == "R3"
            _, said = window.ended("R3")
            assert f"{place.name}-backend runs {place.images()[0]}, not " in said
            other.unlink()
            action = await window.decide(e.Choice.RETRY)
            assert action.outcome is e.Outcome.SUCCEEDED
            assert running(place) == ["v1", "v1"]
