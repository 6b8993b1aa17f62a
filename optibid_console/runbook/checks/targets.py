"""What must hold in `[targets]` and `[databases]`."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from optibid_console.runbook.checks.checker import Checker
from optibid_console.runbook.cycles import note_cycles
from optibid_console.runbook.layout import LOCAL
from optibid_console.runbook.model import DatabaseSpec, StepKind, TargetSpec
from optibid_console.runbook.positions import KeyPath
from optibid_console.runbook.summary import summary

_LEAST_OUTPUT_CAP = 1 << 20
_DAY_S = 86400.0
_DOCKER_SCHEMES = ("unix", "tcp", "http", "https")
_KEYS_OF_KINDS = {
    "ssh": ("host", "user", "identity", "known_hosts", "ssh_config", "jump", "port"),
    "container": ("container", "docker", "on"),
}


def check_targets(look: Checker) -> None:
    """Note what is wrong with a target, and jumps that go round in a circle."""
    for name, target in look.book.targets.items():
        path: KeyPath = ("targets", name)
        _target(look, path, target)
    jumps = {one.id: _jump_targets(one, look.book.targets) for one in look.book.targets.values()}
    places: dict[str, KeyPath] = {one: ("targets", one, "jump") for one in jumps}
    note_cycles(look.problems, jumps, places, "jumps through")


def _target(look: Checker, path: KeyPath, target: TargetSpec) -> None:
    wanted = {"local": "", "ssh": "host", "container": "container"}
    if target.kind not in wanted:
        look.problems.no_such((*path, "kind"), "kind", target.kind, wanted)
        return
    if target.id == LOCAL and target.kind != "local":
        message = f'the target "{LOCAL}" is always this machine; name it differently'
        look.problems.add((*path, "kind"), message, target.kind)
    missing = wanted[target.kind]
    if missing and not getattr(target, missing):
        look.problems.add((*path, missing), f"{missing} is missing")
    for kind, keys in _KEYS_OF_KINDS.items():
        for key in keys if kind != target.kind else ():
            if getattr(target, key):
                message = f'only belongs to kind = "{kind}"'
                look.problems.add((*path, key), message, getattr(target, key))
    if not 0 <= target.port <= 65535:
        look.problems.add((*path, "port"), "expected 1 to 65535", target.port)
    if target.kind == "container":
        _container(look, path, target)
    if target.output_cap < _LEAST_OUTPUT_CAP:
        look.problems.add((*path, "output_cap"), "expected at least 1MiB", target.output_cap)
    if target.keep_runs < _DAY_S:
        look.problems.add((*path, "keep_runs"), "expected at least 1d", target.keep_runs)


def _migrations(look: Checker, path: KeyPath, database: DatabaseSpec) -> None:
    """Note a release whose files git couldn't name."""
    if not database.revision:
        return
    if database.revision.startswith("-"):
        look.problems.add((*path, "revision"), "can't begin with -", database.revision)
    directory = database.migrations
    if directory.startswith(("/", "~")) or ".." in directory.split("/"):
        message = "with a revision: expected a directory of the checkout, as git names it"
        look.problems.add((*path, "migrations"), message, directory)


def _applied(look: Checker, path: KeyPath, database: DatabaseSpec) -> None:
    """Note a query for another table than the one in which the console's runner records."""
    for _, step in look.book.steps() if database.applied else ():
        by_us = step.kind is StepKind.MIGRATE and step.database == database.id and summary(step.run)
        if by_us:
            message = f"{step.id} has no run: the console's runner records in schema_migrations"
            look.problems.add((*path, "applied"), message, database.applied)


def _container(look: Checker, path: KeyPath, target: TargetSpec) -> None:
    look.name((*path, "on"), "target", target.on, look.book.targets)
    on = look.book.targets.get(target.on)
    if on is not None and on.kind == "container":
        message = "is a container itself; name the machine on which its Docker is"
        look.problems.add((*path, "on"), message, target.on)
    if target.docker and urlsplit(target.docker).scheme not in _DOCKER_SCHEMES:
        look.problems.add((*path, "docker"), "expected unix:///PATH or tcp://HOST:PORT",
                          target.docker)  # fmt: skip


def _jump_targets(target: TargetSpec, targets: Mapping[str, TargetSpec]) -> tuple[str, ...]:
    hops = (hop.strip() for hop in target.jump.split(","))
    return tuple(hop for hop in hops if hop in targets)


def check_databases(look: Checker) -> None:
    """Note what is wrong with a database."""
    for database in look.book.databases.values():
        path: KeyPath = ("databases", database.id)
        look.name((*path, "on"), "target", database.on, look.book.targets)
        for key, least, most in (("port", 1, 65535), ("jobs", 1, 64), ("keep", 1, 10_000)):
            value = getattr(database, key)
            if not least <= value <= most:
                look.problems.add((*path, key), f"expected {least} to {most}", value)
        _migrations(look, path, database)
        _applied(look, path, database)
        if database.jobs > 1 and database.format != "directory":
            message = 'more than one job needs format = "directory"'
            look.problems.add((*path, "jobs"), message, database.jobs)
