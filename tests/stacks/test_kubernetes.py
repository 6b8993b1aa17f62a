"""OptiBid's own runbook on Kubernetes: its kubectl command lines, on a stand-in for a cluster."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from optibid_console import commands as c
from optibid_console import entries as e
from tests.stacks import kubectl
from tests.stacks.conftest import Place, until_running
from tests.stacks.kubectl import REPOSITORY, Cluster, digest

pytestmark = pytest.mark.server("sshd")

RECORDED = ("1.2a-k8s", "1.2b-k8s", "1.2c-k8s", "1.2d-k8s", "1.2e-k8s", "1.2a-git")
BEFORE = ("1.1c-k8s", "1.1d", *RECORDED, "1.2e", "1.2f")
DEPLOYED = ("3.1a", "3.2-k8s", "3.3a", "4.2-k8s", "4.3", "5.1a-k8s")
PARTS = ("backend", "frontend")


def manifest(part: str, release: str) -> dict[str, Any]:
    container = {"name": part, "image": f"{REPOSITORY}/optibid-{part}:{release}"}
    container |= {"env": [{"name": "RELEASE", "value": release}]}  # type: ignore[dict-item]
    return {
        "kind": "Deployment",
        "metadata": {"name": f"optibid-{part}"},
        "spec": {"replicas": 3, "template": {"spec": {"containers": [container]}}},
    }


class Kubernetes(Place):
    """A cluster in which `v1` runs, five times the backend; its front answers all the time."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        super().__init__(folder, "kubernetes")
        manifests = {
            f"kubernetes/k8s-{part}-deployment.yaml": json.dumps(manifest(part, "v1"))
            for part in PARTS
        }
        self.check_out(manifests)
        for part in PARTS:
            name, text = f"kubernetes/k8s-{part}-deployment.yaml", json.dumps(manifest(part, "v2"))
            last = "v2" if part == "backend" else self.release
            self.release = f"v2-{part}"
            self.checkout.change(last, self.release, name, self.named(text))
        programs = folder / "programs"
        programs.mkdir()
        program = programs / "kubectl"
        shutil.copy(kubectl.__file__, program)
        program.write_text(f"#!/usr/bin/python3 -IS\n{program.read_text()}")
        program.chmod(0o755)
        self.env = {**env, "PATH": f"{programs}:{env['PATH']}"}
        self.cluster = Cluster(programs)
        images = [self.image(part, release) for part in PARTS for release in ("v1", "v2")]
        self.cluster.create({one: digest(one) for one in images})
        for part in PARTS:
            self.kubectl("apply", "-f", f"kubernetes/k8s-{part}-deployment.yaml")
        self.kubectl("scale", "deployment", f"{self.name}-backend", "--replicas=5")

    def kubectl(self, *words: str) -> None:
        program = self.folder / "programs/kubectl"
        subprocess.run([program, *words], cwd=self.room, check=True, capture_output=True)

    def image(self, part: str, release: str) -> str:
        return f"{REPOSITORY}/{self.name}-{part}:{release}"

    def by_digest(self, part: str, release: str) -> str:
        image = self.image(part, release)
        return f"{image.rpartition(':')[0]}@{digest(image)}"

    def running(self) -> list[list[str]]:
        return [self.cluster.running(f"{self.name}-{part}") for part in PARTS]

    def all_run(self, release: str, backend: int, frontend: int) -> bool:
        wanted = [[self.by_digest("backend", release)] * backend,
                  [self.by_digest("frontend", release)] * frontend]  # fmt: skip
        return self.running() == wanted


@pytest.fixture
def place(tmp_path: Path, host_env: dict[str, str]) -> Iterator[Kubernetes]:
    made = Kubernetes(tmp_path, host_env)
    with contextlib.ExitStack() as stack:
        for part, port in made.ports.items():
            serve = ["/usr/bin/python3", str(made.room / part / "serve.py"), str(port)]
            front = stack.enter_context(subprocess.Popen(serve))
            stack.callback(front.terminate)
        stack.enter_context(made.host())
        yield made


async def test_back_to_the_digests_templates_and_replicas_that_ran(place: Kubernetes) -> None:
    names = [f"{place.name}-{part}" for part in PARTS]
    templates = [place.cluster.template(one) for one in names]
    annotations = [place.cluster.annotations(one) for one in names]
    async with place.window(*BEFORE, *DEPLOYED) as window:
        await until_running(place, "v1")
        for fact, step in (("backend", "1.2a-k8s"), ("backend-replicas", "1.2c-k8s")):
            await window.not_ready(f"no previous.{fact} yet ({step})")
        await window.done(*BEFORE)
        assert place.all_run("v1", 5, 3)
        await window.done(*DEPLOYED)
        assert place.all_run("v2", 3, 3)
        with place.cluster.change() as known:  # somebody pushes another image with the same tag
            known["registry"][place.image("backend", "v1")] = digest("another")
            known["registry"]["elsewhere"] = digest(place.image("backend", "v1"))
        before = len(place.cluster.asked())
        action = await window.act("rollback")
        assert action.outcome is e.Outcome.SUCCEEDED, window.ended(action.stopped_at_step)
        assert action.steps == ("R1-k8s", "R3-k8s", "R4a", "R4b", "R5")
        assert place.all_run("v1", 5, 3)
        for one, template, annotation in zip(names, templates, annotations, strict=True):
            now = place.cluster.template(one)
            assert "@sha256:" in now["spec"]["containers"][0]["image"]
            for each in (now, template):
                each["spec"]["containers"][0].pop("image")
            assert now == template
            assert place.cluster.annotations(one) == annotation
        backend, frontend = names
        kept = Path(window.state.facts["previous.deployments"]).read_text().splitlines()
        asked = place.cluster.asked()[before:]
        for one in kept:
            asked = [line.replace(one, "KEPT") for line in asked]
        assert asked == [
            f"scale deployment {backend} --replicas=0",
            f"scale deployment {frontend} --replicas=0",
            f"wait --for=delete pod --selector=app={backend} --timeout=90s",
            f"wait --for=delete pod --selector=app={frontend} --timeout=90s",
            f"patch deployment {backend} --type=json '--patch=KEPT'",
            f"patch deployment {frontend} --type=json '--patch=KEPT'",
            f"set image deployment/{backend} backend={place.by_digest('backend', 'v1')}",
            f"set image deployment/{frontend} frontend={place.by_digest('frontend', 'v1')}",
            f"scale deployment {backend} --replicas=5",
            f"scale deployment {frontend} --replicas=3",
            f"rollout status deployment/{backend} --timeout=5m",
            f"rollout status deployment/{frontend} --timeout=5m",
        ]
        reply = await window.do(c.StartAction("rollback", "rollback"))
        assert isinstance(reply, c.Refused)
        assert "there is nothing to do" in reply.why
        action = await window.act("forward")
        assert action.outcome is e.Outcome.SUCCEEDED, window.ended(action.stopped_at_step)
        assert place.all_run("v2", 3, 3)


async def test_a_previous_image_that_is_gone_is_said_by_the_lamp_and_by_the_step(
    place: Kubernetes,
) -> None:
    gone, tag = place.by_digest("backend", "v1"), place.image("backend", "v1")
    async with place.window(*RECORDED, *DEPLOYED[:2]) as window:
        await window.done(*RECORDED, *DEPLOYED[:2])
        with place.cluster.change() as known:
            known["nodes"] = [one for one in known["nodes"] if gone not in one]
            del known["registry"][tag]
        await window.not_ready("the previous images are on a node: failing")
        action = await window.act("rollback")
        assert action.stopped_at_step == "R3-k8s"
        _, said = window.ended("R3-k8s")
        assert f"{place.name}-backend-pod ImagePullBackOff" in said
        assert said.endswith(
            f"{place.name}-backend didn't roll out: the pods that don't run are above"
        )
        with place.cluster.change() as known:
            known["registry"][tag] = digest(tag)
            known["pods"] = [one for one in known["pods"] if one["image"]]
        action = await window.decide(e.Choice.RETRY)
        assert action.outcome is e.Outcome.SUCCEEDED, window.ended(action.stopped_at_step)
        assert place.all_run("v1", 5, 3)


async def test_what_runs_without_one_digest_is_not_recorded(place: Kubernetes) -> None:
    async with place.window("1.2a-k8s") as window:
        with place.cluster.change() as known:
            known["pods"][0]["image"] = place.by_digest("backend", "v2")
        outcome, said = await window.tried("1.2a-k8s")
        assert outcome is e.Outcome.FAILED
        assert "a rollout is under way: the backend's pods run " in said
        with place.cluster.change() as known:
            for one in known["pods"]:
                one["image"] = "sha256:0123abc"
        outcome, said = await window.tried("1.2a-k8s")
        assert outcome is e.Outcome.FAILED
        assert "which no registry has a digest of" in said
