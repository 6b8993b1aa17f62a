"""Leaves out what this deployment doesn't have: other stacks, absent optional services."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from optibid_console.criteria import parse
from optibid_console.runbook.checks import steps_at
from optibid_console.runbook.model import (
    Action,
    CheckItem,
    Criterion,
    ProbeSpec,
    Runbook,
    Step,
    StepKind,
    TailSpec,
)
from optibid_console.runbook.positions import KeyPath
from optibid_console.runbook.problems import Problems


def chosen(runbook: Runbook, problems: Problems) -> Runbook:
    """The runbook of one stack and its services; notes what is left without a meaning.

    A name of a left-out probe in evidence, and of a left-out step in `uses` and
    `undoes`, goes with it. A wait, an action or a criterion that loses all it stands
    on is a problem, because leaving it out would be a guess. A criterion whose own `service`
    isn't there is left to a person, who asserts it.
    """
    return _Chooser(runbook, problems).runbook()


def is_left_out(document: Mapping[str, Any], path: KeyPath, whole: Runbook) -> bool:
    """Whether what stands at `path` of the document belongs to another stack or absent service."""
    node: Any = document
    for key in path:
        if isinstance(node, Mapping) and node is not document and path[0] != "window":
            stacks, service = node.get("stack"), node.get("service")
            if isinstance(stacks, list) and stacks and whole.window.stack.value not in stacks:
                return True
            if isinstance(service, str) and service and service not in whole.services:
                return True
        try:
            node = node[key]
        except (KeyError, IndexError, TypeError):
            return False
    return False


class _Chooser:
    def __init__(self, book: Runbook, problems: Problems) -> None:
        self.book = book
        self.problems = problems
        self.steps_here = {
            step.id
            for path, step in steps_at(book)
            if self._here(step) and (path[0] == "phases" or self._here(book.actions[int(path[1])]))
        }

    def runbook(self) -> Runbook:
        book = self.book
        self._criteria()
        return replace(
            book,
            probes={
                key: replace(one, brought_by=self._kept_steps(one.brought_by))
                for key, one in book.probes.items()
                if self._here(one)
            },
            panels={key: one for key, one in book.panels.items() if self._served(one.service)},
            tails={key: one for key, one in book.tails.items() if self._here(one)},
            phases=tuple(
                replace(phase, steps=self._steps(phase.steps, ("phases", index)))
                for index, phase in enumerate(book.phases)
            ),
            actions=tuple(
                self._action(one, index)
                for index, one in enumerate(book.actions)
                if self._here(one)
            ),
            checklist=tuple(
                replace(section, items=self._items(section.items)) for section in book.checklist
            ),
            criteria=tuple(
                one if self._served(one.service) else _left_to_a_person(one)
                for one in book.criteria
            ),
        )

    def _served(self, service: str) -> bool:
        return not service or service in self.book.services

    def _here(self, one: ProbeSpec | Step | TailSpec | Action) -> bool:
        return self._served(one.service) and (not one.stack or self.book.window.stack in one.stack)

    def _kept_probes(self, names: Iterable[str]) -> tuple[str, ...]:
        probes = self.book.probes
        return tuple(name for name in names if name not in probes or self._here(probes[name]))

    def _kept_observed(self, names: Iterable[str]) -> tuple[str, ...]:
        """Returns the names of probes and panels without those that are left out."""
        probes, panels = self.book.probes, self.book.panels
        return tuple(
            name
            for name in self._kept_probes(names)
            if name in probes or name not in panels or self._served(panels[name].service)
        )

    def _kept_steps(self, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(name for name in names if name in self.steps_here)

    def _steps(self, steps: tuple[Step, ...], parent: KeyPath) -> tuple[Step, ...]:
        kept = []
        for number, step in enumerate(steps):
            undoes = self._kept_steps(step.undoes)
            if not self._here(step) or (step.undoes and not undoes):
                continue
            wait_for = self._kept_probes(step.wait_for)
            if step.kind is StepKind.WAIT and step.wait_for and not wait_for:
                self.problems.add(
                    (*parent, "steps", number, "wait_for"),
                    "waits only for probes of services that [services] doesn't have; "
                    "give the step that service too",
                    list(step.wait_for),
                )
            evidence = self._kept_probes(step.evidence)
            stops = self._kept_observed(step.stops)
            kept.append(
                replace(step, undoes=undoes, wait_for=wait_for, evidence=evidence, stops=stops)
            )
        return tuple(kept)

    def _action(self, action: Action, index: int) -> Action:
        path: KeyPath = ("actions", index)
        made = replace(
            action,
            uses=self._kept_steps(action.uses),
            steps=self._steps(action.steps, path),
            ready_when=self._kept_probes(action.ready_when),
        )
        if (action.uses or action.steps) and not (made.uses or made.steps):
            stack = self.book.window.stack.value
            message = f'has no step left for stack "{stack}" and the services in [services]'
            self.problems.add((*path, "uses" if action.uses else "steps"), message)
        return made

    def _items(self, items: tuple[CheckItem, ...]) -> tuple[CheckItem, ...]:
        return tuple(
            replace(item, probe="".join(self._kept_probes([item.probe])))
            for item in items
            if self._served(item.service)
        )

    def _criteria(self) -> None:
        for index, criterion in enumerate(self.book.criteria):
            try:
                clauses = parse(criterion.fail_when) if criterion.fail_when else ()
            except ValueError:
                continue  # noted where the criteria are checked
            for clause in clauses if self._served(criterion.service) else ():
                known = self.book.probes if clause.subject == "probe" else self.book.panels
                one = known.get(clause.id)
                if one is not None and not self._served(one.service):
                    service = one.service
                    self.problems.add(
                        ("criteria", index, "fail_when"),
                        f'judges the {clause.subject} "{clause.id}" of a service that isn\'t '
                        f"there; add [services.{service}], give the criterion service = "
                        f'"{service}", or take it out',
                        criterion.fail_when,
                    )


def _left_to_a_person(criterion: Criterion) -> Criterion:
    """Returns the criterion without its rule: nothing measures it."""
    return Criterion(criterion.id, criterion.title, service=criterion.service)
