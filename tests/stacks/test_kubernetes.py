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
from tests.servers.postgres import PostgresServer
from tests.stacks import kubectl
from tests.stacks.conftest import Place, until_running
from tests.stacks.kubectl import REPOSITORY, Cluster, digest

pytestmark = [pytest.mark.server("sshd"), pytest.mark.server("postgres")]

RECORDED = ("1.2a-k8s", "1.2b-k8s", "1.2c-k8s", "1.2d-k8s", "1.2e-k8s", "1.2a-git")
DEPLOYED = ("3.1a", "3.2-k8s", "3.3a", "4.2-k8s", "4.3", "5.1a-k8s")
ROLLBACK = ("R1-k8s", "R2", "R3-k8s", "R3b-k8s", "R4a", "R4b", "R5")
NAMES = ("optibid-backend", "optibid-frontend")
OF = f"--namespace={kubectl.NAMESPACE}"
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

    def __init__(self, folder: Path, postgres: PostgresServer, env: Mapping[str, str]) -> None:
        super().__init__(folder, "kubernetes", postgres)
        manifests = {
            release: {
                f"kubernetes/k8s-{part}-deployment.yaml": json.dumps(manifest(part, release))
                for part in PARTS
            }
            for release in ("v1", "v2")
        }
        self.check_out(manifests)
        self.stand_ins()
        programs = folder / "programs"
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
        self.kubectl("scale", "deployment", "optibid-backend", "--replicas=5")

    def kubectl(self, *words: str) -> None:
        program = self.folder / "programs/kubectl"
        subprocess.run([program, OF, *words], cwd=self.room, check=True, capture_output=True)

    def image(self, part: str, release: str) -> str:
        return f"{REPOSITORY}/optibid-{part}:{release}"

    def by_digest(self, part: str, release: str) -> str:
        image = self.image(part, release)
        return f"{image.rpartition(':')[0]}@{digest(image)}"

    def running(self) -> list[list[str]]:
        return [self.cluster.running(name) for name in NAMES]

    def all_run(self, release: str, backend: int, frontend: int) -> bool:
        wanted = [[self.by_digest("backend", release)] * backend,
                  [self.by_digest("frontend", release)] * frontend]  # fmt: skip
        return self.running() == wanted


@pytest.fixture
def place(
    tmp_path: Path, postgres: PostgresServer, host_env: dict[str, str]
) -> Iterator[Kubernetes]:
    made = Kubernetes(tmp_path, postgres, host_env)
    with contextlib.ExitStack() as stack:
        for part in made.ports:
            stack.enter_context(made.keeping(part, made.folders[part]))
        stack.enter_context(made.host())
        yield made


async def test_a_whole_window_there_and_back_to_the_digests_templates_and_replicas(
    place: Kubernetes,
) -> None:
    templates = [place.cluster.template(one) for one in NAMES]
    annotations = [place.cluster.annotations(one) for one in NAMES]
    dump = place.dump()
    await until_running(place, "v1")
    async with place.window() as window:
        for fact, step in (("backend", "1.2a-k8s"), ("backend-replicas", "1.2c-k8s")):
            await window.not_ready(f"no previous.{fact} yet ({step})")
        assert await window.all_done(before="3.1a") == {}
        assert place.all_run("v1", 5, 3)
        assert await window.all_done() == {}
        assert place.all_run("v2", 3, 3)
        with place.cluster.change() as known:  # somebody pushes another image with the same tag
            known["registry"][place.image("backend", "v1")] = digest("another")
            known["registry"]["elsewhere"] = digest(place.image("backend", "v1"))
        before = len(place.cluster.asked())
        action = await window.rolled_back()
        assert action.outcome is e.Outcome.SUCCEEDED, window.ended(action.stopped_at_step)
        assert action.steps == ROLLBACK
        assert place.all_run("v1", 5, 3)
        assert place.dump() == dump
        for one, template, annotation in zip(NAMES, templates, annotations, strict=True):
            now = place.cluster.template(one)
            assert "@sha256:" in now["spec"]["containers"][0]["image"]
            for each in (now, template):
                each["spec"]["containers"][0].pop("image")
            assert now == template
            assert place.cluster.annotations(one) == annotation
        backend, frontend = NAMES
        kept = Path(window.state.facts["previous.deployments"]).read_text().splitlines()
        asked = place.cluster.asked()[before:]
        for one in kept:
            asked = [line.replace(one, "KEPT") for line in asked]
        assert asked == [
            f"{OF} {line}"
            for line in (
                f"scale deployment {backend} --replicas=0",
                f"scale deployment {frontend} --replicas=0",
                f"wait --for=delete pod --selector=app={backend} --timeout=90s",
                f"wait --for=delete pod --selector=app={frontend} --timeout=90s",
                f"patch deployment {backend} --type=json '--patch=KEPT'",
                f"set image deployment/{backend} backend={place.by_digest('backend', 'v1')}",
                f"scale deployment {backend} --replicas=5",
                f"rollout status deployment/{backend} --timeout=5m",
                f"patch deployment {frontend} --type=json '--patch=KEPT'",
                f"set image deployment/{frontend} frontend={place.by_digest('frontend', 'v1')}",
                f"scale deployment {frontend} --replicas=3",
                f"rollout status deployment/{frontend} --timeout=5m",
            )
        ]
        reply = await window.do(c.StartAction("rollback", "rollback"))
        assert isinstance(reply, c.Refused)
        assert "there is nothing to do" in reply.why
        action = await window.act("forward")
        assert action.outcome is e.Outcome.SUCCEEDED, window.ended(action.stopped_at_step)
        assert place.all_run("v2", 3, 3)


async def test_what_the_cluster_lacks_and_an_old_pod_that_still_gets_traffic_are_named(
    place: Kubernetes,
) -> None:
    said = await place.said_by("1.1-app-k8s", KUBE_NAMESPACE="default")
    assert (
        "no deployment optibid-backend in the namespace default (KUBE_BACKEND, KUBE_NAMES" in said
    )
    place.values["START_TIMEOUT"] = "2s"
    async with place.window(*RECORDED, *DEPLOYED) as window:
        await window.done(*RECORDED, *DEPLOYED[:1])
        tag = place.image("backend", "v2")
        with place.cluster.change() as known:  # a tag that still means the old image
            known["registry"][tag] = known["registry"][place.image("backend", "v1")]
        outcome, said = await window.tried("3.2-k8s")
        assert outcome is e.Outcome.FAILED
        assert f"the pods run {place.by_digest('backend', 'v1')}, as before" in said
        with place.cluster.change() as known:
            known["registry"][tag] = digest(tag)
            known["pods"] = [one for one in known["pods"] if one["of"] != NAMES[0]]
        await window.done("3.2-k8s")
        with place.cluster.change() as known:  # of another deployment, with the same labels
            old = {"of": NAMES[0], "image": place.by_digest("backend", "v1"), "ends": False}
            known["pods"].append({"name": "old-backend-pod", "made_of": "", **old})
        outcome, said = await window.tried("3.3a")
        assert outcome is e.Outcome.TIMED_OUT
        assert f"an old pod still gets traffic: old-backend-pod runs {REPOSITORY}/" in said
        with place.cluster.change() as known:
            known["pods"] = [one for one in known["pods"] if one["name"] != "old-backend-pod"]
        await window.done("3.3a")


async def test_a_previous_image_that_is_gone_is_said_by_the_lamp_and_by_the_step(
    place: Kubernetes,
) -> None:
    place.look_often()
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
        assert "optibid-backend-pod ImagePullBackOff" in said
        assert said.endswith("optibid-backend didn't roll out: the pods that don't run are above")
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
