"""A stand-in for kubectl: a cluster that is one file, and every command line in another.

It knows the deployments' templates, annotations and replicas, the pods that run (also while
they end), the services and the pods to which they send traffic, which images a registry has and
which the nodes have, and the few verbs and output formats of config.toml. All of it is in one
namespace. `Cluster` is the test's hand in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

REPOSITORY = "registry.example"
NAMESPACE = "optibid"


def digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


class Cluster:
    """The file; `change` is one transaction on it."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "cluster.json"
        self._lines = folder / "kubectl.log"

    def create(self, registry: Mapping[str, str]) -> None:
        """An empty one; `registry`: image with its tag → digest."""
        known = {"deployments": {}, "pods": [], "registry": dict(registry), "nodes": []}

        self._file.write_text(json.dumps(known))
        self._lines.touch()

    @contextlib.contextmanager
    def change(self) -> Iterator[dict[str, Any]]:
        with self._file.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            known = json.load(file)
            yield known
            file.seek(0)
            file.truncate()
            json.dump(known, file)

    def note(self, words: list[str]) -> None:
        with self._lines.open("a") as lines:
            lines.write(json.dumps(words) + "\n")

    def asked(self) -> list[str]:
        """The command lines that change something or wait, in order."""
        lines = [json.loads(line) for line in self._lines.read_text().splitlines()]
        return [shlex.join(words) for words in lines]

    def running(self, name: str) -> list[str]:
        """The images of a deployment's pods, by digest."""
        with self.change() as known:
            pods = [one for one in known["pods"] if one["of"] == name and not one["ends"]]
            return [one["image"] for one in pods]

    def template(self, name: str) -> dict[str, Any]:
        with self.change() as known:
            return dict(known["deployments"][name]["template"])

    def annotations(self, name: str) -> dict[str, str]:
        with self.change() as known:
            return dict(known["deployments"][name]["annotations"])


class Kubectl:
    """One command on the cluster."""

    def __init__(self, known: dict[str, Any], words: list[str], text: str) -> None:
        self.known = known
        self.given = [one for one in words if not one.startswith("-")]
        self.options = [one for one in words if one.startswith("-")]
        self.text = text

    def option(self, name: str) -> str:
        begins = f"--{name}="
        return next((one[len(begins) :] for one in self.options if one.startswith(begins)), "")

    def run(self) -> None:
        if self.option("namespace") != NAMESPACE and self.given[:2] != ["get", "nodes"]:
            refuse(
                f'Error from server (NotFound): namespace "{self.option("namespace")}" not found'
            )
        verb = getattr(self, f"do_{self.given[0]}", None)
        if verb is None:
            refuse(f'unknown command "{self.given[0]}" for "kubectl"')
        verb(*self.given[1:])

    def deployment(self, name: str) -> dict[str, Any]:
        found = self.known["deployments"].get(name.removeprefix("deployment/"))
        return found or refuse(f'Error from server (NotFound): deployments.apps "{name}" not found')

    def do_get(self, kind: str, *rest: str) -> None:
        out = rest[-1] if rest else "table"
        if kind == "deployment":
            print(self._of_deployment(rest[0], out), end="")
        elif kind == "service":
            self.deployment(rest[0])
            print(f"service/{rest[0]}")
        elif kind == "endpoints":
            for one in self._own_pods(rest[0]):
                if one["image"]:
                    print(one["name"])
        elif kind == "pod":
            named = [one for one in self.known["pods"] if one["name"] == rest[0]]
            if not named or f'name=="{rest[0].split("-")[1]}")' not in out:
                refuse(f'Error from server (NotFound): pods "{rest[0]}" not found')
            print(f"docker-pullable://{named[0]['image']}", end="")
        elif kind == "nodes":
            for names in self.known["nodes"]:
                print(json.dumps(names))
        elif kind == "pods" and out == "table":
            for one in self.known["pods"]:
                if one["image"] and self.option("field-selector") == "status.phase!=Running":
                    continue
                print(f"{one['of']}-pod {'Running' if one['image'] else 'ImagePullBackOff'}")
        elif kind == "pods":
            self._pods(out)
        else:
            refuse(f"no such get: {kind} {rest}")

    def _of_deployment(self, name: str, out: str) -> str:
        one = self.deployment(name)
        if out.startswith("go-template=") and ".spec.selector.matchLabels" in out:
            return f"app={name},"
        what = out.removeprefix("jsonpath=")
        available = len([pod for pod in self._own_pods(name) if pod["image"]])
        if out == "name":
            return f"deployment.apps/{name}\n"
        answers = {
            "{.spec.template}": json.dumps(one["template"]),
            "{.metadata.annotations}": json.dumps(one["annotations"]),
            "{.spec.replicas}": str(one["replicas"]),
            "{.status.availableReplicas}/{.spec.replicas}": f"{available or ''}/{one['replicas']}",
        }
        return answers[what] if what in answers else refuse(f"no such output: {out}")

    def _pods(self, out: str) -> None:
        name = self.option("selector").removeprefix("app=")
        if out == "name":
            for one in self._own_pods(name, ending=True):
                print(f"pod/{one['of']}-pod")
            return
        part = name.rpartition("-")[2]
        wanted = '{range .items[*]}{.status.containerStatuses[?(@.name=="%s")].imageID}{"\\n"}{end}'
        if out != f"jsonpath={wanted % part}":
            refuse(f"no such output: {out}")
        for one in self._own_pods(name):
            if one["image"]:
                print(f"docker-pullable://{one['image']}")

    def _own_pods(self, name: str, *, ending: bool = False) -> list[dict[str, Any]]:
        return [
            one for one in self.known["pods"] if one["of"] == name and (ending or not one["ends"])
        ]

    def do_apply(self, file: str = "") -> None:
        manifest = json.loads(self.text if file in ("", "-") else Path(file).read_text())
        name = manifest["metadata"]["name"]
        if "--dry-run=server" in self.options:
            print(f"deployment.apps/{name} configured (server dry run)")
            return
        annotations = {"last-applied": json.dumps(manifest)}
        made = self.known["deployments"].setdefault(name, {"annotations": {}, "template": {}})
        made["annotations"] |= annotations
        made["replicas"] = manifest["spec"].get("replicas", made.get("replicas", 1))
        made["template"] = manifest["spec"]["template"]
        self._settle(name)
        print(f"deployment.apps/{name} configured")

    def do_patch(self, kind: str, name: str) -> None:
        one = self.deployment(name)
        for change in json.loads(self.option("patch")):
            key = {"/spec/template": "template", "/metadata/annotations": "annotations"}
            one[key[change["path"]]] = change["value"]
        self._settle(name)
        print(f"deployment.apps/{name} patched")

    def do_set(self, what: str, name: str, image: str) -> None:
        part, _, wanted = image.partition("=")
        for container in self.deployment(name)["template"]["spec"]["containers"]:
            if container["name"] == part:
                container["image"] = wanted
        self._settle(name.removeprefix("deployment/"))
        print(f"{name} image updated")

    def do_scale(self, kind: str, name: str) -> None:
        self.deployment(name)["replicas"] = int(self.option("replicas"))
        self._settle(name)
        print(f"deployment.apps/{name} scaled")

    def do_logs(self) -> None:
        for one in self._own_pods(self.option("selector").removeprefix("app=")):
            print(f"INFO:     Started server process of {one['name']}")

    def do_rollout(self, what: str, name: str) -> None:
        one = self.deployment(name)
        pods = self._own_pods(name.removeprefix("deployment/"))
        if len([pod for pod in pods if pod["image"]]) < one["replicas"]:
            refuse(f'error: deployment "{name}" exceeded its progress deadline')
        print(f"{name} successfully rolled out")

    def do_wait(self, kind: str) -> None:
        name = self.option("selector").removeprefix("app=")
        pods = self._own_pods(name, ending=True)
        if not pods:
            refuse("error: no matching resources found")  # as before kubectl 1.2x, and some since
        if not all(one["ends"] for one in pods):
            refuse(f"error: timed out waiting for the condition on pods of {name}")
        self.known["pods"] = [one for one in self.known["pods"] if one not in pods]

    def _settle(self, name: str) -> None:
        """Let the pods be what the deployment says. Those of before end slowly."""
        one = self.deployment(name)
        wanted = one["template"]["spec"]["containers"][0]["image"]
        made = json.dumps(one["template"], sort_keys=True)
        keep = [pod for pod in self._own_pods(name) if pod["made_of"] == made][: one["replicas"]]
        for pod in self._own_pods(name):
            if pod not in keep:
                pod["ends"] = True
        for _ in range(one["replicas"] - len(keep)):
            image = self._pulled(wanted)
            made_before = len(self.known["pods"])
            pod = {"of": name, "image": image, "made_of": made, "ends": False}
            self.known["pods"].append({"name": f"{name}-pod-{made_before}", **pod})

    def _pulled(self, wanted: str) -> str:
        """The image by its digest, from a node or the registry; empty: nobody has it."""
        repository = wanted.partition("@")[0].rpartition(":")[0] or wanted.partition("@")[0]
        if "@" in wanted:
            there = any(wanted in names for names in self.known["nodes"])
            there = there or wanted.partition("@")[2] in self.known["registry"].values()
            found = wanted if there else ""
        else:
            known = self.known["registry"].get(wanted)
            found = f"{repository}@{known}" if known else ""
        if found and [found, wanted] not in self.known["nodes"]:
            self.known["nodes"].append([found, wanted])
        return found


def refuse(why: str) -> NoReturn:
    print(why, file=sys.stderr)
    raise SystemExit(1)


def main() -> None:
    cluster = Cluster(Path(__file__).parent)
    words = sys.argv[1:]
    if not {"get", "logs"} & set(words):
        cluster.note(words)
    text = sys.stdin.read() if words[-1] == "-" else ""
    joined = [one for one in words if one not in ("-o", "-f")]
    with cluster.change() as known:
        Kubectl(known, joined, text).run()


if __name__ == "__main__":
    main()
