"""What must hold of phases, actions and their steps."""

from __future__ import annotations

import re

from optibid_console.recorded import LONGEST_LINE_BYTES
from optibid_console.runbook.checks.checker import Checker, StepAt, steps_at
from optibid_console.runbook.cycles import note_cycles
from optibid_console.runbook.model import (
    FORWARD,
    Action,
    Phase,
    Stack,
    Step,
    StepKind,
)
from optibid_console.runbook.positions import KeyPath
from probes.expectation import regex_problems
from probes.probe import Seconds


def check_phases(look: Checker) -> None:
    """Note phases out of order."""
    look.unique("phase", ((("phases", i), one.id) for i, one in enumerate(look.book.phases)))
    before: Phase | None = None
    for index, phase in enumerate(look.book.phases):
        path: KeyPath = ("phases", index)
        if look.problems.noted((*path, "at")):
            continue
        if before is not None and phase.at < before.at:
            message = f'begins before the phase above it, "{before.id}"'
            look.problems.add((*path, "at"), message, _offset(phase.at))
        if phase.until is not None and phase.until < phase.at:
            message = f"ends before it begins ({_offset(phase.at)})"
            look.problems.add((*path, "until"), message, _offset(phase.until))
        before = phase


def check_actions(look: Checker) -> None:
    """Note actions without steps, and with steps that aren't there."""
    look.unique("action", ((("actions", i), one.id) for i, one in enumerate(look.book.actions)))
    for index, action in enumerate(look.book.actions):
        path: KeyPath = ("actions", index)
        if action.uses and action.steps:
            look.problems.add((*path, "uses"), "has both uses and steps of its own: choose one")
        if not action.uses and not action.steps:
            look.problems.add(path, "has no steps: give it uses or [[actions.steps]]")
        if action.id == FORWARD and action.steps:
            message = "does again what a rollback undid: give it uses, the phases' steps"
            look.problems.add((*path, "steps"), message)
        look.service((*path, "service"), action.service)
        look.names((*path, "uses"), "step", action.uses, look.phase_steps)
        look.names((*path, "ready_when"), "probe", action.ready_when, look.book.probes)


def check_steps(look: Checker) -> None:
    """Note steps that are there twice, undo each other, or say what their kind doesn't."""
    seen: dict[str, list[StepAt]] = {}
    for path, step in steps_at(look.book):
        for other_path, other in seen.setdefault(step.id, []):
            if step.id and may_meet(step, other):
                look.duplicate("step", path, other_path, step.id)
                break
        seen[step.id].append((path, step))
        _step(look, path, step)
    undoes: dict[str, tuple[str, ...]] = {}
    for _, step in steps_at(look.book):
        undoes[step.id] = (*undoes.get(step.id, ()), *step.undoes)
    places: dict[str, KeyPath] = {step.id: (*path, "undoes") for path, step in steps_at(look.book)}
    note_cycles(look.problems, undoes, places, "undoes")


def _step(look: Checker, path: KeyPath, step: Step) -> None:
    look.name((*path, "on"), "target", step.on, look.book.targets)
    look.service((*path, "service"), step.service)
    for key in ("evidence", "wait_for"):
        look.names((*path, key), "probe", getattr(step, key), look.book.probes)
    look.names((*path, "stops"), "probe or panel", step.stops, _observed(look))
    look.names((*path, "undoes"), "step", step.undoes, look.all_steps)
    if path[0] == "phases" and step.undoes:
        look.problems.add((*path, "undoes"), "only belongs to a step of an action")
    wanted = {StepKind.RUN: ("run", "on"), StepKind.WAIT: ("wait_for",)}
    if step.kind.is_operation:
        wanted[step.kind] = ("database",)
        look.name((*path, "database"), "database", step.database, look.book.databases)
        database = look.book.databases.get(step.database)
        if step.kind is StepKind.MIGRATE and database and not database.migrations:
            where: KeyPath = ("databases", database.id, "migrations")
            look.problems.add(where, f"migrations is missing: step {step.id} migrates it")
    for key in wanted.get(step.kind, ()):
        if not getattr(step, key):
            look.problems.add((*path, key), f'{key} is missing: kind is "{step.kind.value}"')
    _only_of_its_kind(look, path, step)
    if step.timeout <= 0:
        look.problems.add((*path, "timeout"), "must be longer than 0", step.timeout)
    if step.record and not re.fullmatch(r"[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)+", step.record):
        message = 'expected a dotted name such as "backup.path"'
        look.problems.add((*path, "record"), message, step.record)
    _expected_record(look, path, step)


def _expected_record(look: Checker, path: KeyPath, step: Step) -> None:
    where = (*path, "expect_record")
    if step.expect_record and not step.record:
        look.problems.add(where, "needs record: the fact that it is about", step.expect_record)
    for problem in regex_problems(step.expect_record, most_bytes=LONGEST_LINE_BYTES):
        look.problems.add(where, problem, step.expect_record)


def _observed(look: Checker) -> tuple[str, ...]:
    return (*look.book.probes, *look.book.panels)


def _only_of_its_kind(look: Checker, path: KeyPath, step: Step) -> None:
    """Note keys that mean nothing for this kind of step."""
    here = f'kind here is "{step.kind.value}"'
    if step.run and not step.kind.launches:
        look.problems.add((*path, "run"), f'only belongs to kind = "run"; {here}', step.run)
    if step.wait_for and step.kind is not StepKind.WAIT:
        message = f'only belongs to kind = "wait"; {here}'
        look.problems.add((*path, "wait_for"), message, step.wait_for)
    if step.database and not step.kind.is_operation:
        message = f'only belongs to kind = "backup", "migrate" or "restore"; {here}'
        look.problems.add((*path, "database"), message, step.database)
    if step.artifact and step.kind is not StepKind.RUN:
        message = f'only belongs to kind = "run"; {here}'
        look.problems.add((*path, "artifact"), message, step.artifact)
    elif step.artifact and not step.record:
        message = "needs record: the fact that its last line becomes"
        look.problems.add((*path, "artifact"), message, step.artifact)
    if step.again and (path[0] != "phases" or step.kind is not StepKind.RUN):
        message = 'only belongs to a kind = "run" of a phase; a backup is done again by itself'
        look.problems.add((*path, "again"), message, step.again)
    if step.as_before and not (step.evidence or step.wait_for):
        look.problems.add((*path, "as_before"), "needs evidence or wait_for that it is about")
    if step.read_only and step.kind.is_operation:
        message = f"a {step.kind.value} changes something: a rehearsal would launch it"
        look.problems.add((*path, "read_only"), message, step.read_only)


def may_meet(one: Step | Action, other: Step | Action) -> bool:
    """Whether both can be in the same window: alternatives for other stacks can't."""
    everywhere = frozenset(Stack)
    return bool((set(one.stack) or everywhere) & (set(other.stack) or everywhere))


def _offset(seconds: Seconds) -> str:
    return f"T{'-' if seconds < 0 else '+'}{abs(seconds) / 60:g}m"
