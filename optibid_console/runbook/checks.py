"""What must hold between the parts of a runbook: names, order, and what a step may say.

Looks at the whole runbook, all stacks and services, so that a mistake in an alternative
is found before the night on which that alternative is chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from urllib.parse import urlsplit

from optibid_console.criteria import parse
from optibid_console.runbook.channel_checks import check_channels
from optibid_console.runbook.cycles import note_cycles
from optibid_console.runbook.gate_checks import check_gates
from optibid_console.runbook.layout import LOCAL, SERVICES, Registry
from optibid_console.runbook.model import (
    FORWARD,
    Action,
    PanelSpec,
    Phase,
    Runbook,
    Stack,
    Step,
    StepKind,
    TargetSpec,
)
from optibid_console.runbook.positions import KeyPath
from optibid_console.runbook.problems import Problems
from optibid_console.runbook.shell_text import REFERENCE
from probes.probe import Seconds

LEAST_OUTPUT_CAP = 1 << 20
_DAY_S = 86400.0
_DOCKER_SCHEMES = ("unix", "tcp", "http", "https")
_KEYS_OF_KINDS = {
    "ssh": ("host", "user", "identity", "known_hosts", "ssh_config", "jump", "port"),
    "container": ("container", "docker", "on"),
}
UNITS = ("", "ms", "s", "ratio", "percent", "bytes", "count", "per_s")

StepAt = tuple[KeyPath, Step]


def check(runbook: Runbook, problems: Problems, registry: Registry) -> None:
    """Note everything in a runbook that names nothing, or contradicts itself."""
    checker = _Checker(runbook, problems)
    checker.window()
    checker.targets()
    checker.databases()
    checker.observed(registry)
    checker.phases()
    checker.actions()
    checker.steps()
    checker.people()
    checker.criteria()
    check_channels(runbook, problems)
    check_gates(runbook, problems)


def steps_at(runbook: Runbook) -> Iterator[StepAt]:
    """Every step of phases and actions with its key path."""
    owners: tuple[tuple[str, tuple[Phase | Action, ...]], ...] = (
        ("phases", runbook.phases),
        ("actions", runbook.actions),
    )
    for section, parents in owners:
        for index, parent in enumerate(parents):
            for number, step in enumerate(parent.steps):
                yield (section, index, "steps", number), step


class _Checker:
    def __init__(self, runbook: Runbook, problems: Problems) -> None:
        self.book = runbook
        self.problems = problems
        self.phase_ids = tuple(one.id for one in runbook.phases)
        self.phase_steps = tuple(step.id for _, step in runbook.steps())
        self.all_steps = tuple(step.id for _, step in steps_at(runbook))

    def window(self) -> None:
        window = self.book.window
        if window.t0 and not _is_moment(window.t0):
            message = "expected HH:MM (UTC) or a moment such as 2026-11-24T21:00:00Z"
            self.problems.add(("window", "t0"), message, window.t0)
        if window.speed <= 0:
            self.problems.add(("window", "speed"), "must be more than 0", window.speed)
        self.name(("window", "baseline_until"), "phase", window.baseline_until, self.phase_ids)

    def targets(self) -> None:
        for name, target in self.book.targets.items():
            path: KeyPath = ("targets", name)
            self._target(path, target)
        jumps = {
            one.id: _jump_targets(one, self.book.targets) for one in self.book.targets.values()
        }
        places: dict[str, KeyPath] = {one: ("targets", one, "jump") for one in jumps}
        note_cycles(self.problems, jumps, places, "jumps through")

    def _target(self, path: KeyPath, target: TargetSpec) -> None:
        wanted = {"local": "", "ssh": "host", "container": "container"}
        if target.kind not in wanted:
            self.problems.no_such((*path, "kind"), "kind", target.kind, wanted)
            return
        if target.id == LOCAL and target.kind != "local":
            message = f'the target "{LOCAL}" is always this machine; name it differently'
            self.problems.add((*path, "kind"), message, target.kind)
        missing = wanted[target.kind]
        if missing and not getattr(target, missing):
            self.problems.add((*path, missing), f"{missing} is missing")
        for kind, keys in _KEYS_OF_KINDS.items():
            for key in keys if kind != target.kind else ():
                if getattr(target, key):
                    message = f'only belongs to kind = "{kind}"'
                    self.problems.add((*path, key), message, getattr(target, key))
        if not 0 <= target.port <= 65535:
            self.problems.add((*path, "port"), "expected 1 to 65535", target.port)
        if target.kind == "container":
            self._container(path, target)
        if target.output_cap < LEAST_OUTPUT_CAP:
            self.problems.add((*path, "output_cap"), "expected at least 1MiB", target.output_cap)
        if target.keep_runs < _DAY_S:
            self.problems.add((*path, "keep_runs"), "expected at least 1d", target.keep_runs)

    def _container(self, path: KeyPath, target: TargetSpec) -> None:
        self.name((*path, "on"), "target", target.on, self.book.targets)
        on = self.book.targets.get(target.on)
        if on is not None and on.kind == "container":
            message = "is a container itself; name the machine on which its Docker is"
            self.problems.add((*path, "on"), message, target.on)
        if target.docker and urlsplit(target.docker).scheme not in _DOCKER_SCHEMES:
            self.problems.add((*path, "docker"), "expected unix:///PATH or tcp://HOST:PORT",
                              target.docker)  # fmt: skip

    def databases(self) -> None:
        for database in self.book.databases.values():
            path: KeyPath = ("databases", database.id)
            self.name((*path, "on"), "target", database.on, self.book.targets)
            for key, least, most in (("port", 1, 65535), ("jobs", 1, 64), ("keep", 1, 10_000)):
                value = getattr(database, key)
                if not least <= value <= most:
                    self.problems.add((*path, key), f"expected {least} to {most}", value)
            if database.jobs > 1 and database.format != "directory":
                message = 'more than one job needs format = "directory"'
                self.problems.add((*path, "jobs"), message, database.jobs)

    def observed(self, registry: Registry) -> None:
        for probe in self.book.probes.values():
            path: KeyPath = ("probes", probe.id)
            self.name((*path, "on"), "target", probe.on, self.book.targets)
            self.service((*path, "service"), probe.service)
            self.positive(path, probe.every, probe.timeout)
        for panel in self.book.panels.values():
            path = ("panels", panel.id)
            self.name((*path, "on"), "target", panel.on, self.book.targets)
            self.positive(path, panel.every, panel.timeout)
            self._panel(path, panel)
        for tail in self.book.tails.values():
            path = ("tails", tail.id)
            self.name((*path, "on"), "target", tail.on, self.book.targets)
            self.service((*path, "service"), tail.service)
            kinds = registry.tail_kinds()
            self.name((*path, "kind"), "kind", tail.kind, kinds)
            wanted = {"file": "path", "container": "container"}.get(tail.kind)
            if wanted and not getattr(tail, wanted):
                self.problems.add((*path, wanted), f'{wanted} is missing: kind is "{tail.kind}"')

    def _panel(self, path: KeyPath, panel: PanelSpec) -> None:
        if panel.unit not in UNITS:
            self.problems.no_such((*path, "unit"), "unit", panel.unit, UNITS[1:])
        for warn, fail, sign in (
            ("warn_above", "fail_above", 1),
            ("warn_below", "fail_below", -1),
        ):
            low, high = getattr(panel, warn), getattr(panel, fail)
            if low is not None and high is not None and low * sign > high * sign:
                self.problems.add((*path, warn), f"warns only after {fail} ({high:g})", low)

    def phases(self) -> None:
        self.unique("phase", ((("phases", i), one.id) for i, one in enumerate(self.book.phases)))
        before: Phase | None = None
        for index, phase in enumerate(self.book.phases):
            path: KeyPath = ("phases", index)
            if self.problems.noted((*path, "at")):
                continue
            if before is not None and phase.at < before.at:
                message = f'begins before the phase above it, "{before.id}"'
                self.problems.add((*path, "at"), message, _offset(phase.at))
            if phase.until is not None and phase.until < phase.at:
                message = f"ends before it begins ({_offset(phase.at)})"
                self.problems.add((*path, "until"), message, _offset(phase.until))
            before = phase

    def actions(self) -> None:
        self.unique("action", ((("actions", i), one.id) for i, one in enumerate(self.book.actions)))
        for index, action in enumerate(self.book.actions):
            path: KeyPath = ("actions", index)
            if action.uses and action.steps:
                self.problems.add((*path, "uses"), "has both uses and steps of its own: choose one")
            if not action.uses and not action.steps:
                self.problems.add(path, "has no steps: give it uses or [[actions.steps]]")
            if action.id == FORWARD and action.steps:
                message = "does again what a rollback undid: give it uses, the phases' steps"
                self.problems.add((*path, "steps"), message)
            self.service((*path, "service"), action.service)
            self.names((*path, "uses"), "step", action.uses, self.phase_steps)
            self.names((*path, "ready_when"), "probe", action.ready_when, self.book.probes)

    def steps(self) -> None:
        seen: dict[str, list[StepAt]] = {}
        for path, step in steps_at(self.book):
            for other_path, other in seen.setdefault(step.id, []):
                if step.id and may_meet(step, other):
                    self._duplicate("step", path, other_path, step.id)
                    break
            seen[step.id].append((path, step))
            self._step(path, step)
        undoes: dict[str, tuple[str, ...]] = {}
        for _, step in steps_at(self.book):
            undoes[step.id] = (*undoes.get(step.id, ()), *step.undoes)
        places: dict[str, KeyPath] = {
            step.id: (*path, "undoes") for path, step in steps_at(self.book)
        }
        note_cycles(self.problems, undoes, places, "undoes")

    def _step(self, path: KeyPath, step: Step) -> None:
        self.name((*path, "on"), "target", step.on, self.book.targets)
        self.service((*path, "service"), step.service)
        for key in ("evidence", "wait_for"):
            self.names((*path, key), "probe", getattr(step, key), self.book.probes)
        self.names((*path, "undoes"), "step", step.undoes, self.all_steps)
        if path[0] == "phases" and step.undoes:
            self.problems.add((*path, "undoes"), "only belongs to a step of an action")
        wanted = {StepKind.RUN: ("run", "on"), StepKind.WAIT: ("wait_for",)}
        if step.kind.is_operation:
            wanted[step.kind] = ("database",)
            self.name((*path, "database"), "database", step.database, self.book.databases)
            database = self.book.databases.get(step.database)
            if step.kind is StepKind.MIGRATE and database and not database.migrations:
                where: KeyPath = ("databases", database.id, "migrations")
                self.problems.add(where, f"migrations is missing: step {step.id} migrates it")
        for key in wanted.get(step.kind, ()):
            if not getattr(step, key):
                self.problems.add((*path, key), f'{key} is missing: kind is "{step.kind.value}"')
        here = f'kind here is "{step.kind.value}"'
        if step.run and not step.kind.launches:
            self.problems.add((*path, "run"), f'only belongs to kind = "run"; {here}', step.run)
        if step.wait_for and step.kind is not StepKind.WAIT:
            message = f'only belongs to kind = "wait"; {here}'
            self.problems.add((*path, "wait_for"), message, step.wait_for)
        if step.database and not step.kind.is_operation:
            message = f'only belongs to kind = "backup", "migrate" or "restore"; {here}'
            self.problems.add((*path, "database"), message, step.database)
        if step.artifact and step.kind is not StepKind.RUN:
            message = f'only belongs to kind = "run"; {here}'
            self.problems.add((*path, "artifact"), message, step.artifact)
        elif step.artifact and not step.record:
            message = "needs record: the fact that its last line becomes"
            self.problems.add((*path, "artifact"), message, step.artifact)
        if step.read_only and step.kind.is_operation:
            message = f"a {step.kind.value} changes something: a rehearsal would launch it"
            self.problems.add((*path, "read_only"), message, step.read_only)
        if step.timeout <= 0:
            self.problems.add((*path, "timeout"), "must be longer than 0", step.timeout)
        if step.record and not re.fullmatch(r"[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)+", step.record):
            message = 'expected a dotted name such as "backup.path"'
            self.problems.add((*path, "record"), message, step.record)

    def people(self) -> None:
        sections = self.book.checklist
        self.unique("section", ((("checklist", i), one.id) for i, one in enumerate(sections)))
        items = []
        for index, section in enumerate(sections):
            path: KeyPath = ("checklist", index)
            self.name((*path, "phase"), "phase", section.phase, self.phase_ids)
            for number, item in enumerate(section.items):
                where = (*path, "items", number)
                items.append((where, item.id))
                self.name((*where, "probe"), "probe", item.probe, self.book.probes)
                self.service((*where, "service"), item.service)
        self.unique("item", items)
        after = Seconds(0)
        for index, rung in enumerate(self.book.escalation):
            self.name(("escalation", index, "contact"), "contact", rung.contact, self.book.contacts)
            if rung.after < after:
                message = "comes before the rung above it"
                self.problems.add(("escalation", index, "after"), message, f"{rung.after:g}s")
            after = rung.after

    def criteria(self) -> None:
        criteria = self.book.criteria
        self.unique("criterion", ((("criteria", i), one.id) for i, one in enumerate(criteria)))
        for index, criterion in enumerate(criteria):
            path: KeyPath = ("criteria", index)
            self.name((*path, "active_from"), "phase", criterion.active_from, self.phase_ids)
            if not criterion.fail_when:
                continue
            where = (*path, "fail_when")
            try:
                clauses = parse(criterion.fail_when)
            except ValueError as error:
                self.problems.add(where, str(error), criterion.fail_when)
                continue
            for clause in clauses:
                known = self.book.panels if clause.subject == "panel" else self.book.probes
                self.name(where, clause.subject, clause.id, known)

    def name(self, path: KeyPath, what: str, name: str, known: Iterable[str]) -> None:
        if name and name not in known and not REFERENCE.search(name):
            self.problems.no_such(path, what, name, known)

    def names(self, path: KeyPath, what: str, names: tuple[str, ...], known: Iterable[str]) -> None:
        for index, name in enumerate(names):
            self.name((*path, index), what, name, known)

    def service(self, path: KeyPath, name: str) -> None:
        self.name(path, "optional service", name, SERVICES)

    def positive(self, path: KeyPath, every: Seconds, timeout: Seconds) -> None:
        for key, value in (("every", every), ("timeout", timeout)):
            if value <= 0:
                self.problems.add((*path, key), "must be longer than 0", value)

    def unique(self, what: str, ids: Iterable[tuple[KeyPath, str]]) -> None:
        seen: dict[str, KeyPath] = {}
        for path, one in ids:
            if one and one in seen:
                self._duplicate(what, path, seen[one], one)
            seen.setdefault(one, path)

    def _duplicate(self, what: str, path: KeyPath, first: KeyPath, name: str) -> None:
        place = self.problems.place((*first, "id"))
        self.problems.add((*path, "id"), f'the {what} "{name}" is there already: {place}', name)


def _jump_targets(target: TargetSpec, targets: Mapping[str, TargetSpec]) -> tuple[str, ...]:
    hops = (hop.strip() for hop in target.jump.split(","))
    return tuple(hop for hop in hops if hop in targets)


def may_meet(one: Step | Action, other: Step | Action) -> bool:
    """Whether both can be in the same window: alternatives for other stacks can't."""
    everywhere = frozenset(Stack)
    return bool((set(one.stack) or everywhere) & (set(other.stack) or everywhere))


def _is_moment(text: str) -> bool:
    if re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        return True
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _offset(seconds: Seconds) -> str:
    return f"T{'-' if seconds < 0 else '+'}{abs(seconds) / 60:g}m"
